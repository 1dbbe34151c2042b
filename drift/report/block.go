package report

import (
	"fmt"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
)

// Sign is what stands before a block and says what becomes of it. The constant
// is what is printed, so that no view can disagree with another.
type Sign string

// The signs.
const (
	Comes   Sign = "+" // made, or brought back
	Differs Sign = "~" // changed in place
	Goes    Sign = "-" // archived, deleted or stopped
	Runs    Sign = ">" // a playbook
	Waits   Sign = "…" // waits to be ready, or was left or skipped
	Failed  Sign = "✗" // tried, and did not work
	Held    Sign = "!" // must not be done
	Unknown Sign = "?" // could not be read
	Foreign Sign = "=" // not ours, and left as it is
	Remark  Sign = "i"
)

// class orders blocks and bounds how many of a kind are listed: what needs eyes
// stands last, next to the summary.
type class int

// The classes, in order.
const (
	changed class = iota
	made
	ran
	waiting
	gone
	notes
	foreign
	held
	unknown
	left
	failed
)

// name is how the class is called where some of it is not listed.
func (c class) name() string {
	return [...]string{
		"to change", "to create", "playbooks to run", "waiting", "to take away", "notes", "foreign",
		"held", "unknown", "skipped or left", "failed",
	}[c]
}

// listed is how many are shown unless all are asked for; 0 is all: what is
// taken away, unknown or failed is never hidden.
func (c class) listed() int {
	switch c {
	case gone, unknown, failed:
		return 0
	case notes, foreign:
		return 20
	default:
		return 40
	}
}

// maxLines is how much of what a failed step had to say is shown.
const maxLines = 20

// block is all that is shown of one resource. Its texts are neutral.
type block struct {
	class class
	sign  Sign
	id    string
	// source is the manifest's line, or why there is none; words say what
	// happens.
	source, words string
	rows          []row
	remarks       []remark
}

// row is one field: what, from what to what, who moved it, and when it takes
// effect.
type row struct {
	sign                        Sign
	path, value, origin, effect string
	remark                      remark
	// lines show what the difference consists of.
	lines []string
}

// remark is a sentence below a block or row: "held", and why.
type remark struct {
	sign Sign
	word string
	text string
}

// viewer makes blocks of a report.
type viewer struct {
	report  *Report
	verbose bool
	// first is the first step of each resource that is made.
	first map[desired.ID]drift.Step
	// told holds long reasons that stand in the text already, and where.
	told map[string]string
}

// viewer makes a viewer of a report that has a plan.
func (r *Report) viewer(verbose bool) *viewer {
	v := &viewer{report: r, verbose: verbose, first: make(map[desired.ID]drift.Step), told: make(map[string]string)}
	for _, c := range r.Plan.Changes {
		if v.first[c.ID] == "" {
			v.first[c.ID] = c.Step
		}
	}
	return v
}

// blocks lists everything to be shown, in the order of the classes and, in
// each, of the plan.
func blocks(r *Report, verbose bool) []block {
	if r.Plan == nil {
		return nil
	}
	v := r.viewer(verbose)
	var all []block
	for _, res := range r.resources() {
		all = append(all, v.resource(res))
	}
	for _, b := range r.Plan.Blind {
		all = append(all, v.blind(b))
	}
	for _, f := range r.Plan.Foreign {
		if !v.toldAs(f) {
			all = append(all, v.foreign(f))
		}
	}
	for _, n := range r.Plan.Notes {
		all = append(all, v.note(n))
	}
	slices.SortStableFunc(all, func(a, b block) int {
		return int(a.class - b.class)
	})
	for i := range all {
		v.shorten(&all[i])
		v.bound(&all[i])
	}
	return all
}

// resource makes the block of one resource of the plan.
func (v *viewer) resource(res *resource) block {
	first := res.changes[0]
	b := block{id: neutral(string(res.id)), source: neutral(first.Source.String())}
	b.class, b.sign = v.classify(res)
	b.words = v.headline(res)
	for _, c := range res.changes {
		v.step(&b, res, c)
	}
	return b
}

// classify says where a resource's block stands and what sign it bears.
func (v *viewer) classify(res *resource) (class, Sign) {
	switch res.worst() {
	case drift.Failed:
		return failed, Failed
	case drift.Skipped, drift.Left:
		return left, Waits
	case drift.Done, drift.Held:
	}
	main := drift.Step("")
	for _, c := range res.changes {
		if c.Goes() && res.fate(c, nil).status != drift.Held && (main == "" || weight(c.Step) < weight(main)) {
			main = c.Step
		}
	}
	switch main {
	case "":
		return held, Held
	case drift.Create, drift.Restore, drift.Fetch:
		return made, Comes
	case drift.Archive, drift.Delete, drift.Stop:
		return gone, Goes
	case drift.Run:
		return ran, Runs
	case drift.Ready:
		return waiting, Waits
	default:
		return changed, Differs
	}
}

