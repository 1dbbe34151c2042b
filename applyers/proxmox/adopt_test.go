package proxmox

import (
	"errors"
	"strings"
	"testing"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

const uuid = "d6466886-1111-4222-8333-444455556666"

// handmade is a guest that somebody made on the VMID that web-1 wants.
func handmade(set ...string) pvesim.Guest {
	conf := map[string]string{
		"name": "old-web", "smbios1": "uuid=" + uuid, "description": "Made by hand.\n", "tags": "legacy", "cores": "4", "memory": "2048",
		"scsi0": "local-lvm:vm-4001-disk-0,size=8G", "net0": "virtio=BC:24:11:AA:BB:CC,bridge=vmbr0",
	}
	for i := 0; i < len(set); i += 2 {
		conf[set[i]] = set[i+1]
	}
	return pvesim.Guest{VMID: 4001, Node: "pve1", Running: true, Config: conf}
}

func adopting(a desired.Adopt) func(*desired.Fleet) {
	return func(f *desired.Fleet) { guestOf(f.Resource("vm/web-1")).Adopt = a }
}

// webAlone leaves images out, which would be fetched.
func webAlone(f *desired.Fleet) { f.Resources = []*desired.Resource{f.Resource("vm/web-1")} }

func TestAdoptTakesOverExactlyTheGuestThatIsNamed(t *testing.T) {
	t.Parallel()
	for name, adopt := range map[string]desired.Adopt{"uuid": {UUID: strings.ToUpper(uuid)}, "mac": {MAC: "bc:24:11:aa:bb:cc"}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.sim.AddGuest(handmade())
			b.now([]string{webYAML}, webAlone)
			b.nothing("vm/web-1 create HELD", "it is not ours")
			before := b.guest(4001).Config
			b.now([]string{webYAML}, adopting(adopt))
			p := b.plan()
			adoption := p.Change(key("vm/web-1", drift.Adopt))
			if adoption == nil || len(adoption.Fields) != 2 || !strings.Contains(adoption.Reason, "after that these differ: ") || !strings.Contains(adoption.Reason, "memory.size") {
				t.Fatalf("the plan: %s\n%+v", show(p), adoption)
			}
			b.mark()
			b.turn()
			after := b.guest(4001).Config
			for option, value := range after {
				if before[option] != value && option != "description" && option != "tags" {
					t.Errorf("%s was %q and is %q", option, before[option], value)
				}
			}
			if after["tags"] != "berth.pegasus;legacy" || !strings.HasPrefix(after["description"], "Made by hand.\n\nberth: pegasus/vm/web-1 home#4001 uid=5b1f0c2e instance=") {
				t.Errorf("%+v", after)
			}
			// From then on it is like any other; adopt says nothing more.
			p = b.plan()
			if got := show(p); strings.Contains(got, "adopt") || !strings.Contains(got, "vm/web-1 online") {
				t.Errorf("then:\n%s", got)
			}
		})
	}
}

// TestAdoptLeavesTheCaseOfTags holds that a datacenter which tells capitals apart
// finds a guest's tags as they were.
func TestAdoptLeavesTheCaseOfTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.AddGuest(handmade("tags", "Legacy;web"))
	b.now([]string{webYAML}, webAlone)
	b.plan()
	if err := b.a.clusters["home"].Write(t.Context(), "PUT", "/cluster/options", pve.Params{"tag-style": "case-sensitive=1"}, nil); err != nil {
		t.Fatal(err)
	}
	b.now([]string{webYAML}, adopting(desired.Adopt{UUID: uuid}))
	b.turn()
	if tags := b.guest(4001).Config["tags"]; !strings.Contains(tags, "Legacy") || !strings.Contains(tags, "berth.pegasus") {
		t.Errorf("tags %q", tags)
	}
}

