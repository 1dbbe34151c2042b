package proxmox

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// exactly are the rights that a plan takes, as it is judged by, with those of
// looking at the site.
func (b *bench) exactly(p *drift.Plan, w *drift.World) []pve.Right {
	site := b.fleet.Sites["home"]
	all := looking(site)
	for i := range p.Changes {
		c := &p.Changes[i]
		want := b.fleet.Resource(c.ID)
		if want != nil {
			if image, ok := want.Spec.(*desired.ImageAt); ok {
				all = append(all, fetching(b.fleet, want, image)...)
				continue
			}
		}
		n := &needy{fleet: b.fleet, site: site, want: want}
		n.vmid = n.guest().VMID
		if h, ok := handleOf(w.Live(c.ID)); ok {
			n.vmid = h.vmid
		}
		all = append(all, n.step(c.Step)...)
		if want == nil || c.Step == drift.Create {
			continue
		}
		for _, leaf := range desired.Leaves(want.ID.Kind(), want.Spec) {
			if slices.ContainsFunc(c.Fields, func(f drift.Field) bool { return f.Path == leaf.Path }) {
				all = append(all, n.leaf(leaf.Path, leaf.Privilege)...)
			}
		}
	}
	var once []pve.Right
	seen := make(map[string]bool)
	for _, r := range all {
		if !seen[r.String()] {
			seen[r.String()] = true
			once = append(once, r)
		}
	}
	return once
}

// TestStepsAreDoneWithExactlyTheRightsThatTheyAreHeldFor makes steps with the
// rights alone by which a plan is judged, and without each of them: then all is held
// beforehand or goes without, and nothing fails halfway.
func TestStepsAreDoneWithExactlyTheRightsThatTheyAreHeldFor(t *testing.T) {
	t.Parallel()
	free := edited(lab1YAML, "{volume: certs/letsencrypt}", "absent")
	lab2 := edited(lab1YAML, "name: web-1", "name: db", "id: 4001", "id: 4003", "10.1.1.4", "10.1.1.6")
	alone := edited(lab1YAML, "  scsi1: {volume: certs/letsencrypt}\n", "")
	stray := func(b *bench) {
		b.sim.AddGuest(pvesim.Guest{VMID: 4001, Node: "pve1", Running: true, Config: map[string]string{
			"name": "web-1", "smbios1": "uuid=" + uuid, "cores": "2", "scsi0": "local-lvm:vm-4001-disk-0,size=8G",
		}})
	}
	adopted := "kind: VM\nname: web-1\nid: 4001\nadopt: {uuid: " + uuid + "}\n"
	for name, c := range map[string]struct {
		by     func(b *bench)
		before []string
		after  []string
		steps  string
	}{
		"hand-over": {nil, []string{certsYAML, lab1YAML}, []string{certsYAML, free, lab2}, "detach create ready"},
		"attach":    {nil, []string{certsYAML, free}, []string{certsYAML, lab1YAML}, "attach"},
		"archive":   {nil, []string{certsYAML, lab1YAML}, []string{certsYAML}, "stop detach archive"},
		"destroy":   {nil, []string{certsYAML, lab1YAML}, []string{certsYAML, lab1YAML + "state: absent\n"}, "stop detach delete"},
		"clone":     {func(b *bench) { b.template(9000, nil) }, nil, []string{templateYAML, cloneYAML + "clone: debian-12\n"}, "create ready"},
		"adopt":     {stray, nil, []string{adopted}, "adopt"},
		"release":   {stray, []string{adopted + "lifecycle: {remove: release}\n"}, nil, "release"},
		"rename":    {nil, []string{certsYAML}, []string{edited(certsYAML, "name: certs", "name: keys\nrenamedFrom: certs")}, "adopt online"},
		"move":      {nil, []string{alone}, []string{edited(alone, "id: 4001", "id: 4001\nnode: pve2\npin: true")}, "migrate"},
		"grow":      {nil, []string{certsYAML}, []string{edited(certsYAML, "2GiB", "3GiB")}, "online"},
		"pool":      {func(b *bench) { b.sim.SetPool(1, "apps") }, []string{certsYAML}, []string{certsYAML + "pool: apps\n"}, "online"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			without := func(skip int) (out string, rights []pve.Right) {
				synctest.Test(t, func(t *testing.T) {
					b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}}))
					if c.by != nil {
						c.by(b)
					}
					b.manifests(c.before...)
					b.converge2()
					b.manifests(c.after...)
					p, w := b.planned(t.Context())
					for step := range strings.FieldsSeq(c.steps) {
						if !strings.Contains(show(p), " "+step) {
							t.Fatalf("there is no step %s:\n%s", step, show(p))
						}
					}
					rights = b.exactly(p, w)
					byPath := make(map[string][]string)
					for i, r := range rights {
						if i != skip {
							byPath[r.Path] = append(byPath[r.Path], r.Privilege)
						}
					}
					var acl []pvesim.ACL
					for path, privileges := range byPath {
						// What a path of its own is given takes the place of what is passed on.
						if strings.HasPrefix(path, "/vms/") {
							privileges = append(privileges, byPath["/vms"]...)
						}
						acl = append(acl, pvesim.ACL{Path: path, Privs: privileges, Propagate: path != "/"})
					}
					b.token = b.sim.AddToken("exact@pve", "agent", true, acl...)
					out = told(b.turn())
				})
				return out, rights
			}
			out, rights := without(-1)
			if strings.Contains(out, ": failed") || strings.Contains(out, ": held") || !strings.Contains(out, ": done") {
				t.Errorf("with %v:\n%s", rights, out)
			}
			for i := 0; i < len(rights); i += stride {
				if out, _ := without(i); strings.Contains(out, ": failed") {
					t.Errorf("without %s:\n%s", rights[i], out)
				}
			}
		})
	}
}
