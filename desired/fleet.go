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
	Secrets   map[string]*SecretPlace
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
	Set Settings
	// Ignore holds the paths that the manifest lets go.
	Ignore []Path
	// Needs are the resources that must stand, and be ready, first.
	Needs []ID
	// Source is the document that asks for the resource.
	Source Source
}

// Has tells whether path, or anything below it, is set and not ignored.
func (r *Resource) Has(path Path) bool {
	for p := range r.Set.Paths() {
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
	// Name stands in the stamp and the tag of every guest.
	Name string `yaml:"name" default:"required" example:"home"`
	// UID is made once, at random, so that a copied repository is another fleet.
	UID string `yaml:"uid" form:"uid" default:"required" example:"5b1f0c2e"`
	// Description is for people.
	Description string `yaml:"description" example:"what runs at home"`
	// Version is the version of the manifest language. A newer one is refused.
	Version int `yaml:"version" form:"positive" default:"1" example:"1"`
	// Site is the site of guests that name none.
	Site string `yaml:"site" default:"the only one" example:"home"`
	// ArchiveFor is how long a guest that is gone from Git is kept; 0 destroys it
	// at once.
	ArchiveFor Duration `yaml:"archiveFor" default:"7d" example:"14d"`
	// Zone is the time zone of schedules and dates.
	Zone string `yaml:"zone" default:"UTC" example:"Europe/Berlin"`
	// Guards are the limits on destructive changes in one turn.
	Guards Guards `yaml:"guards" example:"{deletes: 3}"`
	// SSH is how guests are reached.
	SSH SSH `yaml:"ssh" example:"{user: ansible, key: {secret: ssh-key}}"`
	// Windows are when guests may be out of service: a guest whose lifecycle.reboot
	// says window is rebooted in them alone, and a guest that is to be deleted, since
	// its time in the archive is up or since it is state: absent, goes in them alone.
	// What begins while any of them is open comes to its end. Archiving does not wait
	// for them, and neither does lifecycle.reboot: now.
	Windows []Window `yaml:"windows" default:"none: reboots wait for you, deletions for nothing" example:"[{cron: \"0 3 * * *\", for: 2h}]"`
	// Defaults are the lowest layer of all documents of a kind, by kind.
	Defaults map[string]any `yaml:"defaults" keys:"kind" example:"{VM: {agent: true, tags: [managed]}}"` // The loader merges it and leaves this nil.
	// RenamedFrom is the name that the fleet had before; what bears it, with the
	// same uid, is still ours.
	RenamedFrom string `yaml:"renamedFrom" form:"name" example:"lab"`
}

// Guards are the limits on destructive changes in one turn.
type Guards struct {
	// Deletes is how many guests may be archived or deleted in one turn; 0 holds
	// every one. Where more would go, none does.
	Deletes int `yaml:"deletes" form:"natural" default:"3" example:"5"`
	// Percent is the same as a share of the guests that are there, rounded down,
	// and one at least; 0 holds every one. It holds beside deletes, and counts from
	// 10 guests on: a smaller fleet is judged by deletes alone. No limit holds what
	// brings a guest back.
	Percent int `yaml:"percent" form:"percent" default:"20" example:"10"`
}

// SSH is how guests are reached.
type SSH struct {
	// User is the login name.
	User string `yaml:"user" form:"login" default:"root" example:"ansible"`
	// Port is the port of SSH.
	Port int `yaml:"port" form:"port" default:"22" example:"2222"`
	// Key is the secret that holds the private key.
	Key SecretRef `yaml:"key" example:"{secret: ssh-key}"`
	// KnownHosts says which host keys are trusted: learn (the first that is seen is
	// pinned), strict (those in the agent's
	// own known_hosts alone) or file (those of the system and of the agent's user).
	KnownHosts string `yaml:"knownHosts" enum:"learn|strict|file" default:"learn" example:"strict"`
}

// SecretRef points at a secret; it never holds one.
type SecretRef struct {
	// Secret names a Secret, a systemd credential, or one of the agent's own
	// `secrets`, in this order.
	Secret string `yaml:"secret" form:"dotted" default:"required" example:"apps"`
	// Key is the field of a secret that holds several, as in a.b.
	Key string `yaml:"key" example:"backup.token"`
}

// DefaultArchiveFor is how long archived guests are kept unless a fleet says.
const DefaultArchiveFor = Duration(7 * 24 * time.Hour)

// DefaultDeletes is the limit on destructive changes a turn unless a fleet says.
const DefaultDeletes = 3

// DefaultPercent is the same as a share of the guests, from [PercentFrom] guests
// on, unless a fleet says.
const DefaultPercent = 20

// PercentFrom is the number of guests from which on a share of them is a limit: of
// fewer, one guest would be too large a share.
const PercentFrom = 10
