package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift"
	"berth/drift/explain"
	"berth/drift/report"
)

// explainText explains a resource to people. one tells that only a value was asked for.
func explainText(s streams, told *web.Explained, all, one bool) {
	e := told.Explanation
	out := &plainText{s.Out}
	head := string(e.ID)
	if e.Source.File != "" {
		head += " · " + e.Source.String()
	}
	if e.Site != "" {
		head += " · site " + e.Site
	}
	if c := commitWords(told.Commit, 48); c != "" {
		head += " · " + c
	}
	out.line("%s", head)
	if told.Refused != nil {
		out.line("!! a newer commit is not enforced: %s", told.Refused.Reason)
	}
	if told.Paused != "" {
		out.line("!! %s", told.Paused)
	}
	out.line("%s", e.Standing)
	if e.Remedy != "" {
		out.line("  %s", e.Remedy)
	}
	if !one {
		for _, t := range e.Traits {
			out.line("  %s: %s", t.Name, t.Text)
		}
		if len(e.Needs) > 0 {
			out.line("  needs: %s", joinIDs(e.Needs))
		}
	}
	// A hold of a step is told where the steps are, any other with its first value.
	said := make(map[string]bool)
	for _, step := range e.Steps {
		said[step.Held] = !one
	}
	explainFields(out, e, all || one, said)
	if one {
		return
	}
	explainSteps(out, e)
	explainAround(out, e)
	explainPast(out, e)
}

// plainText writes lines that are safe to show.
type plainText struct{ w io.Writer }

func (p *plainText) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	indent := len(text) - len(strings.TrimLeft(text, " "))
	fmt.Fprintln(p.w, text[:indent]+report.Neutral(text[indent:]))
}

func (p *plainText) title(text string) { fmt.Fprintf(p.w, "\n%s\n", text) }

func joinIDs(ids []desired.ID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, ", ")
}

