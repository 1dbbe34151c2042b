package turn_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// names of the guests that a fleet may have, by VMID.
func slotOf(n int) (vmid int, kind, name string) {
	all := []struct {
		vmid       int
		kind, name string
	}{
		{4001, "VM", "web"},
		{4002, "VM", "db"},
		{4003, "VM", "api"},
		{squatter, "VM", "aux"},
		{tenant, "VM", "tenant"},
		{4006, "Container", "cache"},
		{4007, "Container", "mail"},
	}
	return all[n].vmid, all[n].kind, all[n].name
}

const slots = 7

// newGuest makes up a guest.
func (r *round) newGuest() *wish {
	vmid, kind, name := slotOf(r.n(slots - 1))
	g := &wish{
		kind: kind, name: name, vmid: vmid, memory: pick(r, 512, 1024, 2048), cores: 1 + r.n(3),
		tags: []string{"prod"}, from: "image", root: 8, node: 1, remove: "archive", reboot: "never",
	}
	if kind == "Container" {
		return g
	}
	g.adopt = vmid == squatter && r.n(1) == 0
	g.from = pick(r, "image", "image", "clone", "linked", "blank")
	if g.from != "blank" {
		g.seed = pick(r, "seed", "", "native")
	}
	g.reboot = pick(r, "never", "now")
	return g
}

// edit commits something to Git.
func (r *round) edit(first bool) {
	to := r.git.clone()
	var said []string
	if first {
		n := 1 + r.n(3)
		for range n {
			g := r.newGuest()
			to.guests[g.vmid] = g
			said = append(said, fmt.Sprintf("add %+v", *g))
		}
		if r.n(1) == 0 {
			to.data[9501] = &holder{name: "certs", vmid: 9501, size: 2, remove: "archive"}
			said = append(said, "add certs")
		}
		r.commit(to, strings.Join(said, "; "))
		return
	}
	ids := slices.Sorted(maps.Keys(to.guests))
	what := r.n(26)
	if len(ids) == 0 && what > 5 && what < 23 {
		what = 0
	}
	switch what {
	case 0, 1:
		g := r.newGuest()
		if to.guests[g.vmid] != nil {
			delete(to.guests, g.vmid)
			r.commit(to, fmt.Sprintf("remove %d", g.vmid))
			return
		}
		to.guests[g.vmid] = g
		r.commit(to, fmt.Sprintf("add %+v", *g))
		return
	case 2:
		to.count = r.n(3)
		r.commit(to, fmt.Sprintf("count %d", to.count))
		return
	case 3:
		vmid := pick(r, 9501, 9502)
		if to.data[vmid] != nil {
			delete(to.data, vmid)
			for _, g := range to.guests {
				if g.volume == strings.TrimSpace(map[int]string{9501: "certs", 9502: "files"}[vmid]) {
					g.volume = ""
				}
			}
			r.commit(to, fmt.Sprintf("remove data %d", vmid))
			return
		}
		to.data[vmid] = &holder{name: map[int]string{9501: "certs", 9502: "files"}[vmid], vmid: vmid, size: 2, remove: "archive"}
		r.commit(to, fmt.Sprintf("add data %d", vmid))
		return
	case 4:
		if d := to.data[9501]; d != nil {
			d.size += r.n(2)
			d.protection = r.n(2) == 0
			d.remove = pick(r, "archive", "release")
			r.commit(to, fmt.Sprintf("data %+v", *d))
		}
		return
	case 5:
		to.archive = pick(r, 0, time.Hour, 72*time.Hour)
		to.deletes = pick(r, 1, 3, 50)
		r.commit(to, fmt.Sprintf("archiveFor %s, deletes %d", to.archive, to.deletes))
		return
	}
	switch what {
	case 23:
		to.windows = !to.windows
		r.commit(to, fmt.Sprintf("windows %v", to.windows))
		return
	case 24, 25:
		allow := pick(r, "shrink-fleet", "destroy-volume data/certs/disk", "delete vm/web", "delete vm/db", "delete ct/cache")
		to.allowed[allow] = r.clock().Add(10 * 24 * time.Hour).Truncate(time.Second)
		r.commit(to, "allow "+allow)
		return
	case 26:
		clear(to.allowed)
		r.commit(to, "allow nothing")
		return
	}
	g := to.guests[pick(r, ids...)]
	switch what {
	case 6:
		g.memory = pick(r, 512, 1024, 2048)
	case 7:
		g.cores = 1 + r.n(3)
	case 8:
		g.tags = pick(r, nil, []string{"prod"}, []string{"web", "prod"})
	case 9:
		g.pool = pick(r, "", "lab", "shop")
	case 10:
		g.state = pick(r, "", "stopped", "absent")
	case 11:
		g.startup = pick(r, "", "never", "yes", "early")
	case 12:
		g.protection = !g.protection
	case 13:
		g.root += 2
	case 14:
		g.extra = pick(r, "", "absent", "1", "3")
	case 15:
		g.remove = pick(r, "archive", "destroy", "release")
	case 16:
		g.reboot = pick(r, "never", "now", "window")
	case 22:
		if w := to.guests[squatter]; w != nil {
			w.adopt = !w.adopt
			g = w
		}
	case 17:
		g.node, g.pin = 1+r.n(2), r.n(1) == 0
	case 18:
		if g.kind == "VM" {
			g.options = pick(r, "", `rng0: "source=/dev/urandom"`)
		}
	case 19:
		if g.renamed == "" {
			g.renamed, g.name = g.name, g.name+"-2"
		} else {
			g.renamed = ""
		}
	case 20, 21:
		if g.kind == "VM" && to.data[9501] != nil {
			for _, other := range to.guests {
				if other != g && other.volume == "certs" {
					other.volume = ""
				}
			}
			if g.volume == "" {
				g.volume = "certs"
			} else {
				g.volume = ""
			}
		}
	default:
		g.description = pick(r, "", "Of the shop.", "Of the lab.")
	}
	r.commit(to, fmt.Sprintf("change %d to %+v", g.vmid, *g))
}

