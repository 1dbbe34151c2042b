package proxmox

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
)

// life makes the guests of all sorts, changes them, and takes them away again,
// with no rights but these. It gives what was told of it.
func life(t *testing.T, needs []Need) (out string) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		var acl []pvesim.ACL
		byPath := make(map[string][]string)
		for _, n := range needs {
			byPath[n.Path] = append(byPath[n.Path], n.Privilege)
		}
		for path, privileges := range byPath {
			acl = append(acl, pvesim.ACL{Path: path, Privs: privileges})
		}
		b.token = b.sim.AddToken("least@pve", "agent", true, acl...)
		round := func() {
			out += told(b.turn())
			for _, blind := range b.plan().Blind {
				out += fmt.Sprintf("unknown: %s %s\n", blind.Reason, blind.Remedy)
			}
		}
		round()
		if strings.Contains(out, "lacks") || strings.Contains(out, "unknown") {
			return
		}
		b.manifests(edited(webYAML, "size: 8GiB", "size: 9GiB", "size: 1GiB", "size: 2GiB", "tags: [prod, web]", "tags: [web]"), cacheYAML)
		round()
		b.manifests(cacheYAML + "state: absent\n")
		round()
	})
	return out
}

// TestNeedsAreEnoughAndNoneTooMany lives a guest's life with exactly the rights
// that `agent permissions` prints, and without each of them.
func TestNeedsAreEnoughAndNoneTooMany(t *testing.T) {
	b := newBench(t, webYAML, cacheYAML)
	needs := Needs(b.fleet, b.fleet.Sites["home"])
	if out := life(t, needs); strings.Contains(out, ": failed") || strings.Contains(out, "lacks") || strings.Contains(out, "unknown") {
		t.Errorf("outcome %s", out)
	}
	for i, n := range needs {
		without := append(append([]Need(nil), needs[:i]...), needs[i+1:]...)
		out := life(t, without)
		missed := strings.Contains(out, "lacks") || strings.Contains(out, "unknown") || strings.Contains(out, "may not look")
		switch {
		case n.Optional != "":
			if strings.Contains(out, ": failed") || missed {
				t.Errorf("%s on %s is not optional: %s", n.Privilege, n.Path, out)
			}
		case strings.Contains(out, ": failed"):
			t.Errorf("that %s on %s is missing is not told beforehand: %s", n.Privilege, n.Path, out)
		case !missed:
			t.Errorf("it goes without %s on %s (%v), too: %s", n.Privilege, n.Path, n.By, out)
		}
	}
}
