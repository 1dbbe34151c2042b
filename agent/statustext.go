package main

import (
	"fmt"
	"strings"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/web"
	"berth/drift/report"
)

// statusText writes how an agent stands, for people.
func statusText(s streams, settings *config.Settings, status *web.Status) {
	now := time.Now()
	line := func(label, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		fmt.Fprintf(s.Out, "%-12s%s\n", label, report.Neutral(text))
	}
	if a := status.Agent; a != nil {
		line("agent", "runs since %s, process %d, version %s", moment(a.Started), a.Process, a.Version)
	} else {
		line("agent", "none is running behind %s: what follows is what its last turn with something to do left", settings.Socket)
	}
	where := status.Repository.URL + ", branch " + status.Repository.Branch
	if path := status.Repository.Path; path != "" {
		where += ", path " + path
	}
	line("repository", "%s", where)
	line("lock", "%s", lockWords(status))
	if status.HTTP != "" {
		line("http", "%s", status.HTTP)
	}
	if p := status.Paused; p != nil {
		line("paused", "%s", p)
		line("", "turns look, and change nothing: agent resume ends it")
	}
	if r := status.Settings; r != nil {
		line("settings", "refused since %s, the former ones hold:", moment(r.Since))
		for mistake := range strings.SplitSeq(r.Reason, "\n") {
			line("", "  %s", mistake)
		}
	}
	switch {
	case status.Commit.Hash != "":
		line("commit", "%s: enforced", standingCommit(status.Commit))
	default:
		line("commit", "none is enforced yet")
	}
	if seen := status.Seen; seen.Hash != status.Commit.Hash && !status.BehindSince.IsZero() {
		line("seen", "%s: not enforced, behind it since %s", standingCommit(seen), moment(status.BehindSince))
	}
	if r := status.Refused; r != nil {
		line("refused", "%s", refusedWords(r))
		for _, problem := range r.Problems {
			line("", "  %s", problem)
		}
	}
	if n := status.Now; n != nil {
		line("turn", "under way since %s: %s", moment(n.Since), n.Why)
	}
	if t := status.Last; t != nil {
		line("last turn", "%s", lastWords(t))
	} else {
		line("last turn", "none yet")
	}
	if n := status.Next; n != nil {
		line("next turn", "at %s at the latest: %s", moment(n.At), n.Why)
	}
	statusLists(s, status, now)
}

// statusLists writes what is not as it should be.
func statusLists(s streams, status *web.Status, now time.Time) {
	heading := func(text string) { fmt.Fprintf(s.Out, "\n%s\n", text) }
	line := func(format string, args ...any) {
		fmt.Fprintln(s.Out, "  "+report.Neutral(fmt.Sprintf(format, args...)))
	}
	if len(status.Waiting) > 0 {
		heading("waiting for unlock")
		for _, w := range status.Waiting {
			line("%s", w)
		}
	}
	if len(status.Failing) > 0 {
		heading("failing")
		for _, f := range status.Failing {
			next := ""
			if f.Next.After(now) {
				next = ", tried again at " + moment(f.Next)
			}
			line("%s%s: %s", f, next, f.Reason)
		}
	}
	if len(status.Held) > 0 {
		heading("held")
		for _, h := range status.Held {
			line("%s: %s", h.What, h.Reason)
		}
	}
	if len(status.Unknown) > 0 {
		heading("unknown")
		for _, h := range status.Unknown {
			line("%s: %s", h.What, h.Reason)
		}
	}
	for _, list := range outlookWords(status, now) {
		if len(list.lines) == 0 {
			continue
		}
		heading(list.title)
		for _, text := range list.lines {
			line("%s", text)
		}
	}
}

// lockWords says whether secrets can be read, and what to do about it.
func lockWords(status *web.Status) string {
	since := ""
	if !status.Lock.Since.IsZero() {
		since = " since " + moment(status.Lock.Since)
	}
	switch status.Lock.State {
	case web.LockUnlocked:
		return "unlocked" + since
	case web.LockLocked:
		if status.Agent == nil {
			return "locked, as each start is"
		}
		return "locked" + since + ": agent unlock opens it"
	case web.LockNew:
		return "no identity yet: agent bootstrap makes one"
	case web.LockOpen:
		return "never locked: `identity` of agent.yaml names an identity"
	}
	return status.Lock.State
}

func refusedWords(r *report.Refusal) string {
	if r.Commit.Hash == "" {
		if r.Since.IsZero() {
			return "the repository can't be asked: " + r.Reason
		}
		return "the repository can't be asked since " + moment(r.Since) + ": " + r.Reason
	}
	by := ""
	// Who wrote a commit that is not signed stands in the reason.
	if r.Commit.Author != "" && (r.Signature == nil || r.Signature.Commit.Hash != r.Commit.Hash) {
		by = " by " + r.Commit.Author
	}
	return r.Commit.Text() + by + ": " + r.Reason
}

// lastWords says what came of a turn.
func lastWords(t *web.Turn) string {
	text := moment(t.Ended)
	if t.Ended.IsZero() {
		text = moment(t.Started)
	}
	if t.Why != "" {
		text += " (" + t.Why + ")"
	}
	if t.Error != "" {
		return text + ": went wrong: " + t.Error
	}
	sum, none := t.Summary, report.Tally{}
	var words []string
	if t.Paused && sum.Planned != none {
		words = append(words, "differences seen")
	}
	if sum.Done != none {
		words = append(words, "made changes")
	}
	for _, part := range []struct {
		n    int
		word string
	}{{sum.Failed, "failed"}, {sum.Held, "held"}, {sum.Waiting, "waiting for unlock"}, {sum.Unknown, "unknown"}, {sum.Skipped, "skipped"}, {sum.Left, "left to the next"}} {
		if part.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	if len(words) == 0 {
		return text + ": nothing to do"
	}
	return text + ": " + strings.Join(words, ", ")
}

// moment is a time as people say it here; with the day where it is not today's.
func moment(t time.Time) string {
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 2006 15:04")
}
