package desired

import (
	"slices"
	"strings"
)

// Volume finds the data VM's disk that a guest's `volume` names, as in
// "certs/letsencrypt": the data VM, the holder's slot and the disk.
func (f *Fleet) Volume(ref string) (data *Resource, slot string, disk Disk, ok bool) {
	name, want, _ := strings.Cut(ref, "/")
	data = f.Resource(MakeID(KindData, name))
	if data == nil {
		return nil, "", Disk{}, false
	}
	spec, isData := data.Spec.(*DataVM)
	if !isData {
		return nil, "", Disk{}, false
	}
	for _, key := range sortedKeys(spec.Disks) {
		if spec.Disks[key].Name == want {
			return data, key, spec.Disks[key], true
		}
	}
	return nil, "", Disk{}, false
}

// VolumeUsers lists the guests that attach a data VM's disk, sorted. A guest
// that shall be absent is none of them.
func (f *Fleet) VolumeUsers(ref string) []ID {
	var out []ID
	for _, r := range f.Resources {
		g := f.Guest(r.ID)
		if g == nil || g.State == Absent {
			continue
		}
		for _, d := range g.Disks {
			if d.Volume == ref {
				out = append(out, r.ID)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// volume finds a data VM's disk while loading.
func (l *loader) volume(name, disk string) (d *dataVM, key string, ok bool) {
	i, found := slices.BinarySearchFunc(l.datas, name, func(d *dataVM, name string) int { return strings.Compare(d.name, name) })
	if !found {
		return nil, "", false
	}
	d = l.datas[i]
	key, ok = d.named[disk]
	return d, key, ok
}

// volumes lists all data VMs' disks, as a guest's `volume` names them.
func (l *loader) volumes() []candidate {
	var out []candidate
	for _, d := range l.datas {
		for _, name := range sortedKeys(d.named) {
			out = append(out, candidate{d.name + "/" + name, d.at("disks", d.named[name], "name")})
		}
	}
	return out
}

// checkVolume checks a disk that attaches a data VM's, and lets flow into it
// what the data VM says of it.
func (l *loader) checkVolume(g *guest, key string, disk *Disk) {
	at := Path("disks").Sub(key)
	src := g.at("disks", key, "volume")
	for _, word := range []string{"image", "iso", "bind", "size", "storage", "format", "name", "secureBoot", "state"} {
		if !g.has(at.Sub(word)) {
			continue
		}
		why := "the data VM says it: take one of them out"
		switch word {
		case "image", "iso", "bind":
			why = "volume is there as well, and says what the disk is: keep one"
		case "name", "secureBoot":
			why = "it does not go with volume: take it out"
		case "state":
			why = "volume is there as well: to detach it write " + string(at) + ": absent"
		}
		l.wrong(g.item, g.key("disks", key, word), "%s.%s: %s", at, word, why)
		g.set.drop(at.Sub(word))
	}
	if g.ct != nil {
		l.wrong(g.item, src, "%s.volume: a data VM's disk is a block device, which Proxmox gives to VMs alone: give the container a size and storage of its own", at)
		return
	}
	d, holder := l.volumeOf(g, key, disk.Volume)
	if d == nil {
		return
	}
	if g.site != nil && d.machine.site != nil && g.site != d.machine.site {
		l.wrong(g.item, src, "%s.volume: %s is on site %s (%s), and the guest on %s: a disk can't be attached from elsewhere", at, d.id, d.machine.site.name, d.src.place(), g.site.name)
		return
	}
	if disk.Serial != "" && !regexpSerial.MatchString(disk.Serial) {
		l.wrong(g.item, g.at("disks", key, "serial"), "%s.serial: %q: write at most 20 letters, digits and . _ -", at, disk.Serial)
	}
	l.checkLimits(g, key, disk.Limits)
	l.seedMounts(g, key)
	l.flowVolume(g, key, disk, d, holder)
	l.checkVolumeMount(g.item, key, disk)
	if g.State != Absent {
		use := volumeUse{guest: g, key: key, ref: disk.Volume, src: src, readOnly: disk.ReadOnly}
		l.uses = append(l.uses, use)
		g.uses = append(g.uses, use)
	}
}

// volumeOf finds the disk that a volume names; nil if there is none, which has
// been reported.
func (l *loader) volumeOf(g *guest, key, ref string) (d *dataVM, holder string) {
	at := Path("disks").Sub(key).Sub("volume")
	src := g.at("disks", key, "volume")
	name, disk, ok := strings.Cut(strings.TrimPrefix(ref, KindData+"/"), "/")
	if !ok || name == "" || disk == "" || strings.Contains(disk, "/") {
		l.wrong(g.item, src, "%s: %q is no disk of a data VM: write DATAVM/DISK%s", at, ref, l.volumesOf(name))
		return nil, ""
	}
	d, holder, ok = l.volume(name, disk)
	switch {
	case ok && ref != name+"/"+disk:
		l.wrong(g.item, src, "%s: write %s/%s, only data VMs have volumes", at, name, disk)
		return nil, ""
	case ok:
		return d, holder
	case d == nil:
		if !l.exists(MakeID(KindData, name)) {
			l.wrong(g.item, src, "%s: %s", at, l.missing("data VM", name, l.documents(KindData)))
		}
		return nil, ""
	}
	if d.bad["disks"] || len(d.named) < len(d.spec.Disks) {
		return nil, "" // A disk's name is missing or wrong, which has been told.
	}
	var candidates []candidate
	for _, n := range sortedKeys(d.named) {
		candidates = append(candidates, candidate{n, d.at("disks", d.named[n], "name")})
	}
	l.wrong(g.item, src, "%s: %s has %s", at, d.id, l.missing("disk", disk, candidates))
	return nil, ""
}

// volumesOf tells what disks a data VM has, where one is named alone.
func (l *loader) volumesOf(name string) string {
	d, _, _ := l.volume(name, "")
	if d == nil || len(d.named) == 0 {
		return ""
	}
	return ", as in " + name + "/" + sortedKeys(d.named)[0]
}

// flowVolume lets flow into a guest's disk what its volume's data VM says: how
// it is mounted, and what its storage is good for.
func (l *loader) flowVolume(g *guest, key string, disk *Disk, d *dataVM, holder string) {
	at, from := Path("disks").Sub(key), Path("disks").Sub(holder)
	held := d.spec.Disks[holder]
	bus, _, _ := slot(key)
	flow := func(word string, set func()) {
		src, given := d.set.lookup(from.Sub(word))
		if !given || g.has(at.Sub(word)) || g.takenOut("disks", key, word) {
			return
		}
		set()
		if src.Layer == "" {
			src.Layer = string(d.id)
		}
		g.set.put(at.Sub(word), src)
	}
	if g.seeded() {
		flow("mount", func() { disk.Mount = held.Mount })
		flow("label", func() { disk.Label = held.Label })
		flow("filesystem", func() { disk.Filesystem = held.Filesystem })
		flow("options", func() { disk.MountOptions = held.MountOptions })
	} else if held.Mount != "" && g.State != Absent && !g.has(at.Sub("mount")) && !g.takenOut("disks", key, "mount") {
		l.note(g.at("disks", key, "volume"), g.id, "%s: it is attached, but not mounted at %s: without a seed of cloudInit nothing of Berth's runs in the guest", at, held.Mount)
	}
	if disk.Mount != "" && disk.Filesystem == "" {
		disk.Filesystem = "ext4"
	}
	for _, word := range []struct {
		word string
		set  func()
	}{
		{"readOnly", func() { disk.ReadOnly = held.ReadOnly }},
		{"discard", func() { disk.Discard = held.Discard }},
		{"ssd", func() { disk.SSD = held.SSD }},
		{"iothread", func() { disk.IOThread = held.IOThread }},
		{"cache", func() { disk.Cache = held.Cache }},
		{"aio", func() { disk.AIO = held.AIO }},
	} {
		if driveHas(g, bus, word.word) {
			flow(word.word, word.set)
		}
	}
}

// seedMounts refuses what only a seed could do, where there is none.
func (l *loader) seedMounts(g *guest, key string) {
	if g.seeded() || g.bad["cloudInit"] {
		return
	}
	for _, word := range []string{"mount", "filesystem", "label", "options"} {
		path := Path("disks").Sub(key).Sub(word)
		switch {
		case !g.has(path):
		case g.vm.CloudInit != nil:
			l.wrong(g.item, g.at(path.Keys()...), "%s: Proxmox's own cloud-init drive can't do this: take it out, or cloudInit.native", path)
		default:
			l.wrong(g.item, g.at(path.Keys()...), "%s: the seed of cloudInit does this: add cloudInit: {}, or take it out", path)
		}
	}
}

// seeded tells whether a seed of ours is run inside the guest.
func (g *guest) seeded() bool {
	return g.vm != nil && g.vm.CloudInit != nil && !g.vm.CloudInit.Native
}

// A volumeUse is a guest's disk that attaches a data VM's.
type volumeUse struct {
	guest    *guest
	key, ref string
	src      Source
	readOnly bool
}

// oneWriter refuses a volume that two guests could write at once, which no
// filesystem survives. A stopped guest counts: it may be started at any time.
func (l *loader) oneWriter() {
	// The first use of each volume, the first that writes, and the latest guest's
	// first, each by what volume says.
	first, writes, own := map[string]volumeUse{}, map[string]volumeUse{}, map[string]volumeUse{}
	for _, use := range l.uses {
		at := Path("disks").Sub(use.key)
		other, clash := writes[use.ref]
		if !clash && !use.readOnly {
			other, clash = first[use.ref]
		}
		if mine, ok := own[use.ref]; !clash && ok && mine.guest == use.guest {
			other, clash = mine, true
		}
		switch {
		case !clash:
		case other.guest == use.guest:
			l.wrong(use.guest.item, use.src, "%s.volume: %s is attached at %s already (%s): keep one", at, use.ref, Path("disks").Sub(other.key), other.src.place())
		default:
			l.wrong(use.guest.item, use.src, "%s.volume: %s attaches %s as well (%s), and one guest at a time may: take it out of one, make one of them absent, or write readOnly: true in both", at, other.guest.id, use.ref, other.src.place())
		}
		if _, ok := first[use.ref]; !ok {
			first[use.ref] = use
		}
		if _, ok := writes[use.ref]; !ok && !use.readOnly {
			writes[use.ref] = use
		}
		if own[use.ref].guest != use.guest {
			own[use.ref] = use
		}
	}
}
