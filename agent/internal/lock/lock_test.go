package lock_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"berth/agent/internal/lock"
	"berth/desired"
)

const passphrase = "correct horse battery"

// made is a lock with an identity.
func made(t *testing.T) (*lock.Lock, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lock")
	l := open(t, dir)
	if err := l.Create([]byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	return l, dir
}

func open(t *testing.T, dir string) *lock.Lock {
	t.Helper()
	l, err := lock.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.SetWork(4)
	t.Cleanup(l.Lock)
	return l
}

func seal(t *testing.T, recipient, text string) []byte {
	t.Helper()
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unseal(t *testing.T, l *lock.Lock, sealed []byte) (string, error) {
	t.Helper()
	identities, err := l.Identities()
	if err != nil {
		return "", err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// TestLockGoesThroughItsStates is the life of a lock, as one who bootstraps, unlocks
// and locks sees it.
func TestLockGoesThroughItsStates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "lock")
	l := open(t, dir)
	if l.State() != lock.New || l.Recipient() != "" {
		t.Fatalf("without a directory: %v %q", l.State(), l.Recipient())
	}
	if _, err := l.Identities(); !errors.Is(err, lock.ErrNew) || !strings.Contains(err.Error(), "agent bootstrap") {
		t.Errorf("identities of a new lock: %v", err)
	}
	if err := l.Unlock(t.Context(), []byte(passphrase)); !errors.Is(err, lock.ErrNew) {
		t.Errorf("unlocking a new lock: %v", err)
	}
	typed := []byte(passphrase)
	if err := l.Create(typed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(typed, make([]byte, len(typed))) {
		t.Error("the passphrase was not wiped by Create")
	}
	recipient := l.Recipient()
	if l.State() != lock.Locked || !strings.HasPrefix(recipient, "age1") {
		t.Fatalf("created: %v %q", l.State(), recipient)
	}
	sealed := seal(t, recipient, "s3cret")
	var locked *desired.LockedError
	if _, err := unseal(t, l, sealed); !errors.As(err, &locked) {
		t.Errorf("opened while locked: %v", err)
	}
	typed = []byte(passphrase)
	if err := l.Unlock(t.Context(), typed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(typed, make([]byte, len(typed))) {
		t.Error("the passphrase was not wiped by Unlock")
	}
	if text, err := unseal(t, l, sealed); l.State() != lock.Unlocked || text != "s3cret" || err != nil {
		t.Errorf("unlocked: %v %q %v", l.State(), text, err)
	}
	before, err := l.Identities()
	if err != nil {
		t.Fatal(err)
	}
	l.Lock()
	l.Lock() // What is locked stays so.
	if _, err := age.Decrypt(bytes.NewReader(sealed), before...); l.State() != lock.Locked || !errors.As(err, &locked) {
		t.Errorf("locked again: %v, and who had the identities opens: %v", l.State(), err)
	}
	// A restart.
	again := open(t, dir)
	if again.State() != lock.Locked || again.Recipient() != recipient {
		t.Errorf("after a restart: %v %q", again.State(), again.Recipient())
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	l, dir := made(t)
	before, err := os.ReadFile(l.IdentityPath())
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(dir, lock.RecipientFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*lock.Lock{l, open(t, dir)} {
		if err := l.Create([]byte(passphrase)); err == nil || !strings.Contains(err.Error(), "there is one already") || !strings.Contains(err.Error(), l.IdentityPath()) {
			t.Errorf("created over one: %v", err)
		}
	}
	after, _ := os.ReadFile(l.IdentityPath())
	publicAfter, _ := os.ReadFile(filepath.Join(dir, lock.RecipientFile))
	if !bytes.Equal(before, after) || !bytes.Equal(public, publicAfter) {
		t.Error("a file was overwritten")
	}
	info, err := os.Stat(l.IdentityPath())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	if err := open(t, t.TempDir()).Create(bytes.Repeat([]byte("x"), lock.MaxPassphrase+1)); err == nil || strings.Contains(err.Error(), "xx") {
		t.Errorf("a passphrase that no agent takes: %v", err)
	}
	if err := open(t, t.TempDir()).Create([]byte("short")); err == nil || strings.Contains(err.Error(), `"short"`) {
		t.Errorf("a short passphrase: %v", err)
	}
	if bytes.Contains(before, []byte("AGE-SECRET")) || bytes.Contains(public, []byte("AGE-SECRET")) {
		t.Error("the identity lies there in clear")
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

// TestTwoCreateOne has one winner, whose public half belongs to it.
func TestTwoCreateOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lock")
	var wait sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		l := open(t, dir)
		wait.Go(func() { results[i] = l.Create([]byte(passphrase)) })
	}
	wait.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		}
	}
	l := open(t, dir)
	recipient := l.Recipient()
	if err := l.Unlock(t.Context(), []byte(passphrase)); err != nil || won != 1 {
		t.Fatalf("%d won: %v", won, err)
	}
	if text, err := unseal(t, l, seal(t, recipient, "s3cret")); err != nil || text != "s3cret" {
		t.Errorf("the public half is another's: %v", err)
	}
}

func TestWrongPassphraseWaitsLongerEachTime(t *testing.T) {
	l, dir := made(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir)
		wrong := func() *lock.WrongPassphraseError {
			t.Helper()
			var wrong *lock.WrongPassphraseError
			typed := []byte("hunter2-wrong")
			if err := l.Unlock(t.Context(), typed); !errors.As(err, &wrong) || strings.Contains(err.Error(), "hunter2") || wrong.Changed {
				t.Fatalf("wrong passphrase: %v", err)
			}
			if !bytes.Equal(typed, make([]byte, len(typed))) {
				t.Error("the wrong passphrase was not wiped")
			}
			return wrong
		}
		began := time.Now()
		for _, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			if e := wrong(); e.Delay != time.Duration(want)*time.Second || !strings.Contains(e.Error(), e.Delay.String()) {
				t.Errorf("delay %v, want %d s: %v", e.Delay, want, e)
			}
		}
		if waited := time.Since(began); waited != 123*time.Second {
			t.Errorf("the tries took %v", waited)
		}
		// Somebody goes away in between.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Unlock(ctx, []byte(passphrase)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "59s, after 8 wrong ones") {
			t.Errorf("went away: %v", err)
		}
		if err := l.Unlock(t.Context(), []byte(passphrase)); err != nil || l.State() != lock.Unlocked {
			t.Errorf("the right one: %v", err)
		}
		// The right one ends it.
		l.Lock()
		if e := wrong(); e.Delay != time.Second {
			t.Errorf("after the right one the delay is %v", e.Delay)
		}
	})
	if l.State() != lock.Locked {
		t.Error("another was unlocked with it")
	}
}

