package turn_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// kept asserts that what is not ours is as it was, and that what held data is there
// still, unless Git lets it go.
func (r *round) kept(before map[string]int, since time.Time) {
	for _, vmid := range slices.Sorted(maps.Keys(r.foreign)) {
		now, _ := r.sim.Guest(vmid)
		if d := cmp.Diff(r.foreign[vmid], now); d != "" {
			r.fail("foreign", "guest %d: %s", vmid, d)
		}
	}
	if d := cmp.Diff(r.strange, r.strangers()); d != "" {
		r.fail("foreign", "volumes: %s", d)
	}
	there := make(map[string]bool)
	for _, v := range r.sim.Volumes() {
		there[v.ID+" "+v.Node] = true
		there[v.ID] = true
	}
	for _, v := range slices.Sorted(maps.Keys(before)) {
		name, _, _ := strings.Cut(v, " ")
		if there[v] || there[name] {
			continue
		}
		owner := before[v]
		name = r.nameOf(owner)
		approved := r.git.lets("delete "+name, time.Now())
		if !approved && !r.open(since) {
			r.fail("windows", "volume %s of %s is gone, and no window was open", v, name)
		}
		if byDate := r.git.archive > 0 && r.git.guests[owner] == nil && (r.last[owner] == nil || r.last[owner].remove != "destroy"); byDate && r.skew.Abs() >= apart {
			r.fail("clocks", "volume %s of %s is gone by date, and the clocks are %s apart", v, name, r.skew)
		}
		if !r.git.mayGo(owner, r.last[owner], r.gone[owner], time.Now()) {
			r.fail("data", "volume %s of guest %d is gone; Git says %+v", v, owner, r.git.guests[owner])
		}
	}
}

// rest lets turns go on undisturbed until nothing is left to do, and compares what
// has come of it with what Git asks for.
func (r *round) rest() {
	var rep *report.Report
	for i := 0; ; i++ {
		rep = r.run(false)
		if rep.Refused != nil {
			r.fail("load", "%v", rep.Refused.Problems)
		}
		if r.quiet(rep) {
			break
		}
		if i == 14 {
			r.fail("converges", "%s", head(whole(rep)))
		}
		pass(73 * time.Hour / 2)
		if r.git.windows {
			// Some of what is left waits for it.
			now := time.Now().UTC()
			pass(now.Truncate(24 * time.Hour).Add(27*time.Hour + 10*time.Minute).Sub(now))
		}
	}
	before := len(r.sim.Requests())
	again := r.run(false)
	for _, q := range r.sim.Requests()[before:] {
		if q.Write() {
			r.fail("writes", "%s %s with nothing to do\n%s", q.Method, q.Path, told(again))
		}
	}
	r.compare(again)
	r.names(again)
	r.lawful(again)
	for range 2 {
		// What is settled is no news, whatever it has been through.
		if why := r.agent.Look(r.ctx); why != "" {
			r.fail("polls", "%s", why)
		}
	}
}

// whole is a report in short, with what was done.
func whole(rep *report.Report) string {
	var b strings.Builder
	if rep.Refused != nil {
		fmt.Fprintf(&b, "refused: %s %v\n", rep.Refused.Reason, rep.Refused.Problems)
	}
	for _, x := range rep.Plan.Blind {
		fmt.Fprintf(&b, "unknown %s%s: %s\n", x.ID, x.Site, x.Reason)
	}
	for _, x := range rep.Plan.Foreign {
		fmt.Fprintf(&b, "foreign %s: %s: %s\n", x.ID, x.What, x.Reason)
	}
	for _, n := range rep.Plan.Notes {
		fmt.Fprintf(&b, "note %s %s: %s\n", n.ID, n.Path, n.Text)
	}
	for _, c := range rep.Plan.Changes {
		fmt.Fprintf(&b, "%s: %s; held: %q", c.Key, c.Reason, c.Held)
		if c.Step != drift.Create {
			for _, f := range c.Fields {
				fmt.Fprintf(&b, "; %s %q → %q %s", f.Path, f.Before.Text, f.After.Text, f.Held)
			}
		}
		b.WriteByte('\n')
	}
	for _, o := range rep.Outcomes {
		fmt.Fprintf(&b, "  %s: %s: %s %v\n", o.Key, o.Status, o.Reason, o.Results)
	}
	return b.String()
}

func head(s string) string { return s[:min(len(s), 1500)] }

// quiet tells whether nothing was left to do that could be done.
func (r *round) quiet(rep *report.Report) bool {
	if len(rep.Plan.Blind) > 0 || rep.Plan.Go() || len(rep.Outcomes) > 0 {
		return false
	}
	for _, c := range rep.Plan.Changes {
		if strings.HasPrefix(c.Held, "tried again at") {
			return false
		}
	}
	return true
}

// named tells whether a report says anything of a guest.
func named(rep *report.Report, id desired.ID) bool {
	return slices.ContainsFunc(rep.Plan.Changes, func(c drift.Change) bool { return c.ID == id }) ||
		slices.ContainsFunc(rep.Plan.Notes, func(n drift.Note) bool { return n.ID == id && n.Path != "" && n.Path != "cloudInit" }) ||
		slices.ContainsFunc(rep.Plan.Blind, func(b drift.Blind) bool { return b.Covers(id, "home") }) ||
		slices.ContainsFunc(rep.Plan.Foreign, func(f drift.Foreign) bool { return f.ID == id })
}

