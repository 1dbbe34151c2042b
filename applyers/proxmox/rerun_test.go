package proxmox

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// rerunYAML is a virtual machine whose cloud-init runs again; the edits of a seed are
// made in it.
var rerunYAML = strings.Replace(webYAML, "cloudInit: {packages: [git]}", "cloudInit: {packages: [git], onChange: rerun}", 1)

// withVim is the manifest after an edit of cloudInit, with more words at its end.
func withVim(more string) string {
	return strings.Replace(rerunYAML, "[git]", "[git, vim]", 1) + more
}

const rebootNow = "lifecycle: {reboot: now}\n"

// seedText is what the guest's cloud-init reads.
func (b *bench) seedText() string {
	b.t.Helper()
	volid := notation.Parse("file", b.guest(4001).Config["scsi30"]).Value("file")
	for _, v := range b.sim.Volumes() {
		if v.ID == volid {
			return string(bytes.Trim(v.Data, "\x00"))
		}
	}
	b.t.Fatalf("the seed's slot holds %q, which is no volume", volid)
	return ""
}

// stampIs is the guest's stamp.
func (b *bench) stampIs() stamp.Stamp {
	b.t.Helper()
	_, s, ok := stamp.Split(b.guest(4001).Config["description"])
	if !ok {
		b.t.Fatal("the guest has no stamp")
	}
	return s
}

var instanceID = regexp.MustCompile(`instance-id: (\S+)`)

// tidy asserts that nothing is left of earlier seeds.
func (b *bench) tidy() {
	b.t.Helper()
	config := b.guest(4001).Config
	for key := range config {
		if strings.HasPrefix(key, "unused") {
			b.t.Errorf("%s is left: %s", key, config[key])
		}
	}
	if vols := b.volumesOfGuest(4001); len(vols) != 2 {
		b.t.Errorf("the guest's volumes are %q", vols)
	}
	s := b.stampIs()
	if s.Former != "" || s.SeedDisk != notation.Lookup("file", config["scsi30"], "file") {
		b.t.Errorf("the stamp is %s, scsi30 holds %s", s, config["scsi30"])
	}
}

// TestRerunReplacesTheSeedOfAGuestThatRuns lets it wait for a boot, and says so until
// that has come.
func TestRerunReplacesTheSeedOfAGuestThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		<-time.After(time.Hour)
		first, was := b.seedText(), b.stampIs()
		old := b.guest(4001).Config["scsi30"]
		b.manifests(withVim(""))

		seen := b.observe()
		p, err := drift.Make(b.input(seen))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Changes) != 1 || p.Changes[0].Step != drift.Pending || p.Changes[0].Reason != "waits for a reboot (lifecycle.reboot: never)" {
			t.Fatalf("planned: %+v", p.Changes)
		}
		b.mark()
		b.apply()
		b.tidy()
		if w := b.writes(); len(w) != 4 || !strings.HasSuffix(w[0], "/upload") || !strings.HasSuffix(w[1], "/config") ||
			!strings.HasPrefix(w[2], "DELETE") || !strings.HasSuffix(w[3], "/config") {
			t.Errorf("writes: %q", w)
		}
		is, text := b.stampIs(), b.seedText()
		if is.Instance != was.Instance || is.Seed == was.Seed || is.Reseeded.IsZero() {
			t.Errorf("the stamp was %s and is %s", was, is)
		}
		if b.guest(4001).Config["scsi30"] == old || !strings.Contains(text, "vim") || !strings.Contains(text, "ssh_deletekeys: false") {
			t.Errorf("the seed is %s", text)
		}
		if strings.Contains(first, "ssh_deletekeys") {
			t.Error("a new guest is to make its own host keys")
		}
		ids := [2]string{instanceID.FindStringSubmatch(first)[1], instanceID.FindStringSubmatch(text)[1]}
		if ids[0] != was.Instance || !strings.HasPrefix(ids[1], was.Instance+"-") {
			t.Errorf("instance ids %q, of %s", ids, was.Instance)
		}

		b.settled()
		if notes := seedNotes(b.observe()); len(notes) != 1 || !strings.Contains(notes[0], "waits for a reboot") {
			t.Errorf("notes: %q", notes)
		}
		b.sim.SetRunning(4001, false)
		<-time.After(time.Minute)
		b.sim.SetRunning(4001, true)
		b.settled()
		if notes := seedNotes(b.observe()); len(notes) > 0 {
			t.Errorf("it has booted, and yet: %q", notes)
		}

		// The first seed again is another run: cloud-init would pass one over whose
		// id it knows.
		b.manifests(rerunYAML)
		b.apply()
		b.manifests(withVim(""))
		b.apply()
		if again := instanceID.FindStringSubmatch(b.seedText())[1]; slices.Contains(ids[:], again) {
			t.Errorf("the instance id %s comes back", again)
		}
		b.tidy()
	})
}

