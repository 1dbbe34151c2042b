package main

import (
	"strings"
	"time"

	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift/report"
)

// outlookWords are the lists of what waits for somebody or comes by itself, each under its
// heading, as lines.
func outlookWords(status *web.Status, now time.Time) []headed {
	all := []headed{{title: "skipped, since something before failed or is held"}, {title: "takes effect with a reboot"}, {title: "in the archive"}, {title: "clocks"}, {title: "until when"}, {title: "asked for, and not yet done"}}
	for _, h := range status.Skipped {
		all[0].add(h.What + ": " + h.Reason)
	}
	for _, h := range status.Reboots {
		all[1].add(h.What + ": " + h.Reason)
	}
	for _, a := range status.Archives {
		text := string(a.ID) + " until " + moment(a.Until) + ": bring its manifest back to restore it"
		if a.Reason != "" {
			text = string(a.ID) + ": " + a.Reason
		}
		all[2].add(text)
	}
	for _, c := range status.Clocks {
		word := "ahead of"
		if c.Ahead < 0 {
			word = "behind"
		}
		all[3].add("site/" + c.Site + ": its clock is " + desired.Duration(c.Ahead.Abs().Round(time.Minute)).String() + " " + word + " the agent's: nothing is deleted there before they are set right")
	}
	for _, e := range status.Expiries {
		text := string(e.ID) + ": " + e.Text(now)
		switch {
		case e.Unused:
			text += "; it lets nothing go"
		case e.Soon(now):
			text += " !"
		}
		all[4].add(text)
	}
	for _, a := range status.Asked {
		all[5].add(string(a.Playbook) + " on " + strings.Join(a.Hosts, ", ") + ": " + a.Why)
	}
	return all
}

// headed is a list with its heading; one without lines is not written.
type headed struct {
	title string
	lines []string
}

func (h *headed) add(text string) { h.lines = append(h.lines, report.Neutral(text)) }

// standingCommit says which commit it is, by whom and of when.
func standingCommit(c report.Commit) string {
	text := c.Text()
	if c.Author != "" {
		text += " by " + c.Author
	}
	if !c.Time.IsZero() {
		text += ", of " + moment(c.Time)
	}
	return text
}
