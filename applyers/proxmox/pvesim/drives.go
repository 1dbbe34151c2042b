package pvesim

import (
	"cmp"
	"strings"
)

const gib = 1 << 30

// keptCopy is up to which length the bytes of an imported file are kept, so that a
// stand-in for a guest can read its seed.
const keptCopy = 1 << 20

// drive is a parsed drive or mount point.
type drive map[string]string

func driveSchema(key string) *schema {
	sp, _ := qemuOptions().lookup(key)
	if sp.prop == nil {
		return qemuProps()["scsi"] // a disk without a slot yet
	}
	return sp.prop
}

func parseDrive(key, value string) drive {
	d, _ := driveSchema(key).parseProps(key, value)
	if d == nil {
		file, _, _ := strings.Cut(value, ",")
		d = map[string]string{"file": strings.TrimPrefix(file, "file=")}
	}
	return d
}

func printDrive(key string, d drive) string { return driveSchema(key).printProps(d) }

func (d drive) cdrom() bool { return d["media"] == "cdrom" }

// empty tells a drive without a volume.
func (d drive) empty() bool { return d["file"] == "none" || d["file"] == "cdrom" || d["file"] == "" }

func (d drive) cloudinit() bool {
	return strings.HasSuffix(d["file"], ":cloudinit") || strings.Contains(d["file"], "-cloudinit") && d.cdrom()
}

