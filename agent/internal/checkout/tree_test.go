package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"berth/agent/internal/checkout"
	"berth/desired"
)

func (f *follower) tree(c checkout.Commit) fs.FS {
	f.t.Helper()
	fsys, err := f.Tree(f.t.Context(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	return fsys
}

func TestTreeIsAFileSystem(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "fleet.yaml", "kind: Fleet", "guests/a.yaml", "a", "guests/deep/er/b.yaml", "b", "guests-x/c.yaml", "c", "empty", "")
	a := follow(t, f.source())
	if err := fstest.TestFS(a.tree(a.fetch(tip)), "fleet.yaml", "guests/a.yaml", "guests/deep/er/b.yaml", "guests-x/c.yaml", "empty"); err != nil {
		t.Error(err)
	}
	src := f.source()
	src.Path = "guests"
	b := follow(t, src)
	c := b.fetch(tip)
	fsys := b.tree(c)
	if err := fstest.TestFS(fsys, "a.yaml", "deep/er/b.yaml"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(fsys, "fleet.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file beside the path: %v", err)
	}
	info, err := fs.Stat(fsys, "a.yaml")
	if err != nil || !info.ModTime().Truncate(1e9).Equal(c.Time) || info.Mode() != 0o444 || info.Size() != 1 {
		t.Errorf("stat: %v %v", info, err)
	}
	file, err := fsys.Open("a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(file); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

func TestTreeBelowAPathThatIsNotThere(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "fleets/home/a.yaml", "a")
	for _, path := range []string{"fleets/paris", "fleets/home/a.yaml", "x/y/z"} {
		src := f.source()
		src.Path = path
		a := follow(t, src)
		c := a.fetch(tip)
		_, err := a.Tree(t.Context(), c)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), fmt.Sprintf("commit %s: it has no folder %q", tip[:7], path)) {
			t.Errorf("tree below %s: %v", path, err)
		}
		a.fetch(tip)
		if strings.Contains(a.said.String(), "damaged") {
			t.Errorf("a wrong path was taken for damage:\n%s", a.said)
		}
	}
}

func TestSymlinksAndSubmodulesAreListedNotOpened(t *testing.T) {
	f := newForge(t)
	blob := f.blob("kind: VM")
	inside := &object.Tree{Entries: []object.TreeEntry{{Name: "x.yaml", Mode: filemode.Regular, Hash: blob}}}
	tip := f.commitTree("first", []object.TreeEntry{
		{Name: "dir", Mode: filemode.Dir, Hash: f.write(plumbing.TreeObject, inside.Encode)},
		{Name: "link.yaml", Mode: filemode.Symlink, Hash: f.blob("/etc/shadow")},
		{Name: "module", Mode: filemode.Submodule, Hash: plumbing.NewHash(strings.Repeat("1", 40))},
		{Name: "old.yaml", Mode: filemode.Deprecated, Hash: blob},
		{Name: "run", Mode: filemode.Executable, Hash: blob},
	})
	a := follow(t, f.source())
	c := a.fetch(tip)
	if c.Author != "Ada" || c.Time.Unix() != 1_790_000_000 {
		t.Errorf("commit is %+v", c)
	}
	fsys := a.tree(c)
	var listed []string
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		listed = append(listed, fmt.Sprintf("%s %s", info.Mode(), path))
		return err
	})
	want := "dr-xr-xr-x .\ndr-xr-xr-x dir\n-r--r--r-- dir/x.yaml\nLr--r--r-- link.yaml\n?r--r--r-- module\n-r--r--r-- old.yaml\n-r-xr-xr-x run"
	if got := strings.Join(listed, "\n"); err != nil || got != want {
		t.Errorf("listed (%v)\n%s\nwant\n%s", err, got, want)
	}
	for name, want := range map[string]error{
		"link.yaml": checkout.ErrSymlink, "link.yaml/x": checkout.ErrSymlink,
		"module": checkout.ErrSubmodule, "module/x": checkout.ErrSubmodule,
	} {
		_, openErr := fsys.Open(name)
		_, readErr := fs.ReadFile(fsys, name)
		var pathErr *fs.PathError
		if !errors.Is(openErr, want) || !errors.Is(readErr, want) || !errors.As(openErr, &pathErr) || pathErr.Path != name {
			t.Errorf("%s: open %v, read %v, want %v", name, openErr, readErr, want)
		}
	}
	src := f.source()
	src.Path = "link.yaml"
	b := follow(t, src)
	if _, err := b.Tree(t.Context(), b.fetch(tip)); err == nil {
		t.Error("a symbolic link was taken for the path")
	}
}

