package proxmox

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

const ourStamp = "berth: pegasus/vm/web-1 home#4001 uid=5b1f0c2e instance=aa image=scsi0:debian-12"

func strange(vmid int, config map[string]string) pvesim.Guest {
	all := map[string]string{
		"name": "stranger", "memory": "2048", "onboot": "1", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
		"scsi0": "local-lvm:vm-" + strconv.Itoa(vmid) + "-disk-0,size=4G",
	}
	maps.Copy(all, config)
	return pvesim.Guest{VMID: vmid, Running: true, Config: all}
}

// TestNotOurs puts guests that are not ours where a manifest points, or with our
// signs on them, and shows that they are told of and left alone to the byte.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guests []pvesim.Guest
		// reason and remedy are parts of what must be reported, held of what
		// holds the creation ("" if it goes on).
		reason, remedy, held string
	}{
		"on the wanted VMID": {
			guests: []pvesim.Guest{strange(4001, nil)},
			reason: "it is not ours", remedy: "give vm/web-1 another id", held: "it is not ours",
		},
		"with the wanted name": {
			guests: []pvesim.Guest{strange(777, map[string]string{"name": "web-1"})},
			reason: "has the name that vm/web-1 wants", remedy: "another hostname", held: "has the name",
		},
		"with our tag and no stamp, elsewhere": {
			guests: []pvesim.Guest{strange(777, map[string]string{"tags": "berth.pegasus;x"})},
			reason: "ownership lost", remedy: "take the tag berth.pegasus off",
		},
		"with our tag on the wanted VMID": {
			guests: []pvesim.Guest{strange(4001, map[string]string{"tags": "berth.pegasus"})},
			reason: "ownership lost", remedy: "agent adopt vm/web-1", held: "ownership lost",
		},
		"a copy by hand": {
			guests: []pvesim.Guest{strange(778, map[string]string{"tags": "berth.pegasus", "description": "x\n\n" + ourStamp})},
			reason: "its stamp names VMID 4001: it is a copy of vm/web-1", remedy: "take the last line",
		},
		"a copy by hand on the wanted VMID of another": {
			guests: []pvesim.Guest{strange(4001, map[string]string{"tags": "berth.pegasus", "description": strings.ReplaceAll(ourStamp, "#4001", "#4009")})},
			reason: "it is a copy", remedy: "take the last line", held: "it is a copy",
		},
		"of another fleet of the same name": {
			guests: []pvesim.Guest{strange(4001, map[string]string{"tags": "berth.pegasus", "description": strings.ReplaceAll(ourStamp, "5b1f0c2e", "ffff")})},
			reason: "it belongs to fleet pegasus (uid ffff)", held: "it belongs to fleet",
		},
		"of a newer Berth": {
			guests: []pvesim.Guest{strange(4001, map[string]string{"tags": "berth.pegasus", "description": ourStamp + " v=2"})},
			reason: "newer Berth", held: "newer Berth",
		},
		"a container where a VM is wanted": {
			guests: []pvesim.Guest{{Kind: pvesim.KindCT, VMID: 4001, Config: map[string]string{
				"hostname": "pihole", "description": ourStamp + "\n", "rootfs": "local-lvm:vm-4001-disk-0,size=4G",
			}}},
			reason: "which it is not", held: "which it is not",
		},
		"an orphaned stub": {
			guests: []pvesim.Guest{{VMID: 4001, Lock: "create"}},
			reason: "broken creation", remedy: "qm unlock 4001 && qm destroy 4001", held: "broken creation",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML)
				for _, g := range c.guests {
					b.sim.AddGuest(g)
				}
				before := map[int]pvesim.Guest{}
				for _, g := range c.guests {
					before[g.VMID] = b.guest(g.VMID)
				}
				p := b.plan()
				told := false
				for _, f := range p.Foreign {
					told = told || strings.Contains(f.Reason, c.reason) && strings.Contains(f.Remedy, c.remedy)
				}
				if !told {
					t.Errorf("reported is %+v", p.Foreign)
				}
				create := p.Change(key("vm/web-1", drift.Create))
				switch {
				case create == nil:
					t.Fatalf("no creation is planned, not even a held one:\n%s", show(p))
				case c.held == "" && create.Held != "", c.held != "" && !strings.Contains(create.Held, c.held):
					t.Errorf("the creation is held by %q", create.Held)
				}
				b.turn()
				b.turn()
				for vmid, was := range before {
					if now := b.guest(vmid); now.Digest != was.Digest || now.Running != was.Running || !maps.Equal(now.Config, was.Config) {
						t.Errorf("guest %d was touched: %+v", vmid, now)
					}
				}
				if _, made := b.sim.Guest(4001); c.held == "" && !made {
					t.Error("the creation did not go on")
				}
			})
		})
	}
}

