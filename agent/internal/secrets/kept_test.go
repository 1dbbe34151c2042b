package secrets_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"berth/agent/internal/secrets"
	"berth/desired"
)

func TestGeneratedIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	for chars, want := range map[string]string{
		"alnum": `^[A-Za-z0-9]{40}$`, "hex": `^[0-9a-f]{40}$`, "digits": `^[0-9]{40}$`, "safe": `^[A-Za-z0-9][A-Za-z0-9._-]{39}$`, "": `^[A-Za-z0-9]{32}$`,
	} {
		name := "made" + chars
		how := &desired.Generate{Length: 40, Chars: chars}
		if chars == "" {
			how.Length = 0
		}
		w.place(name, desired.SecretPlace{Generate: how})
		view := w.view()
		first, err := view.Read(t.Context(), ref(name))
		if err != nil || !regexp.MustCompile(want).Match(first.Reveal()) {
			t.Errorf("%s: %q, %v", chars, first.Reveal(), err)
		}
		// What it is like has changed since: the value has not.
		how.Length = 50
		w.restart()
		for _, view := range []*secrets.View{view, w.view()} {
			if again, err := view.Read(t.Context(), ref(name)); err != nil || string(again.Reveal()) != string(first.Reveal()) {
				t.Errorf("%s: another value: %v", chars, err)
			}
		}
		sealed, err := os.ReadFile(filepath.Join(w.dir, "generated", name+".age"))
		if err != nil || strings.Contains(string(sealed), string(first.Reveal())) {
			t.Errorf("%s lies there in clear, or not at all: %v", chars, err)
		}
	}
	w.place("odd", desired.SecretPlace{Generate: &desired.Generate{Length: 8, Chars: "runes"}})
	w.refuses(w.view(), "odd", `chars "runes"`)
	w.noSecretAtRest()
}

// TestGeneratedWhileLocked is of use at once, and then waits as all others do.
func TestGeneratedWhileLocked(t *testing.T) {
	w := newWorld(t)
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 32}})
	w.id.lock(true)
	view := w.view()
	if _, err := view.Version(t.Context(), ref("made")); err != nil { // What a plan asks for first.
		t.Fatal(err)
	}
	made, err := view.Read(t.Context(), ref("made"))
	if err != nil || len(made.Reveal()) != 32 {
		t.Fatalf("made while locked: %v", err)
	}
	w.waits(w.view(), "made")
	w.id.lock(false)
	w.reads(w.view(), "made", string(made.Reveal()))
}

// TestAllMakeOneValue has two agents with one state, each with several turns.
func TestAllMakeOneValue(t *testing.T) {
	w := newWorld(t)
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 32}})
	var views []*secrets.View
	for range 4 {
		w.restart()
		views = append(views, w.view(), w.view())
	}
	values := make([]string, len(views))
	var wait sync.WaitGroup
	for i, view := range views {
		wait.Go(func() {
			value, err := view.Read(t.Context(), ref("made"))
			if err != nil {
				t.Error(err)
			}
			values[i] = string(value.Reveal())
		})
	}
	wait.Wait()
	for _, value := range values {
		if value != values[0] || value == "" {
			t.Errorf("several values: %q", values)
		}
	}
	w.noSecretAtRest()
}

// TestWhatCannotBeReadIsNotMadeAnew loses the identity, and damages the file.
func TestWhatCannotBeReadIsNotMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 32}})
	file := filepath.Join(w.dir, "generated", "made.age")
	w.version("made")
	sealed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.id.key = newIdentity(t).key
	w.refuses(w.view(), "made", file, "not encrypted for this agent", "remove that file")
	if now, _ := os.ReadFile(file); string(now) != string(sealed) {
		t.Error("it was made anew")
	}
	for _, damage := range []string{"", "s3cret", string(sealed[:len(sealed)-1])} {
		if err := os.WriteFile(file, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		w.refuses(w.view(), "made", file, "remove that file")
		if now, _ := os.ReadFile(file); string(now) != damage {
			t.Error("it was made anew")
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	w.refuses(w.view(), "made")
}

// TestNothingCanBeKept says why.
func TestNothingCanBeKept(t *testing.T) {
	w := newWorld(t)
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 32}})
	none := ""
	w.id.public = &none
	w.refuses(w.view(), "made", "`agent unlock` writes it anew")
	odd := "age1odd"
	w.id.public = &odd
	w.refuses(w.view(), "made", `"age1odd" is no public half`)
	w.id.public, w.id.err = &none, errors.New("read the identity: it is on a disk that is gone")
	w.refuses(w.view(), "made", "a disk that is gone")
	w.id.public, w.id.err = nil, nil
	// A file in the place of the directory.
	if err := os.MkdirAll(filepath.Dir(w.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.refuses(w.view(), "made", "not a directory")
	if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{"a": desired.MakeSecret([]byte("s3cret"))}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("put: %v", err)
	}
}

