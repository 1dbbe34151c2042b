package turn_test

import (
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
)

func TestManyComeDueAtOnce(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		keep := ct("keep", 4009, "")
		l.push("aaaa", ct("a", 4001, ""), ct("b", 4002, ""), ct("c", 4003, ""), ct("d", 4004, ""), keep)
		l.apply()
		l.push("bbbb", ct("c", 4003, ""), ct("d", 4004, ""), keep)
		l.apply()
		pass(time.Minute)
		l.push("cccc", keep)
		l.apply()
		pass(8 * 24 * time.Hour)
		for range 5 {
			l.turn()
			pass(24 * time.Hour)
		}
		if n := len(l.sim.Guests()); n != 1 {
			l.t.Errorf("%d guests, whose time was over for days, are held for ever", n-1)
		}
	})
}
