// Package secrets finds what manifests refer to by name: where the Secret document of
// that name says, else where the host's own settings say.
//
// What it keeps itself lies in one directory, nothing of it in clear:
//
//	generated/NAME.age       a generated secret, as an age file
//	hook/NAME/KEY.age        what a hook brought for a key (in base32), as an age file
//	hook/NAME/KEY.version    which version that is
//	version.key              makes versions of values that tell nothing about them
//
// The age files are encrypted for the agent's identity: `age -d -i IDENTITY FILE` opens
// them without Berth.
package secrets

import (
	"io/fs"
	"sync"

	"filippo.io/age"

	"berth/agent/internal/config"
	"berth/desired"
)

// Identity opens what is encrypted for the agent. A lock is one.
type Identity interface {
	// Recipient is the public half, by which is encrypted also while locked; "" is
	// none.
	Recipient() string
	// Identities are the secret halves. While locked, the error is a
	// [desired.LockedError].
	Identities() ([]age.Identity, error)
}

// Options are what a [Store] works with.
type Options struct {
	// Settings and Env are the host's own places.
	Settings *config.Settings
	Env      func(string) string
	// Dir keeps what was generated and what hooks brought, each encrypted. It need not
	// be there yet.
	Dir string
	// Identity opens age and SOPS files and what Dir keeps, unless Settings name an
	// identity, which comes in its place. Nil is none.
	Identity Identity
}

// Store is the secrets of one agent. It may be used by many at once.
type Store struct {
	Options
	identity Identity

	keying sync.Mutex
	key    []byte // of versions; nil until it is needed

	putting sync.Mutex // had by who changes what hooks have brought
}

// New makes a store.
func New(o Options) *Store {
	s := &Store{Options: o, identity: o.Identity}
	if c := o.Settings.Identity; c.File != "" || c.Secret != "" {
		s.identity = hostIdentity{settings: o.Settings, env: o.Env}
	}
	return s
}

// Recipient is the public half of the identity in use, by which people encrypt; "" if
// there is none, or none that can be read.
func (s *Store) Recipient() string {
	if s.identity == nil {
		return ""
	}
	return s.identity.Recipient()
}

// At is the secrets as one commit has them: its Secret documents, and the encrypted
// files of its tree, which may be nil where it is not at hand.
func (s *Store) At(places map[string]*desired.SecretPlace, files fs.FS) *View {
	return &View{store: s, places: places, files: files, entries: make(map[entryKey]*entry), reading: make(map[string]bool)}
}

// View is the secrets at one commit. What was read once is not read again, so that a
// value and its version belong together; but what needs the identity is not given any
// more once the agent is locked. It may be used by many at once.
type View struct {
	store  *Store
	places map[string]*desired.SecretPlace
	files  fs.FS

	mu      sync.Mutex // guards what follows
	entries map[entryKey]*entry
	reading map[string]bool // what is being read, to find what needs itself
}
