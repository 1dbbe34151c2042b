// Package importer writes the manifests of guests that stand already, as a
// person would have written them.
//
// What it writes is loaded and compared with what was read before anybody gets to
// see it: whatever the language refuses, or would read back as something else, is
// taken out and told with the reason. So the first plan holds nothing but
// adoption.
package importer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"berth/applyers/proxmox"
	"berth/desired"
)

// Options say what is imported, and into what.
type Options struct {
	// Site is how the site is reached: name, endpoints, tls and token. It is not
	// used where Existing is set.
	Site desired.Site
	// CA is the content of the file that Site.TLS.CA names; nil for none.
	CA []byte
	// Fleet and UID are the new fleet's name and uid.
	Fleet, UID string
	// Existing are the manifests that the guests are added to; nil makes a new
	// fleet.
	Existing fs.FS
	Pick     Pick
}

// Import is what was written, and what was not.
type Import struct {
	// Files are the manifests by their path.
	Files map[string][]byte
	// Taken are the guests that have a manifest now, LeftOut those that have none.
	Taken   []Taken
	LeftOut []LeftOut
	// Unsaid is what the manifests leave out of the guests that have one.
	Unsaid []Unsaid
	// Unasked counts the guests that were not asked for, Unread those of LeftOut
	// that could not be read, Ours those that the fleet has already.
	Unasked, Unread, Ours int
	// Nodes are those of the site.
	Nodes []string
	// Networks, Classes, Phases and Profiles are those that were made, by name.
	Networks, Classes, Phases, Profiles, Templates []string
	// Unlifted says why no profiles could be made although guests share much: a
	// mistake of Berth's, which costs nothing but lines.
	Unlifted string
}

// Taken is a guest with its manifest.
type Taken struct {
	ID   desired.ID
	VMID int
	What string
	File string
}

// LeftOut is a guest without one.
type LeftOut struct {
	VMID         int
	What, Reason string
}

// Unsaid is an option, or a word, that a guest's manifest leaves out.
type Unsaid struct {
	ID             desired.ID
	Option, Reason string
}

// maker makes an import.
type maker struct {
	Options
	survey *proxmox.Survey
	// before is the fleet that the guests are added to; nil makes a new one.
	before *desired.Fleet
	words  *words
	// templates are those that guests were cloned from, by VMID.
	templates map[int]*desired.Template
	// docs are the guests that are written, by VMID.
	docs     []*doc
	site     *desired.Site
	siteKeep map[desired.Path]bool
	profiles []*profile
	out      Import
	// foreign are the VMIDs that no manifest may have.
	foreign []int
}

// doc is a guest whose manifest is being made.
type doc struct {
	live *proxmox.Surveyed
	kind string // "VM", "Container" or "DataVM"
	name string
	// place is the path of its file.
	place string
	spec  any
	// guest is the part of spec that virtual machines and containers share; nil
	// for a DataVM.
	guest *desired.Guest
	keep  map[desired.Path]bool
	// namesake is another guest that Proxmox calls the same.
	namesake desired.ID
	// unsaid are the remarks on it, in the order in which they came up.
	unsaid []Unsaid
	// refused are the paths that can't be written, null those that are so that no
	// profile gives them.
	refused, null map[desired.Path]bool
	// choice tells that the site has several networks.
	choice bool
	// told are its values, once they are asked for.
	told map[desired.Path]string
	// ignore is the field of spec that lists what is let go.
	ignore *desired.List
}

func (d *doc) id() desired.ID {
	return desired.MakeID(map[string]string{"VM": desired.KindVM, "Container": desired.KindContainer, "DataVM": desired.KindData}[d.kind], d.name)
}

func (d *doc) file() string { return d.place }

func (d *doc) leave(option, format string, args ...any) {
	u := Unsaid{ID: d.id(), Option: option, Reason: fmt.Sprintf(format, args...)}
	if !slices.Contains(d.unsaid, u) {
		d.unsaid = append(d.unsaid, u)
	}
}

// Make makes the manifests of a surveyed site.
func Make(survey *proxmox.Survey, o Options) (*Import, error) {
	m := &maker{Options: o, survey: survey}
	if o.Existing != nil {
		var err error
		if m.before, err = desired.Load(o.Existing); err != nil {
			return nil, fmt.Errorf("the manifests that the guests are to be added to have mistakes:\n%w", err)
		}
		if m.site = m.before.Sites[o.Site.Name]; m.site == nil {
			return nil, fmt.Errorf("the manifests have no site %q", o.Site.Name)
		}
	}
	if err := m.choose(); err != nil {
		return nil, err
	}
	if len(m.docs) == 0 {
		return nil, m.nothing()
	}
	m.name()
	m.recognise()
	for _, d := range m.docs {
		m.describe(d)
	}
	if err := m.settle(); err != nil {
		return nil, err
	}
	if m.before == nil {
		if err := m.lift(); err != nil {
			return nil, err
		}
	}
	files, err := m.files()
	if err != nil {
		return nil, err
	}
	m.out.Files = files
	m.conclude()
	return &m.out, nil
}

// nothing says why there is nothing to write.
func (m *maker) nothing() error {
	switch {
	case len(m.survey.Guests) == 0:
		return errors.New("the token sees no guest on the site: grant it VM.Audit, as in pveum acl modify / --tokens TOKEN --roles PVEAuditor")
	case m.out.Ours > 0 && len(m.out.LeftOut) == 0:
		return fmt.Errorf("nothing to import: all %d guests that were asked for are in the manifests already", m.out.Ours)
	}
	var why []string
	for i, l := range m.out.LeftOut {
		if i == 5 {
			why = append(why, fmt.Sprintf("and %d more", len(m.out.LeftOut)-i))
			break
		}
		why = append(why, l.What+": "+l.Reason)
	}
	return errors.New("nothing to import:\n  " + strings.Join(why, "\n  "))
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// conclude lists what came of it.
func (m *maker) conclude() {
	m.out.Nodes = m.survey.Nodes
	for _, d := range m.docs {
		m.out.Taken = append(m.out.Taken, Taken{ID: d.id(), VMID: d.live.VMID, What: d.live.What(), File: d.file()})
		m.out.Unsaid = append(m.out.Unsaid, d.unsaid...)
	}
	// What stands on Proxmox must not write on the terminal as it likes.
	for i := range m.out.LeftOut {
		l := &m.out.LeftOut[i]
		l.What, l.Reason = printable(l.What), printable(l.Reason)
	}
	for i := range m.out.Unsaid {
		u := &m.out.Unsaid[i]
		u.Option, u.Reason = printable(u.Option), printable(u.Reason)
	}
	slices.SortFunc(m.out.Taken, func(a, b Taken) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortStableFunc(m.out.Unsaid, func(a, b Unsaid) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(m.out.LeftOut, func(a, b LeftOut) int { return cmp.Compare(a.VMID, b.VMID) })
	for _, p := range m.profiles {
		m.out.Profiles = append(m.out.Profiles, p.name)
	}
}
