package machine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// places are all ways to this machine's files that need no server.
func places(t *testing.T) map[string]Place {
	t.Helper()
	return map[string]Place{"native": Local(false), "sh": bySh(t)}
}

// bySh is this machine, whose files go through sh as they do over SSH.
func bySh(t *testing.T) Machine {
	t.Helper()
	s := sudoLocal{}
	s.shell = shell{run: func(ctx context.Context, c Command) (Output, error) {
		c = c.withBounds()
		return runHere(ctx, c, wrapped(c, false), false)
	}}
	return s
}

// filesWork holds for every way to files.
func filesWork(t *testing.T, p Files, dir string) {
	t.Helper()
	ctx := t.Context()
	odd := filepath.Join(dir, `-o 'd' "$(x)" \ *é`)
	if err := p.MakeDir(ctx, filepath.Join(odd, "deep")); err != nil {
		t.Fatal(err)
	}
	if err := p.MakeDir(ctx, odd); err != nil {
		t.Errorf("make a directory that is there: %v", err)
	}
	file := filepath.Join(odd, "a file.conf")
	if _, err := p.Read(ctx, file, 0, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read what is not there: %v", err)
	}
	if _, err := p.Stat(ctx, file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat what is not there: %v", err)
	}
	if err := p.Remove(ctx, file); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}

	// A new one, and then another in its place.
	if err := p.Replace(ctx, file, []byte("first\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := p.Stat(ctx, file)
	if err != nil || info.Mode != 0o640 || info.Size != 6 || info.UID != os.Getuid() {
		t.Errorf("the new file is %+v, %v", info, err)
	}
	if err := os.Chmod(file, 0o604); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(file, 12, 34); err != nil {
			t.Fatal(err)
		}
	}
	large := []byte(strings.Repeat("0123456789abcde\n", 1<<16))
	if err := p.Replace(ctx, file, large, 0o640); err != nil {
		t.Fatal(err)
	}
	info, err = p.Stat(ctx, file)
	if err != nil || info.Mode != 0o604 || info.Size != int64(len(large)) {
		t.Errorf("in its place is %+v, %v", info, err)
	}
	if os.Getuid() == 0 && (info.UID != 12 || info.GID != 34) {
		t.Errorf("its owner is %d:%d", info.UID, info.GID)
	}
	if text, err := p.Read(ctx, file, 0, 1<<20); err != nil || string(text) != string(large) {
		t.Errorf("read whole: %d bytes, %v", len(text), err)
	}
	if text, err := p.Read(ctx, file, 0, 4); !errors.Is(err, ErrLonger) || string(text) != "0123" {
		t.Errorf("read the first part: %q, %v", text, err)
	}
	if text, err := p.Read(ctx, file, 1<<20-3, 4); err != nil || string(text) != "de\n" {
		t.Errorf("read the last part: %q, %v", text, err)
	}
	if text, err := p.Read(ctx, file, 1<<21, 4); err != nil || len(text) != 0 {
		t.Errorf("read behind the end: %q, %v", text, err)
	}
	if err := p.Replace(ctx, file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if text, err := p.Read(ctx, file, 0, 4); err != nil || len(text) != 0 {
		t.Errorf("an empty file has %q, %v", text, err)
	}

	// Kinds.
	if err := os.Symlink("a file.conf", filepath.Join(odd, "link")); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]fs.FileMode{"link": fs.ModeSymlink, "deep": fs.ModeDir, "a file.conf": 0} {
		if info, err := p.Stat(ctx, filepath.Join(odd, name)); err != nil || info.Mode.Type() != kind {
			t.Errorf("%s is %v, %v", name, info.Mode, err)
		}
	}
	if err := os.Chmod(filepath.Join(odd, "deep"), 0o755|fs.ModeSticky|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if info, err := p.Stat(ctx, filepath.Join(odd, "deep")); err != nil || info.Mode != fs.ModeDir|fs.ModeSticky|fs.ModeSetgid|0o755 {
		t.Errorf("the mode is %v, %v", info.Mode, err)
	}

	if err := p.Replace(ctx, filepath.Join(odd, "deep"), []byte("x"), 0o644); err == nil {
		t.Error("a directory was replaced")
	}
	if err := p.Replace(ctx, filepath.Join(dir, "no/such/file"), []byte("x"), 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replace in a directory that is not there: %v", err)
	}
	if err := p.Replace(ctx, filepath.Join(file, "below"), []byte("x"), 0o644); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("replace below a file: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "-o*/.a*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if err := p.Remove(ctx, file); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it was removed: %v", err)
	}
	globWorks(t, p, filepath.Join(dir, "glob"))
}

func globWorks(t *testing.T, p Files, dir string) {
	t.Helper()
	ctx := t.Context()
	for _, name := range []string{"b.conf", "a b.conf", ".hidden.conf", "n\newline.conf", "c.txt", "sub/d.conf", "-e.conf"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string][]string{
		"*.conf":        {"-e.conf", "a b.conf", "b.conf", "n\newline.conf"},
		"[ab]*.conf":    {"a b.conf", "b.conf"},
		"*/*.conf":      {"sub/d.conf"},
		"?.txt":         {"c.txt"},
		"b.conf":        {"b.conf"},
		"no*":           nil,
		"not/there/*":   nil,
		"$(touch x)*":   nil,
		"{a b,b}.conf":  nil,
		"b.conf; false": nil,
	} {
		got, err := p.Glob(ctx, filepath.Join(dir, pattern))
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], dir+"/")
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q (-want +got): %v\n%s", pattern, err, diff)
		}
	}
}

