package proxmox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// twoNodes is a cluster whose images lie on a shared storage.
func twoNodes() *pvesim.Cluster {
	return pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Storages: []pvesim.Storage{
		{Name: "local", Type: "nfs", Shared: true, Content: []string{"import", "vztmpl", "images", "rootdir"}},
		{Name: "local-lvm", Type: "rbd", Shared: true, Content: []string{"images", "rootdir"}},
	}})
}

func TestMigratedGuestsAreFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, twoNodes(), edited(webYAML, "cloudInit: {packages: [git]}", ""))
		b.apply()
		seen := b.observe()
		b.manifests(edited(webYAML, "cloudInit: {packages: [git]}", "", "[prod, web]", "[prod]"))
		p, err := drift.Make(b.input(seen))
		if err != nil {
			t.Fatal(err)
		}
		// It moves between the plan and the step.
		g := b.guest(4001)
		b.sim.Remove(4001)
		g.Node = "pve2"
		b.sim.AddGuest(g)
		out := b.execute(t.Context(), p, drift.NewWorld(b.fleet, seen.Lives), &events{})
		if len(out) != 1 || out[0].Status != drift.Done || b.guest(4001).Config["tags"] != "berth.pegasus;prod" {
			t.Errorf("outcome %s, %v", told(out), b.guest(4001).Config)
		}
		b.settled()
	})
}

func TestWithoutQuorumTheSiteIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, twoNodes(), webYAML)
		b.sim.SetQuorum(false)
		p := b.plan()
		if len(p.Blind) != 1 || p.Blind[0].Reason != "the cluster has no quorum" || len(p.Changes) > 0 {
			t.Errorf("blind %+v, plan\n%s", p.Blind, show(p))
		}
		b.sim.SetQuorum(true)
		b.apply()
	})
}

func TestAnOfflineNodeIsNotAskedAndItsGuestsAreUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, twoNodes(), webYAML, edited(cacheYAML, "name: cache", "name: cache\nnode: pve2"))
		b.apply()
		b.sim.SetOnline("pve2", false)
		b.manifests()
		b.mark()
		p := b.plan()
		if got := show(p); got != "vm/web-1 stop\nvm/web-1 archive" {
			t.Errorf("plan:\n%s", got)
		}
		for _, r := range b.sim.Requests()[b.from:] {
			if strings.HasPrefix(r.Path, "/nodes/pve2") {
				t.Errorf("asked: %s", r.Path)
			}
		}
		b.manifests(webYAML, edited(cacheYAML, "name: cache", "name: cache\nnode: pve2"), edited(cacheYAML, "name: cache", "name: more\nnode: pve2", "4002", "4003", "10.1.1.5", "10.1.1.6"))
		p = b.plan()
		if len(p.Changes) > 0 || len(p.Blind) != 2 || p.Blind[0].ID != "ct/cache" || p.Blind[1].ID != "ct/more" {
			t.Errorf("blind %+v, plan:\n%s", p.Blind, show(p))
		}
	})
}

func TestAManifestWithoutANode(t *testing.T) {
	t.Parallel()
	site := strings.Replace(siteYAML, "node: pve1\n", "", 1)
	for name, c := range map[string]struct {
		sim  func() *pvesim.Cluster
		want string
	}{
		"the only one is meant": {func() *pvesim.Cluster { return pvesim.New(pvesim.Options{}) }, "vm/web-1 create: done"},
		"there are two":         {twoNodes, "image/debian-12@home fetch: held: site home has several nodes: write node at the guest, or at the site"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := benchOn(t, c.sim())
				b.fleet = load(t, fleetYAML, site, imagesYAML, webYAML)
				if out := told(b.turn()); !strings.Contains(out, c.want) {
					t.Errorf("outcome %s", out)
				}
			})
		})
	}
}

func TestRemoveDestroyIsRememberedOnTheGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML+"lifecycle: {remove: destroy}\n")
		b.apply()
		b.manifests(webYAML+"lifecycle: {remove: destroy}\n", cacheYAML)
		if got := show(b.plan()); !strings.Contains(got, "ct/cache online\n  lifecycle.remove \"destroy\" → \"archive\"") ||
			!strings.Contains(got, "vm/web-1 online\n  lifecycle.remove \"archive\" → \"destroy\"") {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		b.settled()
		b.manifests()
		if got := show(b.plan()); got != "ct/cache stop\nct/cache archive\nvm/web-1 stop\nvm/web-1 delete" {
			t.Errorf("plan:\n%s", got)
		}
	})
}

func TestANarrowLookSeesWhatItLooksAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.manifests(webYAML)
		b.observe()
		for _, id := range []desired.ID{"vm/web-1", "ct/cache", "image/debian-12@home"} {
			seen, err := b.a.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{id}})
			if err != nil || !slices.ContainsFunc(seen.Lives, func(l drift.Live) bool { return l.ID == id }) || len(seen.Foreign)+len(seen.Blind) > 0 {
				t.Errorf("%s: %v %+v", id, err, seen)
			}
		}
		b.mark()
		if seen, err := b.a.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{"edge/main"}}); err != nil || len(seen.Lives) > 0 || len(b.sim.Requests()) != b.from {
			t.Errorf("%v, %d requests", err, len(b.sim.Requests())-b.from)
		}
	})
}

