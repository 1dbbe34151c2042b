package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machines are all ways to this machine.
func machines(t *testing.T) map[string]Machine {
	t.Helper()
	programs := t.TempDir()
	// One that lets everybody do everything, and says what is no reason to worry.
	sudo := "#!/bin/sh\n[ \"$1 $2\" = '-n --' ] || exit 64\nshift 2\necho 'sudo: unable to resolve host edge: Name or service not known' >&2\necho 'sudo: setrlimit(RLIMIT_CORE): Operation not permitted' >&2\nexec \"$@\"\n"
	if err := os.WriteFile(filepath.Join(programs, "sudo"), []byte(sudo), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	b := newBench(t)
	return map[string]Machine{
		"here": Local(false), "here by sudo": Local(true),
		"there": b.SSH(b.access(), false), "there by sudo": b.SSH(b.access(), true),
	}
}

// All ways to a machine behave alike.
func TestMachinesAlike(t *testing.T) {
	for name, m := range machines(t) {
		t.Run(name, func(t *testing.T) {
			filesWork(t, m, t.TempDir())
			oddFilesWork(t, m, t.TempDir())
			runWorks(t, m)
			locksWork(t, m, t.TempDir())
			portsWork(t, m)
		})
	}
}

// oddFilesWork is about what lies where a plain file is expected.
func oddFilesWork(t *testing.T, p Files, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(syscall.Mkfifo(in("pipe"), 0o600))
	must(os.Mkdir(in("empty"), 0o755))
	must(os.WriteFile(in("file"), []byte("text"), 0o600))
	must(os.Chmod(in("file"), 0o604))
	for link, to := range map[string]string{"to-pipe": "pipe", "to-file": "file", "to-dir": "empty", "to-nothing": "nothing", "round": "round"} {
		must(os.Symlink(to, in(link)))
	}

	for _, name := range []string{"pipe", "to-pipe"} {
		if text, err := p.Read(ctx, in(name), 0, 10); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "it is no plain file") {
			t.Errorf("read %s: %q, %v", name, text, err)
		}
	}
	for _, name := range []string{"empty", "to-dir"} {
		if text, err := p.Read(ctx, in(name), 0, 10); !errors.Is(err, syscall.EISDIR) {
			t.Errorf("read %s: %q, %v", name, text, err)
		}
		if err := p.Replace(ctx, in(name), []byte("x"), 0o644); !errors.Is(err, syscall.EISDIR) {
			t.Errorf("replace %s: %v", name, err)
		}
	}
	if text, err := p.Read(ctx, in("to-file"), 0, 10); err != nil || string(text) != "text" {
		t.Errorf("read by a link: %q, %v", text, err)
	}
	if _, err := p.Read(ctx, in("to-nothing"), 0, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read by a link to nothing: %v", err)
	}

	// A link is replaced itself; the new file has the mode of what it led to, not the
	// link's own, with which all could write it.
	must(p.Replace(ctx, in("to-file"), []byte("new"), 0o640))
	must(p.Replace(ctx, in("to-nothing"), []byte("new"), 0o640))
	for name, mode := range map[string]fs.FileMode{"to-file": 0o604, "to-nothing": 0o640} {
		if info, err := os.Lstat(in(name)); err != nil || info.Mode() != mode {
			t.Errorf("in the place of %s is %v, %v", name, info.Mode(), err)
		}
	}
	if text, err := os.ReadFile(in("file")); err != nil || string(text) != "text" {
		t.Errorf("what the link led to has %q, %v", text, err)
	}

	// Remove removes files.
	if err := p.Remove(ctx, in("empty")); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("remove a directory: %v", err)
	}
	must(p.Remove(ctx, in("to-dir")))
	must(p.Remove(ctx, in("file/below")))
	must(p.Remove(ctx, in("nothing/below")))
	if _, err := os.Stat(in("empty")); err != nil {
		t.Errorf("the directory is gone: %v", err)
	}
	if found, err := p.Glob(ctx, in("file/*")); err != nil || found != nil {
		t.Errorf("below a file are %q, %v", found, err)
	}

	if err := p.MakeDir(ctx, in("file")); err == nil {
		t.Error("a file is taken for a directory")
	}
	must(p.MakeDir(ctx, in("deep/er")))
	for _, name := range []string{"deep", "deep/er"} {
		if info, err := os.Stat(in(name)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s is %v, %v", name, info.Mode(), err)
		}
	}
	left, err := filepath.Glob(in(".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func locksWork(t *testing.T, m Machine, dir string) {
	t.Helper()
	unlock, err := m.Lock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Lock(t.Context(), dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	unlock()
	again, err := m.Lock(t.Context(), dir)
	if err != nil {
		t.Fatalf("right after: %v", err)
	}
	again()
	if _, err := m.Lock(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	write(t, filepath.Join(dir, "file"), "")
	if _, err := m.Lock(t.Context(), filepath.Join(dir, "file")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

func portsWork(t *testing.T, m Machine) {
	t.Helper()
	l, err := m.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	near, err := m.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far := <-accepted
	buf := make([]byte, 10)
	if _, err := near.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	if n, err := far.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("it hears %q, %v", buf[:n], err)
	}
	// Neither side waits for longer than it wants to. Over SSH who has waited long enough
	// ends the connection for the other, too, so who connects is asked first.
	for _, side := range []struct {
		name string
		net.Conn
	}{{"who connects", near}, {"who listens", far}} {
		name, c, begun := side.name, side.Conn, time.Now()
		if err := c.SetReadDeadline(begun.Add(50 * time.Millisecond)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) && name == "who connects" || err == nil || time.Since(begun) > 5*time.Second {
			t.Errorf("%s, after %s: %v", name, time.Since(begun), err)
		}
	}
	_, _ = near.Close(), far.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Dial(t.Context(), "tcp", l.Addr().String()); err == nil || !strings.Contains(strings.ToLower(err.Error()), "connection refused") {
		t.Errorf("a closed port: %v", err)
	}
}

// The umask of the agent says nothing about what is made for nginx.
func TestMakeDirIsForOthers(t *testing.T) {
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	for name, p := range places(t) {
		dir := filepath.Join(t.TempDir(), "a/b")
		if err := p.MakeDir(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		for _, made := range []string{dir, filepath.Dir(dir)} {
			if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("%s: %s is %v, %v", name, made, info.Mode(), err)
			}
		}
	}
}

// What a file holds is told by no error.
func TestErrorsHoldNoFiles(t *testing.T) {
	for name, m := range machines(t) {
		_, err := m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "echo secret; echo why >&2; exit 3"}, Doing: "read it"})
		if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Said != "why" || !strings.HasSuffix(err.Error(), "read it: exit status 3: why") {
			t.Errorf("%s: %v", name, err)
		}
		_, err = m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "echo secret; exec sleep 20"}, Doing: "read it", Timeout: 200 * time.Millisecond})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasSuffix(err.Error(), "read it: it did not end within 200ms") {
			t.Errorf("%s: %v", name, err)
		}
		_, err = m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "yes é | head -c 1000000; exit 1"}, Limit: 1 << 20})
		if err == nil || len(err.Error()) > 10_000 {
			t.Errorf("%s: the error has %d bytes", name, len(fmt.Sprint(err)))
		}
	}
}
