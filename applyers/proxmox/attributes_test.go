package proxmox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// attribute is a row of the attribute table: one value of the language, how a
// manifest asks for it, and where it stands on Proxmox.
type attribute struct {
	path desired.Path
	// as is what stands around the value in the guest's manifest, %s where it goes;
	// a and b are the value at first and after an edit.
	as, a, b string
	// from and to are both as a report writes them.
	from, to string
	// at is the option of Proxmox, with the part of it if it has parts: "scsi1 ro".
	// raw is what stands there after the edit.
	at, raw string
	// hand is what somebody puts there by hand, "" to take it away; seen is that as
	// a report writes it.
	hand, seen string

	// created marks a fact that is settled when the guest is made: the edit is
	// noted, in these words, and nothing else; "-" where live can't tell it.
	created string
	// held marks an edit that is held, with these words.
	held string
	// root marks what root@pam alone may set.
	root bool
	// given marks a value that a manifest can't leave out. back is what takes its
	// place where it can, by the language's own default: as a report writes it, or
	// "-" where that is what is live.
	given bool
	back  string
	// grown marks what only ever grows: a change by hand is noted in these words.
	grown string
	// edit and is replace at, for what stands in no option.
	edit func(b *bench, vmid int)
	is   func(b *bench, vmid int) string
}

// manifest is the guest that carries the row.
func (a *attribute) manifest(kind string, vmid int, value string, bare bool) string {
	word, disk := "VM", "scsi0: {storage: hdd, size: 1GiB}"
	if kind == desired.KindContainer {
		word, disk = "Container", "rootfs: {image: debian-ct, storage: hdd, size: 1GiB}"
	}
	if bare && a.given {
		value, bare = a.b, false
	}
	text := strings.Replace(cmp.Or(a.as, "%s"), "%s", value, 1)
	if parts := strings.Split(text, "~"); len(parts) == 3 {
		// What stands between the marks goes together with the value.
		if bare {
			parts[1] = ""
		}
		text = strings.Join(parts, "")
	}
	if kind == desired.KindData {
		if !strings.Contains(text, "disks:") {
			text += "\ndisks: {scsi0: {name: main, storage: hdd, size: 1GiB}}"
		}
		return fmt.Sprintf("kind: DataVM\nname: %s\nid: %d\n%s\n", a.name(kind, vmid), vmid, text)
	}
	return fmt.Sprintf("kind: %s\nname: %s\nid: %d\nuses: [base-%s]\n%s\n---\nkind: Profile\nname: base-%s\nfor: %s\ndisks: {%s}\n",
		word, a.name(kind, vmid), vmid, a.name(kind, vmid), text, a.name(kind, vmid), word, disk)
}

func (a *attribute) name(kind string, vmid int) string { return fmt.Sprintf("%s-%d", kind, vmid) }

func (a *attribute) id(kind string, vmid int) desired.ID {
	return desired.MakeID(kind, a.name(kind, vmid))
}

// option and part are where the value stands.
func (a *attribute) place() (option, part string) {
	option, part, _ = strings.Cut(a.at, " ")
	return option, part
}

func parsed(kind, option, text string) notation.Props {
	switch {
	case nicSlot(option):
		return parseNIC(kind, text)
	case driveSlot(kind, option):
		return notation.Parse(volumeKey(kind), text)
	}
	return notation.Parse(map[string]string{"agent": "enabled", "cpu": "cputype", "vga": "type"}[option], text)
}

// now is what stands on Proxmox: what waits for a reboot, or else what runs.
func (a *attribute) now(b *bench, vmid int) string {
	if a.is != nil {
		return a.is(b, vmid)
	}
	option, part := a.place()
	g := b.guest(vmid)
	text := g.Config[option]
	if waits, ok := g.Pending[option]; ok {
		text = waits
	}
	if slices.Contains(g.PendingDelete, option) {
		text = ""
	}
	if part == "" {
		return text
	}
	return parsed(g.Kind, option, text).Value(part)
}

// byHand is what somebody does in the web interface.
func (a *attribute) byHand(b *bench, vmid int) {
	if a.edit != nil {
		a.edit(b, vmid)
		return
	}
	option, part := a.place()
	value := a.hand
	if part != "" {
		g := b.guest(vmid)
		p := parsed(g.Kind, option, g.Config[option])
		p.Set(part, a.hand)
		value = p.String()
	}
	b.sim.Edit("anna@pam", vmid, map[string]string{option: value})
}

// round is what one state of the manifests led to.
type round struct {
	plan *drift.Plan
	// after is the plan once it has been applied.
	after *drift.Plan
	out   []drift.Outcome
	// values are those on Proxmox afterwards, by VMID.
	values map[int]string
}

// of is the part of a plan that concerns one guest, in short.
func of(p *drift.Plan, id desired.ID) string {
	var own drift.Plan
	for _, c := range p.Changes {
		if c.ID == id {
			own.Changes = append(own.Changes, c)
		}
	}
	return show(&own)
}

