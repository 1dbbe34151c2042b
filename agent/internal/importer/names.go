package importer

import (
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"berth/desired"
)

var regexpNot = regexp.MustCompile(`[^a-z0-9]+`)

// valid makes a name of the language out of any text; "" if nothing is left of it.
func valid(text string) string {
	text = strings.Trim(regexpNot.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if len(text) > 50 {
		text = strings.Trim(text[:50], "-")
	}
	return text
}

// name gives every guest a name of its own: that which it has on Proxmox, where
// the language takes it. The real one then stands as its hostname.
func (m *maker) name() {
	taken := map[string]bool{"all": true, "ungrouped": true, "vm": true, "ct": true, "localhost": true}
	if m.before != nil {
		for _, r := range m.before.Resources {
			taken[r.ID.Name()] = true
		}
		for name := range m.before.Hosts {
			taken[name] = true
		}
	}
	slices.SortFunc(m.docs, func(a, b *doc) int { return cmp.Compare(a.live.VMID, b.live.VMID) })
	hosts := make(map[string]desired.ID)
	for _, d := range m.docs {
		host, _, _ := strings.Cut(d.hostname(), ".")
		name := valid(host)
		if was := d.live.ID.Name(); m.lost(d.live) && valid(was) == was {
			name = was
		}
		if name == "" {
			name = fmt.Sprintf("%s-%d", d.live.Kind, d.live.VMID)
		}
		for taken[name] {
			name = fmt.Sprintf("%s-%d", name, d.live.VMID)
		}
		taken[name] = true
		d.name = name
		d.place = m.place(d)
		if full := strings.ToLower(d.hostname()); hosts[full] == "" {
			hosts[full] = d.id()
		} else if full != "" {
			d.namesake = hosts[full]
		}
	}
}

// place is the file of a guest: one that is not there yet, whatever it holds.
func (m *maker) place(d *doc) string {
	stem := "guests/" + d.name
	if m.Existing == nil {
		return stem + ".yaml"
	}
	for {
		if _, err := fs.Stat(m.Existing, stem+".yaml"); err != nil {
			return stem + ".yaml"
		}
		stem = fmt.Sprintf("%s-%d", stem, d.live.VMID)
	}
}

// hostname is what Proxmox calls the guest.
func (d *doc) hostname() string {
	if d.guest != nil {
		return d.guest.Hostname
	}
	if d.kind == "DataVM" {
		if spec, ok := d.live.Spec.(*desired.VM); ok {
			return spec.Hostname
		}
	}
	return ""
}

// slots lists the keys of disks and interfaces, scsi2 before scsi10.
func slots[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		stemA, stemB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
		if stemA != stemB {
			return strings.Compare(stemA, stemB)
		}
		return cmp.Or(len(a)-len(b), strings.Compare(a, b))
	})
	return keys
}

// within makes a name unique among others, and takes it.
func within(taken map[string]bool, name, otherwise string) string {
	if name == "" || taken[name] {
		name = otherwise
	}
	for base, n := name, 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return name
}
