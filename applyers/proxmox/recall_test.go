package proxmox

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// configsRead are the paths of the guests whose configuration a look has read.
func (b *bench) configsRead() []string {
	var all []string
	for _, r := range b.sim.Requests()[b.from:] {
		if path, ok := strings.CutSuffix(r.Path, "/pending"); ok {
			all = append(all, path[strings.LastIndexByte(path, '/')+1:])
		}
	}
	slices.Sort(all)
	return all
}

// read tells which guests' configurations one more look reads.
func (b *bench) read() []string {
	b.mark()
	b.plan()
	return b.configsRead()
}

func TestWhoKeepsACreationWaitingIsReadAloneFromThenOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withImages(t, pvesim.Options{}, cacheYAML)
		b.sim.AddGuest(pihole(true))
		for vmid := 501; vmid < 504; vmid++ {
			b.sim.AddGuest(strange(vmid, nil))
		}
		all := []string{"118", "501", "502", "503"}
		if got := b.read(); !slices.Equal(got, all) {
			t.Errorf("the first look read %q, want %q", got, all)
		}
		const held = `10.1.1.5 is taken, ct 118 "pihole" has it: write another address, or allowAddressConflict: true`
		for range 2 {
			b.heldBy("ct/cache", drift.Create, held)
			if got := b.read(); !slices.Equal(got, []string{"118"}) {
				t.Errorf("a later look read %q, want the one that has the address", got)
			}
		}
		// Another took the address over.
		b.sim.Edit("root@pam", 118, map[string]string{"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:09,ip=10.1.1.99/24,type=veth"})
		b.sim.AddGuest(strange(504, map[string]string{"ide2": "local-lvm:vm-504-cloudinit,media=cdrom", "ipconfig0": "ip=10.1.1.5/24"}))
		if got := b.read(); !slices.Equal(got, append(all, "504")) {
			t.Errorf("after a hand change a look read %q", got)
		}
		b.heldBy("ct/cache", drift.Create, `10.1.1.5 is taken, vm 504 "stranger" has it: write another address, or allowAddressConflict: true`)
		if got := b.read(); !slices.Equal(got, []string{"504"}) {
			t.Errorf("then a look read %q", got)
		}
	})
}

func TestWhereNoGuestHasAnAddressThatAnswersAllAreAskedOnceAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withImages(t, pvesim.Options{}, cacheYAML)
		for vmid := 501; vmid < 504; vmid++ {
			b.sim.AddGuest(strange(vmid, nil))
		}
		n := pings("10.1.1.5")
		n.on(b)
		all := []string{"501", "502", "503"}
		if got := b.read(); !slices.Equal(got, all) {
			t.Errorf("the first look read %q, want %q", got, all)
		}
		for range 2 {
			b.heldBy("ct/cache", drift.Create, "10.1.1.5 answers to ping, and it is not known who has it: write another address, or allowAddressConflict: true")
			if got := b.read(); len(got) > 0 {
				t.Errorf("a later look read %q", got)
			}
		}
		<-time.After(strangerTime)
		if got := b.read(); !slices.Equal(got, all) {
			t.Errorf("an hour later a look read %q, want %q", got, all)
		}
		// Whoever had it is silent: that may be a guest that was stopped.
		n.answers = nil
		if got := b.read(); !slices.Equal(got, all) {
			t.Errorf("after it fell silent a look read %q, want %q", got, all)
		}
	})
}

func TestABridgeThatAGuestOfOursRunsOnIsNotAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withImages(t, pvesim.Options{}, webYAML)
		asked := func() int {
			b.mark()
			b.plan()
			return len(slices.DeleteFunc(b.sim.Requests()[b.from:], func(r pvesim.Request) bool { return !strings.HasSuffix(r.Path, "/network") }))
		}
		if got := asked(); got != 1 {
			t.Errorf("before there is anything the node is asked %d times, want once", got)
		}
		b.apply()
		b.manifests(webYAML, cacheYAML)
		if got := asked(); got != 0 {
			t.Errorf("where a guest of ours runs on the bridge the node is asked %d times", got)
		}
		b.sim.SetRunning(4001, false)
		if got := asked(); got != 1 {
			t.Errorf("where none runs the node is asked %d times, want once", got)
		}
	})
}
