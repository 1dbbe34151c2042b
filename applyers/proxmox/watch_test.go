package proxmox

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

// polled is what a poll says, a line for each news.
func (b *bench) polled() string {
	b.t.Helper()
	var lines []string
	for _, n := range b.a.Watch(b.t.Context(), b.fleet) {
		lines = append(lines, n.String())
	}
	return strings.Join(lines, "\n")
}

// quiet asserts that so many polls say nothing and write nothing.
func (b *bench) quiet(polls int, when string) {
	b.t.Helper()
	b.mark()
	for range polls {
		if got := b.polled(); got != "" {
			b.t.Errorf("%s: a poll says: %s", when, got)
		}
	}
	if w := b.writes(); len(w) > 0 {
		b.t.Errorf("%s: polls write: %q", when, w)
	}
}

// people is somebody who may do anything, through the API.
func (b *bench) people() func(method, path string, form url.Values) {
	b.t.Helper()
	return b.as(b.sim.AddToken("sean@pve", "gui", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}))
}

// as asks the API with a token.
func (b *bench) as(token string) func(method, path string, form url.Values) {
	return func(method, path string, form url.Values) {
		b.t.Helper()
		req, err := http.NewRequestWithContext(b.t.Context(), method, "https://pve1.test:8006/api2/json"+path, strings.NewReader(form.Encode()))
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("Authorization", "PVEAPIToken="+token)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := b.sim.Transport().RoundTrip(req)
		if err != nil {
			b.t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			b.t.Fatalf("%s %s: %s", method, path, res.Status)
		}
	}
}

// watched is a fleet that stands, on three nodes whose status lists are ten seconds
// old, polled until nothing of its making is news.
func watched(t *testing.T, docs ...string) *bench {
	t.Helper()
	b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2", "pve3"}, Lag: 10 * time.Second, Storages: []pvesim.Storage{
		{Name: "local", Type: "dir", Shared: true, Content: []string{"iso", "vztmpl", "import", "images", "rootdir"}},
		{Name: "local-lvm", Type: "rbd", Shared: true, Content: []string{"images", "rootdir"}},
	}}), docs...)
	b.sim.AddGuest(strange(150, map[string]string{"name": "pihole"}))
	b.apply()
	b.observe()
	return b
}

