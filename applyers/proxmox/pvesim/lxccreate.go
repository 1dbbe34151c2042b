package pvesim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

func mountSchema(key string) *schema {
	if key == "rootfs" {
		return lxcProps()["rootfs"]
	}
	return lxcProps()["mp"]
}

func parseMount(key, value string) drive {
	d, _ := mountSchema(key).parseProps(key, value)
	if d == nil {
		file, _, _ := strings.Cut(value, ",")
		d = map[string]string{"volume": file}
	}
	return d
}

func printMount(key string, d drive) string { return mountSchema(key).printProps(d) }

// mountVolume finds the volume of a mount point; one that was stored literally, as
// rootfs=local:2 is, cannot be parsed (FACTS 6).
func (q *call) mountVolume(g *guest, p drive) (*volume, error) {
	name, rest, ok := strings.Cut(p["volume"], ":")
	if !ok {
		return nil, fail("unable to parse volume ID '%s'", p["volume"])
	}
	s, err := q.storageOn(g.node, name)
	if err != nil {
		return nil, err
	}
	if _, _, _, err := s.parseName(rest); err != nil {
		return nil, err
	}
	v := q.volume(g.node, p["volume"])
	if v == nil {
		return nil, fail("volume '%s' does not exist", p["volume"])
	}
	return v, nil
}