func seedNotes(seen drift.Observed) []string {
	var all []string
	for _, n := range seen.Notes {
		if n.Path == seedPath {
			all = append(all, n.Text)
		}
	}
	return all
}

// TestRerunRebootsWhereItMay swaps the seed while the guest is off.
func TestRerunRebootsWhereItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML+rebootNow)
		b.apply()
		b.manifests(withVim(rebootNow))
		p := b.plan()
		if len(p.Changes) != 2 || p.Changes[0].Step != drift.Reboot || p.Changes[1].Step != drift.Ready {
			t.Fatalf("planned:\n%s", show(p))
		}
		b.mark()
		b.apply()
		order := strings.Join(b.writes(), "\n")
		if !regexp.MustCompile(`(?s)/status/shutdown\n.*/config\n.*/status/start`).MatchString(order) {
			t.Errorf("writes:\n%s", order)
		}
		if g := b.guest(4001); !g.Running || !strings.Contains(b.seedText(), "vim") {
			t.Errorf("running %t, %v", g.Running, g.Config)
		}
		b.tidy()
		b.settled()
		if notes := seedNotes(b.observe()); len(notes) > 0 {
			t.Errorf("notes: %q", notes)
		}
	})
}

// TestRerunThatWaitsIsRebootedOnceThatIsAllowed reboots once.
func TestRerunThatWaitsIsRebootedOnceThatIsAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		<-time.After(time.Hour)
		b.manifests(withVim(""))
		b.apply()
		<-time.After(time.Hour)
		b.manifests(withVim(rebootNow))
		b.mark()
		b.apply()
		if w := b.writes(); !slices.ContainsFunc(w, func(s string) bool { return strings.HasSuffix(s, "/status/reboot") }) {
			t.Errorf("writes: %q", w)
		}
		b.settled()
	})
}

// TestRerunOfAGuestThatIsStopped is done at once, and one that is archived comes back
// with its new seed.
func TestRerunOfAGuestThatIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML+"state: stopped\n")
		b.apply()
		b.manifests(withVim("state: stopped\n"))
		if p := b.plan(); len(p.Changes) != 1 || p.Changes[0].Step != drift.Online {
			t.Fatalf("planned:\n%s", show(p))
		}
		b.apply()
		b.tidy()
		b.settled()
		if s := b.stampIs(); !s.Reseeded.IsZero() {
			t.Errorf("nothing waits, and the stamp is %s", s)
		}
		b.manifests()
		b.apply()
		b.manifests(rerunYAML)
		b.apply()
		b.tidy()
		b.settled()
		if strings.Contains(b.seedText(), "vim") {
			t.Error("it came back with the former seed")
		}
	})
}

// TestRerunDestroysNothingThatIsNotTheSeed tries what people may have done to the
// seed's slot.
func TestRerunDestroysNothingThatIsNotTheSeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			hand func(b *bench)
			held string
		}{
			"somebody's own disk": {func(b *bench) {
				b.edit("PUT", pve.Params{"scsi30": "local-lvm:2"})
			}, "is not the seed that Berth put there"},
			"another machine's disk": {func(b *bench) {
				b.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: 777, Node: "pve1", Config: map[string]string{"scsi0": "local-lvm:1"}})
				volid := notation.Parse("file", b.guest(777).Config["scsi0"]).Value("file")
				b.sim.Edit("root@pam", 4001, map[string]string{"scsi30": volid + ",size=1G"})
			}, "is not the seed that Berth put there"},
			"a CD-ROM": {func(b *bench) {
				b.sim.Edit("root@pam", 4001, map[string]string{"scsi30": "none,media=cdrom"})
			}, "is not the seed that Berth put there"},
			"moved to another slot": {func(b *bench) {
				b.sim.Edit("root@pam", 4001, map[string]string{"scsi29": b.guest(4001).Config["scsi30"], "scsi30": ""})
			}, "its seed is in scsi29: write cloudInit.slot: scsi29"},
			"taken out": {func(b *bench) { b.sim.Edit("root@pam", 4001, map[string]string{"scsi30": ""}) }, ""},
			"detached":  {func(b *bench) { b.edit("PUT", pve.Params{"delete": "scsi30"}) }, ""},
			"a small one": {func(b *bench) {
				b.edit("PUT", pve.Params{"scsi30": "local-lvm:0.004"})
			}, ""},
		} {
			b := newBench(t, rerunYAML)
			b.apply()
			c.hand(b)
			before := b.sim.Volumes()
			b.manifests(withVim(""))
			p := b.plan()
			if held := p.Changes[0].Fields[0].Held; c.held == "" && held != "" || !strings.Contains(held, c.held) {
				t.Errorf("%s: held: %q", name, held)
			}
			b.mark()
			b.turn()
			if c.held != "" && len(b.writes()) > 0 {
				t.Errorf("%s: writes: %q", name, b.writes())
			}
			after := b.sim.Volumes()
			for _, v := range before {
				if !slices.ContainsFunc(after, func(a pvesim.Volume) bool { return a.ID == v.ID }) {
					t.Errorf("%s: %s was destroyed", name, v.ID)
				}
			}
			if c.held == "" {
				b.settled()
				if !strings.Contains(b.seedText(), "vim") {
					t.Errorf("%s: the new seed is not there", name)
				}
			}
		}
	})
}

