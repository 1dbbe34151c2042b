package pvesim

import (
	"fmt"
	"maps"
	"strings"
)

// freeze turns a volume into a template's: it is renamed, and not to be written.
func (q *call) freeze(v *volume) {
	s := q.storages[v.storage]
	q.removeVolume(v)
	v.name = strings.Replace(v.name, "/vm-", "/base-", 1)
	if !s.files() {
		v.name = strings.Replace(v.name, "vm-", "base-", 1)
	}
	v.frozen = true
	node := v.node
	if s.Shared {
		node = ""
	}
	s.volumes[s.key(node, v.name)] = v
}

func (q *call) template(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if len(g.snaps) > 0 {
		return nil, fail("unable to create template, because %s contains snapshots", g.noun())
	}
	if g.template() && q.args["disk"] == "" {
		return nil, fail("you can't convert a template to a template")
	}
	if g.running {
		if kind == KindVM {
			return nil, fail("you can't convert a VM to template if VM is running")
		}
		return nil, fail("you can't convert a CT to template if the CT is running")
	}
	if err := g.immovable("made into a template"); err != nil {
		return nil, err
	}
	upid := q.spawn(job{kind: g.prefix() + "template", id: itoa(g.vmid), holds: []*guest{g}, silent: kind == KindCT, run: func(*task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		for _, k := range driveKeys() {
			if v, ok := g.conf[k]; ok && kind == KindVM {
				d := parseDrive(k, v)
				if vol := q.volume(g.node, d["file"]); vol != nil && !d.cdrom() && vol.owner == g.vmid {
					q.freeze(vol)
					d["file"] = vol.id()
					g.conf[k] = printDrive(k, d)
				}
			}
		}
		if kind == KindCT {
			for _, k := range mounts(g.conf) {
				p := parseMount(k, g.conf[k])
				if vol := q.volume(g.node, p["volume"]); vol != nil {
					q.freeze(vol)
					p["volume"] = vol.id()
					g.conf[k] = printMount(k, p)
				}
			}
		}
		g.conf["template"] = "1"
		return nil
	}})
	if kind == KindCT {
		// The task is not told of (FACTS 2).
		return null{}, nil
	}
	return upid, nil
}

func (q *call) mayClone() error {
	if err := q.check("/vms/"+q.args["vmid"], "VM.Clone"); err != nil {
		return err
	}
	if p := q.args["pool"]; p != "" && q.may("/pool/"+p, "VM.Allocate") {
		return nil
	}
	return q.check("/vms/"+q.args["newid"], "VM.Allocate")
}

func (q *call) clone(kind string) (any, error) {
	if err := q.checkPool(); err != nil {
		return nil, err
	}
	vmid := atoi(q.args["vmid"])
	target, err := q.cloneNode()
	if err != nil {
		return nil, err
	}
	src := q.guests[vmid]
	if src == nil || src.kind != kind || src.node != q.node {
		if kind == KindVM {
			return nil, fail("unable to find configuration file for VM %d on node '%s'", vmid, q.node)
		}
		return nil, noConfig(q.node, kind, vmid)
	}
	if err := src.checkLock(); err != nil {
		return nil, err
	}
	newid := atoi(q.args["newid"])
	if q.guests[newid] != nil {
		if kind == KindVM {
			return nil, fail("unable to create VM %d: config file already exists", newid)
		}
		return nil, q.exists(newid)
	}
	full := !src.template()
	if f, ok := q.args["full"]; ok {
		full = f == "1"
	}
	conf := src.conf
	if s := q.args["snapname"]; s != "" {
		if src.snaps[s] == nil {
			return nil, fail("snapshot '%s' does not exist", s)
		}
		conf = src.snaps[s].conf
	}
	if !full {
		if q.args["storage"] != "" {
			return nil, fail("parameter 'storage' not allowed for linked clones")
		}
		if q.args["format"] != "" {
			return nil, fail("parameter 'format' not allowed for linked clones")
		}
		if err := q.checkLinked(src, conf); err != nil {
			return nil, err
		}
	}
	if src.running && kind == KindCT && len(src.snaps) == 0 {
		return nil, fail("cannot clone a running container without snapshots")
	}
	if st := q.args["storage"]; st != "" {
		if err := q.check("/storage/"+st, "Datastore.AllocateSpace"); err != nil {
			return nil, err
		}
		if _, err := q.storageOn(q.node, st); err != nil {
			return nil, err
		}
	}
	if err := q.checkClone(src, conf); err != nil {
		return nil, err
	}
	if err := src.immovable("cloned"); err != nil {
		return nil, err
	}
	if target != q.node {
		if err := q.checkElsewhere(src, conf, target); err != nil {
			return nil, err
		}
	}
	// The copy is made here; its configuration is handed over when it is whole.
	g := newGuest(newid, kind, q.node)
	g.conf["lock"] = "create"
	if kind == KindVM {
		g.conf["lock"], g.conf["description"] = "clone", " qmclone temporary file"
	}
	g.real = src.real
	g.born = q.now()
	q.guests[newid] = g
	if q.args["pool"] != "" {
		q.pools[q.args["pool"]].vms[newid] = true
	}
	conf = maps.Clone(conf)
	return q.spawn(job{kind: g.prefix() + "clone", id: itoa(vmid), holds: []*guest{src, g}, cleanup: func() { q.forget(g) }, abort: q.copyCommand(src, conf, newid), run: func(t *task) error {
		if err := q.fillClone(t, src, g, conf, full); err != nil {
			q.forget(g)
			return fail("clone failed: %s", strings.TrimSuffix(err.Error(), "\n"))
		}
		if err := q.realize(t, g, Origin{Clone: src.vmid}); err != nil {
			return fail("clone failed: %s", strings.TrimSuffix(err.Error(), "\n"))
		}
		g.node = target
		return nil
	}}), nil
}

