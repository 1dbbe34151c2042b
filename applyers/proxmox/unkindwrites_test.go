package proxmox

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// Where Proxmox is unkind to whoever writes: see unkind_test.go.

// TestAWriteThatTakesMinutesIsMadeOnce: a disk is allocated on a slow storage.
func TestAWriteThatTakesMinutesIsMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{SyncLimit: 30 * time.Second, TaskTime: func(typ string) time.Duration {
			return map[string]time.Duration{"qmconfig": 2 * time.Minute}[typ]
		}}), webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB}}", "size: 8GiB}, scsi1: {size: 3GiB, storage: hdd}}"))
		b.apply()
		if got := b.volumesOfGuest(4001); len(got) != 3 {
			t.Errorf("volumes: %q", got)
		}
		b.settled()
	})
}

// TestACreationStartsNothing: a start is a step of its own, that is looked at.
func TestACreationStartsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"state: stopped\n", cacheYAML+"state: stopped\n")
		b.apply()
		for _, task := range b.sim.Tasks() {
			if strings.HasSuffix(task.Type, "start") {
				t.Errorf("task %s", task.UPID)
			}
		}
		if b.guest(4001).Running || b.guest(4002).Running {
			t.Error("they run")
		}
	})
}

func TestACreationThatSomebodyWasFasterWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/*/qemu", Then: func() {
			b.sim.AddGuest(pvesim.Guest{VMID: 4001, Config: map[string]string{"name": "faster"}})
		}})
		const want = `vm/web-1 create: held: vm 4001 "faster" on pve1 stands on the VMID and is not ours`
		if got := told(b.turn()); !strings.Contains(got, want) {
			t.Errorf("told:\n%s", got)
		}
	})
}

func TestAGuestBootsFromItsImageAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		if got := b.guest(4001).Config["boot"]; got != "order=scsi0" {
			t.Errorf("it boots by %q", got)
		}
	})
}

func TestADiskThatWasExchangedMeanwhileDoesNotGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB", "size: 12GiB"))
		b.sim.Inject(pvesim.Fault{Method: http.MethodPut, Path: "/nodes/*/qemu/4001/resize", Then: func() {
			b.sim.Edit("anna@pam", 4001, map[string]string{"scsi0": "local-lvm:vm-4001-disk-7,size=8G"})
		}})
		if got := told(b.turn()); !strings.Contains(got, "vm/web-1 online: failed: somebody else wrote at the same time, and it is planned again in the next turn") {
			t.Errorf("told:\n%s", got)
		}
		if got := b.guest(4001).Config["scsi0"]; !strings.Contains(got, "size=8G") {
			t.Errorf("scsi0 is %q", got)
		}
	})
}

func TestAnIDEDriveCostsAReboot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB}}", "size: 8GiB}, ide0: {size: 1GiB, storage: hdd}}"))
		if got := show(b.plan()); !strings.HasPrefix(got, "vm/web-1 pending") || strings.Contains(got, "online") {
			t.Errorf("plan:\n%s", got)
		}
	})
}

func TestTheNativeDriveIsMadeAnewForAGuestThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nativeYAML)
		b.apply()
		b.manifests(edited(nativeYAML, "10.1.1.11", "10.1.1.12"))
		b.mark()
		told := &events{}
		b.turnIn(t.Context(), told)
		if said := strings.Join(told.lines, "\n"); strings.Contains(said, "took effect") {
			t.Errorf("told:\n%s", said)
		}
		if got := b.writes(); !slices.Contains(got, "PUT /nodes/pve1/qemu/4011/cloudinit") {
			t.Errorf("a reboot from within would find the address from before: %q", got)
		}
	})
}

func TestALockThatComesMeanwhileIsWaitedFor(t *testing.T) {
	t.Parallel()
	const busy = "can't lock file '/var/lock/qemu-server/lock-4001.conf' - got timeout"
	for name, fault := range map[string]pvesim.Fault{
		"of the guest": {Lock: "backup"},
		"of its file":  {Status: 500, Reason: busy, Body: `{"data":null,"message":"` + busy + `\n"}`, Type: "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML)
				b.apply()
				fault.Method, fault.Path = http.MethodPost, "/nodes/*/qemu/4001/config"
				b.sim.Inject(fault)
				b.manifests(edited(webYAML, "[prod, web]", "[prod]"))
				time.AfterFunc(3*time.Second, func() { b.sim.Edit("root@pam", 4001, map[string]string{"lock": ""}) })
				// What the digest says of an edit meanwhile is another matter.
				if got := told(b.turn()); strings.Contains(got, "lock") {
					t.Errorf("told:\n%s", got)
				}
			})
		})
	}
}

