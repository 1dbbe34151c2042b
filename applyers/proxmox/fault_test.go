package proxmox

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

func TestASiteThatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  pvesim.Fault
		reason string
	}{
		"refused":          {pvesim.Fault{Status: 401}, "401, the token has expired or is wrong"},
		"not found":        {pvesim.Fault{Status: 404, Body: "<html>", Count: -1}, "404"},
		"bad gateway":      {pvesim.Fault{Path: "/version", Status: 502, Body: "<html>", Count: -1}, "502"},
		"node unreachable": {pvesim.Fault{Path: "/cluster/status", Status: 595, Count: -1}, "595"},
		"timed out":        {pvesim.Fault{Path: "/cluster/resources", Status: 596, Count: -1}, "596"},
		"another page":     {pvesim.Fault{Path: "/cluster/resources", Status: 200, Body: "<html>login</html>", Count: -1}, "not Proxmox's"},
		"empty":            {pvesim.Fault{Path: "/cluster/resources", Status: 200, Count: -1}, "not Proxmox's"},
		"cut off":          {pvesim.Fault{Path: "/cluster/resources", Cut: 20, Count: -1}, "broke off"},
		"no connection":    {pvesim.Fault{Drop: true, Count: -1}, "unexpected EOF"},
		"server error":     {pvesim.Fault{Path: "/cluster/resources", Status: 500, Count: -1}, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML)
				b.apply()
				b.manifests() // Whatever is done to it would be an archive.
				b.sim.Inject(c.fault)
				b.mark()
				p := b.plan()
				if len(p.Blind) != 1 || p.Blind[0].Site != "home" || p.Blind[0].ID != "" || !strings.Contains(p.Blind[0].Reason, c.reason) {
					t.Errorf("blind: %+v", p.Blind)
				}
				if len(p.Changes) > 0 {
					t.Errorf("planned:\n%s", show(p))
				}
				if strings.Contains(p.Blind[0].Reason+p.Blind[0].Remedy, b.token[strings.Index(b.token, "=")+1:]) {
					t.Error("the secret is told")
				}
				b.sim.Heal()
				if got := show(b.plan()); got != "vm/web-1 stop\nvm/web-1 archive" {
					t.Errorf("then:\n%s", got)
				}
			})
		})
	}
}

func TestTheFirstRefusalStopsAllCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.token = "berth@pve!agent=00000000-0000-0000-0000-000000000000"
		b.mark()
		b.observe()
		if n := len(b.sim.Requests()) - b.from; n != 1 {
			t.Errorf("%d requests, each of which takes three seconds", n)
		}
	})
}

func TestReadsAreTriedAgainAndWritesAreNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Inject(pvesim.Fault{Method: http.MethodGet, Path: "/cluster/resources", Drop: true})
		b.sim.Inject(pvesim.Fault{Method: http.MethodGet, Path: "/version", Status: 503, Count: 2})
		if p := b.plan(); len(p.Blind) > 0 {
			t.Errorf("blind: %+v", p.Blind)
		}
		b.manifests(edited(webYAML, "[prod, web]", "[prod]"))
		b.sim.Inject(pvesim.Fault{Method: http.MethodPost, Path: "/nodes/*/qemu/4001/config", Drop: true})
		b.mark()
		b.turn()
		if w := b.writes(); len(w) != 1 {
			t.Errorf("writes: %q", w)
		}
		b.apply()
		b.settled()
	})
}

// TestAWriteWhoseAnswerIsLost: the work was done, and the answer says something
// else or nothing.
func TestAWriteWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	paths := []string{
		"/nodes/*/qemu", "/nodes/*/lxc", "/nodes/*/qemu/4001/resize", "/nodes/*/qemu/4001/status/start",
		"/nodes/*/storage/local/download-url", "/nodes/*/storage/local/upload", "/nodes/*/qemu/4001/config",
	}
	for _, path := range paths {
		for name, fault := range map[string]pvesim.Fault{
			"596": {Status: 596}, "dropped": {Drop: true}, "502": {Status: 502, Body: "<html>"}, "cut": {Cut: 5},
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := benchOn(t, pvesim.New(slowTasks()), webYAML, cacheYAML)
					fault.Method, fault.Path, fault.AfterWork = "write", path, fault.Cut == 0
					b.sim.Inject(fault)
					out := b.turn()
					for _, o := range out {
						if o.Step == drift.Create && o.Status != drift.Done && (path == paths[0] || path == paths[1]) {
							t.Errorf("a look would have told that it was made: %s", told(out))
						}
					}
					<-time.After(time.Minute)
					b.converge()
					b.whole()
				})
			})
		}
	}
}