// TestPollsFindWhatWasChanged makes one change each, waits until the next poll is due,
// and looks what that says; after a whole look all is quiet again.
func TestPollsFindWhatWasChanged(t *testing.T) {
	t.Parallel()
	type world struct {
		*bench
		ask func(method, path string, form url.Values)
	}
	for name, c := range map[string]struct {
		change func(w world)
		want   string
	}{
		"a vm's options, through the API": {
			func(w world) { w.ask("PUT", "/nodes/pve1/qemu/4001/config", url.Values{"cores": {"3"}}) },
			"vm/web-1: its configuration has changed, by sean@pve!gui",
		},
		"a vm's options, by qm set": {
			func(w world) { w.sim.Edit("root@pam", 4001, map[string]string{"onboot": "0"}) },
			"vm/web-1: its configuration has changed, by root@pam",
		},
		"a vm stopped": {
			func(w world) { w.ask("POST", "/nodes/pve1/qemu/4001/status/stop", nil) },
			"vm/web-1: it has stopped, by sean@pve!gui",
		},
		"a container stopped": {
			func(w world) { w.ask("POST", "/nodes/pve1/lxc/4002/status/stop", nil) },
			"ct/cache: it has stopped, by sean@pve!gui",
		},
		"a vm that shut itself down": {
			func(w world) { w.sim.SetRunning(4001, false); <-time.After(11 * time.Second) },
			"vm/web-1: it has stopped",
		},
		"a vm moved": {
			func(w world) {
				w.ask("POST", "/nodes/pve1/qemu/4001/migrate", url.Values{"target": {"pve2"}, "online": {"1"}})
			},
			"vm/web-1: it has moved from pve1 to pve2, by sean@pve!gui",
		},
		"a vm moved by HA": {
			func(w world) { w.sim.Migrate(4001, "pve3") },
			"vm/web-1: it has moved from pve1 to pve3",
		},
		"a vm put into a pool": {
			func(w world) { w.sim.SetPool(4001, "lab") },
			"vm/web-1: its pool has changed",
		},
		"a vm's disk grown": {
			func(w world) {
				w.ask("PUT", "/nodes/pve1/qemu/4001/resize", url.Values{"disk": {"scsi0"}, "size": {"+1G"}})
			},
			"vm/web-1: its configuration has changed, by sean@pve!gui",
		},
		"a container's memory": {
			func(w world) { w.ask("PUT", "/nodes/pve1/lxc/4002/config", url.Values{"memory": {"640"}}) },
			"ct/cache: its configuration has changed",
		},
		"a container's name": {
			func(w world) { w.ask("PUT", "/nodes/pve1/lxc/4002/config", url.Values{"hostname": {"hoard"}}) },
			"ct/cache: its configuration has changed",
		},
		"a container's tags, in its file": {
			func(w world) { w.sim.EditFile(4002, map[string]string{"tags": "x"}) },
			"ct/cache: its configuration has changed",
		},
		"a vm removed": {
			func(w world) {
				w.ask("POST", "/nodes/pve1/qemu/4001/status/stop", nil)
				w.ask("DELETE", "/nodes/pve1/qemu/4001", nil)
			},
			"vm/web-1: vm 4001 on pve1 is gone, by sean@pve!gui",
		},
		"a container's file removed": {
			func(w world) { w.sim.Remove(4002) },
			"ct/cache: ct 4002 on pve1 is gone",
		},
		"another guest with our tag": {
			func(w world) { w.sim.AddGuest(strange(777, map[string]string{"tags": "a;berth.pegasus"})) },
			"site home: vm 777 is new there",
		},
		"another guest with our guest's name": {
			func(w world) { w.sim.AddGuest(strange(777, map[string]string{"name": "web-1"})) },
			"site home: vm 777 is new there",
		},
		"a stranger given our tag": {
			func(w world) { w.sim.EditFile(150, map[string]string{"tags": "berth.pegasus"}) },
			"site home: vm 150 is new there",
		},
		"a node gone": {
			func(w world) { w.sim.SetOnline("pve3", false) },
			"site home: its nodes are not those that they were",
		},
		"the log lost": {
			func(w world) { w.sim.LoseLog() },
			"site home: the cluster log was begun anew, or its clock set back",
		},
		"the log lost, and filled again beyond where it was": {
			func(w world) {
				w.sim.LoseLog()
				for range 90 {
					w.sim.Edit("root@pam", 150, map[string]string{"onboot": "0"})
				}
			},
			"site home: the cluster log was begun anew, or its clock set back",
		},
		"the log overrun": {
			func(w world) {
				for range 600 {
					w.sim.Edit("root@pam", 150, map[string]string{"onboot": "0"})
				}
			},
			"site home: the cluster log has gone on further than it shows",
		},
		"the log unreadable": {
			func(w world) {
				w.sim.Inject(pvesim.Fault{Method: "GET", Path: "/cluster/log", Status: 500, Reason: "no log", Count: -1})
			},
			"site home: read /cluster/log?max=100: 500 no log",
		},
		"a page for an answer": {
			func(w world) {
				w.sim.Inject(pvesim.Fault{Method: "GET", Path: "/cluster/resources", Status: 200, Body: "<html>", Count: -1})
			},
			"site home: read /cluster/resources: the answer is not Proxmox's (text/html)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := watched(t, webYAML, cacheYAML)
				ask := b.people()
				b.quiet(3, "after our own turn, while the lists are old")
				<-time.After(time.Minute)
				b.quiet(3, "a minute later")
				c.change(world{b, ask})
				<-time.After(time.Second)
				if got := b.polled(); got != c.want {
					t.Fatalf("the next poll says\n%s\nwant\n%s", got, c.want)
				}
				if got := b.polled(); got != c.want {
					t.Errorf("until it is looked at, a poll says\n%s\nwant\n%s", got, c.want)
				}
				b.sim.Heal()
				b.observe()
				b.quiet(3, "after a whole look, which left it as it is")
				<-time.After(time.Minute)
				b.quiet(3, "a minute after that")
			})
		})
	}
}

// TestPollsLeaveOthersAlone has strangers busy, who cost not one request more.
func TestPollsLeaveOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML, cacheYAML)
		ask := b.people()
		<-time.After(time.Minute)
		b.observe()
		for i, change := range []func(){
			func() { ask("PUT", "/nodes/pve1/qemu/150/config", url.Values{"cores": {"3"}, "tags": {"x"}}) },
			func() { ask("POST", "/nodes/pve1/qemu/150/status/start", nil) },
			func() { b.sim.Migrate(150, "pve2") },
			func() { b.sim.AddGuest(strange(151, map[string]string{"name": "new"})) },
			func() { b.sim.Remove(150) },
			func() { b.sim.AddGuest(strange(150, map[string]string{"memory": "7", "name": "x"})) },
		} {
			change()
			<-time.After(time.Minute)
			b.quiet(1, fmt.Sprintf("change %d", i))
			if got := len(b.sim.Requests()) - b.from; got != 4 {
				t.Errorf("change %d: %d requests, want three and the slice's one", i, got)
			}
		}
	})
}

// TestANamesakeIsLeftAlone whatever it does, but for what tells whose it is.
func TestANamesakeIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		ask := b.people()
		b.sim.AddGuest(strange(777, map[string]string{"name": "web-1"}))
		<-time.After(time.Minute)
		b.observe()
		ask("PUT", "/nodes/pve1/qemu/777/config", url.Values{"cores": {"3"}})
		ask("POST", "/nodes/pve1/qemu/777/status/start", nil)
		b.sim.Migrate(777, "pve2")
		<-time.After(time.Minute)
		b.quiet(2, "a namesake at work")
		b.sim.Edit("root@pam", 777, map[string]string{"name": "other"})
		if got := b.polled(); got != "site home: vm 777 on pve1 has another name, or other tags" {
			t.Errorf("renamed: %q", got)
		}
		b.observe()
		b.quiet(2, "renamed")
	})
}