func (q *call) checkMounts(g *guest) error {
	for k, v := range g.conf {
		if !isMount(k) || strings.HasPrefix(v, "/") {
			continue
		}
		if name, rest, ok := strings.Cut(parseMount(k, v)["volume"], ":"); ok && q.storages[name] != nil {
			if _, _, _, err := q.storages[name].parseName(rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// mounts are the keys of a container's mount points, the root first.
func mounts(conf map[string]string) []string {
	var keys []string
	if _, ok := conf["rootfs"]; ok {
		keys = append(keys, "rootfs")
	}
	for i := range 256 {
		if _, ok := conf["mp"+itoa(i)]; ok {
			keys = append(keys, "mp"+itoa(i))
		}
	}
	return keys
}

func (q *call) createCT() (any, error) {
	vmid := atoi(q.args["vmid"])
	conf := q.optionsOf(lxcOptions())
	if k, ok := q.args["ssh-public-keys"]; ok && !validKeys(k) {
		return nil, fail("SSH public key validation error")
	}
	if err := q.mayCreate(q.args["vmid"]); err != nil {
		return nil, err
	}
	if err := q.checkPool(); err != nil {
		return nil, err
	}
	if q.args["restore"] == "1" {
		return nil, fail("unable to restore CT %d - restoring is not simulated", vmid)
	}
	unprivileged := conf["unprivileged"]
	if _, ok := conf["unprivileged"]; !ok {
		unprivileged = "0"
	}
	if err := q.checkCTOptions(vmid, nil, conf, nil, unprivileged == "1", true); err != nil {
		return nil, err
	}
	q.normalizeCT(conf)
	if _, ok := conf["rootfs"]; !ok {
		st := q.args["storage"]
		if st == "" {
			st = "local"
		}
		conf["rootfs"] = st + ":4"
	}
	for _, k := range mounts(conf) {
		if err := q.checkMountAccess(vmid, parseMount(k, conf[k])); err != nil {
			return nil, err
		}
	}
	if tmpl := q.args["ostemplate"]; !strings.HasPrefix(tmpl, "/") {
		if err := q.checkVolume(vmid, tmpl); err != nil {
			return nil, err
		}
	}
	if err := q.checkBridges(KindCT, conf); err != nil {
		return nil, err
	}
	if err := q.exists(vmid); err != nil {
		return nil, err
	}
	g := newGuest(vmid, KindCT, q.node)
	g.conf["lock"], g.born = "create", q.now()
	q.guests[vmid] = g
	q.join(vmid)
	g.real = q.opts.Runtime != nil
	tmpl, start := q.args["ostemplate"], q.args["start"] == "1"
	from := Origin{Template: tmpl[strings.LastIndex(tmpl, "/")+1:], Keys: q.args["ssh-public-keys"], Password: q.args["password"]}
	return q.spawn(job{kind: "vzcreate", id: itoa(vmid), holds: []*guest{g}, cleanup: func() { q.forget(g) }, run: func(t *task) error {
		if err := q.fillCT(t, g, conf, tmpl); err != nil {
			q.forget(g)
			return fail("unable to create CT %d - %s", vmid, strings.TrimSuffix(err.Error(), "\n"))
		}
		if err := q.realize(t, g, from); err != nil {
			return fail("unable to create CT %d - %s", vmid, strings.TrimSuffix(err.Error(), "\n"))
		}
		if start {
			q.spawn(q.startJob(g))
		}
		return nil
	}}), nil
}

func (q *call) fillCT(t *task, g *guest, conf map[string]string, tmpl string) error {
	out := maps.Clone(conf)
	var made []*volume
	undo := func() {
		for _, v := range made {
			q.removeVolume(v)
		}
	}
	for _, k := range mounts(conf) {
		stored, v, err := q.createMount(t, g, k, conf[k])
		if err != nil {
			undo()
			return err
		}
		if v != nil {
			made = append(made, v)
		}
		out[k] = stored
	}
	v := q.volume(g.node, tmpl)
	if v == nil {
		undo()
		return fail("volume '%s' does not exist", tmpl)
	}
	t.logf("extracting archive '%s'", q.storages[v.storage].path(v.name))
	t.logf("Detected container architecture: amd64")
	os := templateOS(v.name)
	if _, ok := out["ostype"]; !ok {
		out["ostype"] = os
	}
	if root := q.volume(g.node, parseMount("rootfs", out["rootfs"])["volume"]); root != nil {
		root.sum = "os:" + os
	}
	if _, ok := out["arch"]; !ok {
		out["arch"] = "amd64"
	}
	for k, dflt := range map[string]string{"memory": "512", "swap": "512"} {
		if _, ok := out[k]; !ok {
			out[k] = dflt
		}
	}
	if _, ok := out["hostname"]; !ok {
		out["hostname"] = "CT" + itoa(g.vmid)
	}
	if d, ok := out["description"]; ok {
		out["description"] = g.description(d)
	}
	if tags, ok := out["tags"]; ok {
		out["tags"] = q.uniqueTags(tags)
	}
	g.conf = out
	return nil
}

// templateOS reads the distribution from a template's name.
func templateOS(name string) string {
	name = name[strings.LastIndex(name, "/")+1:]
	sp, _ := lxcOptions().lookup("ostype")
	for _, os := range sp.enum {
		if strings.HasPrefix(name, os) {
			return os
		}
	}
	return "unmanaged"
}

// rootfsOS is what a start finds in the root file system, by which it rewrites
// ostype (FACTS 4).
func (q *call) rootfsOS(g *guest) string {
	v := q.volume(g.node, parseMount("rootfs", g.conf["rootfs"])["volume"])
	if v == nil || g.conf["ostype"] == "unmanaged" {
		return ""
	}
	os, _ := strings.CutPrefix(v.sum, "os:")
	return os
}

// createMount makes what a mount point asks for.
func (q *call) createMount(t *task, g *guest, key, value string) (string, *volume, error) {
	p := parseMount(key, value)
	file := drive{"file": p["volume"]}
	name, size, alloc := file.allocates()
	if !alloc {
		return printMount(key, p), nil, nil
	}
	s, err := q.storageOn(q.node, name)
	if err != nil {
		return "", nil, err
	}
	gb := number(size)
	v, err := q.allocate(t, s, g.vmid, "", "raw", int64(*gb*gib)/1024*1024, "rootdir")
	if err != nil {
		return "", nil, err
	}
	t.logFS(q.uuid(), v.size)
	p["volume"], p["size"] = v.id(), formatSize(v.size)
	return printMount(key, p), v, nil
}

// superblocks are where ext4 keeps its copies: in the first group, and in those
// whose number is a power of 3, 5 or 7.
func superblocks(total int64) []string {
	groups := []int64{1}
	for _, base := range []int64{3, 5, 7} {
		for n := base; n*32768 < total; n *= base {
			groups = append(groups, n)
		}
	}
	slices.Sort(groups)
	var out []string
	for _, g := range groups {
		if g*32768 < total {
			out = append(out, strconv.FormatInt(g*32768, 10))
		}
	}
	return out
}

// logFS tells of a new file system.
func (t *task) logFS(uuid string, size int64) {
	if t == nil {
		return
	}
	t.logf("Creating filesystem with %d 4k blocks and %d inodes", size/4096, size/16384)
	t.logf("Filesystem UUID: %s", uuid)
	t.logf("Superblock backups stored on blocks: ")
	t.logf("\t%s", strings.Join(superblocks(size/4096), ", "))
}

// normalizeCT gives network devices an address and a type.
func (q *call) normalizeCT(conf map[string]string) {
	for k, v := range conf {
		base, n := splitIndex(k)
		switch {
		case base == "net" && n >= 0:
			p, _ := lxcProps()["ctnet"].parseProps(k, v)
			if p["hwaddr"] == "" {
				p["hwaddr"] = q.mac()
			}
			p["type"] = "veth"
			conf[k] = lxcProps()["ctnet"].printProps(p)
		case isMount(k):
			conf[k] = printMount(k, parseMount(k, v))
		}
	}
}

// checkMountAccess is who may use what a mount point names.
func (q *call) checkMountAccess(vmid int, p drive) error {
	vol := p["volume"]
	if strings.HasPrefix(vol, "/") {
		return q.checkMountKind(p)
	}
	file := drive{"file": vol}
	name, _, alloc := file.allocates()
	if !alloc {
		if name, rest, ok := strings.Cut(vol, ":"); !ok || rest == "" || name == "" {
			return fail("unable to parse volume ID '%s'", vol)
		}
		return q.checkVolume(vmid, vol)
	}
	if err := q.check("/storage/"+name, "Datastore.AllocateSpace"); err != nil {
		return err
	}
	s, err := q.storageOn(q.node, name)
	if err != nil {
		return err
	}
	if !s.holds("rootdir") {
		return fail("storage '%s' does not support container directories", name)
	}
	return nil
}

// checkCTOptions is the check of rights option by option.
// now is the configuration as it stands, nil for a new container.
func (q *call) checkCTOptions(vmid int, now, set map[string]string, remove []string, unprivileged, create bool) error {
	if q.auth.root() {
		return nil
	}
	at := "/vms/" + itoa(vmid)
	if create && q.args["pool"] != "" && q.may("/pool/"+q.args["pool"], "VM.Allocate") {
		at = "/pool/" + q.args["pool"]
	}
	for _, k := range slices.Concat(remove, slices.Sorted(maps.Keys(set))) {
		switch {
		case k == "features":
			if err := q.checkFeatures(now["features"], set[k], at, unprivileged); err != nil {
				return err
			}
			continue
		case lxcPriv(k) == "":
			return deniedText(lxcForRoot(k))
		case create && (k == "unprivileged" || k == "template"):
			continue
		}
		if err := q.check(at, lxcPriv(k)); err != nil {
			return err
		}
		if v, ok := set[k]; ok && isMount(k) {
			if err := q.checkMountKind(parseMount(k, v)); err != nil {
				return err
			}
		}
	}
	return nil
}
