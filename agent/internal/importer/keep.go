package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// write keeps paths.
func (d *doc) write(paths ...desired.Path) {
	for _, p := range paths {
		d.keep[p] = true
	}
}

// choose keeps a path, or does not.
func (d *doc) choose(path desired.Path, keep bool) {
	if keep {
		d.keep[path] = true
		return
	}
	delete(d.keep, path)
}

// dropWithin keeps nothing at a path and below, and tells whether there was
// anything.
func (d *doc) dropWithin(path desired.Path) bool {
	before := len(d.keep)
	maps.DeleteFunc(d.keep, func(p desired.Path, _ bool) bool { return p.Within(path) })
	return len(d.keep) < before
}

// refuse drops what is at a path and below, and sees to it that no profile gives
// it either.
func (d *doc) refuse(path desired.Path) bool {
	for p := range d.keep {
		if p.Within(path) {
			d.refused[p] = true
		}
	}
	return d.dropWithin(path)
}

// let lets a word go, by ignore.
func (d *doc) let(path desired.Path, format string, args ...any) {
	if !slices.Contains(*d.ignore, string(path)) {
		*d.ignore = append(*d.ignore, string(path))
		slices.Sort(*d.ignore)
	}
	d.write("ignore")
	d.leave(string(path), format, args...)
}

func within1(path desired.Path, words ...desired.Path) bool {
	return slices.ContainsFunc(words, path.Within)
}

// tidy takes out slots of which nothing is left that a manifest could be made of,
// and what refers to them.
func (d *doc) tidy() {
	for _, slot := range slots(d.disks()) {
		at := desired.Path("disks").Sub(slot)
		stands := d.keep[at.Sub("size")] || d.keep[at.Sub("volume")] || firmware(slot) && d.keep[at]
		if !stands {
			d.dropWithin(at)
		}
	}
	if d.guest == nil {
		return
	}
	for _, slot := range slots(d.guest.Networks) {
		at := desired.Path("networks").Sub(slot)
		if !d.keep[at] {
			d.dropWithin(at)
		}
	}
}

// below tells whether anything is written below a path.
func (d *doc) below(path desired.Path) bool {
	for p := range d.keep {
		if p != path && p.Within(path) {
			return true
		}
	}
	return false
}

// drop takes out what can't stand at a path: the word, or its slot if that can't
// be without it. It tells whether anything was taken out.
func (d *doc) drop(path desired.Path, format string, args ...any) bool {
	keys := path.Keys()
	switch {
	case len(keys) == 0:
		return false
	case keys[0] == "disks" && len(keys) >= 2:
		essential := len(keys) == 2 || slices.Contains([]string{"size", "volume", "storage", "mount", "image"}, keys[2])
		if essential {
			path = desired.Path("disks").Sub(keys[1])
		}
	case keys[0] == "networks" && len(keys) >= 2:
		if len(keys) == 2 || keys[2] == "network" {
			path = desired.Path("networks").Sub(keys[1])
		}
	case slices.Contains([]string{"id", "adopt", "name", "kind", "site"}, keys[0]):
		return false
	}
	if !d.refuse(path) {
		return false
	}
	d.leave(string(path), "%s", strings.TrimSpace(fmt.Sprintf(format, args...)))
	d.tidy()
	return true
}