// explainFields writes a value a line: its sign, what is wanted, where that comes from,
// and what is live where it is another. A reason for a hold that is said is not repeated.
func explainFields(out *plainText, e *explain.Explanation, all bool, said map[string]bool) {
	if len(e.Fields) == 0 {
		return
	}
	out.title("values")
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	left := 0
	for _, f := range e.Fields {
		if !all && !f.Differs && (f.Rule == explain.Default || f.Rule == explain.Unmanaged) {
			left++
			continue
		}
		path := string(f.Path)
		if keys := f.Path.Keys(); e.ID.Kind() == desired.KindPlaybook && len(keys) == 2 {
			path = "on " + keys[1]
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", fieldSign(f), report.Neutral(path), report.Neutral(shorten(wantedText(e, f), 48)), report.Neutral(sourceText(f)), report.Neutral(liveText(e, f, said[f.Held])))
		said[f.Held] = true
	}
	_ = w.Flush()
	for row := range strings.Lines(table.String()) {
		fmt.Fprintln(out.w, strings.TrimRight(row, " \n"))
	}
	if left > 0 {
		out.line("  … %d more that no manifest sets: --verbose lists them", left)
	}
}

func fieldSign(f explain.Field) string {
	switch {
	case f.Held != "":
		return "!"
	case f.Rule == explain.Unwanted, f.Differs && f.Desired == "" && f.From == "":
		return "-"
	case f.Differs:
		return "~"
	case f.Rule == explain.Enforced && f.Seen:
		return "="
	}
	return " "
}

// digests tells of a value that it is one, which tells nobody anything.
func digests(e *explain.Explanation, f explain.Field) bool {
	return e.ID.Kind() == desired.KindPlaybook || f.Path == "cloudInit"
}

// neverRan tells that a playbook has not run on the host of a value.
func neverRan(e *explain.Explanation, f explain.Field) bool {
	return e.ID.Kind() == desired.KindPlaybook && f.Differs && !f.Seen
}

func wantedText(e *explain.Explanation, f explain.Field) string {
	switch {
	case neverRan(e, f):
		return "is to run"
	case digests(e, f) && e.ID.Kind() == desired.KindPlaybook:
		return "has run"
	case digests(e, f):
		return "as in Git"
	case f.From != "":
		return strings.TrimSpace(f.Desired + " (known after " + f.From + ")")
	}
	return cmp.Or(f.Desired, "(none)")
}

func sourceText(f explain.Field) string {
	switch {
	case f.Rule == explain.Default:
		return "by default"
	case f.Rule == explain.Unmanaged:
		return "in no manifest"
	case f.Rule == explain.Unwanted:
		return "not in Git"
	case f.Source.File == "":
		return string(f.Rule)
	case f.Rule == explain.Enforced:
		return f.Source.String()
	}
	return f.Source.String() + ", " + string(f.Rule)
}

// liveText says what is live where that is not what is wanted, and why it is so; said
// tells that why it is held stands elsewhere.
func liveText(e *explain.Explanation, f explain.Field, said bool) string {
	var parts []string
	switch {
	case neverRan(e, f):
		parts = append(parts, strings.TrimSuffix("it has never run there: "+f.Reason, ": "))
	case digests(e, f) && f.Differs:
		parts = append(parts, cmp.Or(f.Reason, "it differs"))
	case digests(e, f):
	case f.Seen && f.Live != f.Desired:
		parts = append(parts, "live: "+shorten(cmp.Or(f.Live, "(none)"), 48))
	case f.Differs && !f.Seen:
		parts = append(parts, "not there")
	}
	switch {
	case neverRan(e, f): // Whoever has moved, that is why.
	case f.Origin == drift.FromGit:
		parts = append(parts, "Git has moved")
	case f.Origin == drift.FromLive:
		parts = append(parts, strings.TrimSuffix("changed live, by "+f.By, ", by "))
	}
	switch {
	case f.Held == "":
	case said:
		parts = append(parts, "held")
	default:
		parts = append(parts, "held: "+f.Held)
	}
	return strings.Join(parts, "; ")
}

// explainSteps tells what is done, or why not.
func explainSteps(out *plainText, e *explain.Explanation) {
	if len(e.Steps) == 0 && len(e.Waits) == 0 {
		return
	}
	out.title("to do")
	said := make(map[string]bool)
	for _, s := range e.Steps {
		sign := "~"
		if s.Held != "" {
			sign = "!"
		}
		out.line("%s %s", sign, strings.TrimSuffix(string(s.Step)+": "+s.Reason, ": "))
		switch {
		case s.Held == "":
		case said[s.Held]:
			out.line("    held, as above")
		default:
			out.line("    held: %s", s.Held)
			said[s.Held] = true
		}
		if len(s.After) > 0 {
			out.line("    after %s", strings.Join(s.After, ", "))
		}
	}
	for _, w := range e.Waits {
		out.line("✗ failed, tried again at %s, or at once by `agent sync`: %s", w.Until.UTC().Format("15:04:05 UTC"), strings.TrimPrefix(string(w.Path)+": "+w.Reason, ": "))
	}
}

// explainAround tells what else bears on it.
func explainAround(out *plainText, e *explain.Explanation) {
	if len(e.Playbooks) > 0 {
		out.title("playbooks for it")
	}
	for _, p := range e.Playbooks {
		sign, text := "=", "nothing is due"
		switch {
		case p.Unknown != "":
			sign, text = "?", "unknown: "+p.Unknown
		case p.Held != "":
			sign, text = "!", strings.TrimPrefix(p.Reason+"; held: ", "; ")+p.Held
		case p.Due:
			sign, text = ">", "due: "+p.Reason
		}
		out.line("%s %s (%s)  %s", sign, p.ID, p.Source, text)
	}
	if len(e.Names) > 0 {
		out.title("names that lead to it")
	}
	for _, n := range e.Names {
		sign := "~"
		if n.State == "live" {
			sign = "="
		}
		out.line("%s %s  %s by %s (%s)", sign, n.Name, n.Way, n.Edge, cmp.Or(n.State, "nobody has looked"))
	}
	if len(e.Approvals) > 0 || e.Windows != "" {
		out.title("what may be done to it")
	}
	for _, a := range e.Approvals {
		text := fmt.Sprintf("approval %s: %s, until %s", a.Source, a.Allow, a.Until)
		if a.Why != "" {
			text += " (" + a.Why + ")"
		}
		if a.Void != "" {
			text += "; it does not count: " + a.Void
		}
		out.line("  %s", text)
	}
	if e.Windows != "" {
		out.line("  %s", e.Windows)
	}
	if len(e.Notes) > 0 {
		out.title("notes")
	}
	for _, n := range e.Notes {
		out.line("i %s", n)
	}
}

// explainPast tells what happened last.
func explainPast(out *plainText, e *explain.Explanation) {
	if len(e.Last) == 0 {
		return
	}
	out.title("what happened last (agent history " + report.Neutral(string(e.ID)) + " has it all)")
	for _, l := range e.Last {
		text := strings.TrimSuffix(l.What+": "+firstLine(l.Reason), ": ")
		c := commitWords(report.Commit{Hash: l.Commit, Subject: l.Subject}, 40)
		if l.Author != "" {
			c += " by " + l.Author
		}
		out.line("  %s  %s  %s", when(l.At), text, c)
	}
}
