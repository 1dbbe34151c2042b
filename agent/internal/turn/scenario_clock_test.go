package turn_test

import (
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
)

func TestArchivedByAClockThatWasBehind(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.now = func() time.Time { return time.Now().Add(-30 * 24 * time.Hour) }
		l.push("bbbb", ct("cache", 4002, ""))
		l.turn()
		l.now = time.Now
		l.turn()
		if _, there := l.sim.Guest(4001); !there {
			l.t.Error("destroyed in the turn after it was archived; archiveFor is 7d")
		}
	})
}