func TestAdoptRefusesAllButTheOneThatIsNamed(t *testing.T) {
	t.Parallel()
	ours := desired.Adopt{UUID: uuid}
	for name, c := range map[string]struct {
		guest pvesim.Guest
		adopt desired.Adopt
		held  string
	}{
		"another uuid":          {handmade(), desired.Adopt{UUID: "00000000-1111-4222-8333-444455556666"}, "adopt names uuid 00000000-1111-4222-8333-444455556666, and it has " + uuid},
		"another MAC":           {handmade(), desired.Adopt{MAC: "BC:24:11:00:00:00"}, "adopt names MAC BC:24:11:00:00:00, and it has bc:24:11:aa:bb:cc"},
		"of another fleet":      {handmade("description", "berth: other/vm/web-1 home#4001 uid=1234"), ours, "it belongs to fleet other"},
		"a copy of one of ours": {handmade("description", "berth: pegasus/vm/x home#17 uid=5b1f0c2e"), ours, "its stamp names VMID 17: it is a copy"},
		"a template":            {handmade("template", "1", "scsi0", "local-lvm:base-4001-disk-0,size=8G"), ours, "it is a template"},
		"under a lock":          {handmade("lock", "backup"), ours, "it is locked (backup)"},
		"a container":           {pvesim.Guest{Kind: pvesim.KindCT, VMID: 4001, Config: map[string]string{"hostname": "x", "rootfs": "local-lvm:vm-4001-disk-0,size=4G"}}, ours, "it is a ct, and vm/web-1 can't be one"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if lock := c.guest.Config["lock"]; lock != "" {
				delete(c.guest.Config, "lock")
				c.guest.Lock = lock
			}
			if c.guest.Config["template"] != "" {
				c.guest.Running = false
			}
			b.sim.AddGuest(c.guest)
			b.now([]string{webYAML}, webAlone, adopting(c.adopt))
			b.nothing("vm/web-1 create HELD", c.held)
		})
	}
}

// What is planned with leave to adopt is refused if it has become another's
// meanwhile.
func TestAdoptLooksOnceMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.AddGuest(handmade())
	b.now([]string{webYAML}, adopting(desired.Adopt{UUID: uuid}))
	p, w := b.planned(t.Context())
	b.sim.Edit("root@pam", 4001, map[string]string{"description": "berth: other/vm/web-1 home#4001 uid=1234"})
	b.mark()
	got := told(b.execute(t.Context(), p, w, &events{}))
	if !strings.Contains(got, "vm/web-1 adopt: held: ") || !strings.Contains(got, "somebody has stamped it meanwhile") {
		t.Errorf("told: %s", got)
	}
	if strings.Contains(b.guest(4001).Config["description"], "pegasus") {
		t.Error("it was stamped over")
	}
}

func TestAdoptByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.AddGuest(handmade("tags", "berth.pegasus"))
	b.now([]string{webYAML}, webAlone)
	b.nothing("ownership lost; if it is vm/web-1: agent adopt vm/web-1")
	refuse := func(Taken) bool { return false }
	if _, err := b.a.Adopt(t.Context(), b.fleet, "vm/web-1", refuse); !errors.Is(err, ErrDeclined) {
		t.Error(err)
	}
	if w := b.writes(); len(w) > 0 {
		t.Errorf("writes: %q", w)
	}
	taken, err := b.a.Adopt(t.Context(), b.fleet, "vm/web-1", nil)
	if err != nil || taken.What != `vm 4001 "old-web" on pve1` || taken.Tag != "berth.pegasus" {
		t.Fatalf("%+v %v", taken, err)
	}
	if !strings.HasSuffix(b.guest(4001).Config["description"], taken.Stamp) {
		t.Errorf("%q", b.guest(4001).Config["description"])
	}
	b.mark()
	for id, want := range map[desired.ID]string{
		"vm/web-1": "it is ours already, as vm 4001 on pve1", "vm/none": "the manifests have no such guest",
	} {
		if _, err := b.a.Adopt(t.Context(), b.fleet, id, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := b.a.Release(t.Context(), b.fleet, "vm/none", nil); err == nil || !strings.Contains(err.Error(), "no guest bears its stamp") {
		t.Error(err)
	}
	if w := b.writes(); len(w) > 0 {
		t.Errorf("writes: %q", w)
	}
	if _, err := b.a.Release(t.Context(), b.fleet, "vm/web-1", refuse); !errors.Is(err, ErrDeclined) {
		t.Error(err)
	}
	before := b.guest(4001)
	if taken, err = b.a.Release(t.Context(), b.fleet, "vm/web-1", nil); err != nil || !strings.HasPrefix(taken.Stamp, "berth: pegasus/vm/web-1") {
		t.Fatal(taken, err)
	}
	after := b.guest(4001)
	if strings.TrimSpace(after.Config["description"]) != "Made by hand." || strings.TrimSpace(after.Config["tags"]) != "" || !after.Running {
		t.Errorf("%+v", after)
	}
	for option, value := range after.Config {
		if before.Config[option] != value && option != "description" && option != "tags" {
			t.Errorf("%s was %q and is %q", option, before.Config[option], value)
		}
	}
	for name, c := range map[string]pvesim.Guest{
		"bears a stamp, of other/vm/x on VMID 4001": handmade("description", "berth: other/vm/x home#4001 uid=1"),
		"it is a template":                          handmade("template", "1", "scsi0", "local-lvm:base-4001-disk-0,size=8G"),
		"nothing stands on VMID 4001":               {},
	} {
		b := newBench(t, webYAML)
		if c.VMID != 0 {
			c.Running = false
			b.sim.AddGuest(c)
		}
		if _, err := b.a.Adopt(t.Context(), b.fleet, "vm/web-1", nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if w := b.writes(); len(w) > 0 {
			t.Errorf("%s: writes %q", name, w)
		}
	}
}

func TestReleaseInsteadOfTheArchive(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML)
	b.apply()
	released := func(f *desired.Fleet) { guestOf(f.Resource("vm/web-1")).Lifecycle.Remove = release }
	b.now([]string{webYAML}, released)
	b.apply()
	b.settled()
	b.now(nil)
	if got := show(b.plan()); got != "vm/web-1 release" {
		t.Errorf("the plan: %s", got)
	}
	before := b.guest(4001)
	b.mark()
	b.apply()
	b.settled()
	after := b.guest(4001)
	if !after.Running || after.Config["tags"] != "prod;web" || strings.TrimSpace(after.Config["description"]) != "The web server." {
		t.Errorf("%+v", after)
	}
	for option, value := range before.Config {
		if after.Config[option] != value && option != "description" && option != "tags" {
			t.Errorf("%s was %q and is %q", option, value, after.Config[option])
		}
	}
}

func TestAnotherNameInGitIsTheSameGuest(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML)
	b.amend(data(), withVolume("vm/web-1"))
	b.apply()
	was := b.guest(4001)
	front := strings.ReplaceAll(webYAML, "name: web-1", "name: front")
	renamed := func(f *desired.Fleet) { guestOf(f.Resource("vm/front")).RenamedFrom = "web-1" }
	// Without renamedFrom it is told how to write it, and nothing happens.
	b.now([]string{front}, data(), withVolume("vm/front"))
	if got := show(b.plan()); !strings.Contains(got, "renamedFrom: web-1") {
		t.Errorf("the plan: %s", got)
	}
	b.now([]string{front}, data(func(d *desired.DataVM) {
		d.Name, d.RenamedFrom = "secrets", "certs"
		first := d.Disks["scsi0"]
		first.Name = "tls"
		d.Disks["scsi0"] = first
	}), renamed, disk("vm/front", desired.Disk{Volume: "secrets/tls"}))
	if got := show(b.plan()); !strings.HasPrefix(got, "data/secrets adopt\n  stamp \"pegasus/data/certs\" → \"pegasus/data/secrets\"\n") ||
		!strings.Contains(got, "vm/front adopt\n") || strings.Contains(got, "create") || strings.Contains(got, "attach") || strings.Contains(got, "detach") {
		t.Errorf("the plan:\n%s", got)
	}
	b.apply()
	b.settled()
	g := b.guest(4001)
	_, s, _ := stamp.Split(g.Config["description"])
	_, former, _ := stamp.Split(was.Config["description"])
	if s.ID != "vm/front" || s.Instance != former.Instance || g.Config["name"] != "front" || !holds(g) || !g.Running {
		t.Errorf("%+v", g.Config)
	}
	if conf := b.guest(9501).Config; !strings.Contains(conf["description"], "pegasus/data/secrets home#9501") || !strings.Contains(conf["description"], "disks=scsi0:tls") {
		t.Errorf("%+v", conf)
	}
	// What it was called before is nothing to it any more.
	b.now([]string{front}, data(func(d *desired.DataVM) {
		d.Name = "secrets"
		first := d.Disks["scsi0"]
		first.Name = "tls"
		d.Disks["scsi0"] = first
	}), disk("vm/front", desired.Disk{Volume: "secrets/tls"}))
	b.settled()
}

func TestAFleetOfAnotherNameKeepsItsGuests(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML, cacheYAML)
	b.apply()
	b.fleet.Spec.Name, b.fleet.Spec.RenamedFrom = "medusa", "pegasus"
	b.apply()
	b.settled()
	for _, vmid := range []int{4001, 4002} {
		conf := b.guest(vmid).Config
		if !strings.Contains(conf["tags"], "berth.medusa") || strings.Contains(conf["tags"], "pegasus") || !strings.Contains(conf["description"], "berth: medusa/") {
			t.Errorf("%+v", conf)
		}
	}
	// One that is gone from Git goes the way of the fleet's own.
	b.fleet.Spec.Name, b.fleet.Spec.RenamedFrom = "pegasus", "medusa"
	b.fleet.Resources = b.fleet.Resources[1:]
	b.turn()
	if conf := b.guest(4002).Config; !strings.Contains(conf["tags"], stamp.ArchivedTag) || !strings.Contains(conf["tags"], "berth.pegasus") || strings.Contains(conf["tags"], "medusa") {
		t.Errorf("%+v", conf)
	}
	b.settled()
}