// TestUnlockedByMany has every one of them find it unlocked, and readers go on.
func TestUnlockedByMany(t *testing.T) {
	l, _ := made(t)
	sealed := seal(t, l.Recipient(), "s3cret")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if err := l.Unlock(t.Context(), []byte(passphrase)); err != nil {
				t.Error(err)
			}
			text, err := unseal(t, l, sealed)
			var locked *desired.LockedError
			if text != "s3cret" && !errors.As(err, &locked) {
				t.Errorf("%q %v", text, err)
			}
		})
		wait.Go(l.Lock)
	}
	wait.Wait()
}

// TestDamagedIdentityIsNamed damages the identity's file in each way, and wants the
// file and the way out.
func TestDamagedIdentityIsNamed(t *testing.T) {
	l, dir := made(t)
	whole, err := os.ReadFile(l.IdentityPath())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	other, _ := age.GenerateX25519Identity()
	for name, text := range map[string]string{
		"empty": "", "text": "hunter2 is my passphrase\n", "cut off": string(whole[:len(whole)/2]),
		"one line less": strings.Join(append(lines[:3:3], lines[4:]...), ""), "no end": strings.Join(lines[:len(lines)-2], ""),
		"of a recipient": string(seal(t, other.Recipient().String(), "x")), "large": strings.Repeat("x", 1<<20),
	} {
		if err := os.WriteFile(l.IdentityPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := open(t, dir).Unlock(t.Context(), []byte(passphrase))
		var wrong *lock.WrongPassphraseError
		if errors.As(err, &wrong) && wrong.Changed && strings.Contains(err.Error(), l.IdentityPath()) {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), l.IdentityPath()) || !strings.Contains(err.Error(), "bring the file back from a backup") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Bits that scrypt takes for a wrong passphrase.
	flipped := []byte(string(whole))
	at := bytes.IndexByte(whole, '\n') + 60
	flipped[at] ^= 1
	if err := os.WriteFile(l.IdentityPath(), flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Unlock(t.Context(), []byte(passphrase)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a flipped bit: %v", err)
	}
	if err := os.Remove(l.IdentityPath()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.IdentityPath(), 0o700); err != nil {
		t.Fatal(err)
	}
	if l := open(t, dir); l.State() != lock.Locked || l.Unlock(t.Context(), []byte(passphrase)) == nil {
		t.Error("a directory in its place is no identity, and not none")
	}
}

// TestPublicHalfIsMended loses and damages the file of the public half.
func TestPublicHalfIsMended(t *testing.T) {
	l, dir := made(t)
	want := l.Recipient()
	file := filepath.Join(dir, lock.RecipientFile)
	other, _ := age.GenerateX25519Identity()
	for _, damage := range []func() error{
		func() error { return os.Remove(file) },
		func() error { return os.WriteFile(file, []byte("age1no\n"), 0o600) },
		func() error { return os.WriteFile(file, []byte(other.Recipient().String()+"\n"), 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if err := l.Unlock(t.Context(), []byte(passphrase)); err != nil || l.Recipient() != want {
			t.Errorf("%v: %q, want %q", err, l.Recipient(), want)
		}
		l.Lock()
	}
}

// TestAnothersPublicHalfIsNone restores an identity beside the public half of the one
// that came after it: nothing may be encrypted for that, since nobody opens it.
func TestAnothersPublicHalfIsNone(t *testing.T) {
	before, dir := made(t)
	want := before.Recipient()
	after, other := made(t)
	text, err := os.ReadFile(filepath.Join(other, lock.RecipientFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, lock.RecipientFile), text, 0o600)
	}
	if err != nil || after.Recipient() == want {
		t.Fatal(err)
	}
	if got := before.Recipient(); got != "" {
		t.Errorf("it is %s, which this identity does not open", got)
	}
	if err := before.Unlock(t.Context(), []byte(passphrase)); err != nil || before.Recipient() != want {
		t.Errorf("unlocked: %v, %s", err, before.Recipient())
	}
}

func TestKilledBetweenTheHalvesIsNew(t *testing.T) {
	dir := t.TempDir()
	other, _ := age.GenerateX25519Identity()
	if err := os.WriteFile(filepath.Join(dir, lock.RecipientFile), []byte(other.Recipient().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	if l.State() != lock.New || l.Recipient() != "" {
		t.Errorf("half a create: %v %q", l.State(), l.Recipient())
	}
	if err := l.Create([]byte(passphrase)); err != nil || l.Recipient() == other.Recipient().String() {
		t.Errorf("create: %v %q", err, l.Recipient())
	}
}

func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Open(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file: %v", err)
	}
}
