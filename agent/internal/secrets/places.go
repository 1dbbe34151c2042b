package secrets

import (
	"errors"
	"fmt"
	"io/fs"

	"berth/agent/internal/config"
	"berth/desired"
)

// fetch reads a secret from its place.
func (v *View) fetch(e *entry, name string) (err error) {
	s, env, doc := v.store.Settings, v.store.Env, v.places[name]
	switch {
	case doc == nil:
		e.value, err = s.NamedSecret(name, env)
	case doc.File != "":
		e.value, err = s.DocumentFile(name, doc.File)
	case doc.Credential != "":
		e.value, err = s.DocumentCredential(name, doc.Credential, env)
	case doc.Env != "":
		e.value, err = s.DocumentEnv(name, doc.Env, env)
	case doc.Generate != nil:
		err = v.readGenerated(e, doc)
	case doc.Path != "":
		if err = v.readFile(e, doc); err != nil && asLocked(err) == nil {
			err = fmt.Errorf("%s: %w", doc.Path, err)
		}
	default:
		err = errors.New("its document says no place")
	}
	return err
}

// file reads a file of the repository.
func (v *View) file(name string) ([]byte, error) {
	if v.files == nil {
		return nil, errors.New("it is in the repository, which this command does not have at hand")
	}
	file, err := v.files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file in the repository: write it, or correct the Secret")
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file)
}

// readFile reads a secret from an encrypted file of the repository.
func (v *View) readFile(e *entry, doc *desired.SecretPlace) error {
	text, err := v.file(doc.Path)
	if err != nil {
		return err
	}
	if doc.Vault != nil {
		return v.readVault(e, doc.Vault, text)
	}
	var f *sopsFile
	if doc.SOPS != "" {
		if f, err = parseSOPS(doc.Path, text); err != nil {
			return err
		}
	}
	identities, err := v.store.identities()
	if err != nil {
		return err
	}
	e.sealed = true
	if f == nil {
		value, err := openAge(text, identities)
		if err == nil {
			e.value = config.Trim(value)
		}
		return v.store.forUs(err)
	}
	if err := f.open(identities); err != nil {
		return v.store.forUs(err)
	}
	if f.format == sopsBinary {
		e.value = config.Trim([]byte(f.root.Content[1].Value))
	} else {
		e.sops = f
	}
	return nil
}

// readVault reads a file of Ansible Vault's, by a password that is a secret itself.
func (v *View) readVault(e *entry, place *desired.VaultPlace, text []byte) error {
	password, err := v.read(place.Password)
	if err != nil {
		if asLocked(err) != nil {
			return err
		}
		return fmt.Errorf("its password: %w", say(place.Password.Secret, err))
	}
	value, err := openVault(text, password)
	switch {
	case err != nil:
		return err
	case len(value) > config.MaxSecret:
		return errTooLarge
	}
	e.value, e.sealed = config.Trim(value), v.needsIdentity(place.Password.Secret)
	return nil
}

// needsIdentity tells whether a secret, which has been read, can't be while locked.
func (v *View) needsIdentity(name string) bool {
	if doc := v.places[name]; doc != nil && doc.Hook {
		return true
	}
	return v.entries[entryKey{name: name}].sealed
}

// generated notes what is kept of a generated secret. One that is made only now is at
// hand in this view, also while locked.
func (v *View) generated(e *entry, doc *desired.SecretPlace) error {
	if e.kept != nil {
		return nil
	}
	kept, made, err := v.store.generate(doc.Name, doc.Generate)
	if err != nil {
		return err
	}
	e.kept, e.value, e.version = kept, made, digestOf(kept)
	return nil
}

func (v *View) readGenerated(e *entry, doc *desired.SecretPlace) error {
	if err := v.generated(e, doc); err != nil || e.value != nil {
		return err
	}
	err := v.openKept(e)
	if err != nil && asLocked(err) == nil {
		return fmt.Errorf("%s: %w; to have another made in its place, remove that file", v.store.generated(doc.Name), err)
	}
	return err
}

// brought notes what a hook has brought for a key.
func (v *View) brought(ref desired.SecretRef) (*entry, error) {
	e := v.entry(entryKey{name: ref.Secret, key: ref.Key})
	if e.kept != nil {
		return e, nil
	}
	var err error
	e.kept, e.version, err = v.store.brought(ref.Secret, ref.Key)
	return e, err
}

func (v *View) openBrought(e *entry, ref desired.SecretRef) error {
	if e.open() {
		return nil
	}
	err := v.openKept(e)
	if err != nil && asLocked(err) == nil {
		return fmt.Errorf("key %q: what the hook brought can't be read: %w; PUT it again", ref.Key, err)
	}
	return err
}

// openKept opens what the store keeps.
func (v *View) openKept(e *entry) error {
	identities, err := v.store.identities()
	if err != nil {
		return err
	}
	e.value, err = openAge(e.kept, identities)
	e.sealed = true
	return err
}
