package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Markdown writes the report as GitHub, GitLab and Forgejo show it in a comment.
// Foreign text stands in code, or is escaped: it can neither format, link,
// mention anybody nor bring HTML in.
func Markdown(w io.Writer, r *Report) error {
	m := new(marker)
	m.heading(r)
	m.blocks(blocks(r, false))
	if r.Error != "" {
		m.line("**Error:** " + prose(neutral(r.Error)))
		m.line("")
	}
	if cost := r.cost(); cost != "" {
		m.line("<sub>" + prose(cost) + "</sub>")
	}
	if _, err := m.out.WriteTo(w); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type marker struct {
	out bytes.Buffer
}

func (m *marker) line(s string) {
	m.out.WriteString(s)
	m.out.WriteByte('\n')
}

func (m *marker) heading(r *Report) {
	if r.Refused != nil {
		m.line("**‼ " + prose(refusalWords(r)) + "**")
		m.line("")
		problems := r.Refused.Problems
		for i, one := range problems {
			if i == 30 {
				m.line(fmt.Sprintf("- … %s more mistakes", grouped(len(problems)-i)))
				break
			}
			m.line("- " + code(neutral(one)))
		}
		m.line("")
	}
	if r.Paused != "" {
		m.line("**‼ " + prose(neutral(r.Paused)) + "**")
		m.line("")
	}
	title := r.title(r.Ended)
	for i := range title {
		title[i] = prose(title[i])
	}
	if len(title) > 0 {
		m.line("### " + strings.Join(title, " · "))
		m.line("")
	}
	m.line("**" + prose(r.line()) + "**")
	m.line("")
	extent := r.extent()
	for _, line := range extent {
		m.line(prose(line) + "  ")
	}
	if len(extent) > 0 {
		m.line("")
	}
}

// blocks writes one table; a resource's fields stand below it.
func (m *marker) blocks(all []block) {
	if len(all) == 0 {
		return
	}
	m.line("| | what | from | |")
	m.line("|---|---|---|---|")
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].class == all[0].class {
			n++
		}
		group := all[:n]
		all = all[n:]
		rest := 0
		if limit := group[0].class.listed(); limit > 0 && n > limit+5 {
			rest, group = n-limit, group[:limit]
		}
		for _, b := range group {
			m.block(b)
		}
		if rest > 0 {
			m.row("", fmt.Sprintf("… %s more %s", grouped(rest), group[0].class.name()), "", "")
		}
	}
	m.line("")
}

func (m *marker) row(cells ...string) { m.line("| " + strings.Join(cells, " | ") + " |") }

func (m *marker) block(b block) {
	about := prose(b.words)
	for _, one := range b.remarks {
		if about != "" {
			about += "<br>"
		}
		about += one.markdown()
	}
	id := ""
	if b.id != "" {
		id = "**" + code(b.id) + "**"
	}
	m.row(code(string(b.sign)), id, prose(b.sourceWords()), about)
	for _, r := range b.rows {
		sign := ""
		if r.sign != "" {
			sign = code(string(r.sign))
		}
		words := prose(r.effect)
		if r.remark.word != "" {
			words = r.remark.markdown()
		}
		for _, line := range r.lines {
			if words != "" {
				words += "<br>"
			}
			words += code(line)
		}
		m.row(sign, code(r.path)+" "+code(r.value), prose(r.origin), words)
	}
}

func (m remark) markdown() string {
	switch {
	case m.word == "":
		return prose(m.text)
	case m.word == "│":
		return code(m.text)
	case m.text == "":
		return "**" + prose(m.word) + "**"
	default:
		return "**" + prose(m.word) + "**: " + prose(m.text)
	}
}

// code writes neutral text as code: nothing in there links or mentions.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "<code>" + escape(s) + "</code>"
}

// prose writes neutral text as running text. What would link or mention is
// broken up by a blank of no width, since some renderers look for it after
// entities have been read.
func prose(s string) string {
	s = escape(s)
	// @someone, #1, !1, $1, &1, ~label and GH-1 are people, issues, merge requests,
	// snippets, epics and labels, which hear of who names them; %1 is a milestone.
	for _, one := range []string{"&#64;", "&#35;", "&#33;", "&#36;", "&#38;", "&#126;", "%", "GH-", "Gh-", "gH-", "gh-", "://", "www.", "WWW."} {
		s = strings.ReplaceAll(s, one, one[:len(one)-1]+breakAfter(one))
	}
	return s
}

// breakAfter ends a token with a blank of no width.
func breakAfter(token string) string {
	return token[len(token)-1:] + "&#8203;"
}

// escape writes every character that Markdown or HTML gives a meaning as an
// entity. In Markdown, an entity never is the character's meaning.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 && (unicode.IsPunct(r) || unicode.IsSymbol(r)) && !strings.ContainsRune(".,:;/()'\"-+=%", r) {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