func TestDroppedBeforeTheWorkIsMadeInTheNextTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.sim.Inject(pvesim.Fault{Method: "write", Path: "/nodes/*/qemu", Status: 596})
		out := b.turn()
		if !strings.Contains(told(out), "vm/web-1 create: failed: no answer came, and nothing stands on VMID 4001") {
			t.Errorf("outcome %s", told(out))
		}
		b.converge()
		b.whole()
	})
}

func TestStoppingLeavesTheTaskRunningAndTheNextLifePicksItUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{TaskTime: func(typ string) time.Duration {
			return map[string]time.Duration{"qmcreate": 5 * time.Minute}[typ]
		}}), webYAML)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second, cancel)
		begin := time.Now()
		events := &events{}
		out := b.turnIn(ctx, events)
		if took := time.Since(begin); took > 22*time.Second {
			t.Errorf("it took %s to stop", took-20*time.Second)
		}
		for _, o := range out {
			if o.Key == key("vm/web-1", drift.Create) && o.Status != drift.Left {
				t.Errorf("outcome %s", told(out))
			}
		}
		task := events.tasks[len(events.tasks)-1]
		if !strings.HasPrefix(task, "pve:home:UPID:pve1:") || !strings.Contains(task, ":qmcreate:4001:") {
			t.Errorf("tasks: %q", events.tasks)
		}
		b.restart()
		if err := b.a.Resume(t.Context(), b.fleet, task); err != nil {
			t.Errorf("resume: %v", err)
		}
		if took := time.Since(begin); took < 5*time.Minute {
			t.Errorf("it did not wait: %s", took)
		}
		b.converge()
		b.whole()
	})
}

func TestARequestUnderWayEndsSoonAfterAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.sim.Inject(pvesim.Fault{Method: "write", Path: "/nodes/*/qemu", Delay: time.Hour, Count: -1})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second, cancel)
		begin := time.Now()
		out := b.turnIn(ctx, &events{})
		if took := time.Since(begin) - 20*time.Second; took > 2*time.Second {
			t.Errorf("it took %s to stop: %s", took, told(out))
		}
	})
}

func TestANodeThatIsDownMakesItsGuestsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		two := pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Storages: []pvesim.Storage{
			{Name: "local", Type: "nfs", Shared: true, Content: []string{"import", "vztmpl", "images", "rootdir"}},
			{Name: "local-lvm", Type: "lvmthin", Content: []string{"images", "rootdir"}},
		}})
		b := benchOn(t, two, webYAML, cacheYAML+"node: pve2\n")
		b.apply()
		b.settled()
		b.sim.Inject(pvesim.Fault{Path: "/nodes/pve2/**", Status: 595, Count: -1})
		b.manifests(edited(webYAML, "[prod, web]", "[prod]"), edited(cacheYAML, "[prod]", "[lab]")+"node: pve2\n")
		p := b.plan()
		if len(p.Blind) != 1 || p.Blind[0].ID != "ct/cache" || !strings.Contains(p.Blind[0].Reason, "pve2") {
			t.Errorf("blind: %+v", p.Blind)
		}
		if got := show(p); got != "vm/web-1 online\n  tags \"prod web\" → \"prod\"" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
	})
}

func TestAnUnknownMajorVersionIsReadAndNeverWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{Version: "10.0.1"}), webYAML)
		out := b.turn()
		if w := b.writes(); len(w) > 0 || !strings.Contains(told(out), "runs Proxmox VE 10.0.1, which this version of Berth reads and never writes") {
			t.Errorf("writes %q\n%s", w, told(out))
		}
	})
}

func TestAMissingRightIsNamedWithItsGrant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.token = b.sim.AddToken("narrow@pve", "agent", false,
			pvesim.ACL{Path: "/", Role: "PVEAuditor", Propagate: true}, pvesim.ACL{Path: "/storage", Role: "PVEDatastoreAdmin", Propagate: true})
		out := told(b.turn())
		if !strings.Contains(out, "--privs Sys.AccessNetwork && pveum acl modify / --users narrow@pve --tokens 'narrow@pve!agent' --roles Berth-Sys.AccessNetwork") {
			t.Errorf("outcome %s", out)
		}
		b.token = b.sim.AddToken("narrow@pve", "agent", false, pvesim.ACL{Path: "/storage/local", Role: "NoAccess"})
		p := b.plan()
		if len(p.Blind) == 0 || !strings.Contains(p.Blind[0].Remedy, "pveum acl modify /storage/local --users narrow@pve --tokens 'narrow@pve!agent'") {
			t.Errorf("blind: %+v", p.Blind)
		}
	})
}