func TestDisksOnFileStoragesAreQCOW2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, edited(webYAML, "storage: ssd", "storage: hdd"))
		b.apply()
		if got := b.guest(4001).Config["scsi0"]; !strings.Contains(got, ".qcow2") {
			t.Errorf("scsi0 is %q", got)
		}
		b.settled()
	})
}

func TestTwoSitesWithOneProofAreBothHeld(t *testing.T) {
	all := drift.Observed{Lives: []drift.Live{
		{ID: "vm/a", Site: "x", Handle: &handle{kind: "vm", site: "x", vmid: 1}},
		{ID: "vm/b", Site: "x"},
		{ID: "vm/a", Site: "y", Handle: &handle{kind: "vm", site: "y", vmid: 1}},
	}}
	oneProofEach(&all)
	if len(all.Lives) != 1 || len(all.Foreign) != 2 || all.Foreign[0].What != "vm 1 on site x" {
		t.Errorf("%+v", all)
	}
}

func TestATokenThatCannotBeReadMakesItsSiteUnknown(t *testing.T) {
	b := newBench(t, webYAML)
	a := New(Options{})
	seen, err := a.Observe(t.Context(), b.fleet, applyers.Scope{})
	if err != nil || len(seen.Blind) != 1 || seen.Blind[0].Site != "home" {
		t.Errorf("%v %+v", err, seen)
	}
	if _, err := a.at(t.Context(), b.fleet, "nowhere"); err == nil {
		t.Error("there is a site nowhere")
	}
	if err := a.Resume(t.Context(), b.fleet, "nonsense"); err == nil {
		t.Error("nonsense is a task")
	}
}

// TestTheRightsThatSuffice makes guests, changes and deletes them with these
// rights alone, each of which is needed. Beside them Sys.Audit on / tells of
// quorum, Sys.Syslog on / who changed what, and VM.Monitor what the guest agent
// knows.
func TestTheRightsThatSuffice(t *testing.T) {
	t.Parallel()
	needed := strings.Fields(`VM.Allocate VM.Audit VM.Config.CPU VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network
		VM.Config.Options VM.PowerMgmt Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate SDN.Use Sys.AccessNetwork Sys.Modify`)
	run := func(t *testing.T, privs []string) string {
		var out string
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, webYAML, cacheYAML)
			b.token = b.sim.AddToken("least@pve", "agent", true, pvesim.ACL{Path: "/", Privs: privs, Propagate: true})
			out = told(b.turn())
			if blind := b.plan().Blind; len(blind) > 0 {
				out += fmt.Sprintf("unknown: %+v", blind)
			}
			if strings.Contains(out, "failed") || strings.Contains(out, "unknown") || strings.Contains(out, "lacks") {
				return
			}
			b.settled()
			b.manifests(edited(webYAML, "size: 8GiB", "size: 9GiB", "size: 1GiB", "size: 2GiB"))
			out += told(b.turn())
			b.manifests(webYAML+"state: absent\n", cacheYAML+"state: absent\n")
			out += told(b.turn())
		})
		return out
	}
	if out := run(t, needed); strings.Contains(out, "failed") || strings.Contains(out, "lacks") {
		t.Errorf("outcome %s", out)
	}
	for _, one := range needed {
		rest := slices.DeleteFunc(slices.Clone(needed), func(p string) bool { return p == one })
		// All is told before it is tried, with the privilege's name.
		out := run(t, rest)
		if strings.Contains(out, ": failed") || !strings.Contains(out, "the token lacks") && !strings.Contains(out, "unknown") || !strings.Contains(out, one) {
			t.Errorf("that %s is missing is not told beforehand: %s", one, out)
		}
	}
}

func TestGuestsUnderHAAreNotStartedOrStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		if err := b.a.clusters["home"].Write(t.Context(), "POST", "/cluster/ha/resources", pve.Params{"sid": "vm:4001"}, nil); err != nil {
			t.Fatal(err)
		}
		b.manifests(webYAML + "state: stopped\n")
		if out := told(b.turn()); !strings.Contains(out, "vm/web-1 stop: held: it is managed by HA") {
			t.Errorf("outcome %s", out)
		}
	})
}

func TestTheLargerSideOfATornClusterIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, twoNodes(), webYAML)
		b.over = transportFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "pve1.test:8006" && strings.HasSuffix(r.URL.Path, "/cluster/status") {
				rec := httptest.NewRecorder()
				_, _ = rec.WriteString(`{"data":[{"type":"cluster","quorate":0},{"type":"node","name":"pve1","online":1}]}`)
				return rec.Result(), nil
			}
			return b.sim.Transport().RoundTrip(r)
		})
		if p := b.plan(); len(p.Blind) > 0 || len(p.Changes) == 0 {
			t.Errorf("blind %+v, plan\n%s", p.Blind, show(p))
		}
	})
}
