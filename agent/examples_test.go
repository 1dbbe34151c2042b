package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"berth/agent/internal/importer"
	"berth/applyers"
	"berth/applyers/proxmox"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
	"berth/drift"
)

// exampleWorld is a simulated cluster for each site of an example, and what
// carries plans out on them.
type exampleWorld struct {
	t     *testing.T
	fleet *desired.Fleet
	sims  map[string]*pvesim.Cluster
	a     *proxmox.Applyer
}

// exampleSums are the checksums of an example's images, which the simulator makes
// up from their URLs.
var exampleSums = regexp.MustCompile(`(?m)^url: (\S+)\nsha(256|512): [0-9a-f]+`)

// exampleFiles reads an example, with checksums that hold on the simulator.
func exampleFiles(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	root := os.DirFS(filepath.Join("..", "examples", name))
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, path)
		files[path] = &fstest.MapFile{Data: exampleSums.ReplaceAllFunc(text, func(found []byte) []byte {
			from := string(exampleSums.FindSubmatch(found)[1])
			return []byte("url: " + from + "\nsha256: " + pvesim.Sum(from, "sha256"))
		})}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// exampleCluster is a cluster as the site of an example describes it: its nodes,
// storages, bridges and pools.
func exampleCluster(fleet *desired.Fleet, site *desired.Site) *pvesim.Cluster {
	nodes, stores, bridges := map[string]bool{site.Node: true}, map[string][]string{}, map[string]bool{}
	for _, r := range fleet.Resources {
		if g := fleet.Machine(r.ID); g != nil && r.Site == site.Name {
			nodes[g.Node] = true
		}
	}
	for _, class := range site.Storage {
		stores[class.Store] = slices.Sorted(maps.Keys(nodes))
		for node, store := range class.PerNode {
			stores[store] = []string{node}
			nodes[node] = true
		}
	}
	o := pvesim.Options{Nodes: slices.Sorted(maps.Keys(nodes))}
	for _, n := range site.Networks {
		bridges[n.Bridge] = true
	}
	o.Bridges = slices.Sorted(maps.Keys(bridges))
	for name := range stores {
		o.Storages = append(o.Storages, pvesim.Storage{Name: name, Type: "lvmthin", Content: []string{"images", "rootdir"}, Size: 100 << 40, Shared: strings.HasPrefix(name, "ceph")})
	}
	for _, name := range []string{site.Images, site.Seeds} {
		if store := site.Store(name); store != "" && stores[store] == nil {
			stores[store] = []string{}
			o.Storages = append(o.Storages, pvesim.Storage{Name: store, Type: "dir", Content: []string{"iso", "vztmpl", "import", "images", "rootdir"}, Size: 10 << 40, Shared: store == "cephfs"})
		}
	}
	return pvesim.New(o)
}

// exampleTemplates puts the templates that guests are cloned from where Packer
// would have.
func exampleTemplates(fleet *desired.Fleet, site *desired.Site, sim *pvesim.Cluster) {
	vmid := 9000
	for _, name := range slices.Sorted(maps.Keys(fleet.Templates)) {
		find := fleet.Templates[name].Find
		store := ""
		for _, class := range site.Storage {
			store = max(store, class.Store)
		}
		if class, ok := site.Storage["ceph"]; ok {
			store = class.Store
		}
		sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: vmid, Node: site.Node, Config: map[string]string{
			"name": strings.ReplaceAll(max(find.Name, name), ".", "-"), "tags": find.Tag, "template": "1", "memory": "1024", "cores": "1",
			"scsihw": "virtio-scsi-single", "scsi0": fmt.Sprintf("%s:base-%d-disk-0,size=8G", store, vmid), "boot": "order=scsi0",
			"meta": "creation-qemu=9.0.2,ctime=1730000000",
		}})
		vmid++
	}
}

// examplePools makes the pools that guests of a site are members of.
func examplePools(t *testing.T, fleet *desired.Fleet, site string, sim *pvesim.Cluster, token string) {
	t.Helper()
	made := make(map[string]bool)
	for _, r := range fleet.Resources {
		g := fleet.Machine(r.ID)
		if g == nil || r.Site != site || g.Pool == "" || made[g.Pool] {
			continue
		}
		made[g.Pool] = true
		form := strings.NewReader(url.Values{"poolid": {g.Pool}}.Encode())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+site+".test/api2/json/pools", form)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "PVEAPIToken="+token)
		res, err := sim.Transport().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Fatalf("make pool %s: %s", g.Pool, res.Status)
		}
	}
}

