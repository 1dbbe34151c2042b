package turn_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// inOrder asserts that lines that begin so were logged, each after the one before.
func (l *land) inOrder(starts ...string) {
	l.t.Helper()
	before := -1
	for _, start := range starts {
		at := l.at(start)
		if at <= before {
			l.t.Errorf("%q is line %d, after line %d in:\n%s", start, at, before, strings.Join(l.written(), "\n"))
			return
		}
		before = at
	}
}

func TestRoutedGuestThatGoesIsDrainedStoppedAndArchived(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")), ct("keep", 4003, expose("keep.example.net")))
		l.apply()
		l.mark()
		l.push("bbbb", ct("keep", 4003, expose("keep.example.net")))
		l.apply()
		l.inOrder("edge keep.example.net=10.1.1.3:443", "POST /nodes/pve1/lxc/4002/status/shutdown", "PUT /nodes/pve1/lxc/4002/config")
		if g := l.guest(4002); g.Running || !strings.Contains(g.Config["description"], " archived=") || g.Config["onboot"] == "1" {
			l.t.Errorf("archived is %v %v", g.Running, g.Config)
		}
		l.settled()
		l.mark()
		l.push("cccc", ct("cache", 4002, expose("cache.example.net")), ct("keep", 4003, expose("keep.example.net")))
		l.apply()
		l.inOrder("PUT /nodes/pve1/lxc/4002/config", "POST /nodes/pve1/lxc/4002/status/start", "edge cache.example.net=10.1.1.2:443 keep.example.net=")
		l.settled()
	})
}

func TestNameMovesBeforeItsFormerGuestGoes(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", ct("old", 4002, expose("app.example.net")))
		l.apply()
		l.mark()
		l.push("bbbb", ct("new", 4003, expose("app.example.net")))
		l.apply()
		l.inOrder("POST /nodes/pve1/lxc", "POST /nodes/pve1/lxc/4003/status/start", "edge app.example.net=10.1.1.3:443", "POST /nodes/pve1/lxc/4002/status/shutdown")
		l.settled()
	})
}

func TestNameStaysWhereTheNewGuestCannotBeMade(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("old", 4002, expose("app.example.net")))
		l.apply()
		l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Status: 500, Reason: "storage is full", Count: -1})
		l.push("bbbb", ct("new", 4003, expose("app.example.net")))
		rep := l.turn()
		if o := rep.Outcomes[len(rep.Outcomes)-1]; o.Key != (drift.Key{ID: "ct/old", Step: drift.Archive}) || o.Status != drift.Skipped {
			l.t.Errorf("the former guest's archive: %+v", o)
		}
		if got := l.routes()["app.example.net"]; got != "10.1.1.2:443" || !l.guest(4002).Running {
			l.t.Errorf("the name leads to %q, and its guest runs: %v", got, l.guest(4002).Running)
		}
		l.sim.Heal()
		pass(time.Minute)
		l.apply()
		if got := l.routes()["app.example.net"]; got != "10.1.1.3:443" || l.guest(4002).Running {
			l.t.Errorf("the name leads to %q, and the former guest runs: %v", got, l.guest(4002).Running)
		}
	})
}

func TestTooManyToGoKeepTheirNames(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("a", 4001, expose("a.example.net")), ct("b", 4002, expose("b.example.net")), ct("c", 4003, expose("c.example.net")), vm("d", 4004, ""))
		l.apply()
		before := l.routes()
		l.mark()
		l.push("bbbb", vm("d", 4004, ""))
		l.turn()
		l.turn()
		if w := l.written(); len(w) > 0 || !maps.Equal(before, l.routes()) {
			l.t.Errorf("written %q, routes %v", w, l.routes())
		}
	})
}

func TestTimeInTheArchiveIsOver(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.sim.AddGuest(pvesim.Guest{VMID: 777, Running: true, Config: map[string]string{"name": "theirs", "scsi0": "local-lvm:vm-777-disk-0,size=4G"}})
		theirs := l.guest(777)
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		pass(7*24*time.Hour - time.Minute)
		l.settled()
		pass(2 * time.Minute)
		l.now = func() time.Time { return time.Now().Add(time.Hour) }
		l.mark()
		if rep := l.turn(); len(l.written()) > 0 || !strings.Contains(told(rep), "clock") {
			l.t.Errorf("clocks an hour apart: written %q\n%s", l.written(), told(rep))
		}
		l.now = time.Now
		// A commit that does not load: what it would say about the guest is not known.
		l.repo.push("cccc", "kind: Nonsense\n")
		l.turn()
		l.guest(4001)
		l.push("dddd", ct("cache", 4002, ""))
		l.mark()
		l.apply()
		if w := l.written(); len(w) != 1 || w[0] != "DELETE /nodes/pve1/qemu/4001" {
			l.t.Errorf("written %q", w)
		}
		if now := l.guest(777); now.Digest != theirs.Digest || !now.Running || !l.guest(4002).Running {
			l.t.Errorf("others were touched: %+v", now)
		}
		for _, v := range l.sim.Volumes() {
			if v.Owner == 4001 {
				l.t.Errorf("volume %s is left", v.ID)
			}
		}
		l.settled()
	})
}

// slowly is how long tasks take, so that others fall into them.
func slowly(string) time.Duration { return 700 * time.Millisecond }