func TestSameProofTwiceIsTouchedOnNeither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		copied := b.guest(4001)
		// Its stamp was edited so that it names the guest that it stands on.
		conf := maps.Clone(copied.Config)
		conf["description"] = strings.Replace(conf["description"], "#4001", "#779", 1)
		delete(conf, "scsi0")
		delete(conf, "scsi30")
		b.sim.AddGuest(pvesim.Guest{VMID: 779, Config: conf})
		b.sim.Edit("root@pam", 4001, map[string]string{"memory": "2048"})
		b.mark()
		p := b.plan()
		if len(p.Foreign) != 2 || p.Foreign[0].ID != "vm/web-1" {
			t.Errorf("foreign: %+v", p.Foreign)
		}
		b.turn()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %q", w)
		}
	})
}

func TestStubOfARunningTaskIsWorkInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(slowTasks()), webYAML)
		b.apply()
		// Somebody is making this very guest.
		b.sim.Remove(4001)
		go func() {
			_ = b.a.clusters["home"].Write(t.Context(), "POST", "/nodes/pve1/qemu", pve.Params{"vmid": "4001", "memory": "64"}, nil)
		}()
		synctest.Wait()
		p := b.plan()
		if len(p.Blind) != 1 || p.Blind[0].ID != "vm/web-1" || !strings.Contains(p.Blind[0].Reason, "being created") {
			t.Errorf("blind: %+v\nforeign: %+v", p.Blind, p.Foreign)
		}
		if p.Change(key("vm/web-1", drift.Create)) != nil {
			t.Error("a creation is planned beside it")
		}
	})
}

func TestTagTakenOffByHandComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Edit("root@pam", 4001, map[string]string{"tags": "prod;web"})
		if got := show(b.plan()); got != "vm/web-1 online\n  tags \"\" → \"berth.pegasus\"" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		if got := b.guest(4001).Config["tags"]; got != "berth.pegasus;prod;web" {
			t.Errorf("tags are %q", got)
		}
		b.settled()
	})
}

func TestStampLostIsHeldAndNothingIsMadeBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Edit("root@pam", 4001, map[string]string{"description": "rewritten by somebody", "memory": "4096"})
		b.mark()
		p := b.plan()
		if len(p.Foreign) != 1 || !strings.Contains(p.Foreign[0].Reason, "ownership lost") {
			t.Errorf("foreign: %+v", p.Foreign)
		}
		b.turn()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %q", w)
		}
	})
}

func TestARenamedGuestKeepsItsVMID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(strings.Replace(webYAML, "name: web-1", "name: web-2", 1))
		p := b.plan()
		create := p.Change(key("vm/web-2", drift.Create))
		if create == nil || !strings.Contains(create.Held, "it is vm/web-1 of this fleet") {
			t.Errorf("plan:\n%s", show(p))
		}
	})
}

func TestAuditLostIsUnknownAndNothingIsMadeInItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.token = b.sim.AddToken("berth@pve", "narrow", true,
			pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}, pvesim.ACL{Path: "/vms/4001", Role: "NoAccess"})
		b.mark()
		p := b.plan()
		if len(p.Blind) != 1 || p.Blind[0].ID != "vm/web-1" || p.Blind[0].Remedy != "as root on a node: pveum acl modify /vms/4001 --users berth@pve --tokens 'berth@pve!narrow' --roles PVEAuditor" {
			t.Errorf("blind: %+v", p.Blind)
		}
		if len(p.Changes) > 0 {
			t.Errorf("planned:\n%s", show(p))
		}
		b.turn()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %q", w)
		}
		// Gone from Git it is not missed either: what can't be seen is not deleted.
		b.manifests(cacheYAML)
		if p := b.plan(); len(p.Changes) > 0 {
			t.Errorf("planned:\n%s", show(p))
		}
	})
}

func TestAForeignVMIDOfTheSiteIsNeverTouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.sim.AddGuest(strange(150, map[string]string{
			"tags": "berth.pegasus", "description": "berth: pegasus/vm/old home#150 uid=5b1f0c2e instance=aa",
		}))
		p := b.plan()
		if p.Change(key("vm/old", drift.Archive)) != nil {
			t.Errorf("planned:\n%s", show(p))
		}
	})
}
