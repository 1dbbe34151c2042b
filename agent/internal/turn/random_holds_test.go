package turn_test

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// hold is a reason for which a change may wait for good, and when it is one: a hold that
// the model knows no reason for is a fault.
type hold struct {
	says *regexp.Regexp
	// lawful judges by Git and by the cluster; w is what Git asks for, nil where that is
	// nothing, and g what stands on the VMID, or else the zero Guest.
	lawful func(r *round, w *wish, g pvesim.Guest, rep *report.Report, id desired.ID) bool
}

func holds() []hold {
	is := func(pattern string, lawful func(r *round, w *wish, g pvesim.Guest, rep *report.Report, id desired.ID) bool) hold {
		return hold{regexp.MustCompile(pattern), lawful}
	}
	return []hold{
		is(`is not ours|it is not ours|foreign`, func(r *round, w *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			_, foreign := r.foreign[g.VMID]
			return w != nil && (foreign || !strings.Contains(g.Config["description"], "berth: "))
		}),
		is(`would go in one turn|may go in one turn`, func(r *round, w *wish, _ pvesim.Guest, rep *report.Report, _ desired.ID) bool {
			going := 0
			for _, g := range r.ours() {
				if !r.git.has(g.VMID) {
					going++
				}
			}
			return going > r.git.deletes && !r.git.lets("shrink-fleet", time.Now())
		}),
		is(`data is never destroyed by leaving it out`, func(r *round, w *wish, _ pvesim.Guest, _ *report.Report, id desired.ID) bool {
			return w == nil && id.Kind() == desired.KindData
		}),
		is(`^it is protected`, func(_ *round, _ *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return g.Config["protection"] == "1"
		}),
		is(`^its manifest protects it`, func(_ *round, w *wish, _ pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return w != nil && w.protection
		}),
		is(`has no pool`, func(_ *round, w *wish, _ pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return w != nil && w.pool == "lab"
		}),
		is(`waits for a maintenance window`, func(r *round, _ *wish, _ pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return r.git.windows && !r.open(time.Now())
		}),
		is(`disks never shrink`, func(_ *round, w *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return w != nil || g.VMID >= 9501
		}),
		is(`^it is archived, but it runs`, func(_ *round, _ *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return g.Running && strings.Contains(g.Config["description"], " archived=")
		}),
		is(`is in use|its disks are in use`, func(r *round, _ *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return slices.ContainsFunc(r.ours(), func(other pvesim.Guest) bool {
				return other.VMID != g.VMID && strings.Contains(other.Config["scsi2"], "vm-"+itoa(g.VMID)+"-") || strings.Contains(g.Config["scsi2"], "vm-95")
			})
		}),
		is(`^waits for (\S+) (\S+), which is held`, func(_ *round, _ *wish, _ pvesim.Guest, rep *report.Report, _ desired.ID) bool {
			return slices.ContainsFunc(rep.Plan.Changes, func(c drift.Change) bool {
				return c.Held != "" && !strings.HasPrefix(c.Held, "waits for ") || slices.ContainsFunc(c.Fields, func(f drift.Field) bool { return f.Held != "" })
			})
		}),
		is(`^template .* own storage`, func(_ *round, w *wish, _ pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return w != nil && w.from == "linked" && w.node != 1
		}),
		is(`runs with it as|runs with \S+ as`, func(r *round, _ *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return slices.ContainsFunc(r.ours(), func(other pvesim.Guest) bool {
				return other.Running && strings.Contains(other.Config["scsi2"], "vm-"+itoa(g.VMID)+"-")
			})
		}),
		is(`has its VMID in Git|keeps its VMID until`, func(r *round, _ *wish, g pvesim.Guest, _ *report.Report, id desired.ID) bool {
			// Somebody else in Git has its number, or it has somebody's who is gone.
			return g.VMID == 0 || !strings.Contains(g.Config["description"], "/"+string(id)+" ") || r.git.guests[g.VMID] != nil && r.idOf(r.git.guests[g.VMID]) != id
		}),
		is(`did not shut down`, func(_ *round, _ *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool { return g.Running }),
		is(`volume|detach`, func(r *round, w *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return w != nil && (w.volume != "" || w.extra == "absent") || strings.Contains(g.Config["scsi2"], "vm-95")
		}),
		is(`waits for a reboot|lifecycle.reboot`, func(_ *round, w *wish, g pvesim.Guest, _ *report.Report, _ desired.ID) bool {
			return w != nil && w.reboot == "never" && g.Running
		}),
	}
}

// lawful holds of a report at rest that whatever is held in it has a reason that the
// model sees, too.
func (r *round) lawful(rep *report.Report) {
	all := holds()
	judge := func(c drift.Change, path desired.Path, reason string) {
		if reason == "" {
			return
		}
		w, vmid := r.asked(c.ID)
		g, _ := r.sim.Guest(vmid)
		for _, h := range all {
			if h.says.MatchString(reason) && h.lawful(r, w, g, rep, c.ID) {
				return
			}
		}
		r.fail("holds", "%s %s is held, and nothing is seen that asks for it: %s\n%+v\n%v", c.Key, path, reason, w, g.Config)
	}
	for _, c := range rep.Plan.Changes {
		judge(c, "", c.Held)
		for _, f := range c.Fields {
			judge(c, f.Path, f.Held)
		}
	}
}

// asked is what Git asks for under an id, and the VMID that it has or had.
func (r *round) asked(id desired.ID) (*wish, int) {
	for vmid, w := range r.git.guests {
		if r.idOf(w) == id || w.renamed != "" && strings.TrimPrefix(string(id), id.Kind()+"/") == w.renamed {
			return w, vmid
		}
	}
	for vmid, d := range r.git.data {
		if id == desired.ID("data/"+d.name) {
			return &wish{kind: "DataVM", name: d.name, vmid: vmid, protection: d.protection, remove: d.remove}, vmid
		}
	}
	for n := range r.git.count {
		if id == desired.ID("ct/pool-"+itoa(n+1)) {
			return &wish{kind: "Container", name: "pool-" + itoa(n+1), vmid: counted + n}, counted + n
		}
	}
	for vmid := range r.last {
		if r.nameOf(vmid) == string(id) {
			return nil, vmid
		}
	}
	for _, g := range r.ours() {
		if strings.Contains(g.Config["description"], "/"+string(id)+" ") {
			return nil, g.VMID
		}
	}
	return nil, 0
}
