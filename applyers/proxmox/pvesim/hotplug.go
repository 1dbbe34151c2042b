package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// liveDriveKeys are the options of a drive that change while it is plugged.
var liveDriveKeys = []string{"backup", "ro", "replicate", "shared", "werror", "rerror", "size"}

func liveDriveKey(k string) bool {
	return slices.Contains(liveDriveKeys, k) || strings.HasPrefix(k, "mbps") || strings.HasPrefix(k, "iops") || strings.HasPrefix(k, "bps")
}

// hotplug gives a running VM what it can take; the rest stays pending. What fails
// stays pending too, and is told as a 400 (FACTS 5).
func (q *call) hotplug(g *guest, modified map[string]bool) map[string]string {
	errs := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(g.pending)) {
		if isFastPlug(k) {
			v := g.pending[k]
			g.recordCloudInit(k, g.conf, &v)
			q.settle(g, k, v)
			delete(g.pending, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(g.pendingDelete)) {
		if !modified[k] {
			continue
		}
		done, err := q.unplug(g, k)
		if err != "" {
			errs[k] = "hotplug problem - " + err + "\n"
			continue
		}
		if done {
			g.recordCloudInit(k, g.conf, nil)
			delete(g.conf, k)
			delete(g.pendingDelete, k)
		}
	}
	for _, k := range sortedOptions(g.pending) {
		if !modified[k] {
			continue
		}
		done, err := q.plug(g, k, g.pending[k])
		if err != "" {
			errs[k] = "hotplug problem - " + err + "\n"
			continue
		}
		if done {
			v := g.pending[k]
			g.recordCloudInit(k, g.conf, &v)
			q.settle(g, k, v)
			delete(g.pending, k)
		}
	}
	return errs
}

func (g *guest) hotpluggable(feature string) bool {
	v, ok := g.conf["hotplug"]
	if !ok || v == "1" {
		v = "network,disk,usb"
	}
	return slices.Contains(splitList(v), feature)
}

func (q *call) unplug(g *guest, k string) (done bool, err string) {
	if f := q.fault; f != nil && f.Hotplug[k] != "" {
		return false, f.Hotplug[k]
	}
	base, _ := splitIndex(k)
	switch {
	case isFastPlug(k), k == "cpulimit", k == "cpuunits", k == "tablet":
		return true, ""
	case k == "hotplug":
		return !plugsMemory(g.conf[k]), ""
	case base == "net":
		if !g.hotpluggable("network") {
			return false, ""
		}
		if q.opts.Deaf || g.deaf {
			return false, fmt.Sprintf("error on hot-unplugging device '%s'", k)
		}
		return true, ""
	case isDrive(k):
		if !g.hotpluggable("disk") || !slices.Contains([]string{"scsi", "virtio"}, base) {
			return false, ""
		}
		if slices.Contains(splitList(strings.TrimPrefix(g.conf["boot"], "order=")), k) && q.bootDisk(g) == k {
			return false, fmt.Sprintf("can't unplug bootdisk '%s'", k)
		}
		if e := q.detach(g, k, g.pendingDelete[k]); e != nil {
			return false, strings.TrimSuffix(e.Error(), "\n")
		}
		return true, ""
	}
	return false, ""
}

// plugsMemory tells whether memory or processors are hotplugged: that is settled
// at the start (qemu-server, vmconfig_hotplug_pending; not recorded).
func plugsMemory(features string) bool {
	return strings.Contains(features, "memory") || strings.Contains(features, "cpu")
}

// bootDisk is the first disk of the boot order.
func (q *call) bootDisk(g *guest) string {
	for _, d := range splitList(strings.TrimPrefix(g.conf["boot"], "order=")) {
		if isDrive(d) && !parseDrive(d, g.conf[d]).cdrom() {
			return d
		}
	}
	return ""
}

func (q *call) plug(g *guest, k, v string) (done bool, err string) {
	if f := q.fault; f != nil && f.Hotplug[k] != "" {
		return false, f.Hotplug[k]
	}
	base, _ := splitIndex(k)
	switch {
	case k == "cpulimit", k == "cpuunits", k == "tablet":
		return true, ""
	case k == "hotplug":
		return !plugsMemory(v) && !plugsMemory(g.conf[k]), ""
	case k == "balloon":
		return (g.conf[k] != "0") == (v != "0"), ""
	case base == "net":
		return q.plugNet(g, k, v)
	case k == "efidisk0", k == "tpmstate0":
		return false, ""
	case isDrive(k):
		return q.plugDrive(g, k, v, base)
	}
	return false, ""
}

func (q *call) plugNet(g *guest, k, v string) (bool, string) {
	props := qemuProps()["net"]
	now, _ := props.parseProps(k, v)
	old, _ := props.parseProps(k, g.conf[k])
	_, had := g.conf[k]
	changed := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(x string) bool { return old[x] != now[x] })
	}
	if !had || changed("model", "macaddr", "queues", "mtu") {
		if !g.hotpluggable("network") {
			return false, ""
		}
		if b := now["bridge"]; b != "" && !q.hasBridge(g.node, b) {
			return false, fmt.Sprintf("VM %d qmp command 'netdev_add' failed - network script /usr/libexec/qemu-server/pve-bridge-hotplug failed with status 512", g.vmid)
		}
		return true, ""
	}
	if b := now["bridge"]; changed("bridge", "tag", "trunks") && b != "" && !q.hasBridge(g.node, b) {
		return false, fmt.Sprintf("bridge '%s' does not exist", b)
	}
	return true, ""
}

