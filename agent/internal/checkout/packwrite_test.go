package checkout_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"berth/agent/internal/checkout"
)

// What a pack says of an object's size takes one byte more at 2⁴, 2¹¹ and 2¹⁸, and
// larger files are written in another way than small ones.
func TestFilesOfAnySizeComeFromADirectory(t *testing.T) {
	f := newForge(t)
	noise := rand.NewChaCha8([32]byte{1})
	contents := map[string]string{}
	var committed []string
	for _, size := range []int{0, 1, 15, 16, 17, 2047, 2048, 1<<14 - 1, 1 << 14, 1 << 17, 1<<18 - 1, 1 << 18, 1 << 20} {
		random := make([]byte, size)
		_, _ = noise.Read(random)
		for kind, content := range map[string][]byte{"text": bytes.Repeat([]byte("a"), size), "noise": random} {
			name := fmt.Sprintf("%s/%d.yaml", kind, size)
			contents[name] = string(content)
			committed = append(committed, name, string(content))
		}
	}
	first := f.commit("first", committed...)
	a := follow(t, checkout.Source{URL: f.dir, Branch: "main"})
	c := a.accept(first)
	for name, want := range contents {
		if got := a.file(c, name); got != want {
			t.Errorf("%s: %d bytes came, and not the %d that were committed", name, len(got), len(want))
		}
	}
	// The second pack builds upon the first.
	second := f.commit("second", "text/15.yaml", "changed")
	c = a.accept(second)
	if got := a.file(c, "text/15.yaml") + a.file(c, "text/16.yaml"); got != "changed"+contents["text/16.yaml"] {
		t.Errorf("after a second commit files hold %q", got)
	}
	if got := len(a.packFiles("*.pack")); got != 2 {
		t.Errorf("the clone has %d packs, want 2", got)
	}
}

func TestSingleObjectsAreToldByTheirPath(t *testing.T) {
	hash := "0123456789abcdef0123456789abcdef012345"
	for path, want := range map[string]bool{
		"objects/ab/" + hash:             true,
		"objects/ab/" + hash[1:]:         false,
		"objects/ab/" + hash + "0":       false,
		"objects/abc" + hash:             false,
		"objects/../" + hash:             false,
		"objects/AB/" + hash:             false,
		"objects/ab/" + hash[3:] + "/..": false,
		"objects/pack/pack-" + hash:      false,
		"refs/ab/" + hash:                false,
		"":                               false,
	} {
		if got := checkout.SingleObject(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
