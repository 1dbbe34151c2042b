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
	"testing"
	"testing/fstest"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox"
	"berth/applyers/proxmox/pvesim"
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

// plan is what the agent would do.
func (s *site) plan(t testing.TB, fleet *desired.Fleet) *drift.Plan {
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
	return plan
}

func TestMixed(t *testing.T) {
	s := newSite(pvesim.Mixed(pvesim.Options{}, pvesim.Mix{Guests: 300, Troubled: true}))
	began := time.Now()
	made := s.make(t, options())
	t.Logf("%d taken, %d left out, %d unsaid in %v", len(made.Taken), len(made.LeftOut), len(made.Unsaid), time.Since(began))
	if dir := os.Getenv("IMPORT_DIR"); dir != "" {
		for name, text := range made.Files {
			os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
			os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		said := map[string]int{}
		for _, u := range made.Unsaid {
			said[u.Option+": "+u.Reason]++
		}
		for _, k := range slices.Sorted(maps.Keys(said)) {
			fmt.Println(said[k], k)
		}
		for _, l := range made.LeftOut {
			fmt.Println(l)
		}
	}
	load(t, tree(made))
	_ = errors.Is
	_ = strings.ToUpper
}
