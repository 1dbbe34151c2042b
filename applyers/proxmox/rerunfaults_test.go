package proxmox

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// TestRerunThatCannotBePlugged waits for the guest's stop, as Proxmox keeps it.
func TestRerunThatCannotBePlugged(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(b *bench){
		"refused": func(b *bench) {
			b.sim.Inject(pvesim.Fault{Path: "/nodes/*/qemu/4001/config", Method: "POST", Hotplug: map[string]string{"scsi30": "error unplugging scsi30"}})
		},
		"switched off": func(b *bench) { b.sim.Edit("root@pam", 4001, map[string]string{"hotplug": "network"}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, rerunYAML)
				b.apply()
				<-time.After(time.Hour)
				old := b.guest(4001).Config["scsi30"]
				hinder(b)
				b.manifests(withVim(""))
				said := &events{}
				for _, o := range b.turnIn(t.Context(), said) {
					if o.Status != drift.Done {
						t.Fatalf("%s: %s: %s", o.Key, o.Status, o.Reason)
					}
				}
				if !strings.Contains(strings.Join(said.lines, "\n"), "stopped and started") {
					t.Errorf("said: %q", said.lines)
				}
				if b.guest(4001).Config["scsi30"] != old {
					t.Error("it was plugged after all")
				}
				b.settled()
				if notes := seedNotes(b.observe()); len(notes) != 1 {
					t.Errorf("notes: %q", notes)
				}
				b.sim.SetRunning(4001, false)
				<-time.After(time.Minute)
				b.sim.SetRunning(4001, true)
				if p := b.plan(); len(p.Changes) != 1 || p.Changes[0].Fields[0].Path != formerPath {
					t.Errorf("planned:\n%s", show(p))
				}
				b.converge()
				b.tidy()
				if !strings.Contains(b.seedText(), "vim") {
					t.Error("the new seed is not there")
				}
			})
		})
	}
}

// TestAHalfWrittenRerunIsDoneAgain finds a stamp that speaks of a seed which is not
// there.
func TestAHalfWrittenRerunIsDoneAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		b.manifests(withVim(""))
		vm, ok := b.fleet.Resource("vm/web-1").Spec.(*desired.VM)
		if !ok {
			t.Fatal("no virtual machine")
		}
		s := b.stampIs()
		s.Seed, s.Former = shortDigest(vm.Seed), "scsi30:"+s.SeedDisk
		b.sim.Edit("root@pam", 4001, map[string]string{"description": s.String()})
		b.converge()
		b.tidy()
		if !strings.Contains(b.seedText(), "vim") {
			t.Error("the new seed is not there")
		}
	})
}

