package proxmox

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"berth/applyers"
	"berth/applyers/applyertest"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
)

// breaker calls something in the middle of a write.
type breaker struct {
	below http.RoundTripper
	mu    sync.Mutex
	left  int
	do    func()
}

func (k *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := k.below.RoundTrip(r)
	if r.Method == http.MethodGet {
		return res, err
	}
	k.mu.Lock()
	k.left--
	do := k.do
	if k.left != 0 {
		do = nil
	}
	k.mu.Unlock()
	if do != nil {
		do()
	}
	return res, err
}

func TestApplyer(t *testing.T) {
	t.Parallel()
	applyertest.Run(t, func(tb testing.TB) applyertest.World {
		tb.Helper()
		read := func(docs ...string) *desired.Fleet {
			fleet, err := parse(append([]string{fleetYAML, siteYAML, imagesYAML}, docs...)...)
			if err != nil {
				tb.Fatal(err)
			}
			return fleet
		}
		b := &bench{sim: pvesim.New(pvesim.Options{})}
		schemacheck.Watch(tb, b.sim)
		b.token = b.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
		k := &breaker{below: b.sim.Transport()}
		b.over = k
		fresh := func() applyers.Applyer {
			b.restart()
			b.a.poll = time.Millisecond
			return b.a
		}
		return applyertest.World{
			Applyer: fresh(), Another: fresh,
			Fleet: read(webYAML, cacheYAML),
			Next: []*desired.Fleet{
				read(edited(webYAML, "size: 1GiB", "size: 512MiB", "size: 8GiB", "size: 9GiB", "[prod, web]", "[prod]")),
				read(cacheYAML + "state: stopped\n"),
			},
			Writes: func() int {
				n := 0
				for _, r := range b.sim.Requests() {
					if r.Write() {
						n++
					}
				}
				return n
			},
			Things: func() []string {
				var all []string
				for _, g := range b.sim.Guests() {
					all = append(all, g.Kind+" "+strconv.Itoa(g.VMID)+" "+g.Config["tags"])
				}
				for _, v := range b.sim.Volumes() {
					all = append(all, v.ID)
				}
				return all
			},
			Damage: func() { b.sim.Edit("root@pam", 4001, map[string]string{"cores": "7", "tags": "odd"}) },
			AtWrite: func(n int, do func()) {
				k.mu.Lock()
				defer k.mu.Unlock()
				k.left, k.do = n, do
			},
		}
	})
}
