package checkout_test

import (
	"strings"
	"testing"

	"berth/agent/internal/checkout"
)

// TestRealLibrary takes an annotated tag, and commits with and without a name, from git
// itself, packed references and all.
func TestRealLibrary(t *testing.T) {
	f, git := newRealForge(t)
	one := f.commit("one", "base.yml", "one")
	f.tag(one)
	two := f.commit("two", "base.yml", "two")
	tip := f.commit("three", "base.yml", "three")
	git("gc", "-q")
	for _, url := range []string{f.url, f.dir} {
		for _, states := range [][2]string{{"v1", one}, {two, two}, {"main", tip}} {
			r := newReader(t)
			r.file(checkout.Other{URL: url, Ref: states[0]}, states[1])
		}
		none := strings.Repeat("0b", 20)
		if err := newReader(t).fails(checkout.Other{URL: url, Ref: none}); !strings.Contains(err.Error(), none) || !strings.Contains(err.Error(), "; ") {
			t.Error(err)
		} else {
			t.Log(err)
		}
	}
}
