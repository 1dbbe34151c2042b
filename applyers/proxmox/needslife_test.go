package proxmox

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/drift"
)

// act is what is done to guests that an administrator has made.
type act struct {
	// before are the manifests that the guests are made by, after those that are
	// then followed with just the rights that they need; hand is done between.
	before, after []string
	hand          func(b *bench)
	// wait is how long the archive keeps before what follows.
	wait time.Duration
	// steps are those that the plan must hold, so that what is meant is tried.
	steps []drift.Step
	// nodes are those of the cluster; none for the usual one.
	nodes []string
}

const labPool = "pool: lab\n"

// acts are the steps that a plan may hold beside creation.
func acts() map[string]act {
	stopped := edited(webYAML, "name: web-1", "name: web-1\nstate: stopped")
	return map[string]act{
		"archive": {before: []string{webYAML, cacheYAML}, after: []string{dbYAML}, steps: []drift.Step{drift.Archive}},
		"restore": {before: []string{webYAML, cacheYAML}, after: []string{webYAML, cacheYAML}, hand: func(b *bench) {
			b.manifests(cacheYAML)
			b.apply()
		}, steps: []drift.Step{drift.Restore}},
		"delete": {before: []string{webYAML}, after: []string{webYAML + "state: absent\n"}, steps: []drift.Step{drift.Delete}},
		"delete what is archived": {before: []string{webYAML, cacheYAML}, after: []string{cacheYAML}, hand: func(b *bench) {
			b.manifests(cacheYAML)
			b.apply()
		}, wait: 8 * 24 * time.Hour, steps: []drift.Step{drift.Delete}},
		"release": {before: []string{webYAML + "lifecycle: {remove: release}\n"}, after: []string{dbYAML}, steps: []drift.Step{drift.Release}},
		"adopt": {before: []string{stopped}, after: []string{edited(stopped, "name: web-1", "name: web-1\nadopt: {mac: MAC}")}, hand: func(b *bench) {
			b.sim.Edit("root@pam", 4001, map[string]string{"description": "The web server.", "tags": "prod;web"})
		}, steps: []drift.Step{drift.Adopt}},
		"stop":                                   {before: []string{webYAML}, after: []string{webYAML + "state: stopped\n"}, steps: []drift.Step{drift.Stop}},
		"start":                                  {before: []string{webYAML + "state: stopped\n"}, after: []string{webYAML}, steps: []drift.Step{drift.Start}},
		"reboot":                                 {before: []string{webYAML}, after: []string{edited(webYAML, "cores: 2", "cores: 3") + rebootNow}, steps: []drift.Step{drift.Reboot}},
		"pool":                                   {before: []string{webYAML + "pool: apps\n"}, after: []string{webYAML + labPool}, steps: []drift.Step{drift.Online}},
		"no pool":                                {before: []string{webYAML + "pool: apps\n"}, after: []string{edited(webYAML, "tags: [prod, web]", "tags: [prod]")}, steps: []drift.Step{drift.Online}},
		"rights by a pool that it is not in yet": {before: []string{webYAML, cacheYAML}, after: []string{edited(webYAML, "cores: 2", "cores: 2, limit: 1") + labPool, edited(cacheYAML, "cpu: 2", "cpu: 1") + labPool}, steps: []drift.Step{drift.Online}},
		"network":                                {before: []string{webYAML, cacheYAML}, after: []string{edited(webYAML, "network: lan, address: 10.1.1.4", "network: dmz, address: none") + rebootNow, edited(cacheYAML, "network: lan, address: 10.1.1.5", "network: dmz, address: none") + rebootNow}},
		"grow":                                   {before: []string{webYAML, cacheYAML}, after: []string{edited(webYAML, "size: 8GiB", "size: 9GiB"), edited(cacheYAML, "size: 4GiB", "size: 5GiB")}, steps: []drift.Step{drift.Online}},
		"disk added":                             {before: []string{webYAML, cacheYAML}, after: []string{edited(webYAML, "size: 8GiB}", "size: 8GiB}, scsi1: {storage: hdd, size: 1GiB}"), edited(cacheYAML, "size: 4GiB}", "size: 4GiB}, mp0: {storage: ssd, size: 1GiB, mount: /srv}") + rebootNow}},
		"disk detached":                          {before: []string{edited(webYAML, "size: 8GiB}", "size: 8GiB}, scsi1: {storage: hdd, size: 1GiB}")}, after: []string{edited(webYAML, "size: 8GiB}", "size: 8GiB}, scsi1: absent") + rebootNow}, steps: []drift.Step{drift.Detach}},
		"volume attached":                        {before: []string{certsYAML, edited(lab1YAML, "  scsi1: {volume: certs/letsencrypt}\n", "")}, after: []string{certsYAML, lab1YAML}, steps: []drift.Step{drift.Attach}},
		"volume detached":                        {before: []string{certsYAML, lab1YAML}, after: []string{certsYAML, edited(lab1YAML, "scsi1: {volume: certs/letsencrypt}", "scsi1: absent")}, steps: []drift.Step{drift.Detach}},
		"iso":                                    {before: []string{attributeISOs, isoYAML("installer")}, after: []string{attributeISOs, isoYAML("rescue")}},
		"rerun":                                  {before: []string{rerunYAML + rebootNow}, after: []string{edited(rerunYAML, "[git]", "[git, curl]") + rebootNow}},
		"native":                                 {before: []string{nativeYAML}, after: []string{edited(nativeYAML, "10.1.1.11", "10.1.1.12") + rebootNow}, steps: []drift.Step{drift.Reboot}},
		"startup":                                {before: []string{edited(webYAML, "startup: early\n", ""), cacheYAML}, after: []string{webYAML, cacheYAML + "startup: early\n"}, steps: []drift.Step{drift.Online}},
		"startup without an order":               {before: []string{webYAML, cacheYAML + "startup: early\n"}, after: []string{edited(webYAML, "startup: early", "startup: yes"), cacheYAML + "startup: never\n"}, steps: []drift.Step{drift.Online}},
		"features":                               {before: []string{edited(cacheYAML, "features: [nesting]\n", "")}, after: []string{cacheYAML + rebootNow}},
		"protection":                             {before: []string{webYAML, cacheYAML}, after: []string{webYAML + "protection: true\n", cacheYAML + "protection: true\n"}, steps: []drift.Step{drift.Online}},
		"migrate":                                {nodes: []string{"pve1", "pve2"}, before: []string{edited(webYAML, "storage: ssd, ", "storage: hdd, ")}, after: []string{edited(webYAML, "storage: ssd, ", "storage: hdd, ") + "node: pve2\npin: true\n" + rebootNow}, steps: []drift.Step{drift.Migrate}},
	}
}

