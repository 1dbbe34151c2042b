package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

func stores(all ...pvesim.Storage) func() *pvesim.Cluster {
	return func() *pvesim.Cluster { return pvesim.New(pvesim.Options{Storages: all}) }
}

// TestAPlanPromisesNothingThatCannotBeMade holds what would fail, with the way
// out, and writes nothing.
func TestAPlanPromisesNothingThatCannotBeMade(t *testing.T) {
	t.Parallel()
	local := pvesim.Storage{Name: "local", Type: "dir", Content: []string{"iso", "import", "vztmpl"}}
	lvm := pvesim.Storage{Name: "local-lvm", Type: "lvmthin", Content: []string{"images", "rootdir"}}
	narrow := func(s pvesim.Storage, content ...string) pvesim.Storage {
		s.Content = content
		return s
	}
	for name, c := range map[string]struct {
		sim func() *pvesim.Cluster
		// site replaces parts of the site.
		site []string
		docs []string
		// held is what the steps are held by; blind is what is told of as unknown.
		held  map[string]string
		blind string
	}{
		"images without their content": {
			sim:  stores(narrow(local, "iso", "backup"), lvm),
			docs: []string{webYAML, cacheYAML},
			held: map[string]string{
				"image/debian-12@home fetch": "storage local of pve1 does not take images to import: pvesm set local --content backup,iso,import,vztmpl (storage class hdd, fleet.yaml:",
				"image/debian-ct@home fetch": "storage local of pve1 does not take container templates: pvesm set local --content backup,iso,import,vztmpl (",
				"vm/web-1 create":            "storage local of pve1 does not take images to import: pvesm set local --content backup,iso,import,vztmpl (storage class hdd, fleet.yaml:",
				"ct/cache create":            "waits for image/debian-ct@home fetch, which is held",
			},
		},
		"images where there can be none": {
			sim:  stores(local, lvm),
			site: []string{"images: hdd", "images: ssd", "seeds: hdd", "seeds: hdd"},
			docs: []string{cacheYAML},
			held: map[string]string{
				"image/debian-ct@home fetch": "storage local-lvm of pve1 is of type lvmthin, which can't take container templates: name another, as local (storage class ssd, fleet.yaml:",
				"ct/cache create":            "waits for image/debian-ct@home fetch, which is held",
			},
		},
		"disks without their content": {
			sim:  stores(local, narrow(lvm, "backup")),
			docs: []string{webYAML, cacheYAML},
			held: map[string]string{
				"vm/web-1 create": "storage local-lvm of pve1 does not take virtual machines' disks: pvesm set local-lvm --content backup,images,rootdir (storage class ssd, fleet.yaml:",
				"ct/cache create": "storage local-lvm of pve1 does not take containers' volumes: pvesm set local-lvm --content backup,images,rootdir (",
			},
		},
		"a class without its storage": {
			sim:  stores(local, lvm),
			site: []string{"store: local-lvm", "store: data"},
			docs: []string{cacheYAML},
			held: map[string]string{"ct/cache create": `site home has no storage "data": it has local, local-lvm (storage class ssd, fleet.yaml:`},
		},
		"a storage of another node": {
			sim: func() *pvesim.Cluster {
				lvm := lvm
				lvm.Nodes = []string{"pve2"}
				return pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Storages: []pvesim.Storage{local, lvm}})
			},
			docs: []string{cacheYAML},
			held: map[string]string{"ct/cache create": `node pve1 has no storage "local-lvm": it has local (storage class ssd`},
		},
		"images on no storage": {
			sim:   stores(local, lvm),
			site:  []string{"images: hdd", "images: data"},
			docs:  []string{cacheYAML},
			held:  map[string]string{"ct/cache create": "whether image/debian-ct@home is there could not be read"},
			blind: `site home has no storage "data": it has local, local-lvm; name a storage of the cluster in the site's images`,
		},
		"a site's wrong node": {
			sim:  stores(local, lvm),
			site: []string{"node: pve1", "node: pve"},
			docs: []string{webYAML},
			held: map[string]string{
				"image/debian-12@home fetch": `site home has no node "pve": it has pve1 (node of site home, fleet.yaml:`,
				"vm/web-1 create":            `site home has no node "pve": it has pve1 (node of site home, fleet.yaml:`,
			},
		},
		"a container made from nothing": {
			sim:  stores(local, lvm),
			docs: []string{edited(cacheYAML, "image: debian-ct, ", "")},
			held: map[string]string{
				"ct/cache create": "there is no such container, and nothing says what to make it from: write disks.rootfs: {image: NAME, size: 8GiB} (ct/cache, fleet.yaml:",
			},
		},
		"a guest's wrong node": {
			sim:  stores(local, lvm),
			docs: []string{cacheYAML + "node: pve\n"},
			held: map[string]string{
				"image/debian-ct@home fetch": `site home has no node "pve": it has pve1`,
				"ct/cache create":            `site home has no node "pve": it has pve1 (node of ct/cache, fleet.yaml:`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := benchOn(t, c.sim())
				site := strings.NewReplacer(c.site...).Replace(siteYAML)
				b.fleet = load(t, append([]string{fleetYAML, site, imagesYAML}, c.docs...)...)
				b.mark()
				p := b.plan()
				for _, change := range p.Changes {
					want, ok := c.held[change.String()]
					switch {
					case change.Step == drift.Ready:
					case !ok && change.Held != "", !strings.Contains(change.Held, want):
						t.Errorf("%s is held by %q, not %q", change.Key, change.Held, want)
					}
					delete(c.held, change.String())
				}
				if len(c.held) > 0 {
					t.Errorf("not planned: %v\n%s", c.held, show(p))
				}
				if c.blind == "" && len(p.Blind) > 0 || c.blind != "" && (len(p.Blind) != 1 || p.Blind[0].Reason+"; "+p.Blind[0].Remedy != c.blind) {
					t.Errorf("blind: %+v", p.Blind)
				}
				b.turn()
				for _, w := range b.writes() {
					if strings.HasSuffix(w, "/qemu") || strings.HasSuffix(w, "/lxc") {
						t.Errorf("written: %s", w)
					}
				}
			})
		})
	}
}