func TestLeftBehindIsSwept(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, left := range []string{".a.conf.berth-new-abcdef", ".a.conf1234567890", ".a.conf.former", ".b.conf.berth-new-abcdef"} {
				if err := os.WriteFile(filepath.Join(dir, left), []byte("half"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Replace(t.Context(), filepath.Join(dir, "a.conf"), []byte("whole"), 0o644); err != nil {
				t.Fatal(err)
			}
			want := []string{".a.conf.former", ".b.conf.berth-new-abcdef", "a.conf"}
			var got []string
			entries, err := os.ReadDir(dir)
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("in the directory (-want +got): %v\n%s", err, diff)
			}
		})
	}
}

// runWorks holds for every way to programs.
func runWorks(t *testing.T, p Place) {
	t.Helper()
	ctx := t.Context()
	out, err := p.Run(ctx, Command{Argv: []string{"sh", "-c", `printf '%s|' "$@"; cat; echo oh >&2`, "x", "a b", "'\"$HOME`", ""}, Stdin: []byte("in")})
	if err != nil || string(out.Stdout) != "a b|'\"$HOME`||in" || string(out.Stderr) != "oh\n" {
		t.Errorf("it printed %q and %q, %v", out.Stdout, out.Stderr, err)
	}
	out, err = p.Run(ctx, Command{Argv: []string{"sh", "-c", "echo no >&2; echo way; exit 3"}})
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Code != 3 || exit.Said != "no way" || string(out.Stdout) != "way\n" || !strings.HasSuffix(err.Error(), "exit 3: exit status 3: no way") {
		t.Errorf("exit 3 is %q, %v", out.Stdout, err)
	}
	if out, err = p.Run(ctx, Command{Argv: []string{"sh", "-c", "yes x | head -n 100000"}, Limit: 10}); err != nil || string(out.Stdout) != strings.Repeat("x\n", 5) {
		t.Errorf("much output is %q, %v", out.Stdout, err)
	}
	if _, err = p.Run(ctx, Command{Argv: []string{"no-such-program"}}); err == nil || !strings.Contains(err.Error(), "no-such-program") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
	if _, err = p.Run(ctx, Command{Argv: []string{"true"}, Stdin: make([]byte, 4<<20)}); err != nil {
		t.Errorf("input that is not read: %v", err)
	}
	begun := time.Now()
	_, err = p.Run(ctx, Command{Argv: []string{"sh", "-c", "echo well >&2; exec sleep 20"}, Timeout: 300 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "it did not end within 300ms: well") {
		t.Errorf("too long: %v", err)
	}
	within, cancel := context.WithCancel(ctx)
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err = p.Run(within, Command{Argv: []string{"sleep", "20"}, Timeout: 5 * time.Second}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("that took %s", took)
	}
}