func isoYAML(image string) string {
	return "kind: VM\nname: byhand\nid: 4403\nstate: stopped\ndisks: {scsi0: {storage: ssd, size: 4GiB}, ide2: {iso: " + image + "}}\n"
}

// begun is a cluster on which the guests are made and the new manifests wait.
func (a act) begun(t *testing.T, watched bool) *bench {
	sim := pvesim.New(pvesim.Options{Nodes: a.nodes})
	for _, pool := range []string{"apps", "lab"} {
		sim.SetPool(0, pool)
	}
	b := &bench{t: t, sim: sim}
	if watched {
		schemacheck.Watch(t, sim)
	}
	b.token = sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	b.restart()
	b.manifests(a.before...)
	b.apply()
	if a.hand != nil {
		a.hand(b)
	}
	<-time.After(a.wait)
	b.manifests(a.docs(b)...)
	return b
}

// only gives the agent another token, with rights to exactly these needs.
func (b *bench) only(user string, needs []Need) {
	byPath := make(map[string][]string)
	for _, n := range needs {
		byPath[n.Path] = append(byPath[n.Path], n.Privilege)
	}
	var acl []pvesim.ACL
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		acl = append(acl, pvesim.ACL{Path: path, Privs: byPath[path], Propagate: path != "/"})
	}
	b.token = b.sim.AddToken(user, "agent", true, acl...)
	b.restart()
}

// claimed are the needs without which the plan holds something, or sees less.
// Those to look are among them always: a last look may take more.
func (a act) claimed(t *testing.T, needs []Need) (claimed []Need) {
	synctest.Test(t, func(t *testing.T) {
		b := a.begun(t, true)
		b.only("all@pve", needs)
		whole := b.plan()
		for _, step := range a.steps {
			if !slices.ContainsFunc(whole.Changes, func(c drift.Change) bool { return c.Step == step }) {
				t.Errorf("no %s is planned:\n%s", step, show(whole))
			}
		}
		for i, n := range needs {
			b.only(fmt.Sprintf("without%d@pve", i), slices.Delete(slices.Clone(needs), i, i+1))
			if plan := b.plan(); show(plan) != show(whole) || len(plan.Blind) > 0 || strings.HasSuffix(n.Privilege, ".Audit") {
				claimed = append(claimed, n)
			}
		}
	})
	return claimed
}

