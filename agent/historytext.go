package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"berth/agent/internal/history"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// beginning keeps the words that begin with what was typed.
func beginning(words []string, begun string) []string {
	var all []string
	for _, word := range words {
		if strings.HasPrefix(word, begun) {
			all = append(all, word)
		}
	}
	return all
}

// commitWords is `3f2a91c "Give the edge less memory" by Ada`, for people.
func commitWords(c report.Commit, subject int) string {
	if c.Hash == "" {
		return ""
	}
	text := report.Neutral(c.Hash[:min(7, len(c.Hash))])
	if c.Subject != "" {
		text += " " + shorten(report.Neutral(c.Subject), subject)
	}
	return text
}

func shorten(text string, runes int) string {
	if r := []rune(text); len(r) > runes {
		return string(r[:runes-1]) + "…"
	}
	return text
}

// when is a time as it is told in lists.
func when(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }

// turnsText lists turns.
func turnsText(s streams, list *history.Turns) {
	defer passedText(s, list.Passed)
	if len(list.Turns) == 0 {
		fmt.Fprintln(s.Out, "nothing: a turn that has nothing to do leaves nothing behind")
		return
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TURN\tWHEN (UTC)\tWHY\tCOMMIT\tBY\tWHAT CAME OF IT")
	for _, t := range list.Turns {
		about := t.Commit
		if t.Result == "refused" && t.Refused != nil {
			about = *t.Refused
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n",
			report.Neutral(t.ID), when(t.Started), shorten(report.Neutral(t.Why), 24), commitWords(about, 32), shorten(report.Neutral(about.Author), 16), outcomeWords(t))
	}
	_ = w.Flush()
	if list.More {
		fmt.Fprintf(s.Out, "… older ones: --limit, or --before %s\n", list.Turns[len(list.Turns)-1].ID)
	}
}

// outcomeWords is what came of a turn, in a line.
func outcomeWords(t history.Turn) string {
	headline, reason := report.Neutral(t.Headline), report.Neutral(firstLine(t.Reason))
	switch t.Result {
	case "refused":
		text := "refused"
		if t.Refused != nil && t.Refused.Hash == "" {
			text = "no newer commit can be had"
		}
		return "! " + shorten(text+": "+reason, 100)
	case "failed":
		if reason != "" {
			return "✗ " + shorten(reason, 100)
		}
		return "✗ " + headline
	case "unended":
		return "… not ended: " + headline
	}
	if !t.Kept && t.Result != "recovered" { // That one had nothing else to report.
		headline += " (its report is kept no more)"
	}
	if t.Refused != nil && t.Refused.Hash != "" {
		headline += "; " + commitWords(*t.Refused, 32) + " refused"
	}
	return headline
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// passedText says what could not be read.
func passedText(s streams, passed []string) {
	for _, one := range passed {
		fmt.Fprintln(s.Err, "agent: passed over:", report.Neutral(one))
	}
}

// storyText tells what happened to a resource.
func storyText(s streams, told *history.Told) {
	defer passedText(s, told.Passed)
	if len(told.Lines) == 0 {
		text := "nothing is known to have happened to " + string(told.Resource)
		if len(told.Near) > 0 {
			text += "; did you mean " + strings.Join(told.Near, " or ") + "?"
		}
		fmt.Fprintln(s.Out, report.Neutral(text))
		return
	}
	for _, l := range told.Lines {
		lineText(s.Out, told.Resource, l)
	}
	if told.More {
		fmt.Fprintf(s.Out, "… and before: --limit, or --before %s\n", told.Lines[len(told.Lines)-1].Turn)
	}
}

// lineText tells one thing that happened; of is what was asked for.
func lineText(out io.Writer, of desired.ID, l history.Line) {
	sign, words := " ", string(l.What)
	switch l.What {
	case history.Failed, history.Unknown:
		sign = "✗"
		if l.What == history.Failed {
			words = string(l.Step) + " failed"
		}
	case history.Held:
		sign = "!"
	case history.Renamed:
		words = "renamed from " + string(l.Former)
	case history.Free, history.Known, history.TurnEnded, history.TurnFailed, history.Refused, history.Recovered:
	}
	if l.ID != of {
		words += ": " + string(l.ID)
	}
	if l.Times > 0 {
		words += fmt.Sprintf(", after it had failed %d times", l.Times)
		words = strings.Replace(words, "failed 1 times", "failed once", 1)
	}
	if reason := report.Neutral(firstLine(l.Reason)); reason != "" && l.What != history.Renamed {
		words += ": " + reason
	}
	from := commitWords(l.Commit, 40)
	if l.Commit.Author != "" {
		from += " by " + shorten(report.Neutral(l.Commit.Author), 24)
	}
	fmt.Fprintf(out, "%s  %s %s\n", when(l.At), sign, report.Neutral(words))
	for _, f := range l.Fields {
		fmt.Fprintf(out, "                      %s\n", fieldText(l, f))
	}
	if l.More > 0 {
		fmt.Fprintf(out, "                      … %d more\n", l.More)
	}
	fmt.Fprintf(out, "                      at %s · turn %s\n", cmp.Or(from, "no commit"), report.Neutral(l.Turn))
}

// fieldText is one value that differed.
func fieldText(l history.Line, f history.Field) string {
	path := string(f.Path)
	if keys := f.Path.Keys(); l.ID.Kind() == desired.KindPlaybook && len(keys) == 2 {
		path = keys[1]
	}
	value := ""
	switch {
	case f.Secret:
		value = "a secret differs"
	case f.Before == "" && f.After == "":
	default:
		value = cmp.Or(f.Before, "(unset)") + " → " + cmp.Or(f.After, "(none)")
	}
	text := path
	if value != "" {
		text += "  " + value
	}
	if f.Reason != "" {
		text += "  " + f.Reason
	}
	if f.Origin == drift.FromLive {
		text += "  (changed live"
		if f.By != "" {
			text += ", by " + f.By
		}
		text += ")"
	}
	return report.Neutral(text)
}
