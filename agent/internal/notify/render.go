package notify

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"berth/drift/report"
)

// dialect is how a service wants its text.
type dialect struct {
	// limit is how long a message may be, in bytes.
	limit int
	// titled services show a title apart.
	titled bool
	// escape makes text mean nothing but itself; nil where neutralising is enough.
	escape func(string) string
	// bold marks a title that stands in the text; nil leaves it.
	bold func(string) string
}

// unseen parts what would be read as one: it has no width.
const unseen = "\u200b"

// harmless makes text that machines and people wrote ping nobody and lead nowhere: what
// would be a mention, a link or a command of some service is parted by a character that
// has no width. What is not printable is written as an escape.
func harmless(text string) string {
	text = report.Neutral(text)
	var b strings.Builder
	before := ' '
	for i, r := range text {
		b.WriteRune(r)
		rest := text[i+utf8.RuneLen(r):]
		word := unicode.IsLetter(before) || unicode.IsDigit(before)
		switch {
		case r == '@' && !word, // @everyone, @here, @alice; not root@pam.
			r == '<' && rest != "" && rest[0] != ' ' && rest[0] != '=',                 // <!channel>, <@U1>, <users/all>, <at …>.
			r == ']' && (strings.HasPrefix(rest, "(") || rest != "" && rest[0] == '['), // [text](https://…).
			r == ':' && strings.HasPrefix(rest, "//"),
			(r == 'w' || r == 'W') && !word && len(rest) > 3 && strings.EqualFold(rest[:3], "ww."),
			r == '/' && i == 0: // /command.
			b.WriteString(unseen)
		}
		before = r
	}
	return b.String()
}

// slackEscape is what Slack asks of text: https://docs.slack.dev/messaging/formatting-message-text.
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace(text)
}

// backslashed has nothing of Markdown in it.
func backslashed(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_~|#[]", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// message is what people read of events that belong together.
func (d *dialect) message(all []Event) (title, text string) {
	safe := func(text string) string {
		text = harmless(text)
		if d.escape != nil {
			text = d.escape(text)
		}
		return text
	}
	first := all[0]
	title = first.Title
	if first.Fleet != "" {
		title = first.Fleet + ": " + title
	}
	if len(all) > 1 {
		title += fmt.Sprintf(" (and %d more)", len(all)-1)
	}
	title = first.Kind.sign() + " " + safe(bounded(title, 150))
	var lines []string
	if !d.titled {
		if d.bold != nil {
			lines = append(lines, d.bold(title))
		} else {
			lines = append(lines, title)
		}
	}
	foot := footer(all)
	left := d.limit - len(foot) - 100
	for _, line := range lines {
		left -= len(line) + 1
	}
	missing := 0
	add := func(before, foreign string, length int) {
		if missing > 0 {
			missing++
			return
		}
		line := before + safe(bounded(foreign, length))
		if len(line)+1 > left {
			missing++
			return
		}
		left -= len(line) + 1
		lines = append(lines, line)
	}
	for i, e := range all {
		if len(all) > 1 {
			if i > 0 {
				add("", "", 0)
			}
			add(e.Kind.sign()+" ", e.Title, 150)
		}
		for _, item := range e.Items {
			add("• ", item.String(), longest)
		}
		if e.More > 0 {
			add(fmt.Sprintf("• and %d more", e.More), "", 0)
		}
		for line := range strings.SplitSeq(e.Text, "\n") {
			if line != "" {
				add("", line, longest)
			}
		}
	}
	if missing > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more lines: `agent status` has them", missing))
	}
	if foot != "" {
		lines = append(lines, safe(foot))
	}
	return title, strings.Join(lines, "\n")
}

// footer says where the events come from.
func footer(all []Event) string {
	var parts []string
	last := all[len(all)-1]
	if last.Host != "" {
		parts = append(parts, "on "+last.Host)
	}
	if last.Turn != "" {
		parts = append(parts, "turn "+last.Turn)
	}
	if last.Commit != "" {
		parts = append(parts, "commit "+report.ShortHash(last.Commit))
	}
	return strings.Join(parts, ", ")
}

// String is the item in a line.
func (i Item) String() string {
	text := string(i.ID)
	if len(i.Hosts) > 0 {
		text += " on " + strings.Join(i.Hosts, ", ")
	}
	if i.Field != "" {
		text = strings.TrimSpace(text + " " + i.Field)
	}
	reason := i.Reason
	if i.Was != "" && reason != "" {
		reason = "it was: " + reason
	}
	if reason != "" {
		text = strings.TrimPrefix(text+": "+reason, ": ")
	}
	if !i.Since.IsZero() {
		text += " (since " + i.Since.UTC().Format("2 Jan 15:04 UTC") + ")"
	}
	return text
}

// bounded is a text of at most n bytes, and says so if it is cut.
func bounded(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
