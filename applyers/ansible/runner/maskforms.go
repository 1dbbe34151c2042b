package runner

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// forms lists how a value is written by programs, without its blanks: as it is,
// line by line, escaped for JSON, YAML, Python, shells and addresses, in base64 at
// each of the three places where it may begin, and in hex.
func forms(value []byte) [][]byte {
	value = bytes.Trim(value, "\r\n")
	if len(value) < shortest {
		return nil
	}
	pieces := [][]byte{value}
	if lines := bytes.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' }); len(lines) > 1 {
		for _, line := range lines {
			if line = bytes.TrimSpace(line); len(line) >= shortest && bytes.ContainsFunc(line, worded) {
				pieces = append(pieces, line)
			}
		}
	}
	var all []string
	for _, piece := range pieces {
		all = append(all, spellings(string(piece))...)
		all = append(all, hex.EncodeToString(piece), strings.ToUpper(hex.EncodeToString(piece)))
		all = append(all, base64s(piece)...)
	}
	slices.Sort(all)
	var found [][]byte
	for _, form := range slices.Compact(all) {
		solid := bytes.Join(bytes.Fields([]byte(form)), nil)
		if len(solid) >= shortest {
			found = append(found, solid)
		}
	}
	return found
}

// worded tells apart what may be a word from what only divides, as "----" does.
func worded(r rune) bool {
	return r > 127 || strconv.IsPrint(r) && !strings.ContainsRune(" -=_*#.+~", r)
}

func spellings(text string) []string {
	all := []string{
		text,
		// Single quotes are doubled in YAML and closed, quoted and opened in shells.
		strings.ReplaceAll(text, "'", "''"),
		strings.ReplaceAll(text, "'", `'"'"'`),
		strings.ReplaceAll(text, "'", `'\''`),
		url.QueryEscape(text), url.PathEscape(text),
		within(strconv.Quote(text)), within(strconv.QuoteToASCII(text)),
	}
	for _, safe := range []string{"", "/"} {
		all = append(all, percent(text, safe, "%%%02X"), percent(text, safe, "%%%02x"))
	}
	for _, quote := range []string{"", "'", `"`} {
		all = append(all, escaped(text, quote, ""), escaped(text, quote, "x"), escaped(text, quote, "X"))
	}
	ascii := jsonASCII(text)
	all = append(all, ascii, strings.ReplaceAll(ascii, "/", `\/`), escaped(ascii, `"`, ""))
	if !utf8.ValidString(text) {
		return all
	}
	if form, err := yaml.Marshal(text); err == nil && form[0] == '"' {
		all = append(all, within(strings.TrimSpace(string(form))))
	}
	for _, html := range []bool{true, false} {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(html)
		if enc.Encode(text) == nil {
			form := within(strings.TrimSpace(out.String()))
			// JSON within JSON, as in a message of a module that tells of its arguments.
			all = append(all, form, escaped(form, `"`, ""))
		}
	}
	return all
}

// within is what stands between quotes.
func within(quoted string) string { return quoted[1 : len(quoted)-1] }

// percent escapes for an address as Python does: all but letters, digits, _.-~ and
// what is safe.
func percent(text, safe, format string) string {
	var out strings.Builder
	for i := range len(text) {
		b := text[i]
		if b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("_.-~"+safe, b) >= 0 {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, format, b)
		}
	}
	return out.String()
}

// escaped writes backslashes before themselves, quote and control characters; with
// hex, which is x or X, also what is not ASCII is written in hex.
func escaped(text, quote, hex string) string {
	digits := "x"
	if hex != "" {
		digits = hex
	}
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\\' || quote != "" && string(r) == quote:
			out.WriteString(`\` + string(r))
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < 32 || r == 127 || hex != "" && r > 127 && r < 256:
			fmt.Fprintf(&out, `\x%02`+digits, r)
		case hex != "" && r > 0xffff:
			fmt.Fprintf(&out, `\U%08`+digits, r)
		case hex != "" && r > 127:
			fmt.Fprintf(&out, `\u%04`+digits, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// jsonASCII is JSON as Python writes it: nothing but ASCII.
func jsonASCII(text string) string {
	quoted := escaped(text, `"`, "")
	var out strings.Builder
	for _, r := range quoted {
		switch {
		case r <= 127:
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return strings.ReplaceAll(out.String(), `\x`, `\u00`)
}

// base64s are the parts of a base64 text that depend on the value alone, whatever
// stands before and after it, for both alphabets.
func base64s(value []byte) []string {
	var all []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			text := enc.EncodeToString(append(make([]byte, shift), value...))
			// The first characters hold bits of what is before, the last of what is after.
			text = text[[]int{0, 2, 3}[shift]:]
			if (shift+len(value))%3 != 0 {
				text = text[:len(text)-1]
			}
			// Four characters or so occur by chance.
			if len(text) >= 5 {
				all = append(all, text)
			}
		}
	}
	return all
}
