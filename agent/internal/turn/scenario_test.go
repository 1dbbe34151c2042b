package turn_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	past "berth/agent/internal/history"
	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/nginx"
	"berth/applyers/proxmox"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// land is what outlives an agent: a simulated cluster, a branch, an edge, and
// the agent's directory.
type land struct {
	t    *testing.T
	sim  *pvesim.Cluster
	repo *repository
	// source is where the commits come from, in the place of repo, if set.
	source turn.Repository
	edge   *edge
	// token is the header that the agents send, dir one agent's journal.
	token, dir string
	// now is the agents' clock, the simulator's unless set.
	now func() time.Time
	// over stands between the agents and the cluster, if set.
	over func(http.RoundTripper) http.RoundTripper
	// answers tells which addresses answer on the network; nobody does unless set.
	answers func(context.Context, []netip.Addr) map[netip.Addr]string
	// fleet are further lines of the Fleet document.
	fleet string
	// plays runs the playbooks, if there are any.
	plays *plays
	// began is when what a test tells of begins.
	began time.Time
	// sync is how the agents' journal is written to the disk, if set.
	sync func(*os.File) error
	log  *events
	from int
}

// events is what happened at the edge, between the cluster's requests.
type events struct {
	mu    sync.Mutex
	lines []string
}

func (e *events) add(line string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, line)
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}

// edge stands for nginx: it leads what arrives to where the loaded file's probe
// goes.
type edge struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
}

// scenario runs a test within a bubble of time, with an edge beside it.
func scenario(t *testing.T, o pvesim.Options, test func(l *land)) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{listener: listener}
	var serving sync.WaitGroup
	serving.Go(e.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		l := &land{t: t, sim: pvesim.New(o), repo: &repository{}, edge: e, dir: t.TempDir(), now: time.Now, log: &events{}}
		schemacheck.Watch(t, l.sim)
		l.token = l.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
		l.write("nginx.conf", "events {}\nstream {\n    include berth/*.conf;\n}\n")
		test(l)
	})
}

func (e *edge) serve() {
	for {
		in, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		to := e.to
		e.mu.Unlock()
		if out, err := net.Dial("tcp", to); err == nil { //nolint:noctx // It is our own port.
			hello := make([]byte, 4096)
			n, _ := in.Read(hello)
			_, _ = out.Write(hello[:n])
			_ = out.Close()
		}
		_ = in.Close()
	}
}

func (l *land) path(name string) string { return filepath.Join(l.dir, name) }

func (l *land) write(name, text string) {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(name)), 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(l.path(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// routes is the managed file's map, name to target.
func (l *land) routes() map[string]string {
	l.t.Helper()
	text, err := os.ReadFile(l.path("berth/stream.conf"))
	if err != nil {
		l.t.Fatal(err)
	}
	all := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(strings.TrimSpace(line)); len(words) == 2 && strings.HasSuffix(words[0], "example.net") {
			all[words[0]] = strings.TrimSuffix(words[1], ";")
		}
	}
	return all
}

// nginx stands for the program.
func (l *land) nginx(_ context.Context, argv []string) ([]byte, error) {
	if argv[1] == "-t" {
		return nil, nil
	}
	text, err := os.ReadFile(l.path("berth/stream.conf"))
	if err != nil {
		return nil, err
	}
	l.edge.mu.Lock()
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 2 && strings.HasSuffix(words[0], ".berth.invalid") && words[0] != ".berth.invalid" {
			l.edge.to = strings.TrimSuffix(words[1], ";")
		}
	}
	l.edge.mu.Unlock()
	routes := l.routes()
	names := slices.Sorted(maps.Keys(routes))
	for i, name := range names {
		names[i] = name + "=" + routes[name]
	}
	l.log.add("edge " + strings.Join(names, " "))
	return nil, nil
}

// logged is the way to the cluster with each write told to the log.
type logged struct {
	l     *land
	below http.RoundTripper
}

func (w logged) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		w.l.log.add(r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api2/json"))
	}
	return w.below.RoundTrip(r)
}

// agent starts an agent with a journal of its own.
func (l *land) agent(dir string) (t *turn.Turner, stop func()) {
	l.t.Helper()
	j, err := journal.Open(journal.Options{Dir: l.path(dir), Now: l.now, Sync: l.sync})
	if err != nil {
		l.t.Fatal(err)
	}
	way := http.RoundTripper(logged{l, l.sim.Transport()})
	if l.over != nil {
		way = l.over(way)
	}
	var source turn.Repository = l.repo
	if l.source != nil {
		source = l.source
	}
	memory := new(proxmox.Memory)
	t = &turn.Turner{
		Repository: source, Journal: j, Log: slog.New(slog.DiscardHandler), Now: l.now,
		History: past.New(past.Options{Dir: l.path(strings.TrimSuffix(historyDir+"-"+dir, "-journal")), Sync: l.sync}),
		Appliers: func(_ *desired.Fleet, files fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
			guests := proxmox.New(proxmox.Options{
				Token:     func(context.Context, *desired.Site) (string, error) { return l.token, nil },
				Transport: func(*desired.Site) (http.RoundTripper, error) { return way, nil },
				Now:       l.now,
				Answers:   l.answers,
				Memory:    memory,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					_ = there.Close()
					return here, nil
				},
			})
			all := []applyers.Applyer{guests, nginx.New(nginx.Options{Run: l.nginx})}
			if l.plays == nil {
				return all, guests.TakeRequests, nil
			}
			playbooks, err := l.plays.applyer(j, files)
			return append(all, playbooks), guests.TakeRequests, err
		},
	}
	return t, func() { _ = j.Close() }
}

