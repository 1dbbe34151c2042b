package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/applyers"
	"berth/applyers/nginx/conf"
	"berth/desired"
	"berth/drift"
)

// bench is a fleet with one edge, on a directory of its own.
type bench struct {
	t       testing.TB
	dir     string
	fleet   *desired.Fleet
	spec    *desired.Edge
	lives   []drift.Live
	blind   []drift.Blind
	applyer *Applyer
	fake    *fakeNginx
}

// newBench makes an edge that listens on a free port and rejects what no route
// names. Nothing is managed yet.
func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.fake = newFake(t)
	b.spec = &desired.Edge{
		Name: "main", At: "local",
		Nginx: desired.Nginx{
			Stream: b.path("berth/stream.conf"), HTTP: b.path("berth/http.conf"), Config: b.path("nginx.conf"), Sudo: new(bool),
			Test: desired.List{"nginx", "-t"}, Reload: desired.List{"nginx", "-s", "reload"},
		},
		TLS: desired.EdgeTLS{
			Listen: desired.List{b.fake.address()}, Default: desired.Target{Text: desired.RejectTarget},
			Routes: map[string]desired.Target{},
		},
	}
	b.fleet = &desired.Fleet{Spec: desired.FleetSpec{Name: "pegasus", UID: "5b1f0c2e"}}
	b.write("nginx.conf", "events {}\nstream {\n    include berth/*.conf;\n}\n")
	b.applyer = New(Options{Run: b.fake.run, Takeover: 300 * time.Millisecond})
	b.fake.managed = b.spec.Nginx.Stream
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// managed is the managed file; "" if there is none.
func (b *bench) managed() string {
	b.t.Helper()
	text, err := os.ReadFile(b.spec.Nginx.Stream)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	return string(text)
}

// edit replaces a text of the managed file, by hand.
func (b *bench) edit(old, with string) {
	b.t.Helper()
	text := b.managed()
	if !strings.Contains(text, old) {
		b.t.Fatalf("no %q in:\n%s", old, text)
	}
	b.write("berth/stream.conf", strings.ReplaceAll(text, old, with))
}

// route sets the edge's routes: name, target, name, target.
func (b *bench) route(pairs ...string) {
	b.spec.TLS.Routes = make(map[string]desired.Target)
	for i := 0; i < len(pairs); i += 2 {
		b.spec.TLS.Routes[pairs[i]] = desired.Target{Text: pairs[i+1]}
	}
}

// guest adds a virtual machine: with an address if it is written, and live if
// it stands.
func (b *bench) guest(name, address string, stands bool) {
	vm := &desired.VM{Guest: desired.Guest{Name: name, Networks: map[string]desired.NIC{"net0": {Address: address}}}}
	id := desired.MakeID(desired.KindVM, name)
	b.want(&desired.Resource{ID: id, Spec: vm})
	if stands {
		b.lives = append(b.lives, drift.Live{ID: id, Spec: vm, Running: true})
	}
}