// allocates tells a drive that asks for a new volume, such as local:8.
func (d drive) allocates() (storage, size string, ok bool) {
	m := patterns()["alloc"].FindStringSubmatch(d["file"])
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// checkStorage verifies that the author may use what a drive names, as
// check_storage_access does, before any work.
func (q *call) checkStorage(vmid int, key string, d drive) error {
	if d.empty() {
		if d["file"] == "cdrom" {
			return q.check("/", "Sys.Console")
		}
		return nil
	}
	name, size, alloc := d.allocates()
	if st, ok := strings.CutSuffix(d["file"], ":cloudinit"); ok {
		name, alloc = st, true
	} else if d.cdrom() {
		alloc = false // a medium is put in, not made
	}
	if alloc {
		if err := q.check("/storage/"+name, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		s, err := q.storageOn(q.node, name)
		if err != nil {
			return err
		}
		if !s.holds("images") {
			return fail("storage '%s' does not support content-type 'images'", name)
		}
		if f := d["format"]; f != "" && f != "raw" && !s.files() {
			return fail("unsupported format '%s' at storage '%s'", f, name)
		}
		if from := d["import-from"]; from != "" {
			if size != "0" {
				return fail("%s: 'import-from' requires special syntax - use <storage ID>:0,import-from=<source>", key)
			}
			return q.checkImport(vmid, from)
		}
		return nil
	}
	if d["import-from"] != "" {
		return badParam(key, "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>")
	}
	if err := q.checkVolume(vmid, d["file"]); err != nil || strings.HasPrefix(d["file"], "/") {
		return err
	}
	name, rest, _ := strings.Cut(d["file"], ":")
	if content, _, _, err := q.storages[name].parseName(rest); err != nil || content != "images" && content != "iso" {
		return badParam(key, "content type needs to be 'images' or 'iso'\n")
	}
	return nil
}

// checkVolume is who may use an existing volume (FACTS 11).
func (q *call) checkVolume(vmid int, volid string) error {
	if strings.HasPrefix(volid, "/") {
		if q.auth.root() {
			return nil
		}
		return fail("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 581.")
	}
	name, rest, _ := strings.Cut(volid, ":")
	s, err := q.storageOn(q.node, name)
	if err != nil {
		return err
	}
	content, owner, _, err := s.parseName(rest)
	if err != nil {
		return err
	}
	switch content {
	case "iso", "vztmpl", "import":
		return q.check("/storage/"+name, "Datastore.Audit", "Datastore.AllocateSpace")
	case "images":
		if owner == vmid || q.may("/storage/"+name, "Datastore.Allocate") {
			return nil
		}
		if err := q.check("/storage/"+name, "Datastore.Audit"); err != nil {
			return err
		}
		return q.check("/vms/"+itoa(owner), "VM.Config.Disk")
	}
	return q.check("/storage/"+name, "Datastore.Allocate")
}

func (q *call) checkImport(vmid int, from string) error {
	if err := q.checkVolume(vmid, from); err != nil {
		return err
	}
	name, rest, _ := strings.Cut(from, ":")
	if strings.HasPrefix(from, "/") {
		return nil
	}
	content, owner, _, err := q.storages[name].parseName(rest)
	if err != nil {
		return err
	}
	if content != "images" && content != "import" {
		return fail("cannot import from '%s' - content type '%s' is not 'images' or 'import'", from, content)
	}
	if owner != 0 && owner != vmid {
		return q.check("/vms/"+itoa(owner), "VM.Clone")
	}
	return nil
}

// createDrive makes what a drive asks for and returns it as it is to be stored,
// with the volume that was made.
func (q *call) createDrive(t *task, g *guest, key, value string) (string, *volume, error) {
	d := parseDrive(key, value)
	if d.empty() {
		delete(d, "size")
		return printDrive(key, d), nil, nil
	}
	if name, ok := strings.CutSuffix(d["file"], ":cloudinit"); ok {
		return q.createCloudInit(t, g, key, name, d)
	}
	name, size, alloc := d.allocates()
	if !alloc {
		v := q.volume(q.node, d["file"])
		if v == nil && !strings.HasPrefix(d["file"], "/") {
			return "", nil, fail("volume '%s' does not exist", d["file"])
		}
		if v != nil {
			d["size"] = formatSize(v.size)
			if v.content == "iso" && v.size%512 != 0 {
				d["size"] = formatSize((v.size + 511) / 512 * 512)
			}
		}
		return printDrive(key, d), nil, nil
	}
	s, err := q.storageOn(q.node, name)
	if err != nil {
		return "", nil, err
	}
	format := d["format"]
	if format == "" || !s.files() {
		format = "raw"
	}
	var v *volume
	var asked int64
	if from := d["import-from"]; from != "" {
		v, err = q.importVolume(t, g, s, format, from)
	} else {
		gb := number(size)
		bytes := int64(*gb*gib) / 1024 * 1024
		switch key {
		case "efidisk0":
			if q.opts.Bare {
				return "", nil, fail("EFI base image '/usr/share/pve-edk2-firmware//OVMF_CODE_4M.fd' not found")
			}
			bytes = 528 << 10
			if d["efitype"] != "4m" {
				bytes = 128 << 10
			}
		case "tpmstate0":
			bytes, format = 4<<20, "raw"
		}
		asked = bytes
		v, err = q.allocate(t, s, g.vmid, "", format, bytes, "images")
	}
	if err != nil {
		return "", nil, err
	}
	if g.template() {
		q.freeze(v)
	}
	delete(d, "import-from")
	delete(d, "format")
	// The configuration says what was asked for, even where the device is larger.
	d["file"], d["size"] = v.id(), formatSize(cmp.Or(asked, v.size))
	out := printDrive(key, d)
	if t != nil {
		t.logf("%s: successfully created disk '%s'", key, out)
	}
	return out, v, nil
}

func (q *call) createCloudInit(t *task, g *guest, key, name string, d drive) (string, *volume, error) {
	s, err := q.storageOn(q.node, name)
	if err != nil {
		return "", nil, err
	}
	format := d["format"]
	if format == "" && s.files() {
		format = "qcow2"
	}
	if !s.files() {
		format = "raw"
	}
	v, err := q.allocate(t, s, g.vmid, s.imageName(g.vmid, "vm", "cloudinit", format), format, 4<<20, "images")
	if err != nil {
		return "", nil, err
	}
	delete(d, "format")
	d["file"], d["media"] = v.id(), "cdrom"
	out := printDrive(key, d)
	if t != nil {
		t.logf("%s: successfully created disk '%s'", key, out)
	}
	return out, v, nil
}

// importVolume copies a volume, or an uploaded image, into a new volume.
func (q *call) importVolume(t *task, g *guest, s *storage, format, from string) (*volume, error) {
	src := q.volume(q.node, from)
	if src == nil {
		name, rest, _ := strings.Cut(from, ":")
		if st := q.storages[name]; st != nil {
			return nil, fail("failed to stat '%s'", st.path(rest))
		}
		return nil, fail("failed to stat '%s'", from)
	}
	drive := ""
	if src.owner != 0 {
		if o := q.guests[src.owner]; o != nil {
			drive = "scsi0 "
		}
	}
	return q.copyVolume(t, src, drive, g.vmid, s, format, "images")
}

// copyVolume makes a full copy. The drive's name goes to the log.
func (q *call) copyVolume(t *task, src *volume, drive string, vmid int, s *storage, format, content string) (*volume, error) {
	if t != nil {
		t.logf("create full clone of drive %s(%s)", drive, src.id())
	}
	if o := q.guests[src.owner]; o != nil && t != nil {
		if err := q.busy(t, o, src); err != nil {
			return nil, err
		}
	}
	v, err := q.allocate(t, s, vmid, "", format, src.size, content)
	if err != nil {
		return nil, err
	}
	v.sum = src.sum
	if src.data != nil && format == src.format && len(src.data) <= keptCopy {
		v.data = src.data
	}
	if t != nil {
		n := humanSize(src.size)
		t.logf("transferred 0.0 B of %s (0.00%%)", n)
		t.logf("transferred %s of %s (100.00%%)", n, n)
		if src.format == "raw" && format == "raw" {
			t.logf("transferred %s of %s (100.00%%)", n, n)
		}
	}
	return v, nil
}

func humanSize(n int64) string {
	f, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strings.TrimSpace(formatFloat(f) + " " + units[i])
}

// register puts a volume that lost its slot among the guest's unused ones, if it
// is the guest's own (FACTS 6).
func (q *call) register(g *guest, d drive) {
	v := q.volume(g.node, d["file"]+d["volume"])
	if v == nil || v.owner != g.vmid || d.cloudinit() {
		return
	}
	for i := 0; ; i++ {
		k := "unused" + itoa(i)
		old, taken := g.conf[k]
		if taken && old == v.id() {
			return
		}
		if !taken {
			g.conf[k] = v.id()
			return
		}
	}
}

// attached drops a volume from the unused ones once a slot has it.
func (g *guest) attached(volid string) {
	for k, v := range g.conf {
		if base, n := splitIndex(k); base == "unused" && n >= 0 && v == volid {
			delete(g.conf, k)
		}
	}
}

// inSnapshot reports whether a snapshot refers to a volume.
func (g *guest) inSnapshot(volid string) bool {
	for _, s := range g.snaps {
		for k, v := range s.conf {
			if (isDrive(k) || isMount(k)) && strings.HasPrefix(v+",", volid+",") {
				return true
			}
		}
	}
	return false
}

// destroyOwn removes the volume of a slot, if it is the guest's own.
func (q *call) destroyOwn(g *guest, volid string) error {
	v := q.volume(g.node, volid)
	if v == nil || v.owner != g.vmid {
		return nil
	}
	if g.inSnapshot(volid) {
		return fail("unable to delete '%s' - volume is still in use (snapshot?)", volid)
	}
	return q.freeVolume(v)
}

// busy is what qemu-img says of a disk that another process writes to.
func (q *call) busy(t *task, g *guest, v *volume) error {
	if !q.opts.Bare || !g.running {
		return nil
	}
	path := q.storages[v.storage].path(v.name)
	t.logf("command '/usr/bin/qemu-img info '--output=json' %s -f %s' failed: exit code 1", path, v.format)
	return fail("qemu-img: Could not open '%s': Failed to get shared \"write\" lock\nIs another process using the image [%s]?", path, path)
}

// freeVolume removes a volume that no linked clone stands on.
func (q *call) freeVolume(v *volume) error {
	for _, o := range q.storages[v.storage].volumes {
		if o.base == v.name && v.name != "" {
			return fail("base volume '%s' is still in use by linked cloned", v.id())
		}
	}
	q.removeVolume(v)
	return nil
}
