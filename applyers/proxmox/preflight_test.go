package proxmox

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// network is who answers on the network of a test, and what was asked.
type network struct {
	answers map[string]string
	asked   []string
}

// on lets a bench's agent ask this network.
func (n *network) on(b *bench) {
	b.a.opts.Answers = func(_ context.Context, addrs []netip.Addr) map[netip.Addr]string {
		out := make(map[netip.Addr]string)
		for _, a := range addrs {
			n.asked = append(n.asked, a.String())
			if how := n.answers[a.String()]; how != "" {
				out[a] = how
			}
		}
		return out
	}
}

func pings(addrs ...string) *network {
	n := &network{answers: make(map[string]string)}
	for _, a := range addrs {
		n.answers[a] = "answers to ping"
	}
	return n
}

// pihole is a container of others; its name and options follow.
func pihole(running bool, pairs ...string) pvesim.Guest {
	config := map[string]string{
		"hostname": "pihole", "memory": "512", "ostype": "debian", "arch": "amd64",
		"net0":   "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:09,ip=10.1.1.5/24,gw=10.1.1.1,type=veth",
		"rootfs": "local-lvm:vm-118-disk-0,size=4G",
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		config[pairs[i]] = pairs[i+1]
	}
	return pvesim.Guest{Kind: pvesim.KindCT, VMID: 118, Running: running, Config: config}
}

// withImages is a bench on whose storage the images lie already, so that a creation
// that is held leaves nothing to write.
func withImages(t *testing.T, o pvesim.Options, docs ...string) *bench {
	t.Helper()
	b := benchOn(t, pvesim.New(o), docs...)
	b.sim.AddVolume(pvesim.Volume{ID: "local:import/debian-12.qcow2", Size: 2 << 30})
	b.sim.AddVolume(pvesim.Volume{ID: "local:vztmpl/debian-ct.tar.zst", Size: 100 << 20})
	return b
}

// heldBy asserts that a step is planned and held in these words, and that a turn
// writes nothing at all.
func (b *bench) heldBy(id desired.ID, step drift.Step, want string) {
	b.t.Helper()
	b.mark()
	p := b.plan()
	change := p.Change(key(id, step))
	if change == nil || change.Held != want {
		b.t.Errorf("%s %s: want it held by\n%s\nplan:\n%s", id, step, want, show(p))
	}
	b.turn()
	if w := b.writes(); len(w) > 0 {
		b.t.Errorf("written: %q", w)
	}
}

