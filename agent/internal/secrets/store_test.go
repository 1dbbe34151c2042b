package secrets_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"filippo.io/age"
	"filippo.io/age/armor"

	"berth/agent/internal/config"
	"berth/agent/internal/secrets"
	"berth/desired"
)

// identity is a lock that costs nothing.
type identity struct {
	mu     sync.Mutex
	key    *age.X25519Identity
	locked bool
	// err comes in place of everything; public in place of the public half.
	err    error
	public *string
}

func newIdentity(t testing.TB) *identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return &identity{key: key}
}

func (i *identity) lock(locked bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.locked = locked
}

func (i *identity) Recipient() string {
	if i.public != nil {
		return *i.public
	}
	return i.key.Recipient().String()
}

func (i *identity) Identities() ([]age.Identity, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.err != nil:
		return nil, i.err
	case i.locked:
		return nil, &desired.LockedError{}
	}
	return []age.Identity{i.key}, nil
}

// world is a host with one agent and its repository.
type world struct {
	t      testing.TB
	dir    string // of the store
	host   string // secretFiles
	id     *identity
	env    map[string]string
	store  *secrets.Store
	files  fstest.MapFS
	places map[string]*desired.SecretPlace
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, dir: filepath.Join(t.TempDir(), "state", "secrets"), host: t.TempDir(), id: newIdentity(t), env: map[string]string{},
		files: fstest.MapFS{}, places: map[string]*desired.SecretPlace{},
	}
	w.restart()
	return w
}

// restart is another process with the same state.
func (w *world) restart() {
	w.store = secrets.New(secrets.Options{
		Settings: &config.Settings{SecretFiles: []string{w.host}}, Env: func(name string) string { return w.env[name] }, Dir: w.dir, Identity: w.id,
	})
}

func (w *world) view() *secrets.View { return w.store.At(w.places, w.files) }

func (w *world) place(name string, place desired.SecretPlace) {
	place.Name = name
	w.places[name] = &place
}

// sealed encrypts for the agent.
func (w *world) sealed(text string, armored bool) []byte {
	w.t.Helper()
	var out bytes.Buffer
	var to io.WriteCloser = nopCloser{&out}
	if armored {
		to = armor.NewWriter(&out)
	}
	plain, err := age.Encrypt(to, w.id.key.Recipient())
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = io.WriteString(plain, text)
	if err := errors.Join(err, plain.Close(), to.Close()); err != nil {
		w.t.Fatal(err)
	}
	return out.Bytes()
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// age puts an encrypted file into the repository, and a Secret that names it.
func (w *world) age(name, text string, armored bool) {
	w.t.Helper()
	file := "secrets/" + name + ".age"
	w.files[file] = &fstest.MapFile{Data: w.sealed(text, armored)}
	w.place(name, desired.SecretPlace{Age: name + ".age", Path: file})
}

// fixture puts a file of testdata into the repository.
func (w *world) fixture(file string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		w.t.Fatal(err)
	}
	w.files["secrets/"+filepath.Base(file)] = &fstest.MapFile{Data: text}
	return "secrets/" + filepath.Base(file)
}

func (w *world) onHost(name, text string) string {
	w.t.Helper()
	file := filepath.Join(w.host, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func ref(text string) desired.SecretRef {
	name, key, _ := strings.Cut(text, "/")
	return desired.SecretRef{Secret: name, Key: key}
}

// reads wants a value in a view.
func (w *world) reads(view *secrets.View, of, want string) {
	w.t.Helper()
	got, err := view.Read(w.t.(*testing.T).Context(), ref(of))
	if err != nil || string(got.Reveal()) != want {
		w.t.Errorf("%s: %q, %v, want %q", of, got.Reveal(), err, want)
	}
}

// refuses wants an error that says words, and nothing that begins with s3cret.
func (w *world) refuses(view *secrets.View, of string, words ...string) {
	w.t.Helper()
	got, err := view.Read(w.t.(*testing.T).Context(), ref(of))
	if err == nil {
		w.t.Errorf("%s: read %q", of, got.Reveal())
		return
	}
	for _, word := range append(words, fmt.Sprintf("secret %q", ref(of).Secret)) {
		if !strings.Contains(err.Error(), word) {
			w.t.Errorf("%s: %v, which lacks %q", of, err, word)
		}
	}
	if strings.Contains(err.Error(), "s3cret") || !got.Empty() || strings.Count(err.Error(), fmt.Sprintf("secret %q", ref(of).Secret)) != 1 {
		w.t.Errorf("%s: %v, and %q", of, err, got.Reveal())
	}
}

// waits wants the error of a lock.
func (w *world) waits(view *secrets.View, of string) {
	w.t.Helper()
	_, err := view.Read(w.t.(*testing.T).Context(), ref(of))
	var locked *desired.LockedError
	if !errors.As(err, &locked) || locked.Secret != ref(of).Secret {
		w.t.Errorf("%s while locked: %v", of, err)
	}
}

func (w *world) version(of string) string {
	w.t.Helper()
	version, err := w.view().Version(w.t.(*testing.T).Context(), ref(of))
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(version) {
		w.t.Fatalf("%s has the version %q, %v", of, version, err)
	}
	return version
}

// noSecretAtRest searches what the store keeps for everything that begins with
// s3cret, in the forms that a file may have.
func (w *world) noSecretAtRest() {
	w.t.Helper()
	count := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if info, e := d.Info(); e != nil || info.Mode().Perm() != 0o700 {
				w.t.Errorf("%s has the mode %v, %v", path, info.Mode(), e)
			}
			return err
		}
		count++
		if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
			w.t.Errorf("%s has the mode %v, %v", path, info.Mode(), err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, form := range []string{"s3cret", hex.EncodeToString([]byte("s3cret")), base64.StdEncoding.EncodeToString([]byte("s3cret")), "AGE-SECRET"} {
			if strings.Contains(string(text)+path, form) {
				w.t.Errorf("%s holds a secret in clear", path)
			}
		}
		if strings.HasPrefix(d.Name(), ".") {
			w.t.Errorf("%s was left behind", path)
		}
		return nil
	})
	if err != nil || count == 0 {
		w.t.Errorf("%d files were searched: %v", count, err)
	}
}
