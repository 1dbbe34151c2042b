package checkout_test

import (
	"io/fs"
	"testing"

	"berth/desired"
)

// TestRestForgets sees that nothing of the files that were read stays in memory once
// all have been, and that they can be read again.
func TestRestForgets(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "fleet.yaml", "kind: Fleet")
	a := follow(t, f.source())
	fsys := a.tree(a.fetch(tip))
	read := func() {
		t.Helper()
		if text, err := fs.ReadFile(fsys, "fleet.yaml"); err != nil || string(text) != "kind: Fleet" {
			t.Fatalf("%q, %v", text, err)
		}
	}
	read()
	digest, err := fsys.(desired.Digests).Digest("fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !a.Keeps(digest) {
		t.Error("a file that was read is not kept for the next ones")
	}
	fsys.(interface{ Rest() }).Rest()
	if a.Keeps(digest) {
		t.Error("a file is kept after all have been read")
	}
	read()
}