func TestAnAddressThatSomebodyHasHoldsTheCreation(t *testing.T) {
	t.Parallel()
	const remedy = ": write another address, or allowAddressConflict: true"
	for name, c := range map[string]struct {
		guest *pvesim.Guest
		net   *network
		yaml  string
		held  string
	}{
		"answers, and a container has it": {
			guest: new(pihole(true)), net: pings("10.1.1.5"),
			held: `10.1.1.5 answers to ping, ct 118 "pihole" has it` + remedy,
		},
		"a container has it that is stopped": {
			guest: new(pihole(false)), net: pings(),
			held: `10.1.1.5 is taken, ct 118 "pihole" has it` + remedy,
		},
		"a container has it on its second interface": {
			guest: new(pihole(true, "net0", "name=eth0,bridge=vmbr0,ip=dhcp", "net1", "name=eth1,bridge=vmbr0,ip=10.1.1.5/16")),
			held:  `10.1.1.5 is taken, ct 118 "pihole" has it` + remedy,
		},
		"a virtual machine's ipconfig": {
			guest: new(strange(119, map[string]string{"ipconfig0": "ip=10.1.1.5/24,gw=10.1.1.1"})),
			held:  `10.1.1.5 is taken, vm 119 "stranger" has it` + remedy,
		},
		"another fleet's stamp": {
			guest: new(strange(119, map[string]string{"description": "berth: other/vm/db home#119 uid=0a0b0c0d instance=11 address=10.1.1.5"})),
			held:  `10.1.1.5 is taken, vm 119 "stranger" has it` + remedy,
		},
		"another fleet's stamp, from the next boot on": {
			guest: new(strange(119, map[string]string{"description": "berth: other/vm/db home#119 uid=0a0b0c0d instance=11 address=10.1.1.3 next=10.1.1.5"})),
			held:  `10.1.1.5 is taken, vm 119 "stranger" has it` + remedy,
		},
		"answers, and nobody is known": {
			guest: new(strange(119, nil)), net: pings("10.1.1.5"),
			held: `10.1.1.5 answers to ping, and it is not known who has it` + remedy,
		},
		"a port answers": {
			net:  &network{answers: map[string]string{"10.1.1.5": "answers on port 22"}},
			held: `10.1.1.5 answers on port 22, and it is not known who has it` + remedy,
		},
		"IPv6, however it is written": {
			guest: new(pihole(false, "net0", "name=eth0,bridge=vmbr0,ip6=fd00:0:0::5/64")),
			yaml:  edited(cacheYAML, "address: 10.1.1.5", "address: 10.1.1.5, address6: \"fd00::5/64\""),
			held:  `fd00::5 is taken, ct 118 "pihole" has it` + remedy,
		},
		"the manifest allows it": {
			guest: new(pihole(true)), net: pings("10.1.1.5"),
			yaml: cacheYAML + "allowAddressConflict: true\n",
		},
		"another address": {guest: new(pihole(true)), net: pings("10.1.1.6"), yaml: edited(cacheYAML, "10.1.1.5", "10.1.1.7")},
		"DHCP":            {guest: new(pihole(true)), net: pings("10.1.1.5"), yaml: edited(cacheYAML, "10.1.1.5", "dhcp, reservation: 10.1.1.5")},
		"a template's":    {guest: new(pihole(false, "template", "1", "tags", "berth.pegasus"))},
		"the VMID is another's, who has the address": {
			guest: new(strange(4002, map[string]string{"ipconfig0": "ip=10.1.1.5/24"})), net: pings("10.1.1.5"),
			held: `vm 4002 "stranger" on pve1: it is not ours; give ct/cache another id, or remove that guest`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.yaml == "" {
					c.yaml = cacheYAML
				}
				b := withImages(t, pvesim.Options{}, c.yaml)
				if c.guest != nil {
					b.sim.AddGuest(*c.guest)
				}
				if c.net != nil {
					c.net.on(b)
				}
				if c.held != "" {
					b.heldBy("ct/cache", drift.Create, c.held)
					return
				}
				b.apply()
				if allowed := strings.Contains(c.yaml, "allow"); allowed && len(c.net.asked) > 0 {
					t.Errorf("asked: %q", c.net.asked)
				}
			})
		})
	}
}

// TestAConfigurationThatCannotBeReadIsTold: nothing is known of it, and the
// creation goes on by what else is known.
func TestAConfigurationThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withImages(t, pvesim.Options{}, cacheYAML)
		b.sim.AddGuest(pihole(true))
		b.sim.Inject(pvesim.Fault{Method: http.MethodGet, Path: "/nodes/pve1/lxc/118/pending", Status: 500, Count: -1})
		p := b.plan()
		const want = `whether the addresses of new guests are taken can't be told of ct 118 "pihole" on pve1, which can't be read`
		if len(p.Notes) != 1 || p.Notes[0].Text != want || p.Change(key("ct/cache", drift.Create)).Held != "" {
			t.Errorf("notes: %+v\n%s", p.Notes, show(p))
		}
	})
}

// TestACreationThatGoesOnIsNotHeldByItsOwnGuest kills the agent after each write
// of a creation; from the moment that the guest runs its address answers.
func TestACreationThatGoesOnIsNotHeldByItsOwnGuest(t *testing.T) {
	t.Parallel()
	for vmid, doc := range map[int]string{4001: webYAML, 4002: cacheYAML} {
		for n := 1; n < 9; n++ {
			t.Run(fmt.Sprintf("%d after write %d", vmid, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := withImages(t, slowTasks(), doc)
					b.killAt(n, true)
					b.a.opts.Answers = func(_ context.Context, addrs []netip.Addr) map[netip.Addr]string {
						if g, there := b.sim.Guest(vmid); !there || !g.Running {
							return nil
						}
						return map[netip.Addr]string{addrs[0]: "answers to ping"}
					}
					b.converge()
				})
			})
		}
	}
}

