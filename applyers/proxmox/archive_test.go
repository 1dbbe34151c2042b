package proxmox

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

func TestGoneIsArchivedKeptAndThenDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.mark()
		b.manifests()
		if got := show(b.plan()); got != "ct/cache stop\nct/cache archive\nvm/web-1 stop\nvm/web-1 archive" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		for _, vmid := range []int{4001, 4002} {
			g := b.guest(vmid)
			if g.Running || g.Config["onboot"] == "1" || !strings.Contains(g.Config["tags"], "berth-archived") || !strings.Contains(g.Config["description"], " archived=") {
				t.Errorf("guest %d: running %v, %v", vmid, g.Running, g.Config)
			}
		}
		shut := slices.Index(b.writes(), "POST /nodes/pve1/qemu/4001/status/shutdown")
		put := slices.Index(b.writes(), "POST /nodes/pve1/qemu/4001/config")
		if shut < 0 || put < shut {
			t.Errorf("order: %q", b.writes())
		}
		b.settled()
		notes := b.plan().Notes
		if len(notes) != 2 || !strings.Contains(notes[0].Text, "archived until") {
			t.Errorf("notes: %+v", notes)
		}
		<-time.After(6*24*time.Hour + 23*time.Hour)
		b.settled()
		<-time.After(2 * time.Hour)
		if got := show(b.plan()); got != "ct/cache delete\nvm/web-1 delete" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		if left := b.sim.Guests(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		for _, vmid := range []int{4001, 4002} {
			if vols := b.volumesOfGuest(vmid); len(vols) > 0 {
				t.Errorf("volumes left: %q", vols)
			}
		}
		b.settled()
	})
}

func TestTheManifestComingBackRestores(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		before := b.guest(4001)
		b.manifests()
		b.apply()
		<-time.After(24 * time.Hour)
		b.manifests(edited(webYAML, "size: 1GiB", "size: 2GiB", "size: 8GiB", "size: 9GiB"), cacheYAML)
		b.apply()
		after := b.guest(4001)
		if !after.Running || after.Config["tags"] != before.Config["tags"] || after.Config["description"] != before.Config["description"] ||
			after.Config["onboot"] != "1" || after.Config["memory"] != "2048" || !strings.Contains(after.Config["scsi0"], "size=9G") {
			t.Errorf("running %v, %v", after.Running, after.Config)
		}
		if !b.guest(4002).Running {
			t.Error("the container does not run")
		}
		b.settled()
	})
}

func TestAGuestThatDoesNotShutDownIsLeftRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{Deaf: true}), webYAML)
		b.apply()
		b.manifests()
		out := b.turn()
		if out[0].Status != drift.Held || !strings.Contains(out[0].Reason, "did not shut down in 3m; left running (lifecycle.stop: graceful)") {
			t.Errorf("outcome %s", told(out))
		}
		if g := b.guest(4001); !g.Running || strings.Contains(g.Config["tags"], "berth-archived") {
			t.Errorf("running %v, %v", g.Running, g.Config)
		}
		b.manifests(webYAML + "state: stopped\nlifecycle: {stop: force}\n")
		b.apply()
		if b.guest(4001).Running {
			t.Error("it was not forced")
		}
	})
}

func TestStateAbsentDeletesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(webYAML + "state: absent\n")
		if got := show(b.plan()); got != "vm/web-1 stop\nvm/web-1 delete" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		if len(b.sim.Guests()) != 0 {
			t.Error("it is still there")
		}
		b.settled()
	})
}

func TestProtectedGuestsAreHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"protection: true\n")
		b.apply()
		b.manifests()
		b.mark()
		out := b.turn()
		if out[0].Status != drift.Held || len(b.writes()) > 0 {
			t.Errorf("outcome %s, writes %q", told(out), b.writes())
		}
	})
}

// TestVolumesOfOthersHoldADeletion: Proxmox destroys a volume even under a
// running guest that uses it, and does not object.
func TestVolumesOfOthersHoldADeletion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(b *bench)
		want string
	}{
		"another guest uses a volume of ours": {
			set: func(b *bench) {
				b.sim.AddGuest(pvesim.Guest{VMID: 900, Running: true, Config: map[string]string{"name": "thief", "scsi3": b.guest(4001).Config["scsi0"]}})
			},
			want: `vm 900 "thief" on pve1 uses local-lvm:vm-4001-disk-0 as scsi3`,
		},
		"a pending line of another guest does": {
			set: func(b *bench) {
				b.sim.AddGuest(pvesim.Guest{VMID: 900, Running: true, Config: map[string]string{"name": "thief"}, Pending: map[string]string{"scsi3": b.guest(4001).Config["scsi0"]}})
			},
			want: "uses local-lvm:vm-4001-disk-0",
		},
		"a volume of another guest is attached": {
			set: func(b *bench) {
				b.sim.AddGuest(strange(900, nil))
				b.sim.Edit("root@pam", 4001, map[string]string{"scsi5": "local-lvm:vm-900-disk-0,size=4G"})
			},
			want: "scsi5 is local-lvm:vm-900-disk-0, which belongs to guest 900",
		},
		"a guest that can't be read may": {
			set: func(b *bench) {
				b.sim.AddGuest(strange(900, nil))
				b.sim.Inject(pvesim.Fault{Method: http.MethodGet, Path: "/nodes/*/qemu/900/pending", Status: 500, Count: -1})
			},
			want: "can't be read, and may use a volume",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML)
				b.apply()
				c.set(b)
				volumes := len(b.sim.Volumes())
				b.manifests(webYAML + "state: absent\n")
				out := b.turn()
				// It is not even stopped.
				if len(out) != 2 || out[0].Status != drift.Held || !strings.Contains(out[0].Reason, c.want) || out[1].Status != drift.Skipped || !b.guest(4001).Running {
					t.Errorf("outcome %s", told(out))
				}
				if len(b.sim.Volumes()) != volumes {
					t.Error("a volume is gone")
				}
				b.guest(4001)
			})
		})
	}
}

