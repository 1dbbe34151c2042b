package proxmox

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
	"berth/drift"
)

// bench is a simulated cluster, an agent's appliers, and the manifests.
type bench struct {
	t     *testing.T
	sim   *pvesim.Cluster
	a     *Applyer
	token string
	fleet *desired.Fleet
	// from is the first request that counts in writes.
	from int
	// over replaces the way to the simulator.
	over http.RoundTripper
}

const fleetYAML = `
kind: Fleet
name: pegasus
uid: 5b1f0c2e
version: 1
archiveFor: 7d
`

const siteYAML = `
kind: Site
name: home
endpoints: ["https://pve1.test:8006", "https://pve2.test:8006"]
token: {secret: pve-home}
node: pve1
storage:
  ssd: {store: local-lvm, ssd: true, discard: true}
  hdd: {store: local}
images: hdd
seeds: hdd
networks:
  lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.1, dns: [10.1.1.1], search: [example.net]}
  dmz: {bridge: vmbr0, vlan: 30}
phases:
  early: {order: 100, up: 30s, down: 60s}
foreign: [150]
`

const imagesYAML = `
kind: Image
name: debian-12
url: https://images.example.net/debian-12.qcow2
sha256: SUM-debian-12.qcow2
---
kind: Image
name: debian-ct
url: https://images.example.net/debian-ct.tar.zst
sha256: SUM-debian-ct.tar.zst
content: vztmpl
`

const webYAML = `
kind: VM
name: web-1
id: 4001
description: |
  The web server.
cpu: {cores: 2, type: host}
memory: {size: 1GiB, balloon: false}
agent: true
serial0: socket
vga: serial0
startup: early
tags: [prod, web]
disks: {scsi0: {image: debian-12, storage: ssd, size: 8GiB}}
networks: {net0: {network: lan, address: 10.1.1.4}}
cloudInit: {packages: [git]}
`

const cacheYAML = `
kind: Container
name: cache
id: 4002
cpu: 2
memory: 512MiB
swap: 0MiB
features: [nesting]
tags: [prod]
disks: {rootfs: {image: debian-ct, storage: ssd, size: 4GiB}}
networks: {net0: {network: lan, address: 10.1.1.5}}
keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO sean@example]
`

// load reads manifests; SUM-name stands for the checksum of what the simulator
// lets one download under that name.
func load(t *testing.T, docs ...string) *desired.Fleet {
	t.Helper()
	fleet, err := parse(docs...)
	if err != nil {
		t.Fatalf("load the manifests:\n%v", err)
	}
	return fleet
}

func parse(docs ...string) (*desired.Fleet, error) {
	text := strings.Join(docs, "\n---\n")
	for {
		before, rest, ok := strings.Cut(text, "SUM-")
		if !ok {
			break
		}
		name, after, _ := strings.Cut(rest, "\n")
		text = before + pvesim.Sum("https://images.example.net/"+name, "sha256") + "\n" + after
	}
	return desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(text)}})
}

func newBench(t *testing.T, docs ...string) *bench {
	t.Helper()
	return benchOn(t, pvesim.New(pvesim.Options{}), docs...)
}

func benchOn(t *testing.T, sim *pvesim.Cluster, docs ...string) *bench {
	t.Helper()
	schemacheck.Watch(t, sim)
	b := &bench{t: t, sim: sim}
	b.token = sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	b.restart()
	b.manifests(docs...)
	return b
}

// restart forgets all that the agent remembers.
func (b *bench) restart() {
	b.a = New(Options{
		Token: func(context.Context, *desired.Site) (string, error) { return b.token, nil },
		Transport: func(*desired.Site) (http.RoundTripper, error) {
			if b.over != nil {
				return b.over, nil
			}
			return b.sim.Transport(), nil
		},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			_ = there.Close()
			return here, nil
		},
	})
}

func (b *bench) manifests(docs ...string) {
	b.t.Helper()
	b.fleet = load(b.t, append([]string{fleetYAML, siteYAML, imagesYAML}, docs...)...)
}

func (b *bench) observe() drift.Observed {
	b.t.Helper()
	return b.observeIn(b.t.Context())
}

func (b *bench) observeIn(ctx context.Context) drift.Observed {
	b.t.Helper()
	seen, err := b.a.Observe(ctx, b.fleet, applyers.Scope{})
	if err != nil {
		b.t.Fatalf("observe: %v", err)
	}
	return seen
}

func (b *bench) plan() *drift.Plan {
	b.t.Helper()
	p, _ := b.planned(b.t.Context())
	return p
}