// TestARerunWhoseAnswerIsLost is not made twice.
func TestARerunWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nodes/*/storage/local/upload", "/nodes/*/qemu/4001/config", "/nodes/*/storage/local/content/**"} {
		for name, fault := range map[string]pvesim.Fault{"596": {Status: 596}, "dropped": {Drop: true}} {
			t.Run(path+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := benchOn(t, pvesim.New(slowTasks()), rerunYAML)
					b.apply()
					b.manifests(withVim(""))
					fault.Method, fault.Path, fault.AfterWork = "write", path, true
					b.sim.Inject(fault)
					b.turn()
					b.converge()
					b.tidy()
					if n := b.imports(); n != 1 {
						t.Errorf("%d seeds were imported", n)
					}
				})
			})
		}
	}
}

// imports counts the seeds that a guest was given after it was made.
func (b *bench) imports() int {
	n := 0
	for _, r := range b.sim.Requests() {
		if strings.HasSuffix(r.Path, "/config") && strings.Contains(r.Form.Get("scsi30"), "import-from") && r.Status != 500 {
			n++
		}
	}
	return n
}

// TestRerunOfAGuestThatDoesNotShutDown writes nothing.
func TestRerunOfAGuestThatDoesNotShutDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML+rebootNow)
		b.apply()
		b.sim.SetDeaf(4001, true)
		b.manifests(withVim(rebootNow))
		b.mark()
		out := b.turn()
		if out[0].Status != drift.Held || !strings.Contains(out[0].Reason, "did not shut down") {
			t.Errorf("told:\n%s", told(out))
		}
		if w := b.writes(); len(w) != 1 || !strings.HasSuffix(w[0], "/status/shutdown") {
			t.Errorf("writes: %q", w)
		}
		b.sim.SetDeaf(4001, false)
		b.converge()
		b.tidy()
	})
}

// TestRerunThatLosesARaceIsPlannedAgain rests on the digest that was read.
func TestRerunThatLosesARaceIsPlannedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		b.manifests(withVim(""))
		b.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/storage/local/upload", Then: func() {
			go b.sim.Edit("root@pam", 4001, map[string]string{"keyboard": "de"})
		}})
		out := b.turn()
		if out[0].Status != drift.Failed || !strings.Contains(out[0].Reason, "somebody else wrote at the same time") {
			t.Errorf("told:\n%s", told(out))
		}
		b.tidy()
		if strings.Contains(b.seedText(), "vim") {
			t.Error("it was written over")
		}
		b.converge()
		b.tidy()
	})
}

// TestRerunKeepsWhatASnapshotHolds keeps the former seed among the unused.
func TestRerunKeepsWhatASnapshotHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		old := b.stampIs().SeedDisk
		c, err := b.a.begin(t.Context(), b.fleet.Sites["home"])
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Do(t.Context(), silent{}, time.Minute, "POST", "/nodes/pve1/qemu/4001/snapshot", pve.Params{"snapname": "before"}); err != nil {
			t.Fatal(err)
		}
		b.manifests(withVim(""))
		b.apply()
		if b.guest(4001).Config["unused0"] != old || b.stampIs().Former != "" {
			t.Errorf("%s is not kept: %v", old, b.guest(4001).Config)
		}
		b.settled()
	})
}

// TestRerunThatLacksARight is held with the grant.
func TestRerunThatLacksARight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		b.token = b.sim.AddToken("berth@pve", "less", true, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true},
			pvesim.ACL{Path: "/storage/local", Role: "PVEAuditor", Propagate: true})
		b.restart()
		b.manifests(withVim(""))
		p := b.plan()
		if len(p.Changes) == 0 || !strings.Contains(p.Changes[0].Fields[0].Held, "Datastore.AllocateTemplate on /storage/local") {
			t.Errorf("planned:\n%s", show(p))
		}
		b.mark()
		b.turn()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("writes: %q", w)
		}
	})
}

// TestRerunKilledAtEveryRequest ends the agent at each request of a rerun.
func TestRerunKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", rebootNow} {
		prepare := func(t *testing.T) *bench {
			b := benchOn(t, pvesim.New(slowTasks()), rerunYAML+more)
			b.apply()
			<-time.After(time.Minute)
			b.manifests(withVim(more))
			b.mark()
			return b
		}
		var requests, writes int
		synctest.Test(t, func(t *testing.T) {
			b := prepare(t)
			b.apply()
			requests, writes = len(b.sim.Requests())-b.from, len(b.writes())
		})
		if writes < 4 {
			t.Fatalf("a rerun makes %d writes", writes)
		}
		try := func(n int, after bool) {
			t.Run(fmt.Sprintf("%safter %t %d", more, after, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := prepare(t)
					b.killAt(n, after)
					b.converge()
					b.tidy()
					if g := b.guest(4001); !g.Running || !strings.Contains(b.seedText(), "vim") {
						t.Errorf("running %t, %v", g.Running, g.Config)
					}
					if n := b.imports(); n != 1 {
						t.Errorf("%d seeds were imported", n)
					}
				})
			})
		}
		each := stride
		if more != "" {
			each *= 3 // The same reads, once more.
		}
		for n := 1; n <= requests; n += each {
			try(n, false)
		}
		for n := 1; n <= writes; n += stride {
			try(n, true)
		}
	}
}