// notes are the remarks on a guest.
func notesOn(p *drift.Plan, id desired.ID) string {
	var all []string
	for _, n := range p.Notes {
		if n.ID == id {
			all = append(all, n.Text)
		}
	}
	return strings.Join(all, "\n")
}

// TestEveryAttribute takes every row of the table through its life, for each kind
// of guest that has it: made with it there is no drift; an edit in Git is planned as
// that field with the declared effect, and done; a change by hand is found, named
// with before and after, and mended; taken out of the manifest it is left alone and
// noted once. A value of the language without a row fails.
func TestEveryAttribute(t *testing.T) {
	for kind, spec := range map[string]any{desired.KindVM: &desired.VM{}, desired.KindContainer: &desired.Container{}, desired.KindData: &desired.DataVM{}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rows := attributesOf(kind)
			everyLeafHasARow(t, kind, spec, rows)
			story := liveThrough(t, kind, rows)
			for i, row := range rows {
				t.Run(string(row.path), func(t *testing.T) { story.judge(t, kind, 5000+i, row) })
			}
		})
	}
}

func everyLeafHasARow(t *testing.T, kind string, spec any, rows []*attribute) {
	t.Helper()
	only := onlyFor(spec)
	covered := make(map[desired.Path]bool)
	for _, row := range rows {
		covered[patternOf(row.path)] = true
	}
	for _, path := range everyLeaf(kind, spec) {
		lacks := only[path] != "" && !slices.Contains(strings.Split(only[path], ","), kind)
		_, elsewhere := testedElsewhere(kind)[path]
		switch {
		case lacks && covered[path]:
			t.Errorf("%s: a %s has none, and it has a row", path, kind)
		case !lacks && !covered[path] && !elsewhere:
			t.Errorf("%s: no row tests it", path)
		case covered[path] && elsewhere:
			t.Errorf("%s has a row and is said to be tested elsewhere", path)
		}
	}
}

// story is the history of all rows' guests, on one cluster.
type story struct {
	made, edited, mended, again round
	// planned is the plan of the edit, found that of what was done by hand, left
	// that of what the manifests no longer mention.
	left *drift.Plan
}

func liveThrough(t *testing.T, kind string, rows []*attribute) *story {
	t.Helper()
	l := &story{}
	synctest.Test(t, func(t *testing.T) {
		sim := pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Bridges: []string{"vmbr0", "vmbr1"}})
		for _, pool := range []string{"one", "two", "other"} {
			sim.AddGuest(pvesim.Guest{VMID: 900 + len(pool), Config: map[string]string{"name": "in-" + pool}, Pool: pool})
		}
		b := benchOn(t, sim)
		write := func(value func(*attribute) string, bare bool) {
			docs := attributeDocs()
			for i, row := range rows {
				docs = append(docs, row.manifest(kind, 5000+i, value(row), bare))
			}
			b.fleet = load(t, docs...)
		}
		turn := func(previous *desired.Fleet) round {
			r := round{values: make(map[int]string)}
			var w *drift.World
			r.plan, w = b.plannedSince(previous)
			r.out = b.execute(t.Context(), r.plan, w, &events{})
			r.after, _ = b.plannedSince(previous)
			for i, row := range rows {
				r.values[5000+i] = row.now(b, 5000+i)
			}
			return r
		}
		write(func(a *attribute) string { return a.a }, false)
		l.made = turn(nil)
		before := b.fleet
		write(func(a *attribute) string { return a.b }, false)
		l.edited = turn(before)
		// What waits for a reboot gets it.
		reboot := func() {
			for i := range rows {
				if b.guest(5000 + i).Running {
					b.sim.SetRunning(5000+i, false)
					b.sim.SetRunning(5000+i, true)
				}
			}
		}
		reboot()
		for i, row := range rows {
			if row.created == "" && row.held == "" && !row.root {
				row.byHand(b, 5000+i)
			}
		}
		l.mended = turn(b.fleet)
		reboot()
		before = b.fleet
		write(func(*attribute) string { return "" }, true)
		l.left, _ = b.plannedSince(before)
		l.again = turn(b.fleet)
	})
	return l
}

// plannedSince plans with the fleet that was applied before.
func (b *bench) plannedSince(previous *desired.Fleet) (*drift.Plan, *drift.World) {
	b.t.Helper()
	seen := b.observe()
	in := b.input(seen)
	in.Previous = previous
	p, err := drift.Make(in)
	if err != nil {
		b.t.Fatalf("plan: %v", err)
	}
	return p, drift.NewWorld(b.fleet, seen.Lives)
}

