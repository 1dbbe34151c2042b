package notify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/drift/report"
)

const (
	// listed is how many resources one event tells of by name, linesTold how many further
	// lines it has.
	listed    = 20
	linesTold = 10
)

// events makes what is told of what was said: one event a kind, the gravest first.
func (n *next) events() []Event {
	var says []saying
	for s := range n.said {
		says = append(says, s)
	}
	slices.SortFunc(says, func(a, b saying) int {
		if a.kind != b.kind {
			return a.kind.rank() - b.kind.rank()
		}
		if a.again == b.again {
			return 0
		}
		if b.again {
			return -1
		}
		return 1
	})
	var all []Event
	for _, s := range says {
		all = append(all, n.event(s, n.said[s]))
	}
	return all
}

func (n *next) event(s saying, items []Item) Event {
	e := Event{
		Version: Version, Kind: s.kind, Level: s.kind.level(), Again: s.again, At: n.now.UTC(),
		Fleet: report.Neutral(n.seen.Fleet), Host: n.seen.Host, Turn: n.seen.Turn, Commit: report.Neutral(n.seen.Commit),
	}
	items = together(items)
	for i := range items {
		items[i].Reason = report.Neutral(items[i].Reason)
	}
	e.Title = title(s, items, n.seen)
	e.Text = advice[s.kind]
	if s.kind == Heartbeat {
		e.Title, e.Text = n.alive()
		items = nil
	}
	lines := n.lines[s.kind]
	for i, line := range lines {
		if i == linesTold {
			e.Text += fmt.Sprintf("\nand %d more", len(lines)-linesTold)
			break
		}
		e.Text += "\n" + report.Neutral(clip(line))
	}
	e.Text = strings.TrimPrefix(e.Text, "\n")
	if len(items) > listed {
		items, e.More = items[:listed:listed], len(items)-listed
	}
	e.Items = items
	return e
}

// together puts items of one resource and one reason together, as the hosts of a
// playbook are.
func together(items []Item) []Item {
	slices.SortStableFunc(items, func(a, b Item) int {
		if a.ID != b.ID {
			return strings.Compare(string(a.ID), string(b.ID))
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	var all []Item
	for _, item := range items {
		if last := len(all) - 1; last >= 0 && len(item.Hosts) > 0 && len(all[last].Hosts) > 0 &&
			all[last].ID == item.ID && all[last].Reason == item.Reason && all[last].Was == item.Was {
			all[last].Hosts = append(slices.Clip(all[last].Hosts), item.Hosts...)
			slices.Sort(all[last].Hosts)
			all[last].Hosts = slices.Compact(all[last].Hosts)
			continue
		}
		all = append(all, item)
	}
	return all
}

// advice says what to do, or what it means.
var advice = map[Kind]string{
	DriftFound:            "It differs from Git since somebody changed it by other means. `agent drift` shows all of it.",
	Failure:               "It is tried again by itself. `agent status` tells when.",
	HeldForApproval:       "It is left as it is until somebody decides: the reason says how.",
	WaitingForUnlock:      "Run `agent unlock` on its host. Nothing is lost: what waits goes on at once then, and all that needs no locked secret goes on meanwhile.",
	CommitRefused:         "The last good commit stays in force.",
	RepositoryUnreachable: "The last good commit stays in force, and is not known to be the newest.",
	SiteUnknown:           "Nobody knows whether anything differs there. Nothing is planned for it.",
	PausedReminder:        "The agent looks and changes nothing. `agent resume` lets it go on.",
	TurnFailed:            "It is tried again by itself.",
	Test:                  "It was sent by hand, to see whether it comes.",
}

// title says in a line what happened.
func title(s saying, items []Item, seen *Seen) string {
	who := subject(items)
	still := func(begins, lasts string) string {
		if s.again {
			return lasts
		}
		return begins
	}
	switch s.kind {
	case DriftFound:
		return still("Changed behind Git's back: ", "Still differs from Git: ") + who
	case ChangeApplied:
		line := seen.Line
		if seen.Commit != "" {
			line = report.ShortHash(seen.Commit) + " applied: " + line
		}
		return report.Neutral(line)
	case Failure:
		return still("Failed: ", "Still failing: ") + who
	case Recovery:
		return "Over: " + recovered(items)
	case HeldForApproval:
		return still("Held: ", "Still held: ") + who
	case WaitingForUnlock:
		return still("Waiting", "Still waiting") + " for somebody to unlock the agent" + strings.TrimSuffix(" on "+seen.Host, " on ") + ": " + who
	case CommitRefused:
		return still("A commit is refused", "A commit is still refused")
	case RepositoryUnreachable:
		return still("The repository can't be asked", "The repository still can't be asked")
	case SiteUnknown:
		return still("Could not look: ", "Still could not look: ") + who
	case PausedReminder:
		return "The agent is still paused"
	case Expiry:
		return still("Expires: ", "Still expires: ") + who
	case TurnFailed:
		return still("The turn failed", "The turns still fail")
	case Heartbeat, Test:
	}
	return string(s.kind)
}

// subject names the resources of items: one by its name, several by their number.
func subject(items []Item) string {
	if len(items) == 1 && items[0].ID != "" {
		text := string(items[0].ID)
		if hosts := items[0].Hosts; len(hosts) == 1 {
			text += " on " + hosts[0]
		}
		return report.Neutral(text)
	}
	ids := make(map[string]bool)
	for _, item := range items {
		ids[string(item.ID)] = true
	}
	return count(len(ids), "resource")
}

// recovered names what is over.
func recovered(items []Item) string {
	if len(items) == 1 {
		return strings.TrimSuffix(ended[items[0].Was]+": "+subject(items), ": 1 resource")
	}
	var texts []string
	number := make(map[Kind]int)
	for _, item := range items {
		number[item.Was]++
	}
	for _, k := range kinds {
		if number[k.kind] > 0 {
			texts = append(texts, strings.TrimSpace(ended[k.kind]+" ("+strconv.Itoa(number[k.kind])+")"))
		}
	}
	return strings.Join(texts, ", ")
}

// ended says what is over of a kind.
var ended = map[Kind]string{
	DriftFound: "differs no more", Failure: "no longer fails", HeldForApproval: "no longer held", WaitingForUnlock: "waits for no unlock",
	CommitRefused: "no commit is refused", RepositoryUnreachable: "the repository answers", SiteUnknown: "is looked at again",
	PausedReminder: "no longer paused", Expiry: "does not expire soon", TurnFailed: "turns are made again",
}

// alive is a heartbeat's title and text.
func (n *next) alive() (title, text string) {
	numbers := n.seen.counts()
	from := n.seen
	if last := n.seen.last; last != nil {
		from = last
		for k, number := range last.counts() {
			numbers[k] += number
		}
	}
	if from.none {
		return "Alive, and no turn has looked yet", ""
	}
	var texts []string
	for _, k := range kinds {
		if numbers[k.kind] > 0 {
			texts = append(texts, fmt.Sprintf("%s: %d", k.kind, numbers[k.kind]))
		}
	}
	text = "The last look was at " + from.at.UTC().Format("2006-01-02 15:04 UTC") + "."
	if len(texts) == 0 {
		return "Alive, and all is well", text
	}
	return "Alive. " + strings.Join(texts, ", "), text
}

// count is "1 name" or "3 names".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// words writes a length of time as people do: "4 h", "90 min".
func words(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return count(int(d/(24*time.Hour)), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return count(int(d/time.Hour), "hour")
	case d >= time.Minute:
		return count(int(d/time.Minute), "minute")
	default:
		return count(int(d/time.Second), "second")
	}
}