func TestAnAddressThatSomebodyTookMeanwhileHoldsTheRestore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withImages(t, pvesim.Options{}, cacheYAML, webYAML)
		b.apply()
		b.manifests()
		b.apply()
		b.sim.AddGuest(pihole(true))
		b.manifests(cacheYAML)
		b.heldBy("ct/cache", drift.Restore, `10.1.1.5 is taken, ct 118 "pihole" has it: write another address, or allowAddressConflict: true`)
		b.manifests(webYAML)
		pings("10.1.1.4").on(b)
		b.heldBy("vm/web-1", drift.Restore, `10.1.1.4 answers to ping, and it is not known who has it: free it, or allowAddressConflict: true; the guest comes back with the address that it was made with, whatever its manifest says`)
		// Another address in the manifest changes nothing: the seed has given it its own.
		b.manifests(edited(webYAML, "10.1.1.4", "10.1.1.40"))
		b.heldBy("vm/web-1", drift.Restore, `10.1.1.4 answers to ping, and it is not known who has it: free it, or allowAddressConflict: true; the guest comes back with the address that it was made with, whatever its manifest says`)
		b.manifests(webYAML)
		// Archived guests have given their addresses up; one that somebody has
		// started may be the one that answers.
		b.sim.SetRunning(4001, true)
		if p := b.plan(); p.Change(key("vm/web-1", drift.Restore)).Held != "" {
			t.Errorf("plan:\n%s", show(p))
		}
		b.manifests(webYAML, cacheYAML+"allowAddressConflict: true\n")
		b.apply()
		b.settled()
	})
}

// TestAnAddressOfOneThatIsGoneFromGitIsWaitedFor: it is free once the guest is
// archived.
func TestAnAddressOfOneThatIsGoneFromGitIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withImages(t, pvesim.Options{}, cacheYAML)
		b.apply()
		b.manifests(edited(cacheYAML, "name: cache", "name: store", "4002", "4003"))
		const want = `10.1.1.5 is taken, ct 4002 "cache" has it: it is gone from Git, and its address is free once it is stopped and archived`
		if p := b.plan(); p.Change(key("ct/store", drift.Create)).Held != want {
			t.Errorf("plan:\n%s", show(p))
		}
		b.turn()
		b.apply()
		b.settled()
	})
}

func TestAnAddressThatSomebodyHasHoldsTheChangeToIt(t *testing.T) {
	t.Parallel()
	nativeYAML := edited(webYAML, "cloudInit: {packages: [git]}", "cloudInit: {native: true}")
	for name, c := range map[string]struct {
		yaml, from string
		held       string
	}{
		"a container's": {cacheYAML, "10.1.1.5", `networks.net0.address "10.1.1.5/24" → "10.1.1.9/24" HELD `},
		"native":        {nativeYAML, "10.1.1.4", `networks.net0.address "10.1.1.4/24" → "10.1.1.9/24" HELD `},
		"in a seed":     {rerunYAML, "10.1.1.4", ` HELD `},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := withImages(t, pvesim.Options{}, c.yaml)
				b.apply()
				b.settled()
				b.sim.AddGuest(pihole(false, "net0", "name=eth0,bridge=vmbr0,ip=10.1.1.9/24"))
				b.manifests(edited(c.yaml, c.from, "10.1.1.9"))
				b.mark()
				got := show(b.plan())
				if want := c.held + `10.1.1.9 is taken, ct 118 "pihole" has it: write another address, or allowAddressConflict: true`; !strings.Contains(got, want) {
					t.Errorf("plan, want %s:\n%s", want, got)
				}
				b.turn()
				if w := b.writes(); len(w) > 0 {
					t.Errorf("written: %q", w)
				}
				b.manifests(edited(c.yaml, c.from, "10.1.1.9") + "allowAddressConflict: true\n")
				if got := show(b.plan()); strings.Contains(got, "HELD") || got == "" {
					t.Errorf("plan:\n%s", got)
				}
			})
		})
	}
}

