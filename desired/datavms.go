package desired

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// regexpLabelName is what a filesystem's label may be: it is written into a
// command and a table of mounts.
var regexpLabelName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// regexpMountOption is one option of a mount.
var regexpMountOption = regexp.MustCompile(`^[a-z0-9_.-]+(=[A-Za-z0-9_./:%+-]+)?$`)

// A dataVM is a DataVM being loaded, and the virtual machine that it is to
// Proxmox.
type dataVM struct {
	*item
	spec    *DataVM
	machine *guest
	// named finds the slot of a disk by its name.
	named map[string]string
}

// dataDocuments reads the data VMs.
func (l *loader) dataDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word != "DataVM" {
			continue
		}
		d := &dataVM{spec: &DataVM{}, named: map[string]string{}}
		d.item = l.open(doc, d.spec, l.defaults["DataVM"])
		d.spec.Name, d.spec.Hostname, d.spec.State, d.spec.Startup = doc.name, doc.name, Stopped, "never"
		d.set.put("hostname", doc.nameSrc)
		d.set.put("state", doc.src)
		d.set.put("startup", doc.src)
		vm := d.spec.VM()
		d.machine = &guest{item: d.item, vm: vm, Guest: &vm.Guest, data: true, claims: &claims{}}
		l.datas = append(l.datas, d)
	}
	slices.SortFunc(l.datas, func(a, b *dataVM) int { return strings.Compare(a.name, b.name) })
	for _, d := range l.datas {
		l.checkData(d)
	}
}

func (l *loader) checkData(d *dataVM) {
	it, g := d.item, d.machine
	g.site = l.siteOf(it, d.spec.Site)
	if g.site != nil {
		d.spec.Site = g.site.name
		if d.spec.Node == "" {
			d.spec.Node = g.site.Node
		}
	}
	if d.spec.Node != "" && it.has("node") && !isStore(d.spec.Node) {
		l.wrong(it, it.at("node"), "node: %q is no node's name", d.spec.Node)
	}
	// It is where it was moved to.
	it.set.drop("node")
	g.Site, g.Node = d.spec.Site, d.spec.Node
	l.checkTags(it)
	l.checkDescription(it, d.spec.Description)
	if d.spec.Pool != "" && !regexpPool.MatchString(d.spec.Pool) {
		l.wrong(it, it.at("pool"), "pool: %q is no pool's name: write letters, digits and . _ -", d.spec.Pool)
	}
	l.checkIgnore(it, d.kind)
	l.checkDataLifecycle(d)
	if len(d.spec.Disks) == 0 && !it.explained("", "disks") {
		l.wrong(it, it.src, "disks is missing: a data VM holds at least one, as in {scsi0: {name: srv, storage: NAME, size: 8GiB}}")
	}
	for _, key := range sortedKeys(d.spec.Disks) {
		l.checkDataSlot(d, key)
	}
}

// checkDataLifecycle refuses what nothing may do to data, and what a machine
// that never runs has no use for.
func (l *loader) checkDataLifecycle(d *dataVM) {
	it := d.item
	for _, word := range []string{"reboot", "replace", "stop"} {
		if it.has(Path("lifecycle").Sub(word)) {
			l.wrong(it, it.key("lifecycle", word), "lifecycle.%s: a data VM never runs and is never made anew: take it out", word)
		}
	}
	if d.spec.Lifecycle.Remove == "destroy" {
		l.wrong(it, it.at("lifecycle", "remove"), "lifecycle.remove: data is never destroyed because a manifest is gone: write archive or release, and destroy the disks on Proxmox once nobody needs them")
	}
	if d.spec.Lifecycle.Remove == "" {
		d.spec.Lifecycle.Remove = "archive"
	}
}

func (l *loader) checkDataSlot(d *dataVM, key string) {
	it, at := d.item, Path("disks").Sub(key)
	if complaint := badDataSlot(d.machine, key); complaint != "" {
		l.wrong(it, it.key("disks", key), "disks.%s", complaint)
		delete(d.spec.Disks, key)
		it.set.dropWithin(at)
		return
	}
	disk := d.spec.Disks[key]
	l.checkDataDisk(d, key, &disk)
	d.spec.Disks[key] = disk
}

// badDataSlot says what is wrong with the key of a data VM's disk.
func badDataSlot(g *guest, key string) string {
	if key == "efidisk0" || key == "tpmstate0" {
		return key + ": a data VM never boots: take it out"
	}
	return badSlot(g, key)
}

