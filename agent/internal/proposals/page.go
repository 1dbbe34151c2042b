package proposals

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"berth/drift/report"
)

const (
	// maxHTML and maxPlain bound a comment: GitHub takes 65,536 characters, Bitbucket
	// Data Center 32,768.
	maxHTML  = 60_000
	maxPlain = 30_000
)

// page is a comment.
type page struct {
	rep           *report.Report
	fleet, branch string
	number        int
	at            time.Time
	// html tells that the forge shows Markdown with HTML in it; else what is not ours
	// stands in a block of text.
	html bool
}

// marker is by which a comment is found again; it is not shown.
func (p page) marker() string {
	if p.html {
		return fmt.Sprintf("<!-- berth plan %s -->", plainName(p.fleet))
	}
	return fmt.Sprintf("[//]: # (berth plan %s)", plainName(p.fleet))
}

// plainName leaves of a name what means nothing to anybody.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '.'
	}, s)
}

// outdated stands above a comment that is of an earlier commit of the branch.
func (p page) outdated(base string) string {
	return fmt.Sprintf("**Stale:** %s is at %s by now; this is planned again soon.\n\n", p.prose(p.branch), report.ShortHash(base))
}

func (p page) prose(s string) string {
	if p.html {
		return report.Prose(s)
	}
	return "`" + strings.Map(func(r rune) rune {
		if r == '`' || r < ' ' {
			return '.'
		}
		return r
	}, s) + "`"
}

// String writes the comment: first what would be lost or out of service, then what was
// planned onto what, then the report.
func (p page) String() string {
	var head strings.Builder
	head.WriteString(p.marker() + "\n")
	dangers := report.Dangers(p.rep)
	for _, d := range dangers {
		fmt.Fprintf(&head, "> ⚠️ **Would %s**\n", p.prose(d))
	}
	if n := p.rep.Summary.Held; n > 0 {
		fmt.Fprintf(&head, "> %d held: see below why\n", n)
	}
	if len(dangers) > 0 || p.rep.Summary.Held > 0 {
		head.WriteString("\n")
	}
	onto := ""
	if p.rep.Proposal != nil {
		onto = report.ShortHash(p.rep.Proposal.Onto.Hash)
	}
	verb := "Planned"
	if p.rep.Refused != nil {
		verb = "Could not plan"
	}
	fmt.Fprintf(&head, "%s %s onto %s (%s) at %s. Nothing is done before it is merged.\n\n",
		verb, report.ShortHash(headOf(p.rep)), onto, p.prose(p.branch), p.at.UTC().Format("2006-01-02 15:04 UTC"))
	if p.html {
		var body strings.Builder
		// A strings.Builder takes all that is written to it.
		_ = report.Markdown(&body, p.rep)
		return head.String() + p.cut(body.String(), maxHTML-head.Len())
	}
	var body strings.Builder
	_ = report.Text(&body, p.rep, report.TextOptions{Now: p.at, Width: 100})
	text := p.cut(body.String(), maxPlain-head.Len()-100)
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return head.String() + fence + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}

// cut leaves whole lines of a text, and says how many it has left out.
func (p page) cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const room = 120
	end := strings.LastIndexByte(text[:max(0, most-room)], '\n') + 1
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	left := strings.Count(text[end:], "\n")
	return text[:end] + fmt.Sprintf("\n… %d more lines: `agent drift --commit %s` shows them.\n", left, report.ShortHash(headOf(p.rep)))
}
