package importer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
	"berth/drift"
)

// site is a simulated cluster and the way to it.
type site struct {
	sim *pvesim.Cluster
	a   *proxmox.Applyer
}

func newSite(sim *pvesim.Cluster) *site {
	token := sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	return &site{sim: sim, a: proxmox.New(proxmox.Options{
		Token:     func(context.Context, *desired.Site) (string, error) { return token, nil },
		Transport: func(*desired.Site) (http.RoundTripper, error) { return sim.Transport(), nil },
	})}
}

func options() Options {
	return Options{
		Site:  desired.Site{Name: "home", Endpoints: desired.List{"https://pve1.test:8006"}, Token: desired.SecretRef{Secret: "pve-home"}},
		Fleet: "fleet", UID: "5b1f0c2e",
	}
}

func (s *site) survey(t testing.TB) *proxmox.Survey {
	t.Helper()
	schemacheck.Watch(t, s.sim)
	o := options()
	survey, err := s.a.Survey(context.Background(), &o.Site)
	if err != nil {
		t.Fatal(err)
	}
	return survey
}

func (s *site) make(t testing.TB, o Options) *Import {
	t.Helper()
	made, err := Make(s.survey(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func tree(made *Import) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range made.Files {
		out[name] = &fstest.MapFile{Data: text}
	}
	return out
}

func load(t testing.TB, fsys fs.FS) *desired.Fleet {
	t.Helper()
	fleet, err := desired.Load(fsys)
	if err != nil {
		t.Fatalf("what was imported does not load:\n%v", err)
	}
	return fleet
}

// look is what the agent sees and would do.
func (s *site) look(t testing.TB, fleet *desired.Fleet) (drift.Observed, *drift.Plan) {
	t.Helper()
	seen, err := s.a.Observe(context.Background(), fleet, applyers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	steps := make(map[string]drift.Steps)
	for _, kind := range s.a.Kinds() {
		steps[kind] = s.a.Steps
	}
	plan, err := drift.Make(drift.Input{Fleet: fleet, Observed: seen, Steps: steps})
	if err != nil {
		t.Fatal(err)
	}
	return seen, plan
}

// adopt makes the adoptions of a plan, and nothing else.
func (s *site) adopt(t testing.TB, fleet *desired.Fleet) (adopted int) {
	t.Helper()
	seen, plan := s.look(t, fleet)
	lives := make(map[desired.ID]*drift.Live)
	for i := range seen.Lives {
		lives[seen.Lives[i].ID] = &seen.Lives[i]
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range plan.Changes {
		if c.Step != drift.Adopt || c.Held != "" {
			continue
		}
		adopted++
		wg.Go(func() {
			err := s.a.Apply(context.Background(), applyers.Job{
				Change: c, Fleet: fleet, Want: fleet.Resource(c.ID), Have: lives[c.ID],
				Fact: func(desired.ID, string) (string, bool) { return "", false },
			}, quiet{})
			if err != nil {
				t.Errorf("adopt %s: %v", c.ID, err)
			}
		})
	}
	return adopted
}

// quiet listens to no progress.
type quiet struct{}

func (quiet) Task(string) error               { return nil }
func (quiet) Say(string)                      {}
func (quiet) Warn(string)                     {}
func (quiet) Made(desired.ID, string, string) {}
func (quiet) Field(desired.Path, error)       {}

// said lists what a plan would do, for messages.
func said(plan *drift.Plan) string {
	var b strings.Builder
	for _, c := range plan.Changes {
		fmt.Fprintf(&b, "  %s: %s (held: %s)\n", c.Key, c.Reason, c.Held)
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "    %s %q → %q\n", f.Path, f.Before.Text, f.After.Text)
		}
	}
	for _, x := range plan.Foreign {
		fmt.Fprintf(&b, "  foreign %s %s: %s\n", x.ID, x.What, x.Reason)
	}
	for _, x := range plan.Blind {
		fmt.Fprintf(&b, "  blind %s: %s\n", x.ID, x.Reason)
	}
	if b.Len() > 4000 {
		return b.String()[:4000]
	}
	return b.String()
}

// onlyAdoption tells whether a plan holds adoptions alone, that change nothing but
// stamp and tag, and after which nothing differs.
func onlyAdoption(t testing.TB, plan *drift.Plan) {
	t.Helper()
	for _, c := range plan.Changes {
		if slices.ContainsFunc(plan.Foreign, func(f drift.Foreign) bool { return f.ID == c.ID && strings.Contains(f.Reason, "it is locked (backup)") }) {
			continue // It waits, held by the guard.
		}
		if c.Step != drift.Adopt || strings.Contains(c.Reason, "differ") {
			t.Fatalf("%s: %s\n%s", c.Key, c.Reason, said(plan))
		}
		for _, f := range c.Fields {
			if f.Path != "stamp" && f.Path != "tags" {
				t.Fatalf("%s: %s", c.Key, f.Path)
			}
		}
	}
	if len(plan.Blind) > 0 {
		t.Fatal(said(plan))
	}
}

// TestMixedClusterIsAdopted imports 300 guests with the oddities that real
// configurations have: the plan is adoption alone, and after it there is none.
func TestMixedClusterIsAdopted(t *testing.T) {
	s := newSite(pvesim.Mixed(pvesim.Options{}, pvesim.Mix{Guests: 300, Troubled: true}))
	var made *Import
	took := time.Hour
	for try := 0; try < 3 && took > 5*time.Second*slowdown; try++ {
		// Whatever else this machine does now may take its time once.
		s.a.TakeRequests()
		began := time.Now()
		made = s.make(t, options())
		took = time.Since(began)
	}
	show(t, made)
	if most := 5 * time.Second * slowdown; took > most {
		t.Errorf("it took %v", took)
	}
	if n := s.a.TakeRequests()[http.MethodGet]; n > 300+20 {
		t.Errorf("%d requests for 300 guests", n)
	}
	if made.Unlifted != "" || len(made.Profiles) < 4 {
		t.Errorf("profiles %v: %s", made.Profiles, made.Unlifted)
	}
	for file, want := range map[string]string{
		"guests/data-007.yaml": "kind: DataVM\n", "guests/prod-cache-033.yaml": "volume: data-032/scsi0", "guests/lab-git-013.yaml": "clone: {template: debian-12-012, linked: true}",
		"templates.yaml": "find: {name: debian-12-012}", "site.yaml": "phases: {order-100: {order: 100, up: 30s, down: 1m}}",
		"guests/lab-cache-115.yaml": "features: null", "guests/vm-1020.yaml": "ignore: [hostname]", "guests/lab-wiki-019.yaml": "#   features: keyctl: root@pam only",
	} {
		if !strings.Contains(string(made.Files[file]), want) {
			t.Errorf("%s has no %q:\n%s", file, want, made.Files[file])
		}
	}
	fleet := load(t, tree(made))
	_, plan := s.look(t, fleet)
	onlyAdoption(t, plan)
	if len(plan.Foreign) > 0 {
		// Those that are locked: they wait.
		for _, x := range plan.Foreign {
			if !strings.Contains(x.Reason, "locked") {
				t.Errorf("%+v", x)
			}
		}
	}
	for _, g := range s.sim.Guests() {
		s.sim.Edit("root@pam", g.VMID, map[string]string{"lock": ""})
	}
	if got := s.adopt(t, fleet); got != len(made.Taken) {
		t.Errorf("%d adopted of %d", got, len(made.Taken))
	}
	if _, plan := s.look(t, fleet); len(plan.Changes) > 0 || len(plan.Foreign) > 0 || len(plan.Blind) > 0 {
		t.Errorf("after adoption:\n%s", said(plan))
	}
	for name, text := range made.Files {
		for _, secret := range []string{"correct-horse", "plain-as-it-was-given", "AAAAC3NzaC1"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s holds a secret:\n%s", name, text)
			}
		}
	}
}

// show writes what was imported where somebody wants to look at it.
func show(t *testing.T, made *Import) {
	t.Helper()
	dir := os.Getenv("IMPORT_DIR")
	if dir == "" {
		return
	}
	for name, text := range made.Files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	count := map[string]int{}
	for _, u := range made.Unsaid {
		count[u.Option+": "+u.Reason]++
	}
	for _, k := range slices.Sorted(maps.Keys(count)) {
		t.Log(count[k], k)
	}
	for _, l := range made.LeftOut {
		t.Log(l)
	}
}