// checkClone is what else a clone needs: space on every storage that it goes to,
// its bridges, and mount points that can be read at all.
func (q *call) checkClone(src *guest, conf map[string]string) error {
	keys := driveKeys()
	if src.kind == KindCT {
		keys = mounts(conf)
		if err := q.checkMounts(src); err != nil {
			return err
		}
	}
	for _, k := range keys {
		value, ok := conf[k]
		if !ok {
			continue
		}
		if src.kind == KindCT && mountKind(q.slotVolume(src, k, value)) != "volume" {
			return fail("unable to clone mountpoint '%s' (type %s)", k, mountKind(q.slotVolume(src, k, value)))
		}
		st, _, isVolume := strings.Cut(q.slotVolume(src, k, value), ":")
		if !isVolume || src.kind == KindVM && parseDrive(k, value).cdrom() && !parseDrive(k, value).cloudinit() {
			continue
		}
		if s := q.args["storage"]; s != "" {
			st = s
		}
		if err := q.check("/storage/"+st, "Datastore.AllocateSpace"); err != nil {
			return err
		}
	}
	return q.checkBridges(src.kind, conf)
}

// copyCommand names the command that a stopped clone was at.
func (q *call) copyCommand(src *guest, conf map[string]string, newid int) func() string {
	return func() string {
		for _, k := range driveKeys() {
			v := q.volume(src.node, q.slotVolume(src, k, conf[k]))
			if v == nil || src.kind == KindCT || parseDrive(k, conf[k]).cdrom() {
				continue
			}
			s, format := q.cloneTarget(v, true)
			rate := ""
			if bw := q.args["bwlimit"]; bw != "" {
				rate = "-r " + bw + "K "
			}
			to := s.path(q.freeName(s, src.node, newid, format))
			return fmt.Sprintf("clone failed: copy failed: command '/usr/bin/qemu-img convert -p -n %s-f %s -O %s %s zeroinit:%s'", rate, v.format, format, q.storages[v.storage].path(v.name), to)
		}
		return "clone failed: command"
	}
}

func (q *call) checkLinked(src *guest, conf map[string]string) error {
	keys := driveKeys()
	if src.kind == KindCT {
		keys = mounts(conf)
	}
	for _, k := range keys {
		value, ok := conf[k]
		if !ok {
			continue
		}
		id := q.slotVolume(src, k, value)
		v := q.volume(src.node, id)
		if v == nil || src.kind == KindVM && parseDrive(k, value).cdrom() {
			continue
		}
		if !v.frozen || q.storages[v.storage].files() && v.format != "qcow2" {
			return fail("Linked clone feature is not supported for '%s' (%s)", id, k)
		}
	}
	return nil
}

func (q *call) slotVolume(g *guest, k, value string) string {
	if g.kind == KindVM {
		return parseDrive(k, value)["file"]
	}
	return parseMount(k, value)["volume"]
}

// fillClone copies the disks and writes the new guest's configuration.
func (q *call) fillClone(t *task, src, g *guest, conf map[string]string, full bool) error {
	out := maps.Clone(conf)
	for _, k := range []string{"template", "parent", "snaptime", "lock", "vmstate"} {
		delete(out, k)
	}
	var made []*volume
	undo := func(err error) error {
		for _, v := range made {
			q.removeVolume(v)
		}
		return err
	}
	keys := driveKeys()
	if g.kind == KindCT {
		keys = mounts(conf)
	}
	for k := range conf {
		if base, n := splitIndex(k); base == "unused" && n >= 0 {
			delete(out, k)
		}
	}
	for _, k := range keys {
		value, ok := conf[k]
		if !ok {
			continue
		}
		stored, v, err := q.cloneSlot(t, src, g, k, value, full)
		if err != nil {
			return undo(err)
		}
		if v != nil {
			made = append(made, v)
		}
		out[k] = stored
	}
	for k, v := range out {
		if base, n := splitIndex(k); base == "net" && n >= 0 {
			out[k] = q.newAddress(g.kind, k, v)
		}
	}
	if g.kind == KindVM {
		out["vmgenid"] = q.uuid()
		smbios, _, _ := strings.Cut(out["smbios1"], ",")
		out["smbios1"] = strings.Replace(out["smbios1"], smbios, "uuid="+q.uuid(), 1)
		if out["smbios1"] == "" {
			out["smbios1"] = "uuid=" + q.uuid()
		}
		if n := q.args["name"]; n != "" {
			out["name"] = n
		} else if out["name"] != "" {
			out["name"] = "Copy-of-VM-" + out["name"]
		}
		out["meta"] = fmt.Sprintf("creation-qemu=7.2.22,ctime=%d", q.now().Unix())
	} else if n := q.args["hostname"]; n != "" {
		out["hostname"] = n
	}
	if d, ok := q.args["description"]; ok {
		out["description"] = g.description(d)
	}
	g.conf = out
	return nil
}

