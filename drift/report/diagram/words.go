package diagram

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"berth/drift/report"
)

// most is how many characters of a name are drawn.
const most = 34

// short is a name that is no longer than so many places: what is left out is its
// middle, since names differ at both ends.
func short(s string, places int) string {
	s = report.Neutral(s)
	if report.Cells(s) <= places {
		return s
	}
	runes := []rune(s)
	head, tail := runes, runes
	for {
		if len(head)+len(tail) < 3 {
			return "…"
		}
		if len(head) >= len(tail) {
			head = head[:len(head)-1]
		} else {
			tail = tail[1:]
		}
		if len(head)+len(tail) >= len(runes) {
			continue
		}
		if text := string(head) + "…" + string(tail); report.Cells(text) <= places {
			return text
		}
	}
}

// label is what stands on an arrow, and the part of it that is less important.
func (a *arrow) label() (text, small string) {
	if a.from.sort == internet {
		text = short(strings.Join(a.ports, ", "), most)
		if len(a.ports) > 4 {
			text = fmt.Sprintf("%s and %d more", short(strings.Join(a.ports[:3], ", "), most), len(a.ports)-3)
		}
		if a.proxy {
			small = "PROXY"
		}
		return text, small
	}
	text = a.text
	if text == "" {
		text = names(a.rules, a.all)
	}
	words := []string{}
	said := len(a.rules) == 1 && len(a.ports) == 1 && strings.HasSuffix(a.rules[0], " "+strings.TrimPrefix(a.ports[0], ":"))
	if a.to.sort != panel && !said {
		words = append(words, few(a.ports))
	}
	if a.proxy {
		words = append(words, "PROXY")
	}
	if a.backup {
		words = append(words, "backup")
	}
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	return text, strings.Join(words, " ")
}

// few names the first of many ports.
func few(ports []string) string {
	if len(ports) > 3 {
		return fmt.Sprintf("%s +%d", short(ports[0], 12), len(ports)-1)
	}
	return short(strings.Join(ports, " "), 20)
}

// names folds many names: "app.example.net and 5 more".
func names(rules []string, all bool) string {
	switch {
	case len(rules) == 0:
		return "all other names"
	case len(rules) == 1 && !all:
		return short(rules[0], most)
	case len(rules) == 1:
		return short(rules[0], most-11) + " and others"
	case all:
		return fmt.Sprintf("%s, %d more, others", short(rules[0], most-16), len(rules)-1)
	}
	return fmt.Sprintf("%s and %d more", short(rules[0], most-12), len(rules)-1)
}

// tells is all that an arrow carries, for who points at it or has it read out.
func (a *arrow) tells() string {
	const many = 40
	words := slices.Clone(a.rules[:min(len(a.rules), many)])
	for i := range words {
		words[i] = report.Neutral(words[i])
	}
	if n := len(a.rules); n > many {
		words = append(words, fmt.Sprintf("%d more", n-many))
	}
	if a.all {
		words = append(words, "all other names")
	}
	if a.text != "" && len(words) == 0 {
		words = append(words, a.text)
	}
	from := a.from.title + " to " + a.to.title
	if len(a.ports) > 0 && a.to.sort != panel {
		from += " " + few(a.ports)
	}
	if len(words) == 0 {
		return from
	}
	return from + ": " + strings.Join(words, ", ")
}

// esc makes text part of an XML document.
func esc(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(report.Neutral(s))) // A buffer takes everything.
	return b.String()
}

// byName sorts names: plain ones before those that stand for many, which say less.
func byName(a, b string) int {
	many := func(s string) bool { return strings.HasPrefix(s, ".") || strings.HasPrefix(s, "*") }
	if many(a) != many(b) {
		if many(a) {
			return 1
		}
		return -1
	}
	return natural(a, b)
}

// natural compares as people count: web-2 comes before web-10.
func natural(a, b string) int {
	for i, j := 0, 0; ; {
		if i == len(a) || j == len(b) {
			return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), strings.Compare(a, b))
		}
		x, y := digits(a[i:]), digits(b[j:])
		if x != "" && y != "" {
			nx, ny := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(nx), len(ny)), strings.Compare(nx, ny)); c != 0 {
				return c
			}
			i, j = i+len(x), j+len(y)
			continue
		}
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
		i, j = i+1, j+1
	}
}

// digits is the number that s begins with.
func digits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// count is "1 name" or "3 names".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