func TestAGuestThatSomebodyStartedIsStoppedBeforeItGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"state: stopped\n")
		b.apply()
		b.manifests(webYAML + "state: absent\n")
		p, w := b.planned(t.Context())
		b.sim.SetRunning(4001, true)
		if got := told(b.execute(t.Context(), p, w, &events{})); got != "vm/web-1 delete: done:" {
			t.Errorf("told:\n%s", got)
		}
	})
}

func TestAContainerThatIsOffIsNotStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML+"state: stopped\n")
		b.apply()
		b.manifests(cacheYAML + "state: absent\n")
		b.mark()
		b.apply()
		if got := b.writes(); len(got) != 1 || got[0] != "DELETE /nodes/pve1/lxc/4002" {
			t.Errorf("writes: %q", got)
		}
	})
}

func TestAGuestThatSomebodyElseStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.SetRunning(4001, false)
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/*/qemu/4001/status/start", Then: func() { b.sim.SetRunning(4001, true) }})
		b.apply()
		b.settled()
	})
}

func TestADeletionPurges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(webYAML + "state: absent\n")
		b.mark()
		b.apply()
		for _, r := range b.sim.Requests()[b.from:] {
			if r.Method == http.MethodDelete && r.Form.Get("purge") != "1" {
				t.Errorf("the deletion was asked for with %v", r.Form)
			}
		}
	})
}

// TestAnImageThatSomebodyElseFetches: two agents, or a person, begin at once.
func TestAnImageThatSomebodyElseFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/*/storage/local/download-url", Then: func() {
			b.sim.AddVolume(pvesim.Volume{
				ID: "local:import/debian-12.qcow2", Node: "pve1", Size: 2 << 30, Format: "qcow2", Content: "import",
				SHA256: pvesim.Sum("https://images.example.net/debian-12.qcow2", "sha256"),
			})
		}})
		b.apply()
		b.settled()
	})
}

func TestListsOfAStorageAreNarrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		listed := 0
		for _, r := range b.sim.Requests() {
			if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/content") {
				listed++
				if r.Form.Get("content") == "" {
					t.Errorf("all of %s was listed", r.Path)
				}
			}
		}
		if listed == 0 {
			t.Error("no storage was listed")
		}
	})
}

func TestAGuestThatIsInItsPoolAlready(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := pooled(t)
		b.sim.Inject(pvesim.Fault{Method: http.MethodPut, Path: "/pools", Then: func() { b.sim.SetPool(4001, "lab") }})
		b.apply()
		b.settled()
	})
}

func TestAGuestMovesBetweenPools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := pooled(t)
		b.sim.SetPool(4001, "other")
		b.apply()
		if got := b.guest(4001).Pool; got != "lab" {
			t.Errorf("it is in pool %q", got)
		}
	})
}

// pooled is a bench in which a guest is to come into a pool that is there.
func pooled(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, webYAML)
	b.apply()
	b.sim.SetPool(4001, "lab")
	b.sim.SetPool(4001, "")
	b.manifests(webYAML + "pool: lab\n")
	return b
}

func TestAPoolOutOfSightHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := pooled(t)
		b.token = b.sim.AddToken("narrow@pve", "agent", true,
			pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}, pvesim.ACL{Path: "/pool/lab", Role: "NoAccess"})
		if got := show(b.plan()); strings.Contains(got, "has no pool") || !strings.Contains(got, "pool") {
			t.Errorf("plan:\n%s", got)
		}
	})
}

func TestOneOfSeveralRightsIsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML)
	b.observe()
	help := b.a.clusters["home"].helpWith(&pve.APIError{Status: 403, Message: "Permission check failed (/nodes/pve1, Sys.Incoming|Sys.Modify)"})
	if !strings.HasPrefix(help, "pveum role add Berth-Sys.Incoming --privs Sys.Incoming && pveum acl modify ") {
		t.Errorf("help: %q", help)
	}
}

func TestTheLastToChangeAnOptionIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Edit("anna@pam", 4001, map[string]string{"cores": "3"})
		b.sim.Edit("otto@pam", 4001, map[string]string{"cores": "4"})
		c := b.plan().Changes
		if len(c) != 1 || len(c[0].Fields) != 1 || c[0].Fields[0].By != "otto@pam" {
			t.Errorf("planned: %+v", c)
		}
	})
}

func TestWhoMayTellWhoChangedWhat(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML)
	if !slices.ContainsFunc(Needs(b.fleet, b.fleet.Sites["home"]), func(n Need) bool {
		return n.Path == "/" && n.Privilege == "Sys.Syslog" && strings.Contains(n.Optional, "who changed a guest")
	}) {
		t.Error("that the log takes a right is not told")
	}
}

// TestWhatIsRootsAloneIsHeld: with the command for root, and at a creation, too,
// which goes on without it.
func TestWhatIsRootsAloneIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"options: {args: \"-no-hpet\", serial1: /dev/ttyS0, hostpci0: \"host=00:02.0\"}\nhookscript: local:snippets/a.sh\n",
			edited(cacheYAML, "size: 4GiB}}", "size: 4GiB}, mp0: {bind: /tank/a, mount: /srv}}"))
		for _, o := range b.turn() {
			if o.Step == drift.Create && o.Status != drift.Done {
				t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
			}
		}
		b.mark()
		got := show(b.plan())
		for _, want := range []string{
			"args may be set by root@pam alone", "serial1 may be set by root@pam alone", "hostpci0 may be set by root@pam alone",
			"hookscript may be set by root@pam alone", "mp0 is a directory of the node", "qm set 4001 --args", "pct set 4002 --mp0",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("the plan lacks %q:\n%s", want, got)
			}
		}
		b.turn()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("writes: %q", w)
		}
	})
}

// TestAnotherGuestsVolumeTakesARightOnThatGuest: without it, the step would fail.
func TestAnotherGuestsVolumeTakesARightOnThatGuest(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML, edited(lab1YAML, "  scsi1: {volume: certs/letsencrypt}\n", ""))
	b.apply()
	b.token = b.sim.AddToken("narrow@pve", "agent", true,
		pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}, pvesim.ACL{Path: "/vms/9501", Role: "PVEAuditor"},
		pvesim.ACL{Path: "/storage", Privs: []string{"Datastore.Audit", "Datastore.AllocateSpace"}, Propagate: true})
	b.manifests(certsYAML, lab1YAML)
	if got := show(b.plan()); !strings.Contains(got, "vm/web-1 attach") || !strings.Contains(got, "HELD the token lacks VM.Config.Disk on /vms/9501") {
		t.Errorf("plan:\n%s", got)
	}
}

func TestWhatSomebodyElseAskedForIsNotTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/*/qemu/4001/config", Hotplug: map[string]string{"net0": "no such device"}})
		b.sim.Inject(pvesim.Fault{Method: http.MethodPut, Path: "/nodes/*/qemu/4001/config", Then: func() {
			b.sim.Edit("anna@pam", 4001, map[string]string{"numa": "1"})
		}})
		b.manifests(edited(webYAML, "10.1.1.4}", "10.1.1.4, linkDown: true}"))
		if got := told(b.turn()); !strings.Contains(got, "planned again in the next turn") || !strings.Contains(got, "take net0 back: ") {
			t.Errorf("told:\n%s", got)
		}
		if g := b.guest(4001); g.Pending["net0"] == "" {
			t.Errorf("pending: %v", g.Pending)
		}
	})
}

func TestADeafGuestIsNotRebooted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := webYAML + "lifecycle: {reboot: now}\n"
		b := newBench(t, now)
		b.apply()
		b.sim.SetDeaf(4001, true)
		b.manifests(edited(now, "size: 1GiB", "size: 512MiB"))
		if got := told(b.turn()); !strings.Contains(got, "vm/web-1 reboot: held: it did not shut down in ") || !b.guest(4001).Running {
			t.Errorf("told:\n%s", got)
		}
	})
}
