package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// liveCT are the options that a running container takes at once; all others wait
// for its stop (measured on 8.4).
func liveCT(key string) bool {
	base, _ := splitIndex(key)
	return base == "net" || base == "unused" || isMount(key) ||
		slices.Contains([]string{"memory", "swap", "cores", "cpulimit", "cpuunits", "hostname", "tags", "description", "onboot", "startup", "protection", "lock", "hookscript", "ostype"}, key)
}

func (q *call) updateCT() (any, error) {
	ch, err := q.parseChange(lxcOptions())
	if err != nil {
		return nil, err
	}
	vmid := atoi(q.args["vmid"])
	g, err := q.find(KindCT)
	if err != nil {
		return nil, err
	}
	unprivileged := g.conf["unprivileged"] == "1"
	if err := q.checkCTOptions(vmid, g.conf, nil, ch.remove, unprivileged, false); err != nil {
		return nil, err
	}
	if err := q.checkCTOptions(vmid, g.conf, ch.set, nil, unprivileged, false); err != nil {
		return nil, err
	}
	q.normalizeCT(ch.set)
	for _, k := range mounts(ch.set) {
		if err := q.checkMountAccess(vmid, parseMount(k, ch.set[k])); err != nil {
			return nil, err
		}
	}
	if err := q.checkBridges(KindCT, ch.set); err != nil {
		return nil, err
	}
	if err := g.checkDigest(q.args["digest"]); err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	before := &guest{conf: maps.Clone(g.conf), pending: maps.Clone(g.pending), pendingDelete: maps.Clone(g.pendingDelete)}
	if err := q.applyCT(g, ch); err != nil {
		return nil, err
	}
	return nil, q.takeLive(g, before)
}

func (q *call) applyCT(g *guest, ch *change) error {
	for _, k := range ch.revert {
		delete(g.pending, k)
		delete(g.pendingDelete, k)
	}
	for _, k := range ch.remove {
		if k == "rootfs" || k == "unprivileged" || k == "arch" {
			return fail("unable to delete required option '%s'", k)
		}
		if g.conf["protection"] == "1" && (isMount(k) || strings.HasPrefix(k, "unused")) {
			return fail("can't remove CT %d drive '%s' - protection mode enabled", g.vmid, k)
		}
		delete(g.pending, k)
		if _, ok := g.conf[k]; ok {
			g.pendingDelete[k] = ch.force
		}
	}
	for _, k := range slices.Sorted(maps.Keys(ch.set)) {
		v := ch.set[k]
		switch k {
		case "unprivileged":
			if v == g.conf[k] {
				continue
			}
			return fail("unable to modify read-only option: '%s'", k)
		case "tags":
			v = q.uniqueTags(v)
		case "description":
			v = g.description(v)
		}
		g.pending[k] = v
		delete(g.pendingDelete, k)
	}
	g.cleanupPending()
	if g.running {
		return q.hotplugCT(g)
	}
	return q.applyPendingCT(g)
}

// hotplugCT gives a running container what it can take.
func (q *call) hotplugCT(g *guest) error {
	errs := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(g.pendingDelete)) {
		if !liveCT(k) || isMount(k) || k == "memory" {
			continue
		}
		if err := q.deleteCT(g, k); err != nil {
			errs[k] = fmt.Sprintf("unable to hotplug %s: %s", k, err.Error())
		}
	}
	for _, k := range slices.Sorted(maps.Keys(g.pending)) {
		// Over a mount point that is there nothing is plugged, it waits for the stop.
		if _, there := g.conf[k]; !liveCT(k) || isMount(k) && there {
			continue
		}
		if f := q.fault; f != nil && f.Hotplug[k] != "" {
			errs[k] = fmt.Sprintf("unable to hotplug %s: %s\n", k, f.Hotplug[k])
			continue
		}
		if base, _ := splitIndex(k); base == "mp" && q.opts.Bare {
			if _, mounted := g.conf[k]; !mounted {
				delete(g.pending, k)
				errs[k] = fmt.Sprintf("unable to hotplug %s: failed to change apparmor profile: Invalid argument\n", k)
				continue
			}
		}
		if base, n := splitIndex(k); base == "net" && n >= 0 {
			p, _ := lxcProps()["ctnet"].parseProps(k, g.pending[k])
			if b := p["bridge"]; b != "" && !q.hasBridge(g.node, b) {
				errs[k] = fmt.Sprintf("unable to hotplug %s: bridge '%s' does not exist\n", k, b)
				continue
			}
		}
		if err := q.setCT(g, k); err != nil {
			errs[k] = fmt.Sprintf("unable to hotplug %s: %s", k, err.Error())
		}
	}
	if len(errs) > 0 {
		return paramError(errs)
	}
	return nil
}

func (q *call) applyPendingCT(g *guest) error {
	for _, k := range slices.Sorted(maps.Keys(g.pendingDelete)) {
		if err := q.deleteCT(g, k); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(g.pending)) {
		if err := q.setCT(g, k); err != nil {
			return err
		}
	}
	return nil
}

func (q *call) deleteCT(g *guest, k string) error {
	force := g.pendingDelete[k]
	value := g.conf[k]
	base, _ := splitIndex(k)
	if base == "unused" || isMount(k) && force {
		if err := q.destroyOwn(g, parseMount("rootfs", value)["volume"]); err != nil {
			return err
		}
	}
	delete(g.conf, k)
	delete(g.pendingDelete, k)
	if isMount(k) && !force {
		q.register(g, parseMount(k, value))
	}
	return nil
}

func (q *call) setCT(g *guest, k string) error {
	v := g.pending[k]
	delete(g.pending, k)
	if k == "description" && v == "" {
		delete(g.conf, k)
		return nil
	}
	if base, _ := splitIndex(k); base == "mp" {
		stored, _, err := q.createMount(nil, g, k, v)
		if err != nil {
			return err
		}
		p := parseMount(k, stored)
		if vol := q.volume(g.node, p["volume"]); vol != nil {
			p["size"] = formatSize(vol.size)
			stored = printMount(k, p)
		}
		if old, ok := g.conf[k]; ok && parseMount(k, old)["volume"] != p["volume"] {
			delete(g.conf, k)
			q.register(g, parseMount(k, old))
		}
		g.attached(p["volume"])
		v = stored
	}
	// A rootfs is stored as it came, even one that asks for a volume (FACTS 6).
	g.conf[k] = v
	return nil
}
