package proxmox

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// TestASweepCostsOneRequestAGuest holds the formula: six for the cluster (its
// version, resources, status, log, the token's rights, and one list of images), two a node, one for
// each guest of ours, and one for each guest that is wanted and not there.
func TestASweepCostsOneRequestAGuest(t *testing.T) {
	b, n := manyGuests(t, 25)
	b.mark()
	b.observe()
	if got, want := len(b.sim.Requests())-b.from, 5+1+2+n; got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
	if got := b.a.TakeRequests(); got[http.MethodGet] != 5+1+2+n || len(got) != 1 {
		t.Errorf("counted: %v", got)
	}
}

// TestASweepWithCreationsCostsOneRequestMoreForEachOther holds what creations add
// where guests of ours run on their bridges: one for each of them, and, where they
// bring static addresses for the first time, one for each guest that is not ours.
func TestASweepWithCreationsCostsOneRequestMoreForEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		docs   []string
		others int
	}{
		"two by DHCP":      {[]string{cacheYAML, strings.Replace(cacheYAML, "name: cache\nid: 4002", "name: other\nid: 4003", 1)}, 0},
		"one with address": {[]string{cacheYAML}, 25},
	} {
		t.Run(name, func(t *testing.T) {
			b, n := manyGuests(t, 25)
			b.sim.AddVolume(pvesim.Volume{ID: "local:vztmpl/debian-ct.tar.zst", Size: 100 << 20})
			docs := c.docs
			for i := range docs {
				if c.others == 0 {
					docs[i] = strings.Replace(docs[i], "10.1.1.5", "dhcp", 1)
				}
			}
			fleet, err := parse(append(append([]string{fleetYAML, siteYAML, imagesYAML}, manyDocs(n)...), docs...)...)
			if err != nil {
				t.Fatal(err)
			}
			b.fleet = fleet
			b.mark()
			b.observe()
			// Beside the formula a list of the containers' templates, since one is
			// declared and used now, and it is another content.
			if got, want := len(b.sim.Requests())-b.from, 5+2+2+n+len(docs)+c.others; got != want {
				t.Errorf("%d requests, want %d", got, want)
			}
		})
	}
}

// manyGuests is a fleet whose guests all stand, among as many that are not ours.
func manyGuests(t testing.TB, n int) (*bench, int) {
	t.Helper()
	docs := manyDocs(n)
	b := &bench{sim: pvesim.New(pvesim.Options{})}
	b.token = b.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	b.restart()
	var err error
	b.fleet, err = parse(append([]string{fleetYAML, siteYAML, imagesYAML}, docs...)...)
	if err != nil {
		t.Fatal(err)
	}
	b.sim.AddVolume(pvesim.Volume{ID: "local:import/debian-12.qcow2", Size: 2 << 30})
	for i := range n {
		vmid := 10000 + i
		s := stamp.Stamp{Fleet: "pegasus", UID: "5b1f0c2e", ID: desired.MakeID("vm", fmt.Sprintf("web-%d", i)), Site: "home", VMID: vmid, Images: map[string]string{"scsi0": "debian-12"}}
		b.sim.AddGuest(strange(vmid, map[string]string{
			"name": fmt.Sprintf("web-%d", i), "tags": "berth.pegasus;prod;web", "description": stamp.Join("The web server.", s),
			"cores": "2", "cpu": "host", "memory": "1024", "balloon": "0", "agent": "1", "serial0": "socket", "vga": "serial0",
			"startup": "order=100,up=30,down=60", "scsi0": fmt.Sprintf("local-lvm:vm-%d-disk-0,discard=on,size=8G,ssd=1", vmid),
		}))
		b.sim.AddGuest(strange(50000+i, nil))
	}
	seen, err := b.a.Observe(context.Background(), b.fleet, applyers.Scope{})
	if err != nil || len(seen.Lives) != n+1 || len(seen.Blind) > 0 {
		t.Fatalf("%v, %d lives, %+v", err, len(seen.Lives), seen.Blind)
	}
	b.a.TakeRequests()
	if tt, ok := t.(*testing.T); ok {
		b.t = tt
	}
	return b, n
}

// manyDocs are the manifests of so many guests.
func manyDocs(n int) []string {
	docs := make([]string, n)
	for i := range n {
		docs[i] = edited(webYAML, "name: web-1", fmt.Sprintf("name: web-%d", i), "id: 4001", fmt.Sprintf("id: %d", 10000+i),
			", address: 10.1.1.4", ", address: none", "cloudInit: {packages: [git]}", "")
	}
	return docs
}

func BenchmarkObserve(bm *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		bm.Run(strconv.Itoa(n), func(bm *testing.B) {
			b, _ := manyGuests(bm, n)
			bm.ReportAllocs()
			for bm.Loop() {
				if _, err := b.a.Observe(bm.Context(), b.fleet, applyers.Scope{}); err != nil {
					bm.Fatal(err)
				}
			}
			total := 0
			for _, count := range b.a.TakeRequests() {
				total += count
			}
			bm.ReportMetric(float64(total)/float64(bm.N), "requests/op")
		})
	}
}
