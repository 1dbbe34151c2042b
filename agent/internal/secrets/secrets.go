// Package secrets finds what manifests refer to by name: where the Secret document of
// that name says, else where the host's own settings say.
package secrets

import (
	"context"
	"io/fs"

	"filippo.io/age"

	"berth/agent/internal/config"
	"berth/desired"
)

// Identity opens what is encrypted for the agent. [lock.Lock] is one.
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
	// Identity opens age and SOPS files and what Dir keeps. Nil is none: those are
	// errors then.
	Identity Identity
}

// Store is the secrets of one agent. It may be used by many at once.
type Store struct{ Options }

// New makes a store.
func New(o Options) *Store { return &Store{o} }

// At is the secrets as one commit has them: its Secret documents, and the encrypted
// files of its tree.
func (s *Store) At(places map[string]*desired.SecretPlace, files fs.FS) *View {
	return &View{store: s, places: places, files: files}
}

// View is the secrets at one commit. What was read once is not read again. It may be
// used by many at once.
type View struct {
	store  *Store
	places map[string]*desired.SecretPlace
	files  fs.FS
}

// Put keeps what a hook brought for the Secret of that name, each key for itself.
// Values that are equal to what is kept change nothing. It works while locked.
func (s *Store) Put(ctx context.Context, name string, values map[string]desired.Secret) error {
	return errLater
}