func (q *call) newAddress(kind, k, v string) string {
	if kind == KindVM {
		p, _ := qemuProps()["net"].parseProps(k, v)
		p["macaddr"] = q.mac()
		return qemuProps()["net"].printProps(p)
	}
	p, _ := lxcProps()["ctnet"].parseProps(k, v)
	p["hwaddr"] = q.mac()
	return lxcProps()["ctnet"].printProps(p)
}

// cloneSlot copies what one drive or mount point refers to.
func (q *call) cloneSlot(t *task, src, g *guest, k, value string, full bool) (string, *volume, error) {
	old := q.volume(src.node, q.slotVolume(src, k, value))
	if g.kind == KindCT {
		p := parseMount(k, value)
		if old == nil {
			return value, nil, nil
		}
		v, err := q.cloneVolume(t, g, old, k, full)
		if err != nil {
			return "", nil, err
		}
		p["volume"], p["size"] = v.id(), formatSize(v.size)
		return printMount(k, p), v, nil
	}
	d := parseDrive(k, value)
	if old == nil || d.cdrom() && !d.cloudinit() {
		if old == nil && !d.empty() && !strings.HasPrefix(d["file"], "/") {
			return "", nil, fail("volume '%s' does not exist", d["file"])
		}
		return value, nil, nil
	}
	var v *volume
	var err error
	if d.cloudinit() {
		t.logf("create full clone of drive %s (%s)", k, old.id())
		s, format := q.cloneTarget(old, full)
		v, err = q.allocate(t, s, g.vmid, s.imageName(g.vmid, "vm", "cloudinit", format), format, old.size, "images")
	} else {
		v, err = q.cloneVolume(t, g, old, k, full)
	}
	if err != nil {
		return "", nil, err
	}
	d["file"], d["size"] = v.id(), formatSize(v.size)
	return printDrive(k, d), v, nil
}

// cloneTarget is where the copy of a volume goes, and its format.
func (q *call) cloneTarget(old *volume, full bool) (*storage, string) {
	s, format := q.storages[old.storage], old.format
	if st := q.args["storage"]; st != "" && full {
		s = q.storages[st]
	}
	if f := q.args["format"]; f != "" && full {
		format = f
	}
	if !s.files() {
		format = "raw"
	}
	return s, format
}

func (q *call) cloneVolume(t *task, g *guest, old *volume, k string, full bool) (*volume, error) {
	if full || !old.frozen {
		s, format := q.cloneTarget(old, full)
		if g.kind == KindVM {
			return q.copyVolume(t, old, k+" ", g.vmid, s, format, "images")
		}
		t.logf("create full clone of mountpoint %s (%s)", k, old.id())
		v, err := q.allocate(t, s, g.vmid, "", "raw", old.size, "rootdir")
		if err != nil {
			return nil, err
		}
		t.logFS(q.uuid(), v.size)
		v.sum = old.sum
		return v, nil
	}
	s := q.storages[old.storage]
	name := q.freeName(s, g.node, g.vmid, old.format)
	last := name[strings.LastIndex(name, "/")+1:]
	if g.kind == KindVM {
		t.logf("create linked clone of drive %s (%s)", k, old.id())
	} else {
		t.logf("create linked clone of mountpoint %s (%s)", k, old.id())
	}
	if s.files() {
		t.logf("clone %s: images, %s, %d to %s (base=../%s)", old.name, last, g.vmid, last, old.name)
		t.logf("Formatting '%s', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib size=%d backing_file=../%s backing_fmt=qcow2 lazy_refcounts=off refcount_bits=16", s.path(name), old.size, old.name)
	}
	if s.files() || s.Type == "zfspool" || s.Type == "rbd" {
		name = old.name + "/" + name
	}
	v := &volume{storage: s.Name, name: name, owner: g.vmid, size: old.size, format: old.format, content: old.content, base: old.name, ctime: q.now(), sum: old.sum}
	q.addVolume(g.node, v)
	return v, nil
}
