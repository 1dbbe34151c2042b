package desired

import (
	"slices"
	"time"
)

// Version is the newest version of the manifest language that this package
// reads; a manifest of a newer one is refused.
const Version = 1

// Fleet is everything that a commit asks for.
type Fleet struct {
	// Spec is the Fleet document, with defaults filled in. Spec.Name is "" if
	// the repository has none.
	Spec  FleetSpec
	Sites map[string]*Site
	Hosts map[string]*Host
	// Users by login name and Images by name, as written.
	Users  map[string]*User
	Images map[string]*Image
	// Templates and Secrets by name, Approvals in the order of what they allow.
	Templates map[string]*Template
	Secrets   map[string]*Secret
	Approvals []*Approval
	// Resources is what the appliers make true, sorted by ID: guests, images
	// (one for each site that uses it), edges, playbooks.
	Resources []*Resource
	// Notes are remarks of the loader that are no mistakes.
	Notes []Problem
	// Documents counts the YAML documents read, Ignored the files skipped by a
	// .berthignore.
	Documents, Ignored int

	// index finds those of indexed by id; it holds only as long as Resources is
	// still that very list.
	index   map[ID]*Resource
	indexed []*Resource
}

// Resource is one thing that an applyer makes true.
type Resource struct {
	ID ID
	// Site is the site it lives on; "" for what belongs to none.
	Site string
	// Spec is a *VM, *Container, *DataVM, *ImageAt, *Edge or *Playbook.
	Spec any
	// Set holds, for each leaf of Spec that a manifest sets, where it was set.
	// Only these are compared and enforced.
	Set map[Path]Source
	// Ignore holds the paths that the manifest lets go.
	Ignore []Path
	// Needs are the resources that must stand, and be ready, first.
	Needs []ID
	// Source is the document that asks for the resource.
	Source Source
}

// Has tells whether path, or anything below it, is set and not ignored.
func (r *Resource) Has(path Path) bool {
	for p := range r.Set {
		if p.Within(path) && !r.Ignores(p) {
			return true
		}
	}
	return false
}

// Ignores tells whether the manifest lets path go.
func (r *Resource) Ignores(path Path) bool {
	return slices.ContainsFunc(r.Ignore, path.Within)
}

// Resource finds a resource by its id; nil if there is none.
func (f *Fleet) Resource(id ID) *Resource {
	if n := len(f.indexed); n > 0 && n == len(f.Resources) && &f.indexed[0] == &f.Resources[0] {
		return f.index[id]
	}
	for _, r := range f.Resources {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// FleetSpec is the document of kind Fleet: one a repository, with the fleet's
// name and what holds for all of it.
type FleetSpec struct {
	Name string `yaml:"name"`
	// UID is made once, at random, so that a copied repository is another fleet.
	UID         string `yaml:"uid"`
	Description string `yaml:"description"`
	// Version of the manifest language.
	Version int `yaml:"version"`
	// Site is the site of guests that name none; the only one by default.
	Site string `yaml:"site"`
	// ArchiveFor is how long a guest that is gone from Git is kept; 7 days
	// unless set, 0 destroys at once.
	ArchiveFor Duration `yaml:"archiveFor"`
	// Zone is the time zone of schedules and dates; UTC unless set.
	Zone     string         `yaml:"zone"`
	Guards   Guards         `yaml:"guards"`
	SSH      SSH            `yaml:"ssh"`
	Windows  []Later        `yaml:"windows" later:"maintenance windows are not built yet: leave them out, reboots then wait for you"`
	Defaults map[string]any `yaml:"defaults"` // the lowest layer, by kind; the loader merges it and leaves this nil
	// RenamedFrom is the name that the fleet had before; what bears it, with the
	// same UID, is still ours.
	RenamedFrom string `yaml:"renamedFrom"`
}

// Guards are the limits on destructive changes in one turn.
type Guards struct {
	// Deletes is how many guests may be archived or deleted in one
	// turn; 3 unless set.
	Deletes int    `yaml:"deletes"`
	Percent *Later `yaml:"percent" later:"a limit in per cent is not built yet: guards.deletes is what holds"`
}

// SSH is how guests are reached.
type SSH struct {
	User string `yaml:"user"`
	Port int    `yaml:"port"`
	// Key names the private key: a secret that the agent's own settings resolve.
	Key SecretRef `yaml:"key"`
	// KnownHosts is learn (the default: pinned at first contact), strict or file.
	KnownHosts string `yaml:"knownHosts" enum:"learn|strict|file"`
}

// SecretRef points at a secret; it never holds one.
type SecretRef struct {
	Secret string `yaml:"secret"`
	Key    string `yaml:"key"`
}

// DefaultArchiveFor is how long archived guests are kept unless a fleet says.
const DefaultArchiveFor = Duration(7 * 24 * time.Hour)

// DefaultDeletes is the limit on destructive changes a turn unless a fleet says.
const DefaultDeletes = 3
