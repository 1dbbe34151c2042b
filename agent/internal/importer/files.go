package importer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// files writes everything, as it stands now.
func (m *maker) files() (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, d := range m.docs {
		text, err := m.text1(d)
		if err != nil {
			return nil, err
		}
		files[d.file()] = text
	}
	if m.before != nil {
		return files, nil
	}
	var err error
	if files["fleet.yaml"], err = m.fleetText(); err != nil {
		return nil, err
	}
	m.site.Foreign = ranges(m.foreign)
	m.siteKeep["foreign"] = len(m.foreign) > 0
	if files["site.yaml"], err = desired.Write(desired.Document{Kind: "Site", Name: m.site.Name, Spec: m.site, Keep: kept(m.siteKeep)}); err != nil {
		return nil, err
	}
	if m.CA != nil {
		files[m.site.TLS.CA] = m.CA
	}
	if len(m.templates) > 0 {
		if files["templates.yaml"], err = m.templateText(); err != nil {
			return nil, err
		}
	}
	if len(m.profiles) > 0 {
		if files["profiles.yaml"], err = profileText(m.profiles); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func kept(keep map[desired.Path]bool) map[desired.Path]bool {
	out := maps.Clone(keep)
	maps.DeleteFunc(out, func(_ desired.Path, yes bool) bool { return !yes })
	return out
}

func (m *maker) fleetText() ([]byte, error) {
	spec := &desired.FleetSpec{UID: m.UID, Version: desired.Version}
	return desired.Write(desired.Document{
		Kind: "Fleet", Name: m.Fleet, Spec: spec, Keep: map[desired.Path]bool{"uid": true, "version": true},
		Head: []string{"Name and uid stand in the stamp of every guest: change them before the first is adopted, or never."},
	})
}

// text1 writes one guest's file.
func (m *maker) text1(d *doc) ([]byte, error) {
	return desired.Write(desired.Document{Kind: d.kind, Name: d.name, Spec: d.spec, Keep: d.keep, Null: d.null, Head: d.head()})
}

// head tells, in the guest's own file, what the file leaves out. It changes no
// place: a mistake is found by its line.
func (d *doc) head() []string {
	if len(d.unsaid) == 0 {
		return nil
	}
	lines := []string{"What this guest has and its manifest leaves out:"}
	for _, u := range d.unsaid {
		lines = append(lines, "  "+u.Option+": "+strings.ReplaceAll(u.Reason, "\n", " "))
	}
	return lines
}

// ranges puts VMIDs that follow each other together.
func ranges(ids []int) []desired.IDRange {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var out []desired.IDRange
	for _, id := range ids {
		if n := len(out); n > 0 && out[n-1].To == id-1 {
			out[n-1].To = id
			continue
		}
		out = append(out, desired.IDRange{From: id, To: id})
	}
	return out
}

// byCount orders words by how often they occur, the most frequent first.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
}