func TestAWrongChecksumIsToldAndNothingIsMadeOfTheImage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.fleet.Images["debian-12"].SHA256 = strings.Repeat("0", 64)
		for _, r := range b.fleet.Resources {
			if image, ok := r.Spec.(*desired.ImageAt); ok {
				image.SHA256 = strings.Repeat("0", 64)
			}
		}
		out := told(b.turn())
		want := "image/debian-12@home fetch: failed: fetch debian-12 onto local of pve1: what the url gives has sha256 " +
			pvesim.Sum("https://images.example.net/debian-12.qcow2", "sha256") + ", the manifest wants " + strings.Repeat("0", 64) +
			": correct sha256 or the url"
		if !strings.Contains(out, want) || strings.Contains(out, "somebody else") || !strings.Contains(out, "vm/web-1 create: skipped") {
			t.Errorf("outcome %s", out)
		}
	})
}

func TestApplyOfAStepThatWasMadeAlreadyDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		seen := b.observe()
		p, err := drift.Make(b.input(seen))
		if err != nil {
			t.Fatal(err)
		}
		w := drift.NewWorld(b.fleet, seen.Lives)
		b.execute(t.Context(), p, w, &events{})
		b.mark()
		if out := b.execute(t.Context(), p, w, &events{}); strings.Contains(told(out), "failed") {
			t.Errorf("outcome %s", told(out))
		}
		if got := b.writes(); len(got) > 0 {
			t.Errorf("written again: %q", got)
		}
	})
}

func TestApplyAfterTheStopBeginsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.a.Apply(ctx, applyers.Job{Change: drift.Change{Key: key("vm/web-1", drift.Create)}, Fleet: b.fleet}, silent{})
	if !errors.Is(err, applyers.ErrLeft) || len(b.sim.Requests()) > 0 {
		t.Errorf("%v, %d requests", err, len(b.sim.Requests()))
	}
}

// whole asserts that the two guests and their volumes are there once, and no
// upload is left.
func (b *bench) whole() {
	b.t.Helper()
	if got := len(b.sim.Guests()); got == 0 || got > 2 {
		b.t.Errorf("there are %d guests", got)
	}
	for vmid, want := range map[int]int{4001: 2, 4002: 1} {
		if vols := b.volumesOfGuest(vmid); len(vols) > want {
			b.t.Errorf("guest %d has volumes %q", vmid, vols)
		}
	}
	for _, v := range b.sim.Volumes() {
		if strings.Contains(v.ID, "berth-") {
			b.t.Errorf("an upload is left: %s", v.ID)
		}
	}
}

func TestAnAnswerOnItsWayIsTakenWhenTheAgentStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(slowTasks()), cacheYAML)
		ctx, cancel := context.WithCancel(t.Context())
		b.sim.Inject(pvesim.Fault{
			Method: "write", Path: "/nodes/*/lxc", Delay: time.Second,
			Then: func() { time.AfterFunc(500*time.Millisecond, cancel) },
		})
		events := &events{}
		b.turnIn(ctx, events)
		if last := events.tasks[len(events.tasks)-1]; !strings.Contains(last, ":vzcreate:4002:") {
			t.Errorf("tasks: %q", events.tasks)
		}
	})
}

func TestAStartThatDoesNotLastIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML)
		b.sim.OnPower(func(g pvesim.Guest, running bool) {
			if running {
				b.sim.SetRunning(g.VMID, false)
			}
		})
		if out := told(b.turn()); !strings.Contains(out, "start ct 4002: it stopped again at once") {
			t.Errorf("outcome %s", out)
		}
	})
}

func TestAnImageThatCannotBeReadHoldsWhatIsMadeFromIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.sim.Inject(pvesim.Fault{Method: http.MethodGet, Path: "/nodes/*/storage/local/content", Status: 500, Count: -1})
		b.mark()
		out := told(b.turn())
		if len(b.writes()) > 0 || !strings.Contains(out, "vm/web-1 create: held: whether image/debian-12@home is there could not be read") {
			t.Errorf("outcome %s", out)
		}
	})
}

func TestAnEndpointThatIsDownDelaysForAWhileOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.over = transportFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		begin := time.Now()
		if p := b.plan(); len(p.Blind) != 1 || time.Since(begin) > 2*pve.RequestTimeout {
			t.Errorf("blind %+v after %s", p.Blind, time.Since(begin))
		}
	})
}

func TestATaskThatEndsWellWithoutAFileIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.over = &answering{b.sim.Transport(), "/storage/local/content", `{"data":[]}`}
		if out := told(b.turn()); !strings.Contains(out, "fetch: failed: fetch debian-12 onto local of pve1: the task ended well and the file is not there") {
			t.Errorf("outcome %s", out)
		}
	})
}
