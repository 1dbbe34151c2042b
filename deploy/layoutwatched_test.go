package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSimulatorIsWatched wants every package whose tests run something against the
// simulator to hold the requests against Proxmox's own schema.
func TestSimulatorIsWatched(t *testing.T) {
	t.Parallel()
	packages, err := readPackages(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	const simulator, check = "applyers/proxmox/pvesim", "applyers/proxmox/pvesim/schemacheck"
	uses := func(p sourcePackage, dir string) bool {
		return slices.ContainsFunc(p.Imports, func(i sourceImport) bool { return i.Test && i.Dir == dir })
	}
	seen := 0
	for _, p := range packages {
		if strings.HasPrefix(p.Dir, simulator) || !uses(p, simulator) {
			continue
		}
		seen++
		if !uses(p, check) {
			t.Errorf("%s: its tests import %s and not %s: call schemacheck.Watch where they make a cluster", p.Dir, simulator, check)
		}
	}
	if seen < 4 {
		t.Errorf("only %d packages use the simulator, so the look is broken", seen)
	}
}