func (l *story) judge(t *testing.T, kind string, vmid int, row *attribute) {
	id := row.id(kind, vmid)
	for _, r := range []round{l.made, l.edited, l.mended, l.again} {
		for _, o := range r.out {
			if o.ID == id && o.Status != drift.Done && row.held == "" && !row.root {
				t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
			}
		}
	}
	if row.root {
		l.judgeRoot(t, id)
		return
	}
	if got := of(l.made.after, id); got != "" {
		t.Errorf("made with it, it drifts:\n%s", got)
	}
	l.judgeEdit(t, kind, id, vmid, row)
	if row.created == "" && row.held == "" {
		l.judgeHand(t, kind, id, vmid, row)
	}
	// Once it is no longer mentioned.
	got, notes := of(l.left, id), notesOn(l.left, id)
	if row.back != "" && row.back != "-" {
		if !strings.Contains(got, fmt.Sprintf("→ %q", row.back)) {
			t.Errorf("taken out of the manifest, the default does not take its place:\n%s", got)
		}
		return
	}
	if got != "" && row.held == "" {
		t.Errorf("taken out of the manifest, it is planned for:\n%s", got)
	}
	if note := "no longer managed: " + string(row.path); !row.given && row.back == "" && !strings.Contains(notes, note) {
		t.Errorf("no note %q in:\n%s", note, notes)
	}
	if got := of(l.again.plan, id) + notesOn(l.again.plan, id); strings.Contains(got, "no longer managed") || got != "" && row.created+row.held+row.grown == "" {
		t.Errorf("and the turn after:\n%s", got)
	}
}

// judgeEdit looks at an edit in Git.
func (l *story) judgeEdit(t *testing.T, kind string, id desired.ID, vmid int, row *attribute) {
	got := of(l.edited.plan, id)
	switch {
	case row.created != "":
		if notes := notesOn(l.edited.plan, id); got != "" || row.created != "-" && !strings.Contains(notes, row.created) {
			t.Errorf("the edit is planned as:\n%s\nwith the notes:\n%s\nwant %q", got, notes, row.created)
		}
		return
	case row.held != "":
		if !strings.Contains(got, "HELD "+row.held) {
			t.Errorf("the edit is planned as:\n%s\nwant it held: %s", got, row.held)
		}
		return
	}
	if want := row.step(kind, id, row.from, row.to); got != want {
		t.Errorf("the edit is planned as:\n%s\nwant:\n%s", got, want)
	}
	if got := of(l.edited.after, id); got != "" {
		t.Errorf("after the edit was applied, there is still:\n%s", got)
	}
	if got := l.edited.values[vmid]; got != row.raw {
		t.Errorf("%s is %q on Proxmox, want %q", row.at, got, row.raw)
	}
}

// judgeHand looks at a change by hand.
func (l *story) judgeHand(t *testing.T, kind string, id desired.ID, vmid int, row *attribute) {
	got := of(l.mended.plan, id)
	if row.grown != "" {
		if notes := notesOn(l.mended.plan, id); got != "" || !strings.Contains(notes, row.grown) {
			t.Errorf("grown by hand, it is planned as:\n%s\nwith the notes:\n%s", got, notes)
		}
		return
	}
	if want := row.step(kind, id, row.seen, row.to); got != want {
		t.Errorf("changed by hand, it is planned as:\n%s\nwant:\n%s", got, want)
	}
	for _, c := range l.mended.plan.Changes {
		for _, f := range c.Fields {
			if c.ID == id && f.Origin != drift.FromLive {
				t.Errorf("%s is said to come from %q", f.Path, f.Origin)
			}
		}
	}
	if got := of(l.mended.after, id); got != "" {
		t.Errorf("after it was mended, there is still:\n%s", got)
	}
	if got := l.mended.values[vmid]; got != row.raw {
		t.Errorf("%s is %q on Proxmox after it was mended, want %q", row.at, got, row.raw)
	}
}

// judgeRoot looks at what root@pam alone may set: held, with the command.
func (l *story) judgeRoot(t *testing.T, id desired.ID) {
	for _, p := range []*drift.Plan{l.made.after, l.edited.plan} {
		if got := of(p, id); !strings.Contains(got, "HELD") || !strings.Contains(got, "may be set by root@pam alone") || !strings.Contains(got, " set ") {
			t.Errorf("planned as:\n%s", got)
		}
	}
	for _, o := range l.edited.out {
		if o.ID == id && o.Status == drift.Done {
			t.Errorf("%s was done", o.Key)
		}
	}
	if got := of(l.left, id); got != "" {
		t.Errorf("taken out of the manifest, it is planned for:\n%s", got)
	}
}

// step is the plan for one field of a guest that runs, as its tag declares it.
func (a *attribute) step(kind string, id desired.ID, before, after string) string {
	step, more := drift.Online, ""
	switch {
	case a.path == "state" && after == "stopped":
		step = drift.Stop
	case a.path == "state":
		step = drift.Start
	case a.path == nodePath:
		step = drift.Migrate
	case effectOf(kind, a) == desired.Reboot:
		step = drift.Pending
	}
	return fmt.Sprintf("%s %s\n  %s %q → %q%s", id, step, a.path, before, after, more)
}

// effectOf is the effect that the language declares for a row.
func effectOf(kind string, row *attribute) desired.Effect {
	fleet, err := parse(append(attributeDocs(), row.manifest(kind, 5000, row.b, false))...)
	if err != nil {
		return ""
	}
	for _, leaf := range desired.Leaves(kind, fleet.Resource(row.id(kind, 5000)).Spec) {
		if leaf.Path == row.path {
			return leaf.Effect
		}
	}
	return ""
}
