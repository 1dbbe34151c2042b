package secrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"berth/desired"
)

var errLater = errors.New("not built yet")

// Read gives a secret, or the value of a key within one; never an empty one. While the
// agent is locked, the error of what needs its identity is a [desired.LockedError]. No
// error holds any of the value.
func (v *View) Read(_ context.Context, ref desired.SecretRef) (desired.Secret, error) {
	value, err := v.whole(ref.Secret)
	if err == nil && ref.Key != "" {
		value, err = within(value, ref)
	}
	switch {
	case err != nil:
		return desired.Secret{}, err
	case len(value) == 0 && ref.Key != "":
		return desired.Secret{}, fmt.Errorf("secret %q: key %q is empty: a secret that is empty protects nothing", ref.Secret, ref.Key)
	case len(value) == 0:
		return desired.Secret{}, fmt.Errorf("secret %q is empty: write it where it is looked for", ref.Secret)
	}
	return desired.MakeSecret(value), nil
}

// Version names the value that a reference has now without telling it: another after
// the secret was rotated, the same else. It is known while the agent is locked.
func (v *View) Version(ctx context.Context, ref desired.SecretRef) (string, error) {
	value, err := v.Read(ctx, ref)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(value.Reveal())
	return hex.EncodeToString(sum[:8]), nil
}

func (v *View) whole(name string) ([]byte, error) {
	s, doc := v.store.Settings, v.places[name]
	switch {
	case doc == nil:
		return s.Secret(name, v.store.Env)
	case doc.File != "":
		return s.DocumentFile(name, doc.File)
	case doc.Credential != "":
		return s.DocumentCredential(name, doc.Credential, v.store.Env)
	case doc.Env != "":
		return s.DocumentEnv(name, doc.Env, v.store.Env)
	}
	return nil, fmt.Errorf("secret %q: its document says no place", name)
}