// turn makes one turn of an agent that has just been started.
func (l *land) turn() *report.Report {
	l.t.Helper()
	agent, stop := l.agent("journal")
	defer stop()
	rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
	if err != nil {
		l.t.Fatalf("turn: %v", err)
	}
	return rep
}

// apply makes a turn in which every step must come to a good end.
func (l *land) apply() {
	l.t.Helper()
	rep := l.turn()
	if said := told(rep); said != "" {
		l.t.Fatalf("not all was done:\n%s", said)
	}
}

// told is all of a report that is not well.
func told(rep *report.Report) string {
	var b strings.Builder
	for _, x := range rep.Plan.Blind {
		fmt.Fprintf(&b, "unknown %s%s: %s\n", x.ID, x.Site, x.Reason)
	}
	for _, x := range rep.Plan.Foreign {
		fmt.Fprintf(&b, "foreign %s: %s: %s\n", x.ID, x.What, x.Reason)
	}
	for _, o := range rep.Outcomes {
		if o.Status != drift.Done || len(o.Results) > 0 && slices.ContainsFunc(slices.Collect(maps.Values(o.Results)), func(r string) bool { return r != "" }) {
			fmt.Fprintf(&b, "%s: %s: %s %v\n", o.Key, o.Status, o.Reason, o.Results)
		}
	}
	if len(rep.Outcomes) == 0 {
		for _, c := range rep.Plan.Changes {
			fmt.Fprintf(&b, "%s planned, held: %s\n", c.Key, c.Held)
		}
	}
	return b.String()
}

// mark begins to count what is written.
func (l *land) mark() { l.from = len(l.log.all()) }

func (l *land) written() []string { return l.log.all()[l.from:] }

// files are the names, sizes and times of all files of the agent's.
func (l *land) files() map[string]string {
	l.t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() && d.Name() != "lock" {
			all[path] = fmt.Sprint(info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return all
}

// settled asserts that a turn plans nothing and writes nothing, anywhere.
func (l *land) settled() {
	l.t.Helper()
	l.mark()
	before := l.files()
	rep := l.turn()
	if len(rep.Plan.Changes) > 0 || rep.Differs() {
		l.t.Errorf("there is more to do:\n%s", told(rep))
	}
	if w := l.written(); len(w) > 0 || rep.Stats.Writes > 0 {
		l.t.Errorf("a quiet turn writes %q", w)
	}
	if after := l.files(); !maps.Equal(before, after) {
		l.t.Errorf("a quiet turn writes files: %v, before %v", after, before)
	}
}

// at is the first line of the log that begins so; -1 if there is none.
func (l *land) at(start string) int {
	return slices.IndexFunc(l.written(), func(line string) bool { return strings.HasPrefix(line, start) })
}

func (l *land) guest(vmid int) pvesim.Guest {
	l.t.Helper()
	g, ok := l.sim.Guest(vmid)
	if !ok {
		l.t.Fatalf("no guest %d", vmid)
	}
	return g
}

// push makes a commit of the fleet, with documents added.
func (l *land) push(hash string, docs ...string) {
	text := fmt.Sprintf(landYAML, pvesim.Sum("https://images.example.net/debian-12.qcow2", "sha256"),
		pvesim.Sum("https://images.example.net/debian-ct.tar.zst", "sha256"),
		l.path("berth/stream.conf"), l.path("nginx.conf"), l.edge.listener.Addr())
	text = strings.Replace(text, "guards:", l.fleet+"guards:", 1)
	l.repo.push(hash, text+strings.Join(docs, ""))
}

const landYAML = `
kind: Fleet
name: pegasus
uid: 5b1f0c2e
archiveFor: 7d
guards: {deletes: 2}
---
kind: Site
name: home
endpoints: ["https://pve1.test:8006"]
token: {secret: pve-home}
node: pve1
storage: {ssd: {store: local-lvm}, hdd: {store: local}}
images: hdd
seeds: hdd
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.254}}
---
kind: Image
name: debian-12
url: https://images.example.net/debian-12.qcow2
sha256: %s
---
kind: Image
name: debian-ct
url: https://images.example.net/debian-ct.tar.zst
sha256: %s
content: vztmpl
---
kind: Edge
name: main
nginx: {stream: %s, config: %s, sudo: false}
tls: {listen: ["%s"], default: reject}
`

// vm is a virtual machine with a seed; more are further lines of its document.
func vm(name string, id int, more string) string {
	return fmt.Sprintf(`---
kind: VM
name: %s
id: %d
memory: 1GiB
disks: {scsi0: {image: debian-12, storage: ssd, size: 8GiB}}
networks: {net0: {network: lan, address: 10.1.1.%d}}
cloudInit: {packages: [git]}
%s`, name, id, id%100, more)
}

// ct is a container.
func ct(name string, id int, more string) string {
	return fmt.Sprintf(`---
kind: Container
name: %s
id: %d
memory: 512MiB
disks: {rootfs: {image: debian-ct, storage: ssd, size: 4GiB}}
networks: {net0: {network: lan, address: 10.1.1.%d}}
%s`, name, id, id%100, more)
}

func expose(name string) string { return "expose: [{name: " + name + ", port: 443}]\n" }

func TestMixedFleetThenNothing(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, expose("web.example.net")), ct("cache", 4002, expose("cache.example.net")))
		l.apply()
		want := map[string]string{"web.example.net": "10.1.1.1:443", "cache.example.net": "10.1.1.2:443"}
		if got := l.routes(); !maps.Equal(got, want) {
			l.t.Errorf("routes %v, want %v", got, want)
		}
		if !l.guest(4001).Running || !l.guest(4002).Running {
			l.t.Error("not all guests run")
		}
		l.settled()
		l.settled()
	})
}
