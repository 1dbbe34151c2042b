package turn_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// TestTheReportSaysWhoHasTheAddress: what is held stays in the report until the
// address is free, and then the guest is made.
func TestTheReportSaysWhoHasTheAddress(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 118, Running: true, Config: map[string]string{
			"hostname": "pihole", "memory": "512", "ostype": "debian", "arch": "amd64", "rootfs": "local-lvm:vm-118-disk-0,size=4G",
			"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:09,ip=10.1.1.30/24,type=veth",
		}})
		l.answers = func(_ context.Context, addrs []netip.Addr) map[netip.Addr]string {
			answers := make(map[netip.Addr]string)
			for _, addr := range addrs {
				if g, there := l.sim.Guest(118); there && g.Running && addr.String() == "10.1.1.30" {
					answers[addr] = "answers to ping"
				}
			}
			return answers
		}
		l.push("aaaa", ct("cache", 4002, ""))
		l.apply()
		l.mark()
		l.push("bbbb", ct("cache", 4002, ""), ct("lab-db", 4030, expose("db.example.net")))
		var page strings.Builder
		if err := report.Text(&page, l.turn(), report.TextOptions{Width: 160}); err != nil {
			l.t.Fatal(err)
		}
		const want = `! ct/lab-db  fleet.yaml:41  create held: 10.1.1.30 answers to ping, ct 118 "pihole" has it: write another address, or allowAddressConflict: true`
		if !strings.Contains(page.String(), want) {
			l.t.Errorf("the report says:\n%s", page.String())
		}
		for _, w := range l.written() {
			if strings.HasPrefix(w, "POST") || strings.HasPrefix(w, "PUT") || strings.HasPrefix(w, "DELETE") || strings.HasPrefix(w, "edge db.") {
				l.t.Errorf("written: %s", w)
			}
		}
		l.sim.Remove(118)
		l.apply()
		if !l.guest(4030).Running {
			l.t.Error("the guest was not made once its address was free")
		}
	})
}