// with does it with rights to exactly these needs. Where the agent does not know
// its rights it tries all, and Proxmox says what is missing. It gives what was
// told, and whether nothing is left to do.
func (a act) with(t *testing.T, needs []Need, knows bool) (out string, done bool) {
	var all strings.Builder
	synctest.Test(t, func(t *testing.T) {
		b := a.begun(t, false)
		b.only("least@pve", needs)
		if !knows {
			b.sim.Inject(pvesim.Fault{Method: "GET", Path: "/access/permissions", Status: 500, Reason: "unknown", Count: 100})
		}
		for range 2 {
			p, w := b.planned(t.Context())
			fmt.Fprintf(&all, "%s\n%s\n", show(p), told(b.execute(t.Context(), p, w, &events{})))
			for _, blind := range p.Blind {
				fmt.Fprintf(&all, "unknown: %s %s\n", blind.Reason, blind.Remedy)
			}
		}
		left := b.plan()
		done = len(left.Blind) == 0 && show(left) == ""
		all.WriteString("left: " + show(left))
	})
	return all.String(), done
}

func (a act) docs(b *bench) []string {
	docs := slices.Clone(a.after)
	for i := range docs {
		if strings.Contains(docs[i], "MAC") {
			mac := notation.Parse("", b.guest(4001).Config["net0"]).Value("virtio")
			docs[i] = strings.ReplaceAll(docs[i], "MAC", "'"+strings.ToLower(mac)+"'")
		}
	}
	return docs
}

// needs are those of the manifests before and after, as an operator pastes them
// whenever the fleet has changed.
func (a act) needs(t *testing.T) []Need {
	t.Helper()
	var all []Need
	for _, docs := range [][]string{a.before, a.after} {
		text := strings.ReplaceAll(strings.Join(docs, "\n---\n"), "{mac: MAC}", "{mac: 'bc:24:11:00:00:01'}")
		fleet := load(t, fleetYAML, siteYAML, imagesYAML, text)
		for _, n := range Needs(fleet, fleet.Sites["home"]) {
			if !slices.ContainsFunc(all, func(o Need) bool { return o.Path == n.Path && o.Privilege == n.Privilege }) {
				all = append(all, n)
			}
		}
	}
	return all
}

// TestWhatAStepNeedsIsToldBefore does each step with exactly the rights whose lack
// its plan would tell, which must be enough, and without each of those: nothing may
// fail then, and nothing may be held that Proxmox would do. Of the latter a part
// is tried, more with BERTH_EVERY=1, all with BERTH_EVERY_RIGHT=1 as well.
func TestWhatAStepNeedsIsToldBefore(t *testing.T) {
	every := 5 * stride
	if os.Getenv("BERTH_EVERY_RIGHT") != "" {
		every = 1
	}
	count := 0
	all := acts()
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i%few != 0 {
			continue
		}
		a := all[name]
		t.Run(name, func(t *testing.T) {
			claimed := a.claimed(t, a.needs(t))
			out, done := a.with(t, claimed, true)
			if strings.Contains(out, ": failed") || !done && !strings.Contains(out, "lacks") {
				t.Fatalf("with the rights whose lack would be told, %v:\n%s", claimed, out)
			}
			if !done {
				// Two rights do for each other, so that neither is missed alone.
				claimed = a.needs(t)
				if out, done := a.with(t, claimed, true); !done {
					t.Fatalf("with all rights:\n%s", out)
				}
			}
			for i, n := range claimed {
				if count++; count%every != 0 || n.Privilege == "VM.Audit" || n.Path == "/" && n.Privilege == "Sys.Audit" {
					continue // What the cluster shows is tried with creation.
				}
				less := slices.Delete(slices.Clone(claimed), i, i+1)
				out, done := a.with(t, less, true)
				switch {
				case strings.Contains(out, ": failed"):
					t.Errorf("that %s on %s is missing is not told beforehand:\n%s", n.Privilege, n.Path, out)
				case done:
					continue
				}
				if out, done := a.with(t, less, false); done && !strings.Contains(out, ": failed") {
					t.Errorf("it is held without %s on %s, and goes without:\n%s", n.Privilege, n.Path, out)
				}
			}
		})
	}
}
