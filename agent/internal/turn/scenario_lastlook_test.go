package turn_test

import (
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
)

func TestTakenOutOfTheArchiveMeanwhile(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		pass(8 * 24 * time.Hour)
		l.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2, Then: func() {
			stamp, _, _ := strings.Cut(l.guest(4001).Config["description"], " archived=")
			l.sim.Edit("root@pam", 4001, map[string]string{"description": stamp})
			l.sim.SetRunning(4001, true)
		}})
		l.turn()
		if _, there := l.sim.Guest(4001); !there {
			l.t.Error("in use again, and destroyed")
		}
	})
}

func TestStartedByHandBeforeItsCreationWasMarkedComplete(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.sim.Inject(pvesim.Fault{Method: "DELETE", Path: "/nodes/*/storage/**", Status: 403, Reason: "Permission check failed", Count: -1})
		l.turn()
		l.sim.SetRunning(4001, true)
		l.sim.Heal()
		pass(30 * 24 * time.Hour)
		l.push("bbbb", ct("cache", 4002, ""))
		l.turn()
		if _, there := l.sim.Guest(4001); !there {
			l.t.Error("a guest that ran for a month is destroyed, not archived")
		}
	})
}

func TestArchivedGuestThatRuns(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		l.sim.SetRunning(4001, true)
		pass(8 * 24 * time.Hour)
		l.turn()
		if _, there := l.sim.Guest(4001); !there {
			l.t.Error("a running guest is destroyed, without a word that it runs")
		}
	})
}