func TestClocksApartHoldDeletionsByDate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{Now: func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }}), webYAML)
		b.apply()
		b.manifests()
		b.apply()
		// By Proxmox's clock its time would be up at once, by ours it is not.
		b.settled()
		<-time.After(16 * 24 * time.Hour)
		p := b.plan()
		if c := p.Change(key("vm/web-1", drift.Delete)); c == nil || !strings.Contains(c.Held, "are 8d apart") {
			t.Errorf("plan:\n%s", show(p))
		}
		b.turn()
		b.guest(4001)
	})
}

func TestTheLaterSafeClockDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{Now: func() time.Time { return time.Now().Add(-3 * time.Minute) }}), webYAML)
		b.apply()
		b.manifests()
		b.apply()
		<-time.After(7*24*time.Hour + time.Minute)
		b.settled()
		<-time.After(3 * time.Minute)
		if got := show(b.plan()); got != "vm/web-1 delete" {
			t.Errorf("plan:\n%s", got)
		}
	})
}

// TestProofIsReadOnceMoreBeforeADeletion takes the stamp off between plan and
// step.
func TestProofIsReadOnceMoreBeforeADeletion(t *testing.T) {
	t.Parallel()
	for _, step := range []drift.Step{drift.Archive, drift.Delete} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, webYAML)
			b.apply()
			if step == drift.Archive {
				b.manifests()
			} else {
				b.manifests(webYAML + "state: absent\n")
			}
			seen := b.observe()
			p, err := drift.Make(b.input(seen))
			if err != nil {
				t.Fatal(err)
			}
			b.sim.Edit("root@pam", 4001, map[string]string{"description": "mine now"})
			was := b.guest(4001)
			out := b.execute(t.Context(), p, drift.NewWorld(b.fleet, seen.Lives), &events{})
			if out[0].Status != drift.Held || !strings.Contains(out[0].Reason, "no longer bears the stamp") {
				t.Errorf("outcome %s", told(out))
			}
			if now := b.guest(4001); !now.Running || !maps.Equal(now.Config, was.Config) {
				t.Errorf("it was touched: %v", now)
			}
		})
	}
}

func TestProtectionIsReadOnceMoreBeforeADeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(webYAML + "state: absent\n")
		seen := b.observe()
		p, err := drift.Make(b.input(seen))
		if err != nil {
			t.Fatal(err)
		}
		b.sim.Edit("root@pam", 4001, map[string]string{"protection": "1"})
		out := b.execute(t.Context(), p, drift.NewWorld(b.fleet, seen.Lives), &events{})
		if out[0].Status != drift.Held || !strings.Contains(out[0].Reason, "it is protected") || !b.guest(4001).Running {
			t.Errorf("outcome %s", told(out))
		}
	})
}

func TestAnEditDuringTheShutdownIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests()
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/*/qemu/4001/status/shutdown", Then: func() {
			text := b.guest(4001).Config["description"]
			b.sim.Edit("anna@pam", 4001, map[string]string{"description": "ask Anna\n\n" + text[strings.LastIndex(text, "\n")+1:]})
		}})
		b.apply()
		if got := b.guest(4001).Config["description"]; !strings.HasPrefix(got, "ask Anna\n\nberth: ") || !strings.Contains(got, "archived=") {
			t.Errorf("description is %q", got)
		}
	})
}

func TestAKilledArchiveAndDeleteConverge(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n, more := 1, true; more; n += stride {
			synctest.Test(t, func(t *testing.T) { more = killedWhileGoing(t, n, after) })
		}
	}
}

func killedWhileGoing(t *testing.T, n int, after bool) (more bool) {
	plain := edited(webYAML, "cloudInit: {packages: [git]}", "")
	b := benchOn(t, pvesim.New(slowTasks()), plain, cacheYAML)
	b.apply()
	b.manifests()
	more = b.killAt(n, after)
	b.converge()
	for _, vmid := range []int{4001, 4002} {
		g := b.guest(vmid)
		if g.Running || strings.Count(g.Config["description"], "archived=") != 1 {
			t.Errorf("after a kill at %d: %v", n, g.Config)
		}
	}
	<-time.After(8 * 24 * time.Hour)
	more = b.killAt(n, after) || more
	b.converge()
	if left := b.sim.Guests(); len(left) > 0 {
		t.Errorf("after a kill at %d: %v", n, left)
	}
	return more
}

// TestAnArchivedGuestThatRunsIsTold holds that what somebody started in the
// archive is shown as such, and left to people.
func TestAnArchivedGuestThatRunsIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests()
		b.apply()
		b.sim.SetRunning(4001, true)
		b.mark()
		if got := show(b.plan()); got != "vm/web-1 stop HELD "+archivedRuns {
			t.Errorf("the plan:\n%s", got)
		}
		b.turn()
		if w := b.writes(); len(w) > 0 || !b.guest(4001).Running {
			t.Errorf("writes %q", w)
		}
	})
}