func TestHooksBringValues(t *testing.T) {
	w := newWorld(t)
	w.place("sent", desired.SecretPlace{Hook: true})
	secret := func(text string) desired.Secret { return desired.MakeSecret([]byte(text)) }
	w.id.lock(true) // Nothing is lost because nobody was there.
	pem := "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n"
	values := map[string]desired.Secret{
		"db.password": secret("s3cret-db"), "tls.example.org.key": secret(pem), "../../up/ü ": secret("s3cret-odd"), strings.Repeat("k", secrets.MaxKey): secret("s3cret-long"),
		"binary": secret("s3cret\x00\xff\n"),
	}
	if err := w.store.Put(t.Context(), "sent", values); err != nil {
		t.Fatal(err)
	}
	w.waits(w.view(), "sent/db.password")
	w.noSecretAtRest()
	w.id.lock(false)
	view := w.view()
	for key, value := range values {
		w.reads(view, "sent/"+key, string(value.Reveal()))
	}
	w.refuses(view, "sent", "name one, as in {secret: sent, key: ")
	w.refuses(view, "sent/db.user", "no hook has brought it yet")
	w.id.lock(true)
	w.waits(view, "sent/db.password")
	w.id.lock(false)

	before := files(t, w.dir)
	if err := w.store.Put(t.Context(), "sent", values); err != nil {
		t.Fatal(err)
	}
	if after := files(t, w.dir); len(after) != len(before) {
		t.Errorf("%d files, there were %d", len(after), len(before))
	} else {
		for name, text := range before {
			if after[name] != text {
				t.Errorf("putting equal values changed %s", name)
			}
		}
	}
	// One is brought anew; the others stay.
	if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{"db.password": secret("s3cret-db2")}); err != nil {
		t.Fatal(err)
	}
	w.reads(w.view(), "sent/db.password", "s3cret-db2")
	w.reads(w.view(), "sent/tls.example.org.key", pem)
	w.noSecretAtRest()
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var text []byte
			text, err = os.ReadFile(path)
			all[path] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPutRefusals(t *testing.T) {
	w := newWorld(t)
	secret := desired.MakeSecret([]byte("s3cret"))
	for name, c := range map[string]struct {
		secret string
		values map[string]desired.Secret
		want   string
	}{
		"no name":   {"", map[string]desired.Secret{"a": secret}, "not a plain name"},
		"a way up":  {"..", map[string]desired.Secret{"a": secret}, "not a plain name"},
		"a path":    {"a/b", map[string]desired.Secret{"a": secret}, "not a plain name"},
		"no key":    {"sent", map[string]desired.Secret{"": secret}, "1 to 140 bytes"},
		"long key":  {"sent", map[string]desired.Secret{strings.Repeat("k", 141): secret}, "1 to 140 bytes"},
		"empty":     {"sent", map[string]desired.Secret{"a": secret, "b": {}}, `key "b" is empty`},
		"too large": {"sent", map[string]desired.Secret{"a": desired.MakeSecret(make([]byte, 1<<20+1))}, "larger than"},
	} {
		err := w.store.Put(t.Context(), c.secret, c.values)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "hook")); err == nil {
		t.Error("something was kept all the same")
	}
}

// TestKilledWhilePutting leaves a value without its version, which the next Put mends.
func TestKilledWhilePutting(t *testing.T) {
	w := newWorld(t)
	w.place("sent", desired.SecretPlace{Hook: true})
	put := func(value string) {
		t.Helper()
		if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{"a": desired.MakeSecret([]byte(value))}); err != nil {
			t.Fatal(err)
		}
	}
	put("s3cret-1")
	var versionFile string
	for name := range files(t, w.dir) {
		if strings.HasSuffix(name, ".version") {
			versionFile = name
		}
	}
	old, err := os.ReadFile(versionFile)
	if err != nil {
		t.Fatal(err)
	}
	first := w.version("sent/a")
	put("s3cret-2")
	if err := os.WriteFile(versionFile, old, 0o600); err != nil { // As if killed in between.
		t.Fatal(err)
	}
	if w.version("sent/a") == first {
		t.Error("the new value has the version of the old one")
	}
	put("s3cret-1") // The old version must not pass for this value.
	w.reads(w.view(), "sent/a", "s3cret-1")
	if w.version("sent/a") != first {
		t.Error("the same value has another version")
	}
	if err := os.WriteFile(versionFile, []byte("odd"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.version("sent/a")
	for name := range files(t, w.dir) {
		if strings.HasSuffix(name, ".age") {
			if err := os.WriteFile(name, []byte("s3cret"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.refuses(w.view(), "sent/a", "PUT it again")
	put("s3cret-1")
	w.reads(w.view(), "sent/a", "s3cret-1")
}
