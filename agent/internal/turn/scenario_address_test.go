package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestAddressIsTakenOverFromAProtectedGuest(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")))
		l.apply()
		l.sim.Edit("root@pam", 4002, map[string]string{"protection": "1"})
		l.push("bbbb", strings.Replace(ct("store", 4003, expose("cache.example.net")), "10.1.1.3", "10.1.1.2", 1))
		l.turn()
		if g, made := l.sim.Guest(4003); made && g.Running && l.guest(4002).Running {
			l.t.Errorf("two running guests have 10.1.1.2: %s and %s", g.Config["net0"], l.guest(4002).Config["net0"])
		}
	})
}