// ours are the guests that bear our stamp.
func (r *round) ours() []pvesim.Guest {
	var all []pvesim.Guest
	for _, g := range r.sim.Guests() {
		if _, ok := r.foreign[g.VMID]; !ok && strings.Contains(g.Config["description"], "berth: ") {
			all = append(all, g)
		}
	}
	return all
}

// byHand is what somebody does with root's rights.
func (r *round) byHand() {
	all := r.ours()
	if len(all) == 0 {
		return
	}
	g := all[r.n(len(all)-1)]
	data := g.VMID >= 9501
	said := ""
	set := func(key, value string) {
		r.sim.Edit("root@pam", g.VMID, map[string]string{key: value})
		said = key + "=" + value
	}
	switch what := r.n(11); what {
	case 0:
		set("memory", pick(r, "512", "768", "2048"))
	case 1:
		set("tags", pick(r, "", "Prod;berth.pegasus", "other", "prod;x;berth.pegasus"))
	case 2:
		set("cores", strconv.Itoa(1+r.n(3)))
	case 3:
		set("onboot", pick(r, "", "0", "1"))
	case 4:
		if !data {
			r.sim.SetRunning(g.VMID, !g.Running)
			said = fmt.Sprintf("running %v", !g.Running)
		}
	case 5:
		if !data {
			r.sim.Remove(g.VMID)
			said = "removed"
		}
	case 6:
		if !data && !strings.Contains(g.Config["scsi2"], "vm-95") {
			node := fmt.Sprintf("pve%d", 1+r.n(2))
			r.sim.Migrate(g.VMID, node)
			said = "migrated to " + node
		}
	case 7:
		r.sim.Grow("root@pam", g.VMID, map[string]string{pvesim.KindVM: "scsi0", pvesim.KindCT: "rootfs"}[g.Kind], int64(10+r.n(4))<<30)
		said = "grown"
	case 8:
		if g.Lock == "" {
			set("lock", "backup")
			r.locked[g.VMID] = true
		}
	case 9:
		r.sim.SetDeaf(g.VMID, true)
		said = "deaf"
	case 10:
		set("protection", pick(r, "", "1"))
	case 11:
		vmid := 7000 + len(r.foreign)
		r.stranger(vmid, false, map[string]string{"name": g.Config["name"], "tags": g.Config["tags"], "description": g.Config["description"], "memory": "512"})
		said = fmt.Sprintf("cloned to %d", vmid)
	}
	if said != "" {
		r.tell("by hand: %d %s", g.VMID, said)
	}
}

// fault disturbs the next requests.
func (r *round) fault() {
	r.disturbed = true
	f := pvesim.Fault{
		Method: pick(r, "", "write", http.MethodGet, http.MethodPost),
		Nth:    1 + r.n(40), Count: 1 + r.n(2),
		Path: pick(r, "**", "**", "/nodes/*/qemu/**", "/nodes/*/lxc/**", "/nodes/*/tasks/**", "/nodes/*/storage/**", "/cluster/**"),
	}
	switch r.n(10) {
	case 0:
		f.Drop = true
	case 1:
		f.Drop, f.AfterWork = true, true
	case 2:
		f.Status, f.Reason = 596, "Connection timed out"
		f.AfterWork = r.n(1) == 0
	case 3:
		f.Status, f.Reason = 401, "authentication failure"
	case 4:
		f.Status, f.Reason = 403, "Permission check failed"
	case 5:
		f.Status, f.Body = 200, "<html>hello</html>"
	case 6:
		f.Cut = 1 + r.n(30)
	case 7:
		f.TaskError = "command failed"
		f.Method = "write"
	case 8:
		f.Full = true
		f.Method = "write"
	case 9:
		node := fmt.Sprintf("pve%d", 1+r.n(2))
		r.sim.SetOnline(node, false)
		r.tell("fault: %s is off", node)
		return
	case 10:
		r.sim.SetQuorum(false)
		r.tell("fault: no quorum")
		return
	}
	r.sim.Inject(f)
	r.tell("fault: %+v", f)
}
