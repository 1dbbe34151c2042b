package checkout_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"berth/desired"
)

// TestStatFollowsLinksInTheTree holds that a link to a directory is told from one to a
// file, as on a disk: the loader refuses the one, and lets the other be.
func TestStatFollowsLinksInTheTree(t *testing.T) {
	f := newForge(t)
	blob := f.blob("kind: VM")
	inside := &object.Tree{Entries: []object.TreeEntry{
		{Name: "up", Mode: filemode.Symlink, Hash: f.blob("../real")},
		{Name: "x.txt", Mode: filemode.Regular, Hash: blob},
	}}
	link := func(name, to string) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Symlink, Hash: f.blob(to)}
	}
	tip := f.commitTree("first", []object.TreeEntry{
		link("again", "more"), link("away", "/etc"), link("file", "real/x.txt"), link("gone", "nowhere"), link("more", "real"), link("out", "../../etc"),
		{Name: "real", Mode: filemode.Dir, Hash: f.write(plumbing.TreeObject, inside.Encode)},
		link("round", "round"), link("self", "."),
	})
	a := follow(t, f.source())
	fsys := a.tree(a.fetch(tip))
	for name, want := range map[string]fs.FileMode{
		"again": fs.ModeDir, "more": fs.ModeDir, "self": fs.ModeDir, "real/up": fs.ModeDir, "file": 0,
		"away": fs.ModeSymlink, "gone": fs.ModeSymlink, "out": fs.ModeSymlink, "round": fs.ModeSymlink,
	} {
		info, err := fs.Stat(fsys, name)
		if err != nil || info.Mode().Type() != want {
			t.Errorf("stat %s: %v %v, want %s", name, info, err, want)
		}
		if info, err := fs.Lstat(fsys, name); err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("lstat %s: %v %v", name, info, err)
		}
	}
	if to, err := fs.ReadLink(fsys, "file"); err != nil || to != "real/x.txt" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	_, err := desired.Load(fsys)
	problems, _ := errors.AsType[desired.Problems](err)
	var said strings.Builder
	for _, p := range problems {
		said.WriteString(p.String() + "\n")
	}
	const tell = ":1:1: a symbolic link, which is not followed: put what it leads to here\n"
	if want := "again" + tell + "more" + tell + "real/up" + tell + "self" + tell; said.String() != want {
		t.Errorf("loading says (%v)\n%s\nwant\n%s", err, said.String(), want)
	}
}