// compare holds a report against the cluster: what differs must stand in it.
func (r *round) compare(rep *report.Report) {
	for _, vmid := range slices.Sorted(maps.Keys(r.git.guests)) {
		w := r.git.guests[vmid]
		short := map[string]string{"VM": "vm/", "Container": "ct/"}[w.kind]
		id := desired.ID(short + w.name)
		for _, what := range r.differs(w) {
			if !named(rep, id) {
				r.fail("names all", "%s (%d): %s, and the report has no word of it", id, vmid, what)
			}
		}
	}
	for _, vmid := range slices.Sorted(maps.Keys(r.git.data)) {
		d := r.git.data[vmid]
		id := desired.ID("data/" + d.name)
		if _, ok := r.sim.Guest(vmid); !ok && !named(rep, id) {
			r.fail("names all", "%s is not there, and the report has no word of it", id)
		}
	}
	for _, g := range r.sim.Guests() {
		if _, ok := r.foreign[g.VMID]; ok || r.git.has(g.VMID) || !strings.Contains(g.Config["description"], "berth: ") {
			continue
		}
		// The tag is the index by which ours are found: without it, only a manifest leads there.
		if !slices.Contains(strings.Split(g.Config["tags"], ";"), "berth.pegasus") {
			continue
		}
		if g.Running && !slices.ContainsFunc(rep.Plan.Changes, func(c drift.Change) bool { return c.Held != "" }) {
			r.fail("names all", "%d is gone from Git, and runs: %v", g.VMID, g.Config)
		}
	}
	for n := range r.git.count {
		if _, ok := r.sim.Guest(counted + n); !ok && !named(rep, desired.ID(fmt.Sprintf("ct/pool-%d", n+1))) {
			r.fail("names all", "pool-%d is not there, and the report has no word of it", n+1)
		}
	}
}

// differs lists in what a guest is not as Git has it.
func (r *round) differs(w *wish) []string {
	g, ok := r.sim.Guest(w.vmid)
	if w.state == "absent" {
		if ok && strings.Contains(g.Config["description"], "/"+w.name+" ") {
			return []string{"it is there"}
		}
		return nil
	}
	if !ok {
		return []string{"it is not there"}
	}
	var all []string
	is := func(what, want, have string) {
		if want != have {
			all = append(all, fmt.Sprintf("%s is %q, not %q", what, have, want))
		}
	}
	is("memory", strconv.Itoa(w.memory), map[bool]string{true: "512", false: g.Config["memory"]}[g.Config["memory"] == ""])
	if have := g.Config["cores"]; have != "" || w.cores != 1 {
		is("cores", strconv.Itoa(w.cores), have)
	}
	is("name", w.name, g.Config["name"]+g.Config["hostname"])
	is("running", strconv.FormatBool(w.state != "stopped"), strconv.FormatBool(g.Running))
	tags := append([]string{"berth.pegasus"}, w.tags...)
	slices.Sort(tags)
	have := strings.FieldsFunc(strings.ToLower(g.Config["tags"]), func(c rune) bool { return c == ';' })
	slices.Sort(have)
	is("tags", strings.Join(tags, ";"), strings.Join(have, ";"))
	if w.pool != "" {
		is("pool", w.pool, g.Pool)
	}
	if w.pin {
		is("node", fmt.Sprintf("pve%d", w.node), g.Node)
	}
	is("protection", strconv.FormatBool(w.protection), strconv.FormatBool(g.Config["protection"] == "1"))
	switch w.startup {
	case "never":
		is("onboot", "false", strconv.FormatBool(g.Config["onboot"] == "1"))
	case "early", "yes":
		is("onboot", "true", strconv.FormatBool(g.Config["onboot"] == "1"))
	}
	slot := map[string]string{"VM": "scsi1", "Container": "mp1"}[w.kind]
	switch w.extra {
	case "":
	case "absent":
		is(slot, "", g.Config[slot])
	default:
		if g.Config[slot] == "" {
			all = append(all, slot+" is missing")
		}
	}
	if w.volume != "" && !strings.Contains(g.Config["scsi2"], r.holder(w.volume)) {
		all = append(all, fmt.Sprintf("scsi2 is %q, not of %s", g.Config["scsi2"], w.volume))
	}
	return all
}

func (r *round) holder(name string) string {
	for vmid, d := range r.git.data {
		if d.name == name {
			return fmt.Sprintf("vm-%d-", vmid)
		}
	}
	return "?"
}

// seen notes what the commit that the agent is about to look at asks for. What came
// and went between two turns, no agent has seen.
func (r *round) seen() {
	for vmid, g := range r.git.guests {
		if g.state != "absent" {
			copied := *g
			r.last[vmid] = &copied
		}
	}
	for vmid, d := range r.git.data {
		r.last[vmid] = &wish{kind: "DataVM", name: d.name, vmid: vmid, remove: d.remove}
	}
	for _, g := range r.sim.Guests() {
		if _, ok := r.gone[g.VMID]; r.git.has(g.VMID) {
			delete(r.gone, g.VMID)
		} else if !ok {
			r.gone[g.VMID] = time.Now()
		}
	}
}
