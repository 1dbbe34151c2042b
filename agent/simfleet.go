package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/spf13/cobra"

	"berth/agent/internal/importer"
	"berth/applyers/proxmox"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

// simFleet is a made-up cluster, and the fleet that is written for it.
type simFleet struct {
	guests, nodes int
	out           string
	unadopted     bool
}

// The most that is made up: beyond it, starting takes minutes.
const (
	maxSimGuests = 20_000
	maxSimNodes  = 100
)

func (f *simFleet) check(cmd *cobra.Command) error {
	switch {
	case cmd.Flags().Changed("guests") && (f.guests < 1 || f.guests > maxSimGuests):
		return fmt.Errorf("--guests %d: write 1 to %d", f.guests, maxSimGuests)
	case f.nodes < 1 || f.nodes > maxSimNodes:
		return fmt.Errorf("--nodes %d: write 1 to %d", f.nodes, maxSimNodes)
	case cmd.Flags().Changed("nodes") && f.guests == 0:
		return errors.New("--nodes goes with --guests: say how many guests are on them")
	case f.unadopted && f.out == "":
		return errors.New("--unadopted goes with --out: without it there is no fleet")
	}
	return nil
}

// cluster makes the cluster up.
func (f *simFleet) cluster(o pvesim.Options) *pvesim.Cluster {
	o.Now = time.Now
	if f.guests == 0 {
		return pvesim.Homelab(o)
	}
	for i := range f.nodes {
		o.Nodes = append(o.Nodes, fmt.Sprintf("pve%d", i+1))
	}
	return pvesim.Mixed(o, pvesim.Mix{Guests: f.guests})
}

// node is one that the cluster has.
func (f *simFleet) node() string {
	if f.guests == 0 {
		return "proxmox-1"
	}
	return "pve1"
}

// unused refuses a directory that holds anything.
func unused(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into --out: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty, it holds %s: give a directory that is, or none yet", dir, entries[0].Name())
	}
	return nil
}

// write writes the fleet that matches the cluster, and what an agent needs for it.
func (f *simFleet) write(ctx context.Context, s streams, sim *simulator) error {
	made, requests, err := f.importFleet(ctx, sim)
	if err != nil {
		return fmt.Errorf("write the fleet: %w", err)
	}
	fleet := filepath.Join(f.out, "fleet")
	if err := writeNew(fleet, made.Files); err != nil {
		return err
	}
	if err := commitAll(fleet, fmt.Sprintf("The %d guests of the simulated cluster", len(made.Taken))); err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	settings := "repository: {url: fleet}\nstate: state\nsocket: agent.sock\nsecrets: {pve: token}\n"
	// The settings come last: who waits for them finds everything there.
	for _, file := range [][2]string{{"token", sim.token + "\n"}, {"agent.yaml", settings}} {
		if err := os.WriteFile(filepath.Join(f.out, file[0]), []byte(file[1]), 0o600); err != nil {
			return fmt.Errorf("write the settings: %w", err)
		}
	}
	fmt.Fprintf(s.Out, "%s on %s, %d of them in %s (read with %d requests); the others are foreign\n\nTry, in another terminal:\n\n",
		counted(len(sim.cluster.Guests()), "guest"), counted(len(made.Nodes), "node"), len(made.Taken), fleet, requests)
	fmt.Fprintf(s.Out, "  %s drift --config %s\n", program(), filepath.Join(f.out, "agent.yaml"))
	return nil
}

// importFleet reads the cluster and writes its manifests as agent import does, and
// lets the guests be the fleet's own.
func (f *simFleet) importFleet(ctx context.Context, sim *simulator) (*importer.Import, int, error) {
	o := importer.Options{
		Site: desired.Site{
			Name: "home", Endpoints: desired.List{sim.endpoint}, TLS: desired.TLS{Fingerprint: sim.fingerprint}, Token: desired.SecretRef{Secret: "pve"},
		},
		Fleet: "sim", UID: "51a0f1ee",
	}
	guests := proxmox.New(proxmox.Options{
		Token:     func(context.Context, *desired.Site) (string, error) { return sim.token, nil },
		Transport: func(*desired.Site) (http.RoundTripper, error) { return sim.cluster.Transport(), nil },
		Log:       slog.New(slog.DiscardHandler),
	})
	survey, err := guests.Survey(ctx, &o.Site)
	if err != nil {
		return nil, 0, err
	}
	requests := guests.TakeRequests()[http.MethodGet]
	made, err := importer.Make(survey, o)
	if err != nil || f.unadopted {
		return made, requests, err
	}
	tree := fstest.MapFS{}
	for name, text := range made.Files {
		tree[name] = &fstest.MapFile{Data: text}
	}
	fleet, err := desired.Load(tree)
	if err != nil {
		return nil, 0, err
	}
	stamps, err := survey.Stamps(fleet)
	if err != nil {
		return nil, 0, err
	}
	for vmid, options := range stamps {
		sim.cluster.Edit("root@pam", vmid, options)
	}
	return made, requests, nil
}

// commitAll makes a repository of a directory, with all that is in it.
func commitAll(dir, message string) error {
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")}})
	if err != nil {
		return err
	}
	tree, err := repo.Worktree()
	if err != nil {
		return err
	}
	if err := tree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return err
	}
	_, err = tree.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "Berth", Email: "berth@localhost", When: time.Now()}})
	return err
}
