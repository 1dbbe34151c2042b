package turn_test

import (
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestVMIsNotStoppedWhileItIsRouted(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", vm("web", 4001, expose("web.example.net")), ct("keep", 4002, ""))
		l.apply()
		l.mark()
		l.push("bbbb", ct("keep", 4002, ""))
		l.apply()
		l.inOrder("edge ", "POST /nodes/pve1/qemu/4001/status/shutdown", "POST /nodes/pve1/qemu/4001/config")
	})
}

func TestNameMovesFromAVMBeforeItIsStopped(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", vm("old", 4001, expose("app.example.net")))
		l.apply()
		l.mark()
		l.push("bbbb", ct("new", 4002, expose("app.example.net")))
		l.apply()
		l.inOrder("edge app.example.net=10.1.1.2:443", "POST /nodes/pve1/qemu/4001/status/shutdown")
	})
}

func TestHeldVMsKeepTheirNames(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("a", 4001, expose("a.example.net")), vm("b", 4002, expose("b.example.net")), vm("c", 4003, expose("c.example.net")), ct("d", 4004, ""))
		l.apply()
		l.push("bbbb", ct("d", 4004, "")) // Three go, the limit is two: all archives are held.
		l.turn()
		if len(l.routes()) != 3 {
			l.t.Errorf("guests stay and run, their names are gone: %v", l.routes())
		}
	})
}
