package proxmox

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// TestWhatKeepsAGuestFromBeingMadeIsSaidBefore asserts on the words of the report,
// and that nothing at all is written.
func TestWhatKeepsAGuestFromBeingMadeIsSaidBefore(t *testing.T) {
	t.Parallel()
	local := pvesim.Storage{Name: "local", Type: "dir", Content: []string{"iso", "import", "vztmpl", "images", "rootdir"}}
	thick := func(used int64) pvesim.Options {
		return pvesim.Options{Storages: []pvesim.Storage{local, {Name: "local-lvm", Type: "lvm", Content: []string{"images", "rootdir"}, Size: 20 << 30, Used: used << 30}}}
	}
	thin := func(used int64) pvesim.Options {
		o := thick(used)
		o.Storages[1].Type = "lvmthin"
		return o
	}
	for name, c := range map[string]struct {
		options pvesim.Options
		docs    []string
		before  func(*bench)
		held    map[string]string
	}{
		"the VMID is another's": {
			docs:   []string{cacheYAML},
			before: func(b *bench) { b.sim.AddGuest(strange(4002, nil)) },
			held:   map[string]string{"ct/cache create": `vm 4002 "stranger" on pve1: it is not ours; give ct/cache another id, or remove that guest`},
		},
		"a thick storage has too little room": {
			options: thick(17), docs: []string{cacheYAML},
			held: map[string]string{"ct/cache create": `storage local-lvm of pve1 has 3GiB free, and ct/cache needs 4GiB there: free some, or name another storage (storage class ssd, fleet.yaml:10)`},
		},
		"a thick storage has too little room for all": {
			options: thick(12),
			docs:    []string{webYAML, cacheYAML},
			held:    map[string]string{"ct/cache create": "", "vm/web-1 create": `storage local-lvm of pve1 has 8GiB free, of which this plan takes 4GiB before it, and vm/web-1 needs 8GiB there: free some, or name another storage (storage class ssd, fleet.yaml:10)`},
		},
		"a thin storage is full": {
			options: thin(20),
			docs:    []string{cacheYAML},
			held:    map[string]string{"ct/cache create": `storage local-lvm of pve1 is full: all of its 20GiB are in use: free some, or name another storage (storage class ssd, fleet.yaml:10)`},
		},
		"the bridge is missing": {
			options: pvesim.Options{Bridges: []string{"vmbr1", "vmbr2"}}, docs: []string{cacheYAML},
			held: map[string]string{"ct/cache create": `node pve1 has no bridge "vmbr0" that the token may use: it has vmbr1, vmbr2 (network lan of site home, fleet.yaml:10)`},
		},
		"the token lacks a privilege": {
			docs: []string{cacheYAML},
			before: func(b *bench) {
				b.token = b.sim.AddToken("narrow@pve", "agent", false, pvesim.ACL{Path: "/", Role: "PVEAuditor", Propagate: true},
					pvesim.ACL{Path: "/storage", Role: "PVEDatastoreAdmin", Propagate: true}, pvesim.ACL{Path: "/sdn", Role: "PVESDNUser", Propagate: true})
			},
			held: map[string]string{"ct/cache create": `the token lacks VM.Allocate, VM.Config.CPU, VM.Config.Disk, VM.Config.Memory, VM.Config.Network, VM.Config.Options, VM.PowerMgmt on /vms/4002: pveum acl modify / --users narrow@pve --tokens 'narrow@pve!agent' --roles PVEVMAdmin`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := withImages(t, c.options, c.docs...)
				if c.before != nil {
					c.before(b)
				}
				p := b.plan()
				for name, want := range c.held {
					i := slices.IndexFunc(p.Changes, func(change drift.Change) bool { return change.String() == name })
					if i < 0 || p.Changes[i].Held != want {
						t.Errorf("%s: want it held by\n%s\nplan:\n%s", name, want, show(p))
					}
				}
				b.mark()
				b.turn()
				for _, w := range b.writes() {
					// Where a container can be made beside a virtual machine that
					// can't, nothing is written for that.
					if _, one := c.held["vm/web-1 create"]; !one || strings.Contains(w, "/qemu") || strings.Contains(w, "upload") {
						t.Errorf("written: %s", w)
					}
				}
			})
		})
	}
}

// TestRoomThatIsThereHoldsNothing: on a thick storage all may be taken, on others
// more than is there may be promised.
func TestRoomThatIsThereHoldsNothing(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]pvesim.Storage{
		"just enough":      {Type: "lvm", Size: 20 << 30, Used: 8<<30 - 8<<20}, // Both, and the seed.
		"overcommitted":    {Type: "lvmthin", Size: 20 << 30, Used: 19 << 30},
		"a pool of ZFS":    {Type: "zfspool", Size: 20 << 30, Used: 19 << 30},
		"files":            {Type: "dir", Size: 20 << 30, Used: 19 << 30},
		"shared and thick": {Type: "lvm", Size: 20 << 30, Used: 8<<30 - 8<<20, Shared: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store.Name, store.Content = "local-lvm", []string{"images", "rootdir"}
				local := pvesim.Storage{Name: "local", Type: "dir", Content: []string{"iso", "import", "vztmpl"}}
				b := withImages(t, pvesim.Options{Storages: []pvesim.Storage{local, store}}, webYAML, cacheYAML)
				b.apply()
				b.settled()
			})
		})
	}
}

// TestASharedThickStorageIsOneForAllNodes holds what two nodes would put there
// together.
func TestASharedThickStorageIsOneForAllNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local := pvesim.Storage{Name: "local", Type: "dir", Content: []string{"iso", "import", "vztmpl"}}
		san := pvesim.Storage{Name: "local-lvm", Type: "lvm", Content: []string{"images", "rootdir"}, Size: 6 << 30, Shared: true}
		b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Storages: []pvesim.Storage{local, san}}),
			cacheYAML, edited(cacheYAML, "name: cache", "name: other\nnode: pve2", "4002", "4003", "10.1.1.5", "10.1.1.6"))
		p := b.plan()
		const want = "storage local-lvm of pve2 has 6GiB free, of which this plan takes 4GiB before it, and ct/other needs 4GiB there: free some, or name another storage (storage class ssd, fleet.yaml:10)"
		if first, second := p.Change(key("ct/cache", drift.Create)), p.Change(key("ct/other", drift.Create)); first.Held != "" || second.Held != want {
			t.Errorf("plan:\n%s", show(p))
		}
	})
}

// TestAnImageThatIsNotThereIsSaid: what is made of it is skipped.
func TestAnImageThatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML)
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/pve1/storage/local/download-url", TaskError: "download failed: HTTP response code 404"})
		b.mark()
		out := told(b.turn())
		const want = "image/debian-ct@home fetch: failed: fetch debian-ct onto local of pve1: download failed: HTTP response code 404: correct the url https://images.example.net/debian-ct.tar.zst, or let the node reach it\n"
		if !strings.Contains(out, want) || !strings.Contains(out, "ct/cache create: skipped") {
			t.Errorf("outcome %s", out)
		}
		if w := b.writes(); len(w) != 1 || !strings.HasSuffix(w[0], "/download-url") {
			t.Errorf("written: %q", w)
		}
	})
}