func (l *loader) checkDataDisk(d *dataVM, key string, disk *Disk) {
	it, at := d.item, Path("disks").Sub(key)
	whole := it.key("disks", key)
	for _, word := range []struct{ word, why string }{
		{"image", "a data VM's disk begins empty: take it out"},
		{"iso", "a data VM never boots: take it out"},
		{"volume", "this is where volumes are: write size"},
		{"bind", "a directory of the node is a Container's: take it out"},
		{"secureBoot", "a data VM never boots: take it out"},
		{"state", "data is never detached from its holder by an edit: take the slot out, it is then unmanaged and kept"},
	} {
		if it.has(at.Sub(word.word)) {
			l.wrong(it, it.key("disks", key, word.word), "%s.%s: %s", at, word.word, word.why)
			it.set.drop(at.Sub(word.word))
		}
	}
	if disk.State != "" {
		return
	}
	switch {
	case it.bad[at] || it.bad[at.Sub("name")] || disk.Name == "" && it.explained(at, "name"):
	case disk.Name == "":
		l.wrong(it, whole, "%s: name is missing: write what guests call it, volume: %s/NAME", at, d.name)
	case !isDotted(disk.Name):
		l.wrong(it, it.at("disks", key, "name"), "%s.name: %q: write a-z, 0-9 and . _ - inside", at, disk.Name)
	case d.named[disk.Name] != "":
		l.wrong(it, it.at("disks", key, "name"), "%s.name: %s is called %s already (%s): choose another", at, Path("disks").Sub(d.named[disk.Name]), disk.Name, it.at("disks", d.named[disk.Name], "name").place())
	default:
		d.named[disk.Name] = key
	}
	it.set.drop(at.Sub("name"))
	if disk.Size == 0 && !it.bad[at] && !it.explained(at, "size") {
		l.wrong(it, whole, "%s: size is missing: write it as in 8GiB", at)
	}
	if disk.Size != 0 && disk.Size%MiB != 0 {
		l.wrong(it, it.at("disks", key, "size"), "%s.size: Proxmox takes whole MiB: write %s", at, (disk.Size/MiB+1)*MiB)
	}
	if disk.Serial != "" && !regexpSerial.MatchString(disk.Serial) {
		l.wrong(it, it.at("disks", key, "serial"), "%s.serial: %q: write at most 20 letters, digits and . _ -", at, disk.Serial)
	}
	l.checkDriveWords(d.machine, key, emptyDisk)
	l.settleStorage(d.machine, key, disk)
	l.checkLimits(d.machine, key, disk.Limits)
	l.checkVolumeMount(it, key, disk)
}

// checkVolumeMount checks how a volume is mounted inside guests.
func (l *loader) checkVolumeMount(it *item, key string, disk *Disk) {
	at := Path("disks").Sub(key)
	wrong := func(word, format string, args ...any) {
		l.wrong(it, it.at("disks", key, word), "%s.%s: %s", at, word, fmt.Sprintf(format, args...))
	}
	if disk.Mount != "" {
		switch {
		case !path.IsAbs(disk.Mount) || strings.ContainsAny(disk.Mount, " \t\"'\\,"):
			wrong("mount", "%q is no whole path: write it as in /srv", disk.Mount)
		case path.Clean(disk.Mount) != disk.Mount || disk.Mount == "/":
			wrong("mount", "%q: write a directory below /, without . and .., as in /srv", disk.Mount)
		}
	}
	filesystem := disk.Filesystem
	if filesystem == "" {
		filesystem = "ext4"
	}
	most := map[string]int{"ext4": 16, "xfs": 12, "btrfs": 255}[filesystem]
	switch {
	case disk.Label == "":
	case !regexpLabelName.MatchString(disk.Label):
		wrong("label", "%q: write letters, digits and . _ -", disk.Label)
	case len(disk.Label) > most:
		wrong("label", "%q is longer than the %d letters that %s has for one: write a shorter one", disk.Label, most, filesystem)
	}
	for _, node := range it.items("disks", key, "options") {
		switch {
		case node.form != scalarForm:
		case node.text == "ro" || node.text == "rw":
			l.wrong(it, node.src(), "%s.options: %s: write readOnly: %t beside it instead", at, node.text, node.text == "ro")
		case !regexpMountOption.MatchString(node.text):
			l.wrong(it, node.src(), "%s.options: %q is no option of a mount: write one for each item, as in noatime", at, node.text)
		}
	}
}

// dataResources makes a resource of each data VM.
func (l *loader) dataResources() {
	for _, d := range l.datas {
		r := l.resource(d.item, d.spec, d.spec.Ignore)
		d.spec.VMID = d.machine.VMID
		if d.machine.site != nil {
			r.Site = d.machine.site.name
		}
	}
}
