package turn_test

import (
	"errors"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestNotStoppedWhileTheRepositoryCannotBeAsked(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.sim.SetDeaf(4001, true)
		l.turn() // bbbb is accepted; the guest does not shut down.
		l.sim.SetDeaf(4001, false)
		l.repo.err = errors.New("no route to host")
		pass(3600e9)
		rep := l.turn()
		if !l.guest(4001).Running {
			l.t.Errorf("stopped, and then not archived:\n%s", told(rep))
		}
	})
}

func TestNewerCommitBeforeTheStop(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")), ct("keep", 4003, ""))
		l.apply()
		l.mark()
		// While the new guest is made, whose name frees the old one, the old one comes back.
		l.push("bbbb", ct("keep", 4003, ""), ct("new", 4004, expose("cache.example.net")))
		l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Then: func() {
			l.push("cccc", ct("cache", 4002, ""), ct("keep", 4003, ""), ct("new", 4004, expose("cache.example.net")))
		}})
		rep := l.turn()
		if l.at("POST /nodes/pve1/lxc/4002/status/shutdown") >= 0 {
			l.t.Errorf("stopped, although the tip has it again:\n%s", told(rep))
		}
	})
}
