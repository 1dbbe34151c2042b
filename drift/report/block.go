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

// blocks lists everything to be shown, in the order of the classes and, in
// each, of the plan.
func blocks(r *Report, verbose bool) []block {
	if r.Plan == nil {
		return nil
	}
	v := &viewer{report: r, verbose: verbose, first: make(map[desired.ID]drift.Step), told: make(map[string]string)}
	for _, c := range r.Plan.Changes {
		if v.first[c.ID] == "" {
			v.first[c.ID] = c.Step
		}
	}
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

// headline says in a few words what happens to a resource beyond its fields.
func (v *viewer) headline(res *resource) string {
	var words []string
	if making := res.steps[drift.Create]; making != nil && (making.Held == "" || v.verbose) {
		words = append(words, v.essentials(making))
	}
	var steps, reasons []string
	for _, c := range res.changes {
		done := res.fate(c, nil).status == drift.Done
		if plain(c) && c.Held == "" || done && c.Step != drift.Route && c.Step != drift.Drain {
			if name := stepWord(c.Step, done); name != "" && !slices.Contains(steps, name) {
				steps = append(steps, name)
			}
		}
		if reason := neutral(c.Reason); reason != "" && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if hosts := runs(res); hosts > 0 {
		words = append(words, count(hosts, "host"))
	}
	if len(steps) > 0 {
		words = append(words, strings.Join(steps, ", "))
	}
	text := strings.Join(words, " · ")
	if len(reasons) > 0 {
		text = strings.TrimPrefix(text+": "+strings.Join(reasons, "; "), ": ")
	}
	return text
}

// plain tells whether a change is told by its step's name alone.
func plain(c *drift.Change) bool {
	switch c.Step {
	case drift.Create, drift.Online, drift.Pending, drift.Route, drift.Drain, drift.Run:
		return false
	default:
		return true
	}
}

// stepWord is how people call a step that is planned, or that was done.
func stepWord(s drift.Step, done bool) string {
	if !done {
		if s == drift.Ready {
			return ""
		}
		return neutral(string(s))
	}
	past := map[drift.Step]string{
		drift.Fetch: "fetched", drift.Create: "created", drift.Restore: "restored", drift.Online: "changed",
		drift.Pending: "changed", drift.Reboot: "rebooted", drift.Start: "started", drift.Stop: "stopped",
		drift.Ready: "ready", drift.Run: "ran", drift.Route: "routed", drift.Drain: "drained",
		drift.Archive: "archived", drift.Delete: "deleted",
	}
	if word := past[s]; word != "" {
		return word
	}
	return neutral(string(s)) + " done"
}

func runs(res *resource) int {
	if c := res.steps[drift.Run]; c != nil {
		return len(c.Fields)
	}
	return 0
}

// essentials are what people look for in something that is made: where, which
// number, which address, how large.
func (v *viewer) essentials(c *drift.Change) string {
	value := make(map[desired.Path]string)
	var disks []string
	address := ""
	for i := range c.Fields {
		f := &c.Fields[i]
		text := neutral(f.After.Text)
		if f.After.Secret || f.After.From != "" {
			text = ""
		}
		value[f.Path] = text
		keys := f.Path.Keys()
		if len(keys) != 3 || text == "" {
			continue
		}
		switch {
		case keys[0] == "disks" && keys[2] == "size":
			disks = append(disks, neutral(keys[1]))
		case keys[0] == "networks" && keys[2] == "address" && address == "" && text != "none":
			address, _, _ = strings.Cut(text, "/")
		}
	}
	var where []string
	for _, lane := range c.Lanes {
		if node, ok := strings.CutPrefix(lane, "node:"); ok {
			where = append(where, "on "+neutral(node[strings.LastIndexByte(node, '/')+1:]))
			break
		}
	}
	if len(where) == 0 && c.Site != "" {
		where = append(where, "on "+neutral(c.Site))
	}
	for _, one := range []string{value["id"], address} {
		if one != "" {
			where = append(where, one)
		}
	}
	var size []string
	if cores := value["cpu.cores"]; cores != "" {
		size = append(size, cores+" CPU")
	}
	for _, path := range []desired.Path{"memory.size", "memory"} {
		if value[path] != "" {
			size = append(size, value[path])
		}
	}
	for _, slot := range disks {
		disk := desired.Path("disks").Sub(slot)
		text := slot + " " + value[disk+".size"]
		if s := value[disk+".storage"]; s != "" {
			text += " on " + s
		}
		if s := value[disk+".image"]; s != "" {
			text += " from " + s
		}
		size = append(size, text)
	}
	return cut(strings.TrimSuffix(strings.Join(where, ", ")+" · "+strings.Join(size, ", "), " · "), 200)
}

// step adds one change's fields, and what is to be said of it.
func (v *viewer) step(b *block, res *resource, c *drift.Change) {
	end := res.fate(c, nil)
	if c.Step != drift.Create && c.Step != drift.Fetch || v.verbose {
		for i := range c.Fields {
			b.rows = append(b.rows, v.row(res, c, &c.Fields[i]))
		}
	} else {
		for i := range c.Fields {
			if c.Fields[i].Held != "" {
				b.rows = append(b.rows, v.row(res, c, &c.Fields[i]))
			}
		}
	}
	status, reason := end.status, end.reason
	if status == "" && c.Held != "" {
		status, reason = drift.Held, c.Held
	}
	name := neutral(string(c.Step))
	if sign, ended := signOf(status); ended && (v.verbose || !res.follows(c)) && !rowsTell(b, reason) {
		b.remarks = append(b.remarks, remark{sign: sign, word: name + " " + string(status), text: neutral(reason)})
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

// said adds what a step had to say: all of it if asked for, its end where the
// step went wrong.
func (v *viewer) said(b *block, res *resource, c *drift.Change, end fate) {
	o := res.outcomes[c.Step]
	if o == nil || !v.verbose && end.status != drift.Failed {
		return
	}
	lines := o.Lines
	if !v.verbose && len(lines) > maxLines {
		b.remarks = append(b.remarks, remark{text: fmt.Sprintf("… %s before", count(len(lines)-maxLines, "line"))})
		lines = lines[len(lines)-maxLines:]
	}
	for _, line := range lines {
		b.remarks = append(b.remarks, remark{word: "│", text: neutral(line)})
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
		return r.remark.word != "" && (reason == "" || r.remark.text == neutral(reason))
	})
}

// follows tells whether a change is not done only since an earlier step of the
// same resource is not, which says it all.
func (res *resource) follows(c *drift.Change) bool {
	return slices.ContainsFunc(c.Wait, func(k drift.Key) bool {
		before := res.steps[k.Step]
		if k.ID != res.id || before == nil || before == c {
			return false
		}
		end := res.fate(before, nil).status
		return end != "" && end != drift.Done || end == "" && before.Held != ""
	})
}

// row makes the line of one field.
func (v *viewer) row(res *resource, c *drift.Change, field *drift.Field) row {
	f := field
	if res.fate(c, f).status == drift.Done {
		// What was waited for is known by now.
		known := *field
		known.After.From = ""
		f = &known
	}
	r := row{path: neutral(string(f.Path)), origin: neutral(origin(f, v.verbose))}
	switch name := routed(f); {
	case name != "":
		r.path = neutral(name)
		v.route(&r, f)
	case c.Step == drift.Run && f.Path.Within("hosts"):
		if keys := f.Path.Keys(); len(keys) == 2 {
			r.path = neutral(keys[1])
		}
		v.host(&r, f, res.fate(c, f).status == drift.Done)
	case f.Before == drift.Value{}:
		r.value = "→ " + v.value(f.After, f)
	default:
		r.value = v.difference(f)
	}
	whole := res.fate(c, nil)
	switch end := res.fate(c, f); {
	case end.status == drift.Failed || end.status == drift.Skipped || end.status == drift.Left:
		r.sign, _ = signOf(end.status)
		if end != whole {
			r.remark = remark{sign: r.sign, word: string(end.status), text: neutral(end.reason)}
		}
	case f.Held != "":
		r.sign, r.remark = Held, remark{sign: Held, word: "held", text: neutral(f.Held)}
	case c.Held != "" || end.status == drift.Held:
		r.sign = Held
	case end.status == drift.Done && c.Step != drift.Pending:
		// What is done takes effect no more.
	default:
		r.effect = res.effect(c, f)
	}
	return r
}

// route tells where a name goes.
func (v *viewer) route(r *row, f *drift.Field) {
	switch {
	case f.After == drift.Value{}:
		r.sign, r.value = Goes, "was "+v.value(f.Before, f)
	case f.Before == drift.Value{}:
		r.sign, r.value = Comes, "→ "+v.value(f.After, f)
	default:
		r.sign, r.value = Differs, v.difference(f)
	}
}

// host tells why a playbook runs on a host: digests mean nothing to people.
func (v *viewer) host(r *row, f *drift.Field, done bool) {
	switch {
	case done:
		r.value = "ran"
	case f.After.From != "":
		r.value = "after " + v.source(f.After, f)
	case f.Before == drift.Value{}:
		r.value = "has not run here"
	default:
		r.value = "playbook, variables or guest are new since its last run"
	}
}

// blind tells what could not be read.
func (v *viewer) blind(b drift.Blind) block {
	id := neutral(string(b.ID))
	if id == "" && b.Site != "" {
		id = "site " + neutral(b.Site)
	}
	if id == "" {
		id = "every " + neutral(b.Kind)
	}
	return block{
		class: unknown, sign: Unknown, id: id,
		remarks: []remark{{sign: Unknown, word: "unknown", text: sentence(b.Reason, "nothing is planned there", b.Remedy)}},
	}
}

// foreign tells of what is not ours.
func (v *viewer) foreign(f drift.Foreign) block {
	way := ""
	if f.ID != "" {
		way = "in the way of " + string(f.ID)
	}
	return block{
		class: foreign, sign: Foreign, id: neutral(f.What),
		remarks: []remark{{sign: Foreign, word: "not ours", text: sentence(f.Reason, way, f.Remedy)}},
	}
}

// toldAs tells whether a held change says the same already.
func (v *viewer) toldAs(f drift.Foreign) bool {
	step, planned := v.first[f.ID]
	if f.ID == "" || !planned {
		return false
	}
	for i := range v.report.Plan.Changes {
		if c := &v.report.Plan.Changes[i]; c.ID == f.ID && c.Step == step {
			return strings.Contains(c.Held, f.What) && strings.Contains(c.Held, f.Reason)
		}
	}
	return false
}

func (v *viewer) note(n drift.Note) block {
	return block{
		class: notes, sign: Remark, id: neutral(string(n.ID)), source: neutral(n.Source.String()),
		remarks: []remark{{text: neutral(n.Text)}},
	}
}

// sentence joins what is not empty.
func sentence(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return neutral(strings.Join(parts, "; "))
}

// shorten says a long reason once, and where it stands from then on.
func (v *viewer) shorten(b *block) {
	if v.verbose {
		return
	}
	one := func(m *remark) {
		if m.word == "" || len(m.text) < 80 {
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
