package turn_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// difference is one value that a guest has otherwise than Git, as a report writes it.
type difference struct {
	path         desired.Path
	live, wanted string
}

// standing is one of our guests that stands whole under its manifest: made, in use, and
// not waiting for anything.
func (r *round) standing(w *wish) (g pvesim.Guest, ok bool) {
	g, ok = r.sim.Guest(w.vmid)
	text := g.Config["description"]
	if !ok || w.state == "absent" || g.Lock != "" || g.Kind != map[string]string{"VM": pvesim.KindVM, "Container": pvesim.KindCT}[w.kind] {
		return g, false
	}
	line := text[strings.LastIndexByte(strings.TrimSpace(text), '\n')+1:]
	ours := strings.HasPrefix(line, fmt.Sprintf("berth: pegasus/%s home#%d ", r.idOf(w), w.vmid))
	return g, ours && !strings.Contains(line, " archived=") && !strings.Contains(line, " state=") && len(g.Pending) == 0
}

func (r *round) idOf(w *wish) desired.ID {
	return desired.ID(map[string]string{"VM": "vm/", "Container": "ct/"}[w.kind] + w.name)
}

// differences are worked out from Proxmox's own words, by no code of the agent's.
func (r *round) differences(w *wish, g pvesim.Guest) []difference {
	var all []difference
	is := func(path desired.Path, live, wanted string) {
		if live != wanted {
			all = append(all, difference{path, live, wanted})
		}
	}
	or := func(option, otherwise string) string {
		if v := g.Config[option]; v != "" {
			return v
		}
		return otherwise
	}
	memory, cores := desired.Path("memory.size"), "1"
	if w.kind == "Container" {
		memory, cores = "memory", "0"
	}
	size := func(mebibytes string) string {
		n, _ := strconv.Atoi(mebibytes)
		return (desired.Size(n) * desired.MiB).String()
	}
	is(memory, size(or("memory", "512")), size(strconv.Itoa(w.memory)))
	is("cpu.cores", or("cores", cores), strconv.Itoa(w.cores))
	is("hostname", g.Config["name"]+g.Config["hostname"], w.name)
	is("protection", strconv.FormatBool(g.Config["protection"] == "1"), strconv.FormatBool(w.protection))
	is("state", map[bool]string{true: "running", false: "stopped"}[g.Running], map[bool]string{true: "running", false: "stopped"}[w.state != "stopped"])
	if w.startup != "" {
		live := "never"
		if g.Config["onboot"] == "1" {
			live = map[string]string{"": "yes", "order=100,up=30": "early"}[g.Config["startup"]]
		}
		is("startup", live, w.startup)
	}
	if w.pool != "" {
		is("pool", g.Pool, w.pool)
	}
	if w.pin {
		is("node", g.Node, fmt.Sprintf("pve%d", w.node))
	}
	if w.options != "" {
		is("options.rng0", g.Config["rng0"], "source=/dev/urandom")
	}
	tags := func(all []string) string {
		all = slices.DeleteFunc(all, func(tag string) bool { return strings.HasPrefix(tag, "berth") })
		slices.Sort(all)
		return strings.Join(slices.Compact(all), " ")
	}
	live := strings.FieldsFunc(strings.ToLower(g.Config["tags"]), func(c rune) bool { return c == ';' || c == ',' || c == ' ' })
	is("tags", tags(live), tags(slices.Clone(w.tags)))
	return all
}

// told tells whether a report has a difference, with both its sides.
func (d difference) told(rep *report.Report, id desired.ID) bool {
	for _, c := range rep.Plan.Changes {
		if c.ID == id && slices.ContainsFunc(c.Fields, func(f drift.Field) bool {
			return f.Path == d.path && strings.EqualFold(f.Before.Text, d.live) && strings.EqualFold(f.After.Text, d.wanted)
		}) {
			return true
		}
	}
	return slices.ContainsFunc(rep.Plan.Notes, func(n drift.Note) bool { return n.ID == id && n.Path == d.path })
}

// names holds a report to every difference there is of guests that stand, field by
// field, and to no more than these.
func (r *round) names(rep *report.Report) {
	if rep == nil || rep.Refused != nil {
		return
	}
	for _, vmid := range slices.Sorted(maps.Keys(r.git.guests)) {
		w := r.git.guests[vmid]
		id := r.idOf(w)
		g, ok := r.standing(w)
		unsure := slices.ContainsFunc(rep.Plan.Blind, func(b drift.Blind) bool { return b.Covers(id, "home") }) ||
			slices.ContainsFunc(rep.Plan.Foreign, func(f drift.Foreign) bool { return f.ID == id })
		if !ok || unsure {
			continue
		}
		there := r.differences(w, g)
		for _, d := range there {
			if !d.told(rep, id) {
				r.fail("names all", "%s (%d): %s is %q and not %q, and the report does not say so\n%s", id, vmid, d.path, d.live, d.wanted, head(whole(rep)))
			}
		}
		for _, c := range rep.Plan.Changes {
			for _, f := range c.Fields {
				// The tag by which the fleet finds its guests is put back, too.
				lost := f.Path == "tags" && !strings.Contains(g.Config["tags"], "berth.pegasus")
				if c.ID == id && judged(f.Path) && !lost && !slices.ContainsFunc(there, func(d difference) bool { return d.path == f.Path }) {
					r.fail("names no more", "%s (%d): %s is said to be %q and not %q, which it is not: %v", id, vmid, f.Path, f.Before.Text, f.After.Text, g.Config)
				}
			}
		}
	}
}

// judged tells whether the model knows a path whatever the manifest says of it.
func judged(path desired.Path) bool {
	return slices.Contains([]desired.Path{"memory", "memory.size", "cpu.cores", "protection", "state", "tags"}, path)
}

// looked asks what differs, undisturbed, and holds the answer to what there is.
func (r *round) looked() {
	before := len(r.sim.Requests())
	rep, err := r.agent.Run(r.ctx, turn.Request{Mode: report.Drift})
	if err != nil {
		r.fail("a look", "%v", err)
	}
	for _, q := range r.sim.Requests()[before:] {
		if q.Write() {
			r.fail("writes", "a look makes %s %s", q.Method, q.Path)
		}
	}
	r.names(rep)
}