// newExampleWorld makes the world of an example.
func newExampleWorld(t *testing.T, fleet *desired.Fleet, cluster func(*desired.Fleet, *desired.Site) *pvesim.Cluster) *exampleWorld {
	t.Helper()
	w := &exampleWorld{t: t, fleet: fleet, sims: make(map[string]*pvesim.Cluster)}
	tokens := make(map[string]string)
	for name, site := range fleet.Sites {
		sim := cluster(fleet, site)
		schemacheck.Watch(t, sim)
		exampleTemplates(fleet, site, sim)
		sim.OnPower(func(g pvesim.Guest, running bool) {
			if running {
				exampleBoot(sim, g)
			}
		})
		w.sims[name] = sim
		tokens[name] = sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
		examplePools(t, fleet, name, sim, tokens[name])
	}
	w.a = proxmox.New(proxmox.Options{
		Token:     func(_ context.Context, site *desired.Site) (string, error) { return tokens[site.Name], nil },
		Secret:    func(context.Context, desired.SecretRef) ([]byte, error) { return []byte("a password"), nil },
		Transport: func(site *desired.Site) (http.RoundTripper, error) { return w.sims[site.Name].Transport(), nil },
		Dial: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			_ = there.Close()
			return here, nil
		},
	})
	return w
}

// exampleBoot lets a guest answer as one that has booted: its agent tells an
// address, and that cloud-init has ended.
func exampleBoot(sim *pvesim.Cluster, g pvesim.Guest) {
	_, mac, _ := strings.Cut(g.Config["net0"], "=")
	mac, _, _ = strings.Cut(mac, ",")
	go func() { // The simulator calls with its lock held.
		sim.SetGuestAgent(g.VMID, pvesim.Interface{Name: "eth0", MAC: mac, Addresses: []string{fmt.Sprintf("192.0.2.%d/24", g.VMID%250+1)}})
		sim.SetGuestFile(g.VMID, "/run/cloud-init/result.json", `{"v1":{"errors":[]}}`)
	}()
}

// plan is what differs on Proxmox.
func (w *exampleWorld) plan() (*drift.Plan, *drift.World) {
	w.t.Helper()
	seen, err := w.a.Observe(w.t.Context(), w.fleet, applyers.Scope{})
	if err != nil {
		w.t.Fatal(err)
	}
	in := drift.Input{
		Fleet: w.fleet, Observed: seen, Steps: applyers.StepsByKind(applyers.ByKind(w.a)),
		Guards: []drift.Guard{drift.Ownership(), drift.Protection(), drift.Unknown(), drift.Amount(desired.Guards{Deletes: 3, Percent: 100})},
	}
	p, err := drift.Make(in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range p.Blind {
		w.t.Errorf("unknown: %s %s: %s", b.ID, b.Site, b.Reason)
	}
	return p, in.World()
}

// apply makes all true in one turn, in which every step must succeed.
func (w *exampleWorld) apply() {
	w.t.Helper()
	p, world := w.plan()
	out, err := applyers.Execute(w.t.Context(), applyers.Execution{Plan: p, World: world, Appliers: applyers.ByKind(w.a)})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range out {
		if o.Status != drift.Done {
			w.t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
		}
	}
}

// settled asserts that nothing differs.
func (w *exampleWorld) settled() {
	w.t.Helper()
	p, _ := w.plan()
	for _, c := range p.Changes {
		var paths []desired.Path
		for _, f := range c.Fields {
			paths = append(paths, f.Path)
		}
		w.t.Errorf("still planned: %s %s %v", c.Key, c.Held, paths)
	}
}

// exampleNames are the fleets of the examples directory.
func exampleNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) < 5 {
		t.Fatalf("there are %d examples: %v", len(names), names)
	}
	return names
}

// TestExamplesApply makes every example true on empty clusters, and finds nothing
// left to do.
func TestExamplesApply(t *testing.T) {
	for _, name := range exampleNames(t) {
		t.Run(name, func(t *testing.T) {
			fleet, err := desired.Load(exampleFiles(t, name))
			if err != nil {
				t.Fatalf("the example does not load:\n%v", err)
			}
			synctest.Test(t, func(t *testing.T) {
				w := newExampleWorld(t, fleet, exampleCluster)
				w.apply()
				w.settled()
			})
		})
	}
}