// want puts a resource into the fleet, in its place.
func (b *bench) want(r *desired.Resource) {
	b.unwant(r.ID)
	b.fleet.Resources = append(b.fleet.Resources, r)
	slices.SortFunc(b.fleet.Resources, func(a, b *desired.Resource) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

func (b *bench) unwant(id desired.ID) {
	b.fleet.Resources = slices.DeleteFunc(slices.Clone(b.fleet.Resources), func(r *desired.Resource) bool { return r.ID == id })
}

func (b *bench) observe() drift.Observed {
	b.t.Helper()
	set := make(map[desired.Path]desired.Source)
	for _, leaf := range desired.Leaves(desired.KindEdge, b.spec) {
		set[leaf.Path] = desired.Source{File: "edge.yaml", Line: 1}
	}
	b.want(&desired.Resource{ID: "edge/main", Spec: b.spec, Set: desired.SettingsOf(set)})
	observed, err := b.applyer.Observe(b.t.Context(), b.fleet, applyers.Scope{Others: drift.Observed{Lives: b.lives, Blind: b.blind}})
	if err != nil {
		b.t.Fatal(err)
	}
	observed.Lives = append(observed.Lives, b.lives...)
	return observed
}

// plan makes a plan with guests that are created if they do not stand, and
// deleted if nobody wants them.
func (b *bench) plan() *drift.Plan {
	b.t.Helper()
	plan, err := drift.Make(drift.Input{
		Fleet: b.fleet, Observed: b.observe(), Guards: []drift.Guard{drift.Ownership(), drift.Unknown()},
		Steps: applyers.StepsByKind(b.appliers()),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return plan
}

func (b *bench) appliers() map[string]applyers.Applyer {
	return applyers.ByKind(b.applyer, guests{bench: b})
}

// turn makes a plan and carries it out.
func (b *bench) turn() (*drift.Plan, []drift.Outcome) {
	b.t.Helper()
	plan := b.plan()
	outcomes, err := applyers.Execute(b.t.Context(), applyers.Execution{
		Plan: plan, World: drift.NewWorld(b.fleet, b.observe().Lives), Appliers: b.appliers(),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return plan, outcomes
}

// settle expects a turn to do all it planned, and the next to plan nothing.
func (b *bench) settle() {
	b.t.Helper()
	_, outcomes := b.turn()
	for _, o := range outcomes {
		if o.Status != drift.Done {
			b.t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
		}
	}
	if again := b.plan(); len(again.Changes) > 0 || len(again.Blind)+len(again.Foreign)+len(again.Notes) > 0 {
		b.t.Errorf("a second turn still has:\n%s", text(again))
	}
}

// text writes a plan as the tests compare it.
func text(p *drift.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		line := c.String()
		if len(c.Wait) > 0 {
			line += fmt.Sprintf(" after %v", c.Wait)
		}
		if len(c.WaitFields) > 0 {
			line += fmt.Sprintf(" after %v", c.WaitFields)
		}
		if c.Held != "" {
			line += " held: " + c.Held
		}
		lines = append(lines, line)
		for _, f := range c.Fields {
			line := fmt.Sprintf("    %s %s → %s", f.Path, f.Before.Text, f.After.Text)
			if f.After.From != "" {
				line += " known after " + f.After.From
			}
			if len(f.Wait) > 0 {
				line += fmt.Sprintf(" after %v", f.Wait)
			}
			if len(f.WaitFields) > 0 {
				line += fmt.Sprintf(" after %v", f.WaitFields)
			}
			if f.Held != "" {
				line += " held: " + f.Held
			}
			lines = append(lines, line)
		}
	}
	for _, x := range p.Blind {
		lines = append(lines, fmt.Sprintf("blind %s: %s; %s", x.ID, x.Reason, x.Remedy))
	}
	for _, x := range p.Foreign {
		lines = append(lines, fmt.Sprintf("foreign %s: %s: %s; %s", x.ID, x.What, x.Reason, x.Remedy))
	}
	for _, x := range p.Notes {
		lines = append(lines, "note "+x.Text)
	}
	return strings.Join(append(lines, ""), "\n")
}

// expect compares texts in which the bench's own paths are replaced.
func (b *bench) expect(got, want string) {
	b.t.Helper()
	got = strings.NewReplacer(b.dir, "DIR", b.fake.address(), "LISTEN").Replace(got)
	want = strings.TrimLeft(want, "\n")
	if got != want {
		b.t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// guests stands for the applyer of guests.
type guests struct{ *bench }

func (guests) Kinds() []string { return []string{desired.KindVM, desired.KindPlaybook} }

func (guests) Observe(context.Context, *desired.Fleet, applyers.Scope) (drift.Observed, error) {
	return drift.Observed{}, nil
}

func (guests) Steps(_ *drift.World, want *desired.Resource, have *drift.Live, _ []drift.Field) []drift.Change {
	switch {
	case want == nil:
		return []drift.Change{{Key: drift.Key{ID: have.ID, Step: drift.Delete}}}
	case want.ID.Kind() == desired.KindPlaybook:
		return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Run}, Needs: want.Needs, Fields: []drift.Field{{Path: "hosts.new"}}}}
	case have == nil:
		return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Create}}}
	}
	return nil
}

// Apply fails for guests that are named so.
func (g guests) Apply(_ context.Context, job applyers.Job, p applyers.Progress) error {
	if job.ID == "vm/broken" {
		return errors.New("no space left")
	}
	p.Made(job.ID, desired.FactAddress, "10.1.1.99")
	if job.Step == drift.Create {
		g.lives = append(g.lives, drift.Live{ID: job.ID, Spec: job.Want.Spec, Running: true, Facts: map[string]string{desired.FactAddress: "10.1.1.99"}})
	}
	return nil
}

// fakeNginx stands for nginx: what its workers run changes with a reload.
type fakeNginx struct {
	t        testing.TB
	listener net.Listener // for TLS
	web      net.Listener // for HTTP
	managed  string

	mu       sync.Mutex
	calls    []string
	counted  int
	tested   string                            // what the last test was of
	running  string                            // the managed file that the workers run
	to       map[string]string                 // where witnesses lead, by name
	backend  func(conn net.Conn, words []byte) // answers all other names; they are closed if it is nil
	refuse   error                             // the test's answer
	jam      error                             // the reload's answer, once
	deaf     bool                              // a reload changes nothing
	onReload func()
}

func newFake(t testing.TB) *fakeNginx {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeNginx{t: t, listener: listener, web: web}
	var serving sync.WaitGroup
	serving.Go(func() { f.serve(listener, &serving) })
	serving.Go(func() { f.serve(f.web, &serving) })
	t.Cleanup(func() {
		_ = listener.Close()
		_ = web.Close()
		serving.Wait()
	})
	return f
}

func (f *fakeNginx) serve(listener net.Listener, serving *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			f.answer(context.WithoutCancel(f.t.Context()), conn)
			_ = conn.Close()
		})
	}
}

