package secrets

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth/desired"
)

// Read gives a secret, or the value of a key within one; never an empty one. While the
// agent is locked, the error of what needs its identity is a [desired.LockedError]. No
// error holds any of the value.
func (v *View) Read(_ context.Context, ref desired.SecretRef) (desired.Secret, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	value, err := v.read(ref)
	if err != nil {
		return desired.Secret{}, say(ref.Secret, err)
	}
	return desired.MakeSecret(value), nil
}

// say names the secret in an error, once.
func say(name string, err error) error {
	if asLocked(err) != nil {
		return &desired.LockedError{Secret: name}
	}
	if strings.HasPrefix(err.Error(), fmt.Sprintf("secret %q", name)) {
		return err // The settings say so themselves.
	}
	return fmt.Errorf("secret %q: %w", name, err)
}

// read gives the bytes of a reference, which nobody may change.
func (v *View) read(ref desired.SecretRef) ([]byte, error) {
	value, err := v.find(ref)
	switch {
	case err != nil:
		return nil, err
	case len(value) == 0 && ref.Key != "":
		return nil, fmt.Errorf("key %q is empty: a secret that is empty protects nothing", ref.Key)
	case len(value) == 0:
		return nil, errors.New("it is empty: write it where it is looked for")
	}
	return value, nil
}

// find finds the key of a reference within its secret.
func (v *View) find(ref desired.SecretRef) ([]byte, error) {
	doc := v.places[ref.Secret]
	if doc != nil && doc.Hook {
		e, err := v.brought(ref)
		if err == nil {
			err = v.openBrought(e, ref)
		}
		return e.value, err
	}
	e, err := v.whole(ref.Secret)
	switch {
	case err != nil:
		return nil, err
	case e.sops != nil:
		value, err := e.sops.find(ref.Key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doc.Path, err)
		}
		return value, nil
	case ref.Key == "":
		return e.value, nil
	}
	value, err := within(e.value, ref.Key)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", ref.Key, err)
	}
	return value, nil
}

// entryKey is a secret, or a key of one whose keys are kept one by one.
type entryKey struct{ name, key string }

// entry is what was read.
type entry struct {
	value []byte    // in clear; nil is not read
	sops  *sopsFile // in its place, in clear too
	// sealed is that the clear was opened by the agent's identity.
	sealed bool
	// kept is what the store's directory has, encrypted, and version names it.
	kept    []byte
	version string
}

// open tells whether there is anything in clear.
func (e *entry) open() bool { return e.value != nil || e.sops != nil }

// entry gives what was read before; what the identity had opened only as long as the
// agent is not locked.
func (v *View) entry(key entryKey) *entry {
	e := v.entries[key]
	if e == nil {
		e = &entry{}
		v.entries[key] = e
	}
	if e.open() && e.sealed {
		if _, err := v.store.identities(); err != nil {
			e.value, e.sops = nil, nil
		}
	}
	return e
}

// whole reads all of a secret, once.
func (v *View) whole(name string) (*entry, error) {
	e := v.entry(entryKey{name: name})
	if e.open() {
		return e, nil
	}
	if v.reading[name] {
		return nil, fmt.Errorf("secret %q needs itself to be read: give its vault another password", name)
	}
	v.reading[name] = true
	defer delete(v.reading, name)
	return e, v.fetch(e, name)
}
