package turn_test

import (
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestNewerCommitDropsTheRest(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/storage/*/download-url", Then: func() {
			l.push("bbbb", ct("other", 4002, ""))
		}})
		l.turn()
		if _, made := l.sim.Guest(4001); made {
			l.t.Error("made, although the tip had taken it back before its creation began")
		}
	})
}