// TestAWrongNodeOfOneGuestHoldsNoOther: the image is fetched for those that can
// be made.
func TestAWrongNodeOfOneGuestHoldsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML, edited(cacheYAML, "name: cache", "name: more\nnode: pve", "4002", "4003", "10.1.1.5", "10.1.1.6"))
		out := told(b.turn())
		if !strings.Contains(out, "ct/cache create: done") || !strings.Contains(out, `ct/more create: held: site home has no node "pve": it has pve1`) {
			t.Errorf("outcome %s", out)
		}
	})
}

// TestWhatTheTokenMayNotSeeHoldsNothing: that a list lacks a storage proves
// nothing.
func TestWhatTheTokenMayNotSeeHoldsNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		acl   pvesim.ACL
		notes string
	}{
		"one of two": {
			pvesim.ACL{Path: "/storage/local-lvm", Role: "NoAccess"},
			`the token may not see storage "local-lvm" of site home (storage class ssd, fleet.yaml:`,
		},
		"none": {pvesim.ACL{Path: "/storage", Role: "NoAccess", Propagate: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, edited(webYAML, "image: debian-12, ", "", "cloudInit: {packages: [git]}", ""))
				b.token = b.sim.AddToken("narrow@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}, c.acl)
				p := b.plan()
				if create := p.Change(key("vm/web-1", drift.Create)); create == nil || create.Held != "" {
					t.Errorf("plan:\n%s", show(p))
				}
				if c.notes == "" && len(p.Notes) > 0 || c.notes != "" && (len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, c.notes)) {
					t.Errorf("notes: %+v", p.Notes)
				}
			})
		})
	}
}

// TestObstaclesTakeNoRequestWhereThereAreNone counts what a look asks for.
func TestObstaclesTakeNoRequestWhereThereAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.mark()
		b.observe()
		for _, r := range b.sim.Requests()[b.from:] {
			if strings.HasSuffix(r.Path, "/status") && strings.Contains(r.Path, "/storage/") {
				t.Errorf("asked: %s", r.Path)
			}
		}
	})
}