func (b *bench) planned(ctx context.Context) (*drift.Plan, *drift.World) {
	b.t.Helper()
	seen := b.observeIn(ctx)
	in := b.input(seen)
	p, err := drift.Make(in)
	if err != nil {
		b.t.Fatalf("plan: %v", err)
	}
	return p, in.World()
}

func scopeAll() applyers.Scope { return applyers.Scope{} }

func (b *bench) input(seen drift.Observed) drift.Input {
	return drift.Input{
		Fleet: b.fleet, Observed: seen, Now: time.Now(), Steps: applyers.StepsByKind(applyers.ByKind(b.a)),
		Guards: []drift.Guard{drift.Ownership(), drift.Protection(), drift.Unknown(), drift.Amount(desired.Guards{Deletes: 3, Percent: 100})},
	}
}

// events is everything that a turn told.
type events struct {
	lines, tasks []string
}

// turn plans and applies once.
func (b *bench) turn() []drift.Outcome {
	b.t.Helper()
	return b.turnIn(b.t.Context(), &events{})
}

func (b *bench) turnIn(ctx context.Context, told *events) []drift.Outcome {
	b.t.Helper()
	p, w := b.planned(ctx)
	return b.execute(ctx, p, w, told)
}

func (b *bench) execute(ctx context.Context, p *drift.Plan, w *drift.World, told *events) []drift.Outcome {
	b.t.Helper()
	out, err := applyers.Execute(ctx, applyers.Execution{
		Plan: p, World: w, Appliers: applyers.ByKind(b.a),
		Events: func(e applyers.Event) error {
			if e.Line != "" {
				told.lines = append(told.lines, e.Line)
			}
			if e.Task != "" {
				told.tasks = append(told.tasks, e.Task)
			}
			return nil
		},
	})
	if err != nil {
		b.t.Fatalf("execute: %v", err)
	}
	return out
}

// apply makes a turn in which every step must succeed.
func (b *bench) apply() {
	b.t.Helper()
	for _, o := range b.turn() {
		if o.Status != drift.Done {
			b.t.Fatalf("%s: %s: %s", o.Key, o.Status, o.Reason)
		}
	}
}

// mark begins to count writes.
func (b *bench) mark() { b.from = len(b.sim.Requests()) }

func (b *bench) writes() []string {
	var all []string
	for _, r := range b.sim.Requests()[b.from:] {
		if r.Write() {
			all = append(all, r.Method+" "+r.Path)
		}
	}
	return all
}

// settled asserts that a turn plans nothing and writes nothing.
func (b *bench) settled() {
	b.t.Helper()
	b.mark()
	if got := show(b.plan()); got != "" {
		b.t.Errorf("a second turn is not empty:\n%s", got)
	}
	b.turn()
	if w := b.writes(); len(w) > 0 {
		b.t.Errorf("a second turn writes: %q", w)
	}
}

// show is a plan in short: a step a line, with its fields.
func show(p *drift.Plan) string {
	var sb strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&sb, "%s", c.Key)
		if c.Held != "" {
			fmt.Fprintf(&sb, " HELD %s", c.Held)
		}
		sb.WriteByte('\n')
		if c.Step == drift.Create {
			continue
		}
		for _, f := range c.Fields {
			fmt.Fprintf(&sb, "  %s %q → %q", f.Path, f.Before.Text, f.After.Text)
			if f.Held != "" {
				fmt.Fprintf(&sb, " HELD %s", f.Held)
			}
			sb.WriteByte('\n')
		}
	}
	return strings.TrimSpace(sb.String())
}

func (b *bench) guest(vmid int) pvesim.Guest {
	b.t.Helper()
	g, ok := b.sim.Guest(vmid)
	if !ok {
		b.t.Fatalf("no guest %d", vmid)
	}
	return g
}

// volumesOfGuest lists what belongs to a guest, or was uploaded for it.
func (b *bench) volumesOfGuest(vmid int) []string {
	var all []string
	for _, v := range b.sim.Volumes() {
		if v.Owner == vmid || strings.Contains(v.ID, fmt.Sprintf("berth-%d-", vmid)) {
			all = append(all, v.ID)
		}
	}
	return all
}

type silent struct{}

func (silent) Task(string) error               { return nil }
func (silent) Say(string)                      {}
func (silent) Warn(string)                     {}
func (silent) Made(desired.ID, string, string) {}
func (silent) Field(desired.Path, error)       {}

func key(id desired.ID, step drift.Step) drift.Key { return drift.Key{ID: id, Step: step} }

// told is what became of a turn, a step a line.
func told(out []drift.Outcome) string {
	var sb strings.Builder
	for _, o := range out {
		fmt.Fprintf(&sb, "%s: %s: %s\n", o.Key, o.Status, o.Reason)
	}
	return strings.TrimSpace(sb.String())
}

// transportFunc is a transport made of a function.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
