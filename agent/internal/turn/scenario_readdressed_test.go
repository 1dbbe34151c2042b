package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestRouteStaysWhereTheVMIs(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, expose("web.example.net")))
		l.apply()
		l.push("bbbb", strings.Replace(vm("web", 4001, expose("web.example.net")), "10.1.1.1", "10.1.1.50", 1))
		l.turn()
		if to := l.routes()["web.example.net"]; to != "10.1.1.1:443" {
			l.t.Errorf("the VM has 10.1.1.1 until it is made anew, its name leads to %s", to)
		}
	})
}
