package secrets_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/secrets"
	"berth/desired"
)

// TestWhatTheAgeToolWrites is read, and what is kept here the age tool reads.
func TestWhatTheAgeToolWrites(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs the age tool: set BERTH_REAL=1, or run deploy/test")
	}
	w := newWorld(t)
	run := func(args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "age", args...).Output()
		if err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: age %v: %v; deploy/test installs them", args, err)
		}
		return out
	}
	plain := w.onHost("plain", "s3cret\n")
	for name, armored := range map[string][]string{"binary": nil, "armored": {"-a"}} {
		out := filepath.Join(w.host, name)
		run(append(armored, "-r", newIdentity(t).Recipient(), "-r", w.id.Recipient(), "-o", out, plain)...)
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		w.files[name] = &fstest.MapFile{Data: text}
		w.place(name, desired.SecretPlace{Age: name, Path: name})
		w.reads(w.view(), name, "s3cret")
	}
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 20}})
	made, err := w.view().Read(t.Context(), ref("made"))
	if err != nil {
		t.Fatal(err)
	}
	key := w.onHost("key", w.id.key.String()+"\n")
	if back := run("-d", "-i", key, filepath.Join(w.dir, "generated", "made.age")); string(back) != string(made.Reveal()) {
		t.Errorf("age reads %q", back)
	}
}

// TestStoreBehindARealLock goes through a day: locked, unlocked by a person, locked.
func TestStoreBehindARealLock(t *testing.T) {
	w := newWorld(t)
	l, err := lock.Open(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Lock)
	if err := l.Create([]byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	w.store = secrets.New(secrets.Options{Settings: &config.Settings{}, Env: os.Getenv, Dir: w.dir, Identity: l})
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 20}})
	w.place("sent", desired.SecretPlace{Hook: true})
	if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{"a": desired.MakeSecret([]byte("s3cret"))}); err != nil {
		t.Fatal(err)
	}
	version := w.version("made")
	view := w.view()
	w.waits(view, "made")
	w.waits(view, "sent/a")
	if err := l.Unlock(t.Context(), []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	w.reads(view, "sent/a", "s3cret")
	if made, err := view.Read(t.Context(), ref("made")); err != nil || len(made.Reveal()) != 20 || w.version("made") != version {
		t.Errorf("%d bytes, %v", len(made.Reveal()), err)
	}
	l.Lock()
	w.waits(view, "sent/a")
	w.waits(view, "made")
	w.noSecretAtRest()
}