// TestPollsPassOverBackups holds that a lock and a snapshot's name, which come and go
// with every backup, are no news.
func TestPollsPassOverBackups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML, cacheYAML)
		<-time.After(time.Minute)
		for _, set := range []map[string]string{{"lock": "backup"}, {"lock": ""}, {"lock": "snapshot"}, {"lock": "", "parent": "daily"}} {
			b.sim.Edit("root@pam", 4001, set)
			b.quiet(1, fmt.Sprint(set))
			b.quiet(1, fmt.Sprint(set, ", once more"))
			if got := len(b.sim.Requests()) - b.from; got != 4 {
				t.Errorf("%v: %d requests once it was looked at, want 4", set, got)
			}
		}
		b.sim.Edit("root@pam", 4001, map[string]string{"lock": "migrate"})
		if got := b.polled(); got == "" {
			t.Error("another lock is no news")
		}
	})
}

// TestWhatLeavesNoTrace is found by the slice that goes round, or by the next whole
// look.
func TestWhatLeavesNoTrace(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *bench, ask func(method, path string, form url.Values)){
		"a container's options": func(_ *bench, ask func(method, path string, form url.Values)) {
			ask("PUT", "/nodes/pve1/lxc/4002/config", url.Values{"onboot": {"1"}, "nameserver": {"10.9.9.9"}})
		},
		"a vm's file": func(b *bench, _ func(method, path string, form url.Values)) {
			b.sim.EditFile(4001, map[string]string{"cores": "", "onboot": "1"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := watched(t, webYAML, cacheYAML)
				ask := b.people()
				<-time.After(time.Minute)
				b.observe()
				change(b, ask)
				b.mark()
				if first, second := b.polled(), b.polled(); first == "" && second == "" {
					t.Error("a round of slices over two guests does not find it")
				}
				for _, r := range b.sim.Requests()[b.from:] {
					if r.Write() {
						t.Errorf("a poll writes: %s %s", r.Method, r.Path)
					}
				}
				if got := show(b.plan()); got == "" {
					t.Error("a whole look does not find it")
				}
			})
		})
	}
}

// TestStaleStatusIsQuiet turns guests off and on again faster than the list of
// resources learns of it: what it says is checked, and is no news.
func TestStaleStatusIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML, cacheYAML)
		<-time.After(time.Minute)
		b.observe()
		b.sim.SetRunning(4001, false)
		<-time.After(time.Second)
		b.sim.SetRunning(4001, true)
		for range 15 {
			b.quiet(1, "while the list is old")
			<-time.After(time.Second)
		}
		b.mark()
		b.polled()
		if got := len(b.sim.Requests()) - b.from; got != 4 {
			t.Errorf("%d requests once the list is right, want 4", got)
		}
	})
}

// TestAQuietPollCosts three requests for the cluster, and the slice.
func TestAQuietPollCosts(t *testing.T) {
	for guests, slice := range map[int]int{10: 1, 100: 1, 1000: 10} {
		t.Run(strconv.Itoa(guests), func(t *testing.T) {
			b, n := manyGuests(t, guests)
			for range 3 {
				b.mark()
				if got := b.polled(); got != "" {
					t.Fatalf("polled: %s", got)
				}
				if got := len(b.sim.Requests()) - b.from; got != 3+slice {
					t.Errorf("%d requests, want %d", got, 3+slice)
				}
			}
			if guests == 1000 {
				return // The simulator would take its time for a hundred polls.
			}
			// All have had their turn after a round.
			b.mark()
			for range (n + slice - 1) / slice {
				b.polled()
			}
			read := make(map[string]bool)
			for _, r := range b.sim.Requests()[b.from:] {
				if strings.HasSuffix(r.Path, "/pending") {
					read[r.Path] = true
				}
			}
			if len(read) != n {
				t.Errorf("%d of %d guests were read in a round", len(read), n)
			}
		})
	}
}

// TestContainersComeFirst in the round, since their edits are in no log.
func TestContainersComeFirst(t *testing.T) {
	l := &looked{marks: []mark{{kind: desired.KindVM, vmid: 1}, {kind: desired.KindContainer, vmid: 9}, {kind: desired.KindVM, vmid: 7}, {kind: desired.KindContainer, vmid: 2}}}
	slices.SortFunc(l.marks, func(x, y mark) int { return compareMarks(x, y.kind, y.vmid) })
	var order []int
	for _, m := range l.marks {
		order = append(order, m.vmid)
	}
	if !slices.Equal(order, []int{2, 9, 1, 7}) {
		t.Errorf("the order is %v", order)
	}
}