func TestFilesBeyondTheLimits(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "a", "1234", "b", "5678", "c", "90", "large", "12345")
	src := f.source()
	src.MaxFile, src.MaxTotal = 4, 8
	a := follow(t, src)
	c := a.fetch(tip)
	fsys := a.tree(c)
	if _, err := fsys.Open("large"); !errors.Is(err, checkout.ErrTooLarge) || !strings.Contains(err.Error(), "5 bytes, and the limit for one file is 4 bytes: split it, or keep it elsewhere") {
		t.Errorf("open large: %v", err)
	}
	for range 3 { // The same file counts once.
		for _, name := range []string{"a", "b"} {
			if _, err := fs.ReadFile(fsys, name); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := fs.ReadFile(fsys, "c"); !errors.Is(err, checkout.ErrTooLarge) || !strings.Contains(err.Error(), "limit of 8 bytes") {
		t.Errorf("the file beyond the total: %v", err)
	}
	if _, err := fs.ReadFile(a.tree(c), "c"); err != nil {
		t.Errorf("another reader of the commit: %v", err)
	}
	if info, err := fs.Stat(fsys, "large"); err != nil || info.Size() != 5 {
		t.Errorf("stat large: %v %v", info, err)
	}
	a.fetch(tip)
	if strings.Contains(a.said.String(), "damaged") {
		t.Errorf("a large file was taken for damage:\n%s", a.said)
	}
}

func TestHugeFileIsRefusedUnread(t *testing.T) {
	f := newForge(t)
	const size = hugeFile
	tip := f.commit("first", "huge.iso", strings.Repeat("\x00", size), "a.yaml", "one")
	dir, src := t.TempDir(), checkout.Source{URL: f.dir, Branch: "main"}
	followIn(t, dir, src).accept(tip)
	a := followIn(t, dir, src) // Nothing of the file is in its cache.
	c, _ := a.Accepted()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fsys := a.tree(c)
	info, statErr := fs.Stat(fsys, "huge.iso")
	_, err := fsys.Open("huge.iso")
	content, readErr := fs.ReadFile(fsys, "a.yaml")
	runtime.ReadMemStats(&after)
	if statErr != nil || info.Size() != size {
		t.Errorf("stat: %v %v", info, statErr)
	}
	if !errors.Is(err, checkout.ErrTooLarge) {
		t.Errorf("open: %v", err)
	}
	if readErr != nil || string(content) != "one" {
		t.Errorf("the file beside it: %q %v", content, readErr)
	}
	if read := after.TotalAlloc - before.TotalAlloc; read > 5<<20 {
		t.Errorf("%d bytes were allocated to refuse the file", read)
	}
}

// TestHostileTrees holds what no Git tool makes and any server can send.
func TestHostileTrees(t *testing.T) {
	f := newForge(t)
	blob := f.blob("x")
	file := func(name string) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: blob}
	}
	bomb := f.write(plumbing.TreeObject, (&object.Tree{Entries: []object.TreeEntry{file("f")}}).Encode)
	deep := bomb
	for range 12 {
		var level object.Tree
		for i := range 10 {
			level.Entries = append(level.Entries, object.TreeEntry{Name: strconv.Itoa(i), Mode: filemode.Dir, Hash: bomb})
		}
		bomb = f.write(plumbing.TreeObject, level.Encode)
	}
	for range 100 {
		deep = f.write(plumbing.TreeObject, (&object.Tree{Entries: []object.TreeEntry{{Name: "d", Mode: filemode.Dir, Hash: deep}}}).Encode)
	}
	for _, test := range []struct {
		name    string
		entries []object.TreeEntry
		want    string
	}{
		{"dots", []object.TreeEntry{file("..")}, `a file named ".."`},
		{"slash", []object.TreeEntry{file("a/b")}, `a file named "a/b"`},
		{"not UTF-8", []object.TreeEntry{file("\xff")}, `a file named "\xff"`},
		{"twice", []object.TreeEntry{file("a"), file("a")}, `two files named "a"`},
		{"bomb", []object.TreeEntry{{Name: "b", Mode: filemode.Dir, Hash: bomb}}, "more than 100000 files"},
		{"deep", []object.TreeEntry{{Name: "b", Mode: filemode.Dir, Hash: deep}}, "deeper than 64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := f.write(plumbing.TreeObject, func(o plumbing.EncodedObject) error { return encodeRaw(o, test.entries) })
			tip := f.point(f.commitObject("hostile\x1b[2J\nbody", tree))
			a := follow(t, f.source())
			c, err := a.Fetch(t.Context())
			if err == nil {
				_, err = a.Tree(t.Context(), c)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("tree of %s: %v, want %q", tip, err, test.want)
			}
			if c.Subject != "hostile[2J" {
				t.Errorf("subject is %q", c.Subject)
			}
			if strings.Contains(a.said.String(), "damaged") {
				t.Errorf("a hostile commit was taken for damage:\n%s", a.said)
			}
		})
	}
}

// encodeRaw writes a tree as it is given; go-git's own encoder refuses some names.
func encodeRaw(o plumbing.EncodedObject, entries []object.TreeEntry) error {
	w, err := o.Writer()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := fmt.Fprintf(w, "%o %s\x00%s", entry.Mode, entry.Name, entry.Hash[:]); err != nil {
			return err
		}
	}
	return w.Close()
}

func TestTreeObeysTheContext(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	c := a.fetch(f.commit("first", "a", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Tree(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("tree: %v", err)
	}
}

// TestTreesTellContentsApart holds that the same content has the same digest in all
// commits, and that what can't be read has none.
func TestTreesTellContentsApart(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "a", "b.yaml", "b", "large.yaml", strings.Repeat("x", 100))
	src := f.source()
	src.MaxFile = 50
	a := follow(t, src)
	before := a.tree(a.fetch(first))
	after := a.tree(a.fetch(f.commit("second", "b.yaml", "B", "c.yaml", "a")))
	digest := func(fsys fs.FS, name string) string {
		d, err := fsys.(desired.Digests).Digest(name)
		if err != nil {
			return ""
		}
		return d
	}
	if was := digest(before, "a.yaml"); was == "" || was != digest(after, "a.yaml") || was != digest(after, "c.yaml") {
		t.Errorf("a.yaml was %q, is %q, and c.yaml %q", was, digest(after, "a.yaml"), digest(after, "c.yaml"))
	}
	if digest(before, "b.yaml") == digest(after, "b.yaml") {
		t.Error("b.yaml has changed, and its digest has not")
	}
	for _, name := range []string{"large.yaml", "none.yaml", "."} {
		if got := digest(before, name); got != "" {
			t.Errorf("%s has the digest %q", name, got)
		}
	}
}