// step adds one change's fields, and what is to be said of it.
func (v *viewer) step(b *block, res *resource, c *drift.Change) {
	end := res.fate(c, nil)
	for _, f := range v.shown(c) {
		b.rows = append(b.rows, v.row(res, c, f))
	}
	status, reason := end.status, end.reason
	if status == "" && c.Held != "" {
		status, reason = drift.Held, c.Held
	}
	name := neutral(string(c.Step))
	if sign, ended := signOf(status); ended && strings.HasPrefix(reason, desired.WaitingForUnlock) && !rowsTell(b, reason) {
		b.remarks = append(b.remarks, heldRemark("", reason))
	} else if ended && (v.verbose || !res.follows(c)) && !rowsTell(b, reason) {
		b.remarks = append(b.remarks, remark{sign: sign, word: name + " " + string(status), text: untold(b, neutral(reason))})
	}
	if v.verbose && len(c.Wait) > 0 {
		var keys []string
		for _, k := range c.Wait {
			keys = append(keys, neutral(k.String()))
		}
		b.remarks = append(b.remarks, remark{word: name + " after", text: strings.Join(keys, ", ")})
	}
	v.said(b, res, c, end)
}

// said adds what a step had to say: its warnings; all of it if asked for, its end
// where the step went wrong.
func (v *viewer) said(b *block, res *resource, c *drift.Change, end fate) {
	o := res.outcomes[c.Step]
	if o != nil {
		for _, line := range o.Warnings {
			b.remarks = append(b.remarks, remark{sign: Remark, text: neutral(line)})
		}
	}
	if o == nil || !v.verbose && end.status != drift.Failed {
		return
	}
	lines := untoldLines(b, o.Lines)
	if !v.verbose && len(lines) > maxLines {
		b.remarks = append(b.remarks, remark{text: fmt.Sprintf("… %s before", count(len(lines)-maxLines, "line"))})
		lines = lines[len(lines)-maxLines:]
	}
	for _, line := range lines {
		b.remarks = append(b.remarks, remark{word: "│", text: neutral(line)})
	}
	if o.Log != "" {
		b.remarks = append(b.remarks, remark{word: "full log", text: neutral(o.Log)})
	}
	if v.verbose && !o.Started.IsZero() && !o.Ended.IsZero() {
		b.remarks = append(b.remarks, remark{word: neutral(string(c.Step)) + " took", text: took(o.Ended.Sub(o.Started))})
	}
	if v.verbose && len(o.Tasks) > 0 {
		b.remarks = append(b.remarks, remark{word: "tasks", text: neutral(strings.Join(o.Tasks, " "))})
	}
}

// signOf is the sign of an end that is none, and tells whether it is one.
func signOf(s drift.Status) (sign Sign, ended bool) {
	switch s {
	case drift.Failed:
		return Failed, true
	case drift.Skipped, drift.Left:
		return Waits, true
	case drift.Held:
		return Held, true
	default:
		return "", false
	}
}

// rowsTell tells whether the fields say already what reason does.
func rowsTell(b *block, reason string) bool {
	return slices.ContainsFunc(b.rows, func(r row) bool {
		return r.remark.word != "" && (reason == "" || r.remark.text == neutral(reason) || desired.WaitsForUnlock(reason) && r.remark == heldRemark("", reason))
	})
}

// follows tells whether a change is not done only since another step of the same
// resource is not, which says it all: an earlier one, or the one that it would
// only prepare, as a stop does an archive.
func (res *resource) follows(c *drift.Change) bool {
	alike := func(d *drift.Change) bool { return d != c && c.Held != "" && d.Held == c.Held }
	if slices.ContainsFunc(res.changes, alike) {
		return slices.ContainsFunc(res.changes, func(d *drift.Change) bool { return alike(d) && weight(d.Step) < weight(c.Step) })
	}
	return slices.ContainsFunc(c.Wait, func(k drift.Key) bool {
		before := res.steps[k.Step]
		if k.ID != res.id || before == nil || before == c {
			return false
		}
		end := res.fate(before, nil).status
		return end != "" && end != drift.Done || end == "" && before.Held != ""
	})
}

// shorten says a long reason once, and where it stands from then on.
func (v *viewer) shorten(b *block) {
	if v.verbose {
		return
	}
	one := func(m *remark) {
		if m.word == "" || len(m.text) < 60 {
			return
		}
		switch at := v.told[m.text]; at {
		case "":
		case b.id:
			m.text = "as above"
			return
		default:
			m.text = "as " + at
			return
		}
		v.told[m.text] = b.id
		m.text = cut(m.text, 700)
	}
	for i := range b.rows {
		one(&b.rows[i].remark)
	}
	for i := range b.remarks {
		one(&b.remarks[i])
	}
}