// edit changes the guest through the API, as a person would.
func (b *bench) edit(method string, p pve.Params) {
	b.t.Helper()
	c, err := b.a.begin(b.t.Context(), b.fleet.Sites["home"])
	if err != nil {
		b.t.Fatal(err)
	}
	if err := c.Write(b.t.Context(), method, "/nodes/pve1/qemu/4001/config", p, nil); err != nil {
		b.t.Fatal(err)
	}
}

// TestRerunKeepsWhatAProtectedGuestHolds leaves the former seed where
// deleting it is refused.
func TestRerunKeepsWhatAProtectedGuestHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML+"protection: true\n")
		b.apply()
		b.manifests(withVim("protection: true\n"))
		b.apply()
		if b.guest(4001).Config["unused0"] == "" {
			t.Fatal("the former seed of a protected guest is gone")
		}
		b.settled()
		b.manifests(withVim("protection: false\n"))
		b.converge()
		b.tidy()
	})
}

// TestRerunLeavesOthersAlone notes an edit where nothing else is asked for, and where
// there is no seed to replace.
func TestRerunLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, rerunYAML)
		b.apply()
		b.manifests(strings.Replace(withVim(""), "onChange: rerun", "onChange: keep", 1))
		b.settled()
		s := b.stampIs()
		s.Seed, s.SeedDisk = "", ""
		b.sim.Edit("root@pam", 4001, map[string]string{"description": "The web server.\n\n" + s.String()})
		b.manifests(withVim(""))
		b.settled()
		if notes := seedNotes(b.observe()); len(notes) != 1 || !strings.Contains(notes[0], "none to replace") {
			t.Errorf("notes: %q", notes)
		}
	})
}

// TestRerunTellsTheAddressOfTheBoot keeps routes on the address that the guest has.
func TestRerunTellsTheAddressOfTheBoot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, strings.Replace(rerunYAML, "agent: true\n", "", 1))
		b.apply()
		<-time.After(time.Hour)
		address := func(want string) {
			t.Helper()
			if seen := b.observe(); seen.Lives[len(seen.Lives)-1].Facts[desired.FactAddress] != want {
				t.Errorf("the address is %q, want %q", seen.Lives[len(seen.Lives)-1].Facts[desired.FactAddress], want)
			}
		}
		address("10.1.1.4")
		b.manifests(strings.NewReplacer("agent: true\n", "", "10.1.1.4", "10.1.1.7").Replace(rerunYAML))
		b.apply()
		address("10.1.1.4")
		b.sim.SetRunning(4001, false)
		<-time.After(time.Minute)
		b.sim.SetRunning(4001, true)
		address("10.1.1.7")
		if !strings.Contains(b.seedText(), "10.1.1.7/24") {
			t.Error("the seed has not the address")
		}
		b.settled()
	})
}

// TestRerunKnowsTheInterfacesOfItsOwnTurn finds the MAC of one that the same edit adds,
// and says nothing of one that it takes away.
func TestRerunKnowsTheInterfacesOfItsOwnTurn(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", "state: stopped\n", rebootNow} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, rerunYAML+more)
			b.apply()
			with := func(more, nic string) string {
				return strings.Replace(rerunYAML, "address: 10.1.1.4}", "address: 10.1.1.4}, net1: "+nic, 1) + more
			}
			b.manifests(with(more, "{network: lan, address: 10.1.1.77}"))
			b.apply()
			b.tidy()
			_, mac := nicModel(parseNIC(desired.KindVM, b.guest(4001).Config["net1"]))
			if text := b.seedText(); mac == "" || !strings.Contains(text, strings.ToLower(mac)) || !strings.Contains(text, "10.1.1.77/24") {
				t.Errorf("%q: the seed does not know net1, %s: %s", more, mac, text)
			}
			b.settled()
			b.manifests(with(more, "{state: absent}"))
			b.apply()
			b.tidy()
			if strings.Contains(b.seedText(), "10.1.1.77") {
				t.Errorf("%q: the seed knows net1 still", more)
			}
			b.settled()
		})
	}
}