// leads passes a connection on by the map that runs, as nginx does.
func (f *fakeNginx) leads(conn net.Conn, words []byte) {
	f.mu.Lock()
	running := f.running
	f.mu.Unlock()
	for line := range strings.Lines(running) {
		entry := strings.Fields(line)
		if len(entry) != 2 || !strings.Contains(entry[0], ".") || !bytes.Contains(words, []byte(entry[0])) {
			continue
		}
		address := strings.TrimSuffix(entry[1], ";")
		if _, up, named := strings.Cut(running, "upstream "+address+" {\n    server "); named {
			address, _, _ = strings.Cut(up, ";")
		}
		to, err := new(net.Dialer).DialContext(context.WithoutCancel(f.t.Context()), "tcp", address)
		if err != nil {
			return
		}
		_ = conn.SetReadDeadline(time.Time{})
		_, _ = to.Write(words)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(conn, to)
			_ = conn.Close()
		}()
		_, _ = io.Copy(to, conn)
		_ = to.Close()
		<-done
		return
	}
}

// answer passes what is for the witness's name on to it. All else is the backends',
// which is what the test says that they are.
func (f *fakeNginx) answer(ctx context.Context, conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	words := make([]byte, 16<<10)
	n, err := conn.Read(words)
	f.mu.Lock()
	backend, to := f.backend, ""
	for witness, leads := range f.to {
		if bytes.Contains(words[:n], []byte(witness)) {
			to = leads
		}
	}
	f.mu.Unlock()
	if err != nil {
		return
	}
	if to == "" {
		if backend != nil {
			backend(conn, words[:n])
		}
		return
	}
	next, err := new(net.Dialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = next.Close() }()
	_, _ = next.Write(words[:n])
	// Until the other end has heard enough.
	_, _ = next.Read(words)
}

func (f *fakeNginx) address() string { return f.listener.Addr().String() }

func (f *fakeNginx) run(ctx context.Context, argv []string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted++
	f.calls = append(f.calls, strings.Join(argv[:2], " "))
	if argv[1] == "-t" {
		main, err := os.ReadFile(argv[3])
		if err != nil {
			return nil, err
		}
		f.tested = ""
		for word := range strings.SplitSeq(string(main), `"`) {
			if strings.HasPrefix(word, "/") {
				part, err := os.ReadFile(word)
				if err != nil {
					return nil, err
				}
				f.tested += string(part)
			}
		}
		if f.refuse != nil {
			return fmt.Appendf(nil, "[emerg] something in %s\n", argv[3]), f.refuse
		}
		return nil, nil
	}
	if f.onReload != nil {
		f.onReload()
	}
	if err := f.jam; err != nil {
		f.jam = nil
		return []byte("Job for nginx.service failed.\n"), err
	}
	if f.deaf {
		return nil, nil
	}
	content, err := os.ReadFile(f.managed)
	f.running = string(content)
	web, _ := os.ReadFile(filepath.Join(filepath.Dir(f.managed), "http.conf"))
	f.to = make(map[string]string)
	if err != nil {
		return nil, nil //nolint:nilerr // No file, no probe.
	}
	for line := range strings.Lines(string(content) + string(web)) {
		if words := strings.Fields(line); len(words) == 2 && strings.HasSuffix(words[0], "."+conf.Domain) && words[0] != "."+conf.Domain {
			f.to[words[0]] = strings.TrimSuffix(words[1], ";")
		}
	}
	return nil, nil
}

// count is how many calls there have been.
func (f *fakeNginx) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counted
}

// took gives the calls since it was asked last.
func (f *fakeNginx) took() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := strings.Join(f.calls, ", ")
	f.calls = nil
	return calls
}
