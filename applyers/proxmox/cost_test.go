package proxmox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

// priced is a site that is looked at.
type priced struct {
	docs  []string
	nodes []string
	// changes are made to the fleet after it was loaded.
	changes []func(*desired.Fleet)
	// made lets a turn make all of it first; prepare adds what else is there.
	made    bool
	prepare func(b *bench)
	// ours are our guests, there or wanted; images the storages, each by node, that
	// hold a declared image; asked the guests whose dynamic address is needed.
	ours, images, asked int
	// others are the guests that are not ours, and whose configuration is read all
	// the same: where a new guest claims a static address, any of them may have it.
	others int
}

// TestALookCostsWhatTheFormulaSays holds the formula of a full sweep: at most one
// request for each guest of ours, two for each node, one for each storage and node
// that holds a declared image, one for each guest whose dynamic address is needed,
// and eight for the cluster. The first look that plans a new static address costs
// beyond it, see priced.others; later ones do not, see recalled. So do the bridges
// of nodes, from the fourth on, on which something is to be made where nothing of ours
// runs yet. And so does, in the first look of a process and of each day after it, one
// request for when the token expires; see tokenLife.
func TestALookCostsWhatTheFormulaSays(t *testing.T) {
	t.Parallel()
	strangers := func(b *bench) {
		for i := range 7 {
			b.sim.AddGuest(strange(700+i, nil))
		}
	}
	unaddressed := func(yaml string) string {
		return edited(yaml, ", address: 10.1.1.4", ", address: none", ", address: 10.1.1.5", ", address: none", ", address: 10.1.1.6", ", address: none",
			"cloudInit: {packages: [git]}", "")
	}
	web, cache, db := unaddressed(webYAML), unaddressed(cacheYAML), unaddressed(dbYAML)
	for name, p := range map[string]priced{
		"nothing of ours":         {prepare: strangers},
		"all there":               {docs: []string{webYAML, cacheYAML, dbYAML}, made: true, prepare: strangers, ours: 3, images: 2},
		"creates planned":         {docs: []string{web, cache, db}, prepare: strangers, ours: 3, images: 2},
		"creates on three nodes":  {docs: []string{web, cache + "node: pve2\n", db + "node: pve3\n"}, nodes: []string{"pve1", "pve2", "pve3"}, prepare: strangers, ours: 3, images: 3},
		"a new static address":    {docs: []string{webYAML}, prepare: strangers, ours: 1, images: 1, others: 7},
		"addresses by DHCP":       {docs: []string{dhcpYAML, agentYAML}, made: true, prepare: strangers, ours: 2, images: 2, asked: 2},
		"a data VM and its user":  {docs: []string{web, certsYAML}, changes: []func(*desired.Fleet){disk("vm/web-1", desired.Disk{Volume: "certs/letsencrypt"})}, made: true, ours: 2, images: 1},
		"a data VM to be made":    {docs: []string{web, certsYAML}, changes: []func(*desired.Fleet){disk("vm/web-1", desired.Disk{Volume: "certs/letsencrypt"})}, ours: 2, images: 1},
		"a pool that is missing":  {docs: []string{web + "pool: lab\n", cache + "pool: lab\n"}, prepare: strangers, ours: 2, images: 2},
		"clones to be made":       {docs: []string{unaddressed(cloneYAML)}, changes: []func(*desired.Fleet){cloned("vm/web-1", desired.Find{Tag: "debian-12"}, false)}, prepare: func(b *bench) { b.template(9000, nil) }, ours: 2},
		"a stranger on our VMID":  {docs: []string{web}, prepare: func(b *bench) { b.sim.AddGuest(strange(4001, nil)); strangers(b) }, ours: 1, images: 1},
		"unadopted, by their tag": {docs: []string{web, cache}, prepare: func(b *bench) { unadopted(b); strangers(b) }, ours: 6, images: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := benchOn(t, pvesim.New(pvesim.Options{Nodes: p.nodes}))
				b.now(p.docs, p.changes...)
				first := 1
				if p.made {
					b.apply()
					first = 0
				}
				if p.prepare != nil {
					p.prepare(b)
				}
				nodes := max(len(p.nodes), 1)
				most := p.ours + 2*nodes + p.images + p.asked + 8 + p.others + first
				b.mark()
				b.observe()
				if got := b.sim.Requests()[b.from:]; len(got) > most {
					t.Errorf("%d requests, at most %d are allowed:\n%s", len(got), most, tallied(got))
				}
			})
		})
	}
}

// unadopted adds guests that bear the fleet's tag and no stamp.
func unadopted(b *bench) {
	for i := range 4 {
		b.sim.AddGuest(strange(800+i, map[string]string{"name": fmt.Sprintf("old-%d", i), "tags": "berth.pegasus"}))
	}
}

// tallied are requests with how often each was made.
func tallied(requests []pvesim.Request) string {
	times := make(map[string]int)
	for _, r := range requests {
		times[r.Method+" "+r.Path]++
	}
	var lines []string
	for _, request := range slices.Sorted(maps.Keys(times)) {
		lines = append(lines, fmt.Sprintf("%d %s", times[request], request))
	}
	return strings.Join(lines, "\n")
}
