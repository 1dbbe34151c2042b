package desired

import (
	"maps"
	"slices"
)

// settleStorage finds the disk's storage class and lets its defaults flow in.
func (l *loader) settleStorage(g *guest, key string, d *Disk) {
	if g.site == nil {
		return
	}
	bus, _, _ := slot(key)
	at := Path("disks").Sub(key)
	layer := KindSite + "/" + g.site.name
	classes := sortedKeys(g.site.Storage)
	if d.Storage == "" && !g.bad[at.Sub("storage")] && !g.bad[at] && !g.site.bad["storage"] {
		if len(classes) != 1 {
			if g.explained(at, "storage") {
				return
			}
			l.wrong(g.item, g.key("disks", key), "%s: storage is missing: %s", at, chooseStorage(g.site.name, classes))
			return
		}
		d.Storage = classes[0]
		src := g.site.key("storage", classes[0])
		src.Layer = layer
		g.set.put(at.Sub("storage"), src)
	}
	class, ok := g.site.Storage[d.Storage]
	if !ok {
		l.checkStore(g, key, d.Storage, classes)
		return
	}
	flow := func(word string, set func()) {
		src, given := class.Set[Path(word)]
		if !given || g.has(at.Sub(word)) || !driveHas(g, bus, word) || g.takenOut("disks", key, word) {
			return
		}
		set()
		g.set.put(at.Sub(word), src)
	}
	flow("ssd", func() { d.SSD = class.SSD })
	flow("discard", func() { d.Discard = class.Discard })
	flow("iothread", func() { d.IOThread = class.IOThread })
	flow("cache", func() { d.Cache = class.Cache })
	flow("format", func() { d.Format = class.Format })
}

func chooseStorage(site string, classes []string) string {
	if len(classes) == 0 {
		return "write the Proxmox storage, or give site " + site + " a class"
	}
	return "write " + oneOf(classes)
}

// checkStore lets a Proxmox storage by its own name pass, unless it looks like
// a class that was mistyped.
func (l *loader) checkStore(g *guest, key, name string, classes []string) {
	if name == "" || g.site.bad["storage"] || g.site.bad[Path("storage").Sub(name)] {
		return
	}
	path := Path("disks").Sub(key).Sub("storage")
	src := g.at("disks", key, "storage")
	for _, c := range classes {
		class := g.site.Storage[c]
		if class.Store == name || slices.Contains(slices.Collect(maps.Values(class.PerNode)), name) {
			return
		}
	}
	if len(nearest(name, classes)) > 0 {
		candidates := make([]candidate, len(classes))
		for i, c := range classes {
			candidates[i] = candidate{c, g.site.key("storage", c)}
		}
		l.wrong(g.item, src, "%s: %s", path, l.missing("storage class", name, candidates))
		return
	}
	if !isStore(name) {
		l.wrong(g.item, src, "%s: %q is no storage's name: %s", path, name, chooseStorage(g.site.name, classes))
	}
}
