package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"berth/desired"
	"berth/drift"
)

// count is "1 name" or "3 names".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + one + "s"
}

// grouped writes a number with a comma after each thousand.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// age tells how long ago t was; the date where it is more than a month, or now
// is not known.
func age(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	switch {
	case now.IsZero() || d > 31*24*time.Hour:
		return t.UTC().Format("2 Jan 2006")
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// ShortHash is a commit's hash as people read it.
func ShortHash(hash string) string {
	if hash = neutral(hash); len(hash) > 7 && clean(hash) {
		return hash[:7]
	}
	return hash
}

// Text is `3f2a91c "Give the edge less memory"`.
func (c Commit) Text() string {
	text := ShortHash(c.Hash)
	if c.Subject != "" {
		text = strings.TrimSpace(text + ` "` + neutral(c.Subject) + `"`)
	}
	return text
}

// value writes one side of a difference. long keeps all of it.
func (v *viewer) value(val drift.Value, f *drift.Field) string {
	switch {
	case val.Secret:
		return "(secret)"
	case val.From != "":
		return strings.TrimPrefix(cut(neutral(val.Text), 60)+" (known after "+v.source(val, f)+")", " ")
	case val.Text == "":
		return "(unset)"
	case v.verbose:
		return neutral(val.Text)
	default:
		return cut(neutral(val.Text), 60)
	}
}

// source names the step that makes a value known.
func (v *viewer) source(val drift.Value, f *drift.Field) string {
	id, _, _ := strings.Cut(val.From, " ")
	for _, k := range f.Wait {
		if string(k.ID) != id {
			continue
		}
		// A guest's last step is to be ready; what people know is its first.
		if first := v.first[k.ID]; first != "" {
			return neutral(id) + " " + neutral(string(first))
		}
		return neutral(k.String())
	}
	return neutral(val.From)
}

// sets are the paths whose values are sets of words: for these it is told what
// comes and what goes.
var sets = []desired.Path{"cpu.flags", "features", "tags"}

// isSet tells whether a path's value is a set of words. The mount options of
// each disk are one as well.
func isSet(path desired.Path) bool {
	if slices.Contains(sets, path) {
		return true
	}
	keys := path.Keys()
	return len(keys) == 3 && keys[0] == "disks" && keys[2] == "options"
}

// difference writes both sides of a field.
func (v *viewer) difference(f *drift.Field) string {
	if f.Before.Secret || f.After.Secret {
		return "(secret) differs"
	}
	if f.Path == "cloudInit" {
		// Two digests tell nobody anything.
		return "changed"
	}
	if isSet(f.Path) && f.After.From == "" {
		if words := setDifference(strings.Fields(f.Before.Text), strings.Fields(f.After.Text)); words != "" {
			return words
		}
	}
	if f.After == (drift.Value{}) {
		return v.value(f.Before, f) + " → (none)"
	}
	before, after := *f, f.After
	if f.After.From == "" && !v.verbose {
		before.Before.Text, after.Text = apart(neutral(f.Before.Text), neutral(f.After.Text))
	}
	return v.value(before.Before, f) + " → " + v.value(after, f)
}

func setDifference(before, after []string) string {
	var words []string
	for _, w := range after {
		if !slices.Contains(before, w) {
			words = append(words, "+ "+neutral(w))
		}
	}
	for _, w := range before {
		if !slices.Contains(after, w) {
			words = append(words, "− "+neutral(w))
		}
	}
	return strings.Join(words, " ")
}

// apart leaves of two long texts the part around their first difference, so
// that cutting them does not cut it away.
func apart(a, b string) (string, string) {
	if len(a) <= 80 && len(b) <= 80 {
		return a, b
	}
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	for same > 0 && same < len(a) && !utf8.RuneStart(a[same]) {
		same--
	}
	if same < 40 {
		return a, b
	}
	from := same - 15
	for !utf8.RuneStart(a[from]) {
		from--
	}
	return "…" + a[from:], "…" + b[from:]
}

// soon is when is done what waits for nothing else.
func (r *Report) soon() string {
	if r.Paused != "" {
		return "after agent resume"
	}
	return "now"
}

// origin says which side moved.
func origin(f *drift.Field, verbose bool) string {
	text := ""
	switch f.Origin {
	case drift.FromGit:
		text = "from Git"
	case drift.FromLive:
		text = "changed live"
		if f.By != "" {
			text += ", by " + neutral(f.By)
		}
	}
	place := ""
	if verbose {
		place = f.Source.String()
		if layer := f.Source.Layer; layer != "" {
			place = strings.TrimSuffix(place, " ("+layer+")") + ", " + layer
		}
	} else if f.Origin == drift.FromGit {
		place = f.Source.Layer
	}
	if place != "" {
		text = strings.TrimSpace(text + " (" + neutral(place) + ")")
	}
	return text
}

// effect says when a field's change takes effect; the step that makes it knows.
func (res *resource) effect(c *drift.Change, f *drift.Field) string {
	switch c.Step {
	case drift.Online:
		return res.soon
	case drift.Pending:
		if c.Reason != "" {
			return neutral(c.Reason)
		}
		switch reboot, start := res.steps[drift.Reboot], res.steps[drift.Start]; {
		case reboot != nil && reboot.Held == "":
			return "by a reboot, " + res.soon
		case reboot != nil:
			return "waits for a reboot, which is held"
		case start != nil:
			return "at its start"
		default:
			return "waits for a reboot (lifecycle.reboot: never)"
		}
	case drift.Reboot:
		return "by a reboot, " + res.soon
	default:
		switch f.Effect {
		case desired.Create:
			return "settled at creation"
		case desired.Recreate:
			return "needs it to be made anew"
		case desired.Online, desired.Reboot:
		}
	}
	return ""
}

// parts are the summary's words in order; done tells what was, else what would
// be.
func (t Tally) parts(done bool) []string {
	say := func(n int, planned, past string) string {
		switch {
		case n == 0:
			return ""
		case done:
			return grouped(n) + " " + past
		default:
			return grouped(n) + " to " + planned
		}
	}
	things := func(n int, one, planned, past string) string {
		switch {
		case n == 0:
			return ""
		case done:
			return count(n, one) + " " + past
		default:
			return count(n, one) + " to " + planned
		}
	}
	return []string{
		things(t.Fetch, "image", "fetch", "fetched"),
		say(t.Create, "create", "created"),
		say(t.Restore, "restore", "restored"),
		say(t.Adopt, "adopt", "adopted"),
		say(t.Change, "change", "changed"),
		say(t.Start, "start", "started"),
		say(t.Stop, "stop", "stopped"),
		things(t.Run, "playbook", "run", "run"),
		things(t.Route, "name", "route", "routed"),
		things(t.Drain, "name", "take away", "taken away"),
		say(t.Release, "release", "released"),
		say(t.Archive, "archive", "archived"),
		say(t.Delete, "delete", "deleted"),
		say(t.Other, "wait for", "waited for"),
	}
}

// line is the summary in one line: "1 to create, 2 to change, 1 held", or
// "no differences".
func (r *Report) line() string {
	s := r.summary()
	var parts []string
	if len(r.Outcomes) > 0 {
		parts = s.Done.parts(true)
	} else {
		parts = s.Planned.parts(false)
	}
	also := func(n int, words string) {
		if n > 0 {
			parts = append(parts, grouped(n)+" "+words)
		}
	}
	also(s.Failed, "failed")
	also(s.Skipped, "skipped")
	also(s.Left, "left for the next turn")
	also(s.Held, "held")
	also(s.Waiting, desired.WaitingForUnlock)
	also(s.Unknown, "unknown")
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case r.Plan == nil:
		return "no plan was made"
	case r.Refused != nil:
		return "no differences to the last good commit"
	default:
		return "no differences"
	}
}

// cost is what the turn cost, and the digest by which a plan that is yet to be
// carried out is called.
func (r *Report) cost() string {
	cost := r.Stats.line()
	if r.Plan != nil && r.Plan.Digest != "" && len(r.Outcomes) == 0 && r.Plan.Go() {
		cost = strings.TrimSuffix("plan "+neutral(r.Plan.Digest)+" · "+cost, " · ")
	}
	return cost
}

// line is "14 requests (9 GET, 5 POST), 5 writes, 3.2 s"; "" if nothing was
// counted.
func (s Stats) line() string {
	var parts []string
	if len(s.Requests) > 0 {
		total := 0
		var methods []string
		for method := range s.Requests {
			methods = append(methods, method)
		}
		slices.SortFunc(methods, func(a, b string) int {
			return cmp.Or(cmp.Compare(s.Requests[b], s.Requests[a]), cmp.Compare(a, b))
		})
		for i, method := range methods {
			total += s.Requests[method]
			methods[i] = grouped(s.Requests[method]) + " " + neutral(method)
		}
		parts = append(parts, count(total, "request")+" ("+strings.Join(methods, ", ")+")", count(s.Writes, "write"))
	} else if s.Writes > 0 {
		parts = append(parts, count(s.Writes, "write"))
	}
	if s.Duration > 0 {
		parts = append(parts, took(s.Duration))
	}
	return strings.Join(parts, ", ")
}

// took writes a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}
