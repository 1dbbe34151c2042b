package pvesim

import (
	"maps"
	"slices"
	"strings"
)

func (q *call) destroy(kind string) (any, error) {
	if err := q.rootOnlySkiplock(); err != nil {
		return nil, err
	}
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	if g.conf["protection"] == "1" {
		return nil, fail("can't remove %s %d - protection mode enabled", g.noun(), g.vmid)
	}
	if g.haExists && q.args["purge"] != "1" {
		return nil, fail("unable to remove %s %d - used in HA resources and purge parameter not set.", g.noun(), g.vmid)
	}
	force := kind == KindCT && q.args["force"] == "1"
	if g.running && !force {
		if kind == KindVM {
			return nil, fail("VM %d is running - destroy failed", g.vmid)
		}
		return nil, fail("unable to destroy CT %d - container is running", g.vmid)
	}
	if kind == KindCT {
		if err := q.checkMounts(g); err != nil {
			return nil, err
		}
	}
	unreferenced, purge := q.args["destroy-unreferenced-disks"] == "1", q.args["purge"] == "1"
	return q.spawn(job{kind: g.prefix() + "destroy", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		if g.running {
			if !force {
				return fail("%s %d is running - destroy failed", g.noun(), g.vmid)
			}
			t.logf("forced to stop CT %d before destroying!", g.vmid)
			if err := q.halt(t.ctx, g, 0); err != nil {
				return err
			}
			if err := q.off(g); err != nil {
				return err
			}
		}
		if err := q.raze(t, g); err != nil {
			return err
		}
		if err := q.destroyVolumes(t, g, unreferenced); err != nil {
			return err
		}
		q.forget(g)
		if purge {
			t.logf("purging %s %d from related configurations..", g.noun(), g.vmid)
			for id, j := range q.objects.backup {
				j["vmid"] = strings.Join(slices.DeleteFunc(splitList(str(j["vmid"])), func(s string) bool { return s == itoa(g.vmid) }), ",")
				if j["vmid"] == "" {
					delete(j, "vmid")
				}
				q.objects.backup[id] = j
			}
		}
		return nil
	}}), nil
}

// destroyVolumes removes the guest's own volumes: those that its configuration or
// a snapshot names, and on demand all that carry its id. A volume goes even while
// another guest runs with it (FACTS 6).
func (q *call) destroyVolumes(t *task, g *guest, unreferenced bool) error {
	ids := map[string]bool{}
	collect := func(conf map[string]string) {
		for k, v := range conf {
			base, n := splitIndex(k)
			if isDrive(k) || isMount(k) || base == "unused" && n >= 0 || k == "vmstate" {
				file, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(v, "file="), "volume="), ",")
				ids[file] = true
			}
		}
	}
	collect(g.conf)
	collect(g.pending)
	for _, s := range g.snaps {
		collect(s.conf)
	}
	if unreferenced {
		for _, s := range q.storages {
			for _, v := range s.volumes {
				if v.owner == g.vmid && (s.Shared || v.node == g.node) {
					ids[v.id()] = true
				}
			}
		}
	}
	sorted := slices.Sorted(maps.Keys(ids))
	for _, id := range sorted {
		v := q.volume(g.node, id)
		if v == nil || v.owner != g.vmid {
			continue
		}
		for _, o := range q.storages[v.storage].volumes {
			if o.base == v.name {
				return fail("base volume '%s' is still in use by linked cloned", id)
			}
		}
	}
	for _, id := range sorted {
		v := q.volume(g.node, id)
		if v == nil {
			name, rest, _ := strings.Cut(id, ":")
			if s := q.storages[name]; s != nil {
				if _, owner, _, err := s.parseName(rest); err == nil && owner == g.vmid {
					t.logf("disk image '%s' does not exist", s.path(rest))
				}
			}
			continue
		}
		if v.owner == g.vmid && v.content != "iso" {
			q.removeVolume(v)
		}
	}
	return nil
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
