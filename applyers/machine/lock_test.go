package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeSoon waits until the directory can be locked again.
func freeSoon(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		unlock, err := Local(false).Lock(t.Context(), dir)
		if err == nil {
			unlock()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it stays locked: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestLock(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	far, near := b.SSH(b.access(), false), Local(false)
	for i, pair := range [][2]Machine{{near, far}, {far, near}, {near, near}, {far, b.turn(t).SSH(b.access(), false)}} {
		unlock, err := pair[0].Lock(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair[1].Lock(t.Context(), dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%d: locked twice: %v", i, err)
		}
		if _, err := pair[0].Stat(t.Context(), dir); err != nil {
			t.Errorf("%d: under the lock: %v", i, err)
		}
		unlock()
		unlock()
		again, err := pair[1].Lock(t.Context(), dir)
		if err != nil {
			t.Fatalf("%d: right after: %v", i, err)
		}
		again()
	}
	if _, err := far.Lock(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) || isUnreachable(err) {
		t.Errorf("no directory: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Lock(t.Context(), file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
}

func TestLockEndsWithItsConnection(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	m := b.SSH(b.access(), false)
	unlock, err := m.Lock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	b.cut()
	freeSoon(t, dir)
	// Nothing goes on without the lock.
	for range 2 {
		if err := m.Replace(t.Context(), filepath.Join(dir, "file"), []byte("x"), 0o644); !isUnreachable(err) ||
			!strings.Contains(err.Error(), ": the connection was lost") {
			t.Errorf("without the lock: %v", err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("written was %v, %v", left, err)
	}
	unlock()
	unlock, err = m.Lock(t.Context(), dir)
	if err != nil {
		t.Fatalf("afterwards: %v", err)
	}
	defer unlock()
	if err := m.Replace(t.Context(), filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
		t.Errorf("under a new lock: %v", err)
	}
}

func TestLockThatIsTakenAway(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	m := b.SSH(b.access(), false)
	unlock, err := m.Lock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	// Whoever tidies up ends the process that holds it.
	killed := 0
	for _, file := range glob(t, "/proc/[0-9]*/cmdline") {
		text, _ := os.ReadFile(file)
		if string(text) == "sh\x00-c\x00"+lockScript+"\x00sh\x00"+dir+"\x00" {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			killed++
		}
	}
	if killed != 1 {
		t.Fatalf("%d processes hold the lock", killed)
	}
	freeSoon(t, dir)
	for deadline := time.Now().Add(5 * time.Second); ; {
		_, err := m.Stat(t.Context(), dir)
		if isUnreachable(err) && strings.Contains(err.Error(), "the lock of "+dir+" was lost, so nothing more is done there: ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it goes on without the lock: %v", err)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
