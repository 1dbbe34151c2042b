package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
)

// refusedMachine is a machine that this version of Proxmox does not have: what the
// schema takes and the server does not.
func refusedMachine(method, path string) pvesim.Fault {
	return pvesim.Fault{
		Method: method, Path: path, Status: 400, Reason: "Parameter verification failed.", Type: "application/json",
		Body: `{"data":null,"message":"Parameter verification failed.\n","errors":{"machine":"unsupported machine type\n"}}`,
	}
}

// TestWhatProxmoxDoesNotTakeKeepsNothingElse holds that one value which Proxmox
// refuses is told with its place, and that the others are written.
func TestWhatProxmoxDoesNotTakeKeepsNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 1GiB", "size: 2GiB") + "machine: pc-q35-99.9\n")
		b.sim.Inject(refusedMachine("POST", "/nodes/*/qemu/*/config"))
		var results map[string]string
		for _, o := range b.turn() {
			for path, why := range o.Results {
				if results == nil {
					results = make(map[string]string)
				}
				results[string(path)] = why
			}
		}
		if why := results["machine"]; !strings.Contains(why, `"pc-q35-99.9" is not taken by Proxmox`) || !strings.Contains(why, "correct it, fleet.yaml:") {
			t.Errorf("machine: %q", why)
		}
		if why, told := results["memory.size"]; !told || why != "" {
			t.Errorf("memory: %q, %v", why, told)
		}
		if got := show(b.plan()); strings.Contains(got, "memory") || !strings.Contains(got, "machine") {
			t.Errorf("what is left:\n%s", got)
		}
	})
}

// TestACreationTellsWhatProxmoxDoesNotTake names the field and its place.
func TestACreationTellsWhatProxmoxDoesNotTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"machine: pc-q35-99.9\n")
		b.sim.Inject(refusedMachine("POST", "/nodes/pve1/qemu"))
		out := told(b.turn())
		if !strings.Contains(out, "vm/web-1 create: failed: create vm/web-1: machine: Proxmox does not take it: ") || !strings.Contains(out, "correct it, fleet.yaml:") {
			t.Errorf("outcome %s", out)
		}
	})
}