// TestAnEditThatIsTakenBackIsNotHeldByItsOwnGuest: until its next start the guest
// has the address that its configuration no longer shows.
func TestAnEditThatIsTakenBackIsNotHeldByItsOwnGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		yaml := edited(webYAML, "cloudInit: {packages: [git]}", "cloudInit: {native: true}")
		b := withImages(t, pvesim.Options{}, yaml)
		b.apply()
		b.manifests(edited(yaml, "10.1.1.4", "10.1.1.9"))
		b.turn()
		if ip := b.guest(4001).Config["ipconfig0"]; !strings.Contains(ip, "10.1.1.9") {
			t.Fatalf("ipconfig0 is %s", ip)
		}
		pings("10.1.1.4").on(b)
		b.manifests(yaml)
		// Without an answer of its guest agent that is not known, and with one it is.
		if got := show(b.plan()); got == "" || strings.Contains(got, "HELD") {
			t.Errorf("plan:\n%s", got)
		}
		mac, _, _ := strings.Cut(strings.TrimPrefix(b.guest(4001).Config["net0"], "virtio="), ",")
		b.sim.SetGuestAgent(4001, pvesim.Interface{Name: "eth0", MAC: mac, Addresses: []string{"10.1.1.4/24"}})
		if got := show(b.plan()); got == "" || strings.Contains(got, "HELD") {
			t.Errorf("plan:\n%s", got)
		}
		b.sim.SetGuestAgent(4001, pvesim.Interface{Name: "eth0", MAC: mac, Addresses: []string{"10.1.1.9/24"}})
		if got := show(b.plan()); !strings.Contains(got, "HELD 10.1.1.4 answers to ping, and it is not known who has it") {
			t.Errorf("plan:\n%s", got)
		}
	})
}

// TestOthersAreReadOnlyWhereAnAddressIsWanted counts what the question costs.
func TestOthersAreReadOnlyWhereAnAddressIsWanted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		docs   []string
		others int
		asked  []string
	}{
		"nothing is made":   {nil, 0, nil},
		"no static address": {[]string{edited(cacheYAML, "10.1.1.5", "dhcp")}, 0, nil},
		"allowed":           {[]string{cacheYAML + "allowAddressConflict: true\n"}, 0, nil},
		"two static ones":   {[]string{cacheYAML, webYAML}, 3, []string{"10.1.1.4", "10.1.1.5"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := withImages(t, pvesim.Options{}, c.docs...)
				for vmid := 501; vmid < 504; vmid++ {
					b.sim.AddGuest(strange(vmid, nil))
				}
				b.sim.AddGuest(strange(504, map[string]string{"template": "1"}))
				n := pings()
				n.on(b)
				b.mark()
				b.plan()
				read := 0
				for _, r := range b.sim.Requests()[b.from:] {
					if strings.HasSuffix(r.Path, "/pending") {
						read++
					}
				}
				slices.Sort(n.asked)
				if read != c.others || !slices.Equal(n.asked, c.asked) {
					t.Errorf("%d configurations read, asked %q", read, n.asked)
				}
			})
		})
	}
}

// TestTheAddressOfACloneThatIsNotWholeYetIsNotAskedFor: it was before the clone was
// begun, and what answers now may be the clone.
func TestTheAddressOfACloneThatIsNotWholeYetIsNotAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(slowTasks()))
		b.template(9000, nil)
		b.now([]string{edited(cloneYAML, "{packages: [git]}", "{packages: [git], onChange: rerun}")}, cloned("vm/web-1", desired.Find{Tag: "debian-12"}, false))
		b.killAt(1, true)
		<-time.After(time.Minute)
		n := pings("10.1.1.4")
		n.on(b)
		p := b.plan()
		if create := p.Change(key("vm/web-1", drift.Create)); create == nil || create.Held != "" || !strings.Contains(create.Reason, "interrupted") || len(n.asked) > 0 {
			t.Errorf("asked %q, plan:\n%s", n.asked, show(p))
		}
	})
}