func (q *call) plugDrive(g *guest, k, v, base string) (bool, string) {
	now := parseDrive(k, v)
	old, had := g.conf[k]
	before := parseDrive(k, old)
	if had && before.cdrom() && now.cdrom() {
		return true, "" // media change; a cloud-init drive is made anew
	}
	if had && before["file"] == now["file"] {
		for x := range maps.Keys(merge(before, now)) {
			if before[x] != now[x] && !liveDriveKey(x) {
				return false, ""
			}
		}
		return true, ""
	}
	if !g.hotpluggable("disk") || !slices.Contains([]string{"scsi", "virtio"}, base) {
		return false, ""
	}
	if had && q.bootDisk(g) == k {
		return false, fmt.Sprintf("can't unplug bootdisk '%s'", k)
	}
	return true, ""
}

func merge(a, b map[string]string) map[string]string {
	m := maps.Clone(a)
	if m == nil {
		m = map[string]string{}
	}
	maps.Copy(m, b)
	return m
}

// recordCloudInit remembers what the cloud-init drive of a running VM still says,
// when a key changes to v, or goes away (nil).
func (g *guest) recordCloudInit(k string, conf map[string]string, v *string) {
	if base, _ := splitIndex(k); !isCloudInit(k) && k != "name" && base != "net" {
		return
	}
	old, had := conf[k]
	recorded, inSync := g.cloudinit[k], true
	if _, ok := g.cloudinit[k]; ok {
		inSync = false
	}
	added := splitList(g.cloudinit["added"])
	isAdded := slices.Contains(added, k)
	drop := func() { added = slices.DeleteFunc(added, func(s string) bool { return s == k }) }
	switch {
	case v != nil && !inSync && *v == recorded:
		delete(g.cloudinit, k)
		drop()
	case v != nil && !inSync, v != nil && isAdded:
	case v != nil && had:
		if old != *v {
			g.cloudinit[k] = old
		}
	case v != nil:
		added = append(added, k)
	case !had, !inSync:
	case isAdded:
		drop()
	default:
		g.cloudinit[k] = old
	}
	slices.Sort(added)
	delete(g.cloudinit, "added")
	if len(added) > 0 {
		g.cloudinit["added"] = strings.Join(added, ",")
	}
}