// forget takes all proof of ownership off a site's guests, as if nobody had ever
// looked after them.
func (w *exampleWorld) forget(site string) {
	sim := w.sims[site]
	for _, g := range sim.Guests() {
		set := map[string]string{}
		for line := range strings.SplitSeq(g.Config["description"], "\n") {
			if !strings.HasPrefix(line, "berth: ") {
				set["description"] += line + "\n"
			}
		}
		var tags []string
		for tag := range strings.SplitSeq(g.Config["tags"], ";") {
			if !strings.HasPrefix(tag, "berth.") {
				tags = append(tags, tag)
			}
		}
		set["tags"] = strings.Join(tags, ";")
		set["description"] = strings.TrimSpace(set["description"])
		sim.Edit("root@pam", g.VMID, set)
	}
}

// importBack writes the manifests of a site as a person who begins with Berth
// would have them written.
func (w *exampleWorld) importBack(site string) *desired.Fleet {
	w.t.Helper()
	survey, err := w.a.Survey(w.t.Context(), w.fleet.Sites[site])
	if err != nil {
		w.t.Fatal(err)
	}
	reach := desired.Site{Name: site, Endpoints: w.fleet.Sites[site].Endpoints, Token: w.fleet.Sites[site].Token}
	made, err := importer.Make(survey, importer.Options{Site: reach, Fleet: "imported", UID: "0123abcd"})
	if err != nil {
		w.t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, text := range made.Files {
		files[name] = &fstest.MapFile{Data: text}
	}
	fleet, err := desired.Load(files)
	if err != nil {
		w.t.Fatalf("what was imported does not load:\n%v", err)
	}
	return fleet
}

// sameMachines asserts that what was imported is what was applied: the same
// machines, and no value that Proxmox keeps and the example sets is another.
func (w *exampleWorld) sameMachines(before, after *desired.Fleet, site string) {
	w.t.Helper()
	machines := 0
	for _, r := range before.Resources {
		if r.Site != site || !r.ID.Machine() {
			continue
		}
		machines++
		again := after.Resource(r.ID)
		if again == nil {
			w.t.Errorf("%s is not imported", r.ID)
			continue
		}
		leaves := make(map[desired.Path]string)
		for _, leaf := range desired.Leaves(r.ID.Kind(), again.Spec) {
			leaves[leaf.Path] = desired.Text(leaf.Value)
		}
		for _, leaf := range desired.Leaves(r.ID.Kind(), r.Spec) {
			was := r.Set.Has(leaf.Path)
			is := again.Set.Has(leaf.Path)
			// Classes, networks, phases and volumes have the names that import gives.
			if was && is && !exampleNamed(leaf.Path) && desired.Text(leaf.Value) != leaves[leaf.Path] {
				w.t.Errorf("%s %s: %s, was %s", r.ID, leaf.Path, leaves[leaf.Path], desired.Text(leaf.Value))
			}
		}
	}
	for _, r := range after.Resources {
		if r.ID.Machine() {
			machines--
		}
	}
	if machines != 0 {
		w.t.Errorf("%d machines more or less are imported", machines)
	}
}

func exampleNamed(path desired.Path) bool {
	keys := path.Keys()
	switch keys[len(keys)-1] {
	case "storage", "network", "startup", "volume", "iso", "image":
		return true
	}
	return false
}

// TestExamplesImport applies every example, forgets whose the guests are, imports
// them, and plans again: nothing but adoption, and after it nothing at all.
func TestExamplesImport(t *testing.T) {
	for _, name := range exampleNames(t) {
		t.Run(name, func(t *testing.T) {
			fleet, err := desired.Load(exampleFiles(t, name))
			if err != nil {
				t.Fatalf("the example does not load:\n%v", err)
			}
			synctest.Test(t, func(t *testing.T) {
				w := newExampleWorld(t, fleet, exampleCluster)
				w.apply()
				for _, site := range slices.Sorted(maps.Keys(fleet.Sites)) {
					if !slices.ContainsFunc(fleet.Resources, func(r *desired.Resource) bool { return r.Site == site && r.ID.Machine() }) {
						continue
					}
					w.fleet = fleet
					w.forget(site)
					again := w.importBack(site)
					w.sameMachines(fleet, again, site)
					w.fleet = again
					p, _ := w.plan()
					if len(p.Changes) == 0 {
						t.Error("nothing is to be adopted")
					}
					for _, c := range p.Changes {
						if c.Step != drift.Adopt || strings.Contains(c.Reason, "differ") {
							t.Errorf("planned: %s %s %s", c.Key, c.Reason, c.Held)
						}
					}
					w.apply()
					w.settled()
				}
			})
		})
	}
}
