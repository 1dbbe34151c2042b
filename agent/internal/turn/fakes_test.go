package turn_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

const base = `
kind: Fleet
name: tested
uid: 5b1f0c2e
guards: {deletes: 1}
---
kind: Site
name: home
endpoints: ["https://10.1.1.11:8006"]
token: {secret: pve}
node: pve1
storage: {ssd: {store: local-lvm}}
images: local
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24}}
---
kind: Image
name: debian
url: https://example.com/debian-12.tar.zst
sha256: 9f8a0d84b81a1d481aafca2337cb9f0c1fdf697239ac488177cf29c97d706c25
`

// guest is a container's document.
func guest(name, id, memory string) string {
	return "---\nkind: Container\nname: " + name + "\nid: " + id + "\nmemory: " + memory +
		"\ndisks: {rootfs: {image: debian, storage: ssd, size: 8GiB}}\n"
}

// repository is a branch in memory.
type repository struct {
	mu       sync.Mutex
	commits  map[string]string
	parents  map[string]string
	tip      string
	accepted string
	err      error
	hangs    int // from this fetch on, counted from 1; 0 is never
	fetched  int
}

func (r *repository) push(hash, manifests string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.commits == nil {
		r.commits, r.parents = make(map[string]string), make(map[string]string)
	}
	if _, known := r.commits[hash]; !known && r.tip != "" {
		r.parents[hash] = r.tip
	}
	r.commits[hash], r.tip = manifests, hash
}

func (r *repository) Fetch(ctx context.Context) (checkout.Commit, error) {
	r.mu.Lock()
	r.fetched++
	hangs := r.hangs != 0 && r.fetched >= r.hangs
	r.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return checkout.Commit{}, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return checkout.Commit{Hash: r.tip, Subject: "commit " + r.tip}, r.err
}

func (r *repository) Accepted() (checkout.Commit, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return checkout.Commit{Hash: r.accepted}, r.accepted != ""
}

func (r *repository) Accept(_ context.Context, c checkout.Commit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted = c.Hash
	return nil
}

func (r *repository) AcceptSource() {}

func (r *repository) Parent(_ context.Context, c checkout.Commit) (checkout.Commit, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parent, ok := r.parents[c.Hash]
	return checkout.Commit{Hash: parent, Path: c.Path}, ok, nil
}

func (r *repository) Tree(_ context.Context, c checkout.Commit) (fs.FS, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fstest.MapFS{"fleet.yaml": {Data: []byte(r.commits[c.Hash])}}, nil
}

// cluster is an applyer of containers and images in memory.
type cluster struct {
	mu     sync.Mutex
	lives  map[desired.ID]any
	made   []string
	fail   map[string]string // by key
	locked map[string]bool   // steps that need a secret which is locked
	deaf   map[string]bool   // steps that are made and do not take
	hangs  map[string]chan struct{}
	waited []string
	blind  []drift.Blind
	slow   time.Duration
}

func newCluster() *cluster {
	return &cluster{
		lives: make(map[desired.ID]any), fail: make(map[string]string), deaf: make(map[string]bool),
		locked: make(map[string]bool), hangs: make(map[string]chan struct{}),
	}
}

func (c *cluster) Kinds() []string { return []string{desired.KindContainer, desired.KindImage} }

func (c *cluster) Observe(context.Context, *desired.Fleet, applyers.Scope) (drift.Observed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := drift.Observed{Blind: c.blind}
	for id, spec := range c.lives {
		o.Lives = append(o.Lives, drift.Live{ID: id, Site: "home", Spec: spec})
	}
	slices.SortFunc(o.Lives, func(a, b drift.Live) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return o, nil
}

func (c *cluster) Steps(_ *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	switch {
	case want == nil && have.ID.Kind() == desired.KindImage:
		return nil
	case want == nil:
		return []drift.Change{
			{Key: drift.Key{ID: have.ID, Step: drift.Stop}, Site: "home"},
			{Key: drift.Key{ID: have.ID, Step: drift.Archive}, Site: "home"},
		}
	case have == nil && want.ID.Kind() == desired.KindImage:
		return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Fetch}}}
	case have == nil:
		return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Create}, Needs: want.Needs}}
	case len(fields) > 0:
		return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Online}, Fields: fields}}
	}
	return nil
}

func (c *cluster) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	key := job.String()
	if err := p.Task("task of " + key); err != nil {
		return err
	}
	c.mu.Lock()
	hang, slow := c.hangs[key], c.slow
	c.mu.Unlock()
	if slow > 0 {
		<-time.After(slow)
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return applyers.ErrLeft
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = append(c.made, key)
	switch {
	case c.fail[key] != "":
		return errors.New(c.fail[key])
	case c.locked[key]:
		return fmt.Errorf("read the password: %w", &desired.LockedError{Secret: "apps"})
	case c.deaf[key]:
	case job.Step == drift.Archive:
		delete(c.lives, job.ID)
	case job.Step != drift.Stop:
		c.lives[job.ID] = job.Want.Spec
		if spec, ok := job.Want.Spec.(*desired.Container); ok {
			own := *spec // What is edited live is not the manifest.
			c.lives[job.ID] = &own
		}
	}
	return nil
}

func (c *cluster) Resume(_ context.Context, _ *desired.Fleet, task string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waited = append(c.waited, task)
	return nil
}

func (c *cluster) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := c.made
	c.made = nil
	return made
}

func newTurner(t *testing.T, r *repository, c *cluster) *turn.Turner {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return &turn.Turner{
		Repository: r, Journal: j, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Appliers: func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
			return []applyers.Applyer{c}, func() map[string]int { return map[string]int{"GET": 3, "POST": 1} }, nil
		},
	}
}

func run(t *testing.T, turner *turn.Turner, mode report.Mode) *report.Report {
	t.Helper()
	rep, err := turner.Run(t.Context(), turn.Request{Mode: mode})
	if err != nil {
		t.Fatalf("turn: %v", err)
	}
	return rep
}

func wantMade(t *testing.T, c *cluster, want ...string) {
	t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("steps made: %q, want %q", got, want)
	}
}

// pass lets time go by, which in a bubble of synctest takes none.
func pass(d time.Duration) { <-time.After(d) }
