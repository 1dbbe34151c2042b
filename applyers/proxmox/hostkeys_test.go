package proxmox

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNq9e6i7GrfxurkmvuejoB8H5gn5xuuQi9pzCZguvikqBOGlUuO1C4e7UApzp5zJjdZP6a3vcpAxsUVGdkEh8B0="
)

// live is what a look tells of a resource.
func (b *bench) live(id desired.ID) *drift.Live {
	b.t.Helper()
	seen := b.observe()
	for i := range seen.Lives {
		if seen.Lives[i].ID == id {
			return &seen.Lives[i]
		}
	}
	b.t.Fatalf("%s is not seen", id)
	return nil
}

// made is a fact that the step which waits for a guest makes known, as who comes after
// it in the same turn sees it.
func (b *bench) made(id desired.ID, fact string) string {
	b.t.Helper()
	b.apply()
	heard := &hearing{facts: make(map[string]string)}
	err := b.a.Apply(b.t.Context(), applyers.Job{
		Change: drift.Change{Key: key(id, drift.Ready)}, Fleet: b.fleet, Want: b.fleet.Resource(id),
	}, heard)
	if err != nil {
		b.t.Fatalf("wait for %s: %v", id, err)
	}
	return heard.facts[fact]
}

type hearing struct {
	silent
	facts map[string]string
}

func (h *hearing) Made(_ desired.ID, fact, value string) {
	h.facts[fact] = value
}

// TestHostKeysComeFromTheGuestByWayOfProxmox holds that whoever configures a new
// machine knows its SSH before the first contact: in the turn that makes it, in all
// later ones, and after the agent has forgotten everything.
func TestHostKeysComeFromTheGuestByWayOfProxmox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"ready: {cloudInit: true}\n")
		b.booting(map[string]string{
			resultFile:      `{"v1":{"errors":[]}}`,
			hostKeyFiles[0]: ed25519Key + " root@web-1\n", hostKeyFiles[1]: ecdsaKey + " root@web-1\n",
		})
		b.apply()
		b.settled()
		b.restart()
		before := len(b.sim.Requests())
		if got := b.live("vm/web-1").Facts[desired.FactHostKeys]; got != ed25519Key {
			t.Errorf("the key is %q", got)
		}
		for _, r := range b.sim.Requests()[before:] {
			if strings.Contains(r.Path, "/agent/") {
				t.Errorf("a look asks the guest: %s %s", r.Method, r.Path)
			}
		}
		// It is the machine's that stands: another key in the guest changes nothing,
		// and another machine has another key.
		b.sim.SetGuestFile(4001, hostKeyFiles[0], ecdsaKey+"\n")
		b.sim.SetRunning(4001, false)
		b.apply()
		if got := b.live("vm/web-1").Facts[desired.FactHostKeys]; got != ed25519Key {
			t.Errorf("after a start the key is %q", got)
		}
	})
}

// TestWhatIsNoHostKeyIsNotTaken holds that a guest can tell its own public key, and
// nothing else.
func TestWhatIsNoHostKeyIsNotTaken(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", hostKeyLimit)
	for name, c := range map[string]struct{ first, second, want string }{
		"a key":             {ed25519Key + " root@web-1\n", "", "ssh-ed25519:" + strings.Fields(ed25519Key)[1]},
		"the second":        {"", ecdsaKey, strings.Replace(ecdsaKey, " ", ":", 1)},
		"no key":            {"not a key at all\n", ecdsaKey, strings.Replace(ecdsaKey, " ", ":", 1)},
		"cut":               {ed25519Key[:40], "", ""},
		"another kind":      {strings.Replace(ed25519Key, "ssh-ed25519", "ssh-rsa", 1), "", ""},
		"a marker":          {"@cert-authority * " + ed25519Key, "", ""},
		"a host":            {"*.example.net " + ed25519Key, "", ""},
		"an option":         {`command="x" ` + ed25519Key, "", ""},
		"several lines":     {ed25519Key + "\n" + ed25519Key + "\n", "", ""},
		"a comment before":  {"# x\n" + ed25519Key, "", ""},
		"words in its note": {ed25519Key + " state=making uid=x\n", "", "ssh-ed25519:" + strings.Fields(ed25519Key)[1]},
		"too long":          {ed25519Key + " " + long, "", ""},
		"nothing":           {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML+"ready: {cloudInit: true}\n")
				b.booting(map[string]string{
					resultFile:      `{"v1":{"errors":[]}}`,
					hostKeyFiles[0]: c.first, hostKeyFiles[1]: c.second,
				})
				b.apply()
				_, s, _ := stamp.Split(b.guest(4001).Config["description"])
				if s.HostKey != c.want {
					t.Errorf("the stamp holds %q", s.HostKey)
				}
				if s.UID != "5b1f0c2e" || s.Making || s.Starting {
					t.Errorf("the stamp is %s", s)
				}
				b.settled()
			})
		})
	}
}

// TestAStampThatHoldsNoKeyTellsNone holds that a stamp which was edited by hand writes
// nothing into anybody's known hosts.
func TestAStampThatHoldsNoKeyTellsNone(t *testing.T) {
	for _, text := range []string{"", "ssh-ed25519", "ssh-ed25519:", "ssh-ed25519:AAAA", "*:" + ed25519Key, "ssh-rsa:" + strings.Fields(ed25519Key)[1]} {
		if got := hostKeys(stamp.Stamp{HostKey: text}); got != "" {
			t.Errorf("%q tells %q", text, got)
		}
	}
}

// TestHostKeysAreReadOnceTheyAreThere holds that no key is read before the first boot
// has made it: an image may bring one, which cloud-init replaces.
func TestHostKeysAreReadOnceTheyAreThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ready string
		want  bool
	}{
		"nothing is waited for": {"", false},
		"the agent alone":       {"ready: {agent: true}\n", false},
		"a port":                {"ready: {port: 22}\n", true},
		"cloud-init":            {"ready: {cloudInit: true}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML+c.ready)
				b.booting(map[string]string{resultFile: `{"v1":{"errors":[]}}`})
				if got := b.made("vm/web-1", desired.FactHostKeys); got != "" != c.want {
					t.Errorf("made known: %q", got)
				}
			})
		})
	}
}

// TestARightThatIsMissingLeavesTheFirstContactBlind, and says so.
func TestARightThatIsMissingLeavesTheFirstContactBlind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"ready: {port: 22}\n")
		b.a.opts.Dial = func(context.Context, string, string) (net.Conn, error) {
			here, _ := net.Pipe()
			return here, nil
		}
		b.booting(nil)
		b.token = b.sim.AddToken("less@pve", "agent", false, pvesim.ACL{Path: "/", Propagate: true, Privs: strings.Fields(`
			VM.Allocate VM.Audit VM.Config.CPU VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.PowerMgmt
			Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate SDN.Use Sys.AccessNetwork Sys.Modify`)})
		told := &events{}
		for _, o := range b.turnIn(t.Context(), told) {
			if o.Status != drift.Done {
				t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
			}
		}
		if all := strings.Join(told.lines, "\n"); strings.Count(all, "its SSH host keys can't be read, so the first contact with it is blind") != 1 || !strings.Contains(all, "VM.Monitor") {
			t.Errorf("told:\n%s", all)
		}
		if got := b.live("vm/web-1").Facts[desired.FactHostKeys]; got != "" {
			t.Errorf("the key is %q", got)
		}
	})
}
