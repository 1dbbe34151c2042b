package nginx

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/applyers/machine"
	"berth/desired"
	"berth/drift"
)

// far is another machine: this one, reached by calls that are counted and can go
// wrong.
type far struct {
	machine.Machine
	mu    sync.Mutex
	calls []string
	// at is called before each call with its number, from 1 on; an error is the call's.
	at func(n int) error
	// forbids refuses to forward ports.
	forbids bool
	asked   []machine.Access
	sudo    bool
	closed  int
}

func newFar() *far { return &far{Machine: machine.Local(false)} }

func (f *far) SSH(a machine.Access, sudo bool) machine.Machine {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.sudo = append(f.asked, a), sudo
	return f
}

func (f *far) Close() error { f.closed++; return nil }

func (f *far) String() string { return "vm/edge (root@10.1.1.4:22)" }

// call counts a call and makes it.
func (f *far) call(what string, do func() error) error {
	f.mu.Lock()
	f.calls = append(f.calls, what)
	n, at := len(f.calls), f.at
	f.mu.Unlock()
	if at != nil {
		if err := at(n); err != nil {
			return err
		}
	}
	return do()
}

func (f *far) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *far) Run(ctx context.Context, c machine.Command) (out machine.Output, err error) {
	err = f.call("run", func() error { out, err = f.Machine.Run(ctx, c); return err })
	return out, err
}

func (f *far) Read(ctx context.Context, path string, from, limit int64) (text []byte, err error) {
	err = f.call("read", func() error { text, err = f.Machine.Read(ctx, path, from, limit); return err })
	return text, err
}

func (f *far) Stat(ctx context.Context, path string) (info machine.Info, err error) {
	err = f.call("stat", func() error { info, err = f.Machine.Stat(ctx, path); return err })
	return info, err
}

func (f *far) Glob(ctx context.Context, pattern string) (names []string, err error) {
	err = f.call("glob", func() error { names, err = f.Machine.Glob(ctx, pattern); return err })
	return names, err
}

func (f *far) Replace(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	return f.call("replace", func() error { return f.Machine.Replace(ctx, path, content, mode) })
}

func (f *far) Remove(ctx context.Context, path string) error {
	return f.call("remove", func() error { return f.Machine.Remove(ctx, path) })
}

func (f *far) MakeDir(ctx context.Context, path string) error {
	return f.call("mkdir", func() error { return f.Machine.MakeDir(ctx, path) })
}

func (f *far) Lock(ctx context.Context, dir string) (unlock func(), err error) {
	// It ends with who holds it, which a test can't do.
	f.mu.Lock()
	f.calls = append(f.calls, "lock")
	f.mu.Unlock()
	return f.Machine.Lock(ctx, dir)
}

func (f *far) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if f.forbids {
		return nil, &machine.ForwardingError{At: f.String(), Doing: "connect to " + address + " from there", Needs: "local"}
	}
	return f.Machine.Dial(ctx, network, address)
}

func (f *far) Listen(ctx context.Context) (net.Listener, error) {
	if f.forbids {
		return nil, &machine.ForwardingError{At: f.String(), Doing: "listen there", Needs: "remote"}
	}
	return f.Machine.Listen(ctx)
}

// farBench is a bench whose edge is on another machine.
func farBench(t *testing.T) (*bench, *far) {
	b, f := newBench(t), newFar()
	b.spec.At, b.spec.Nginx.Sudo = "vm/edge", nil
	b.fleet.Spec.SSH = desired.SSH{User: "ops", Port: 22, Key: desired.SecretRef{Secret: "ssh-key"}, KnownHosts: "learn"}
	b.applyer.machines = f
	b.guest("edge", "10.1.1.4/24", true)
	return b, f
}

// A look is one way there and back, and a change few.
func TestFarEdge(t *testing.T) {
	b, f := farBench(t)
	b.fleet.Resource("vm/edge").Spec.(*desired.VM).SSH.Port = 2222
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	want := machine.Access{ID: "vm/edge", Address: "10.1.1.4", SSH: desired.SSH{User: "ops", Port: 2222, Key: desired.SecretRef{Secret: "ssh-key"}, KnownHosts: "learn"}}
	for _, a := range f.asked {
		if a != want {
			t.Errorf("reached as %+v", a)
		}
	}
	if !f.sudo {
		t.Error("without sudo, as no root")
	}
	f.took()
	b.observe()
	if calls := f.took(); !slices.Equal(calls, []string{"run"}) {
		t.Errorf("a look takes %v", calls)
	}
	b.route("a.example.com", "10.1.1.2:443")
	plan := b.plan()
	f.took()
	if err := b.applyer.Apply(t.Context(), b.job(plan.Changes[0].Fields), &said{}); err != nil {
		t.Fatal(err)
	}
	// Lock and look, two copies and their end, the former file, the processes, the
	// new file, whether they took over, and the end of the former file. nginx's test
	// and reload are two more.
	if calls := f.took(); len(calls) > 11 {
		t.Errorf("a change takes %d: %v", len(calls), calls)
	}
	b.noLeftovers()
	if err := b.applyer.Close(); err != nil || f.closed != 1 {
		t.Errorf("%v, closed %d times", err, f.closed)
	}
}

// What can't be asked is unknown, and says what to do; nothing is planned for it.
func TestFarEdgeIsUnknown(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(b *bench, f *far)
		want string
	}{
		{"away", func(_ *bench, f *far) {
			f.at = func(int) error {
				return &machine.UnreachableError{At: f.String(), Reason: "it does not answer within 10s", Remedy: "start it"}
			}
		}, "blind edge/main: vm/edge (root@10.1.1.4:22): it does not answer within 10s; start it\n"},
		{"no sudo", func(_ *bench, f *far) {
			f.at = func(int) error {
				return &machine.SudoError{At: f.String(), Reason: "a password is required", Remedy: "allow it"}
			}
		}, "blind edge/main: vm/edge (root@10.1.1.4:22): sudo: a password is required: allow it; \n"},
		{"stopped", func(b *bench, _ *far) {
			b.lives[0].Running = false
		}, "blind edge/main: it is on vm/edge, which does not run; start it; a later turn looks again\n"},
		{"its site is unknown", func(b *bench, _ *far) {
			b.lives, b.blind = nil, []drift.Blind{{ID: "vm/edge", Reason: "401", Remedy: "renew the token"}}
		}, "blind edge/main: it is on vm/edge, which is unknown: 401; renew the token\n"},
		{"no address", func(b *bench, _ *far) {
			b.guest("edge", "dhcp", false)
		}, "blind edge/main: the edge is at vm/edge, which has no known address; give it a static address or a reservation, or enable its guest agent\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, f := farBench(t)
			b.route("a.example.com", "10.1.1.1:443")
			b.settle()
			row.set(b, f)
			observed := b.observe()
			if len(observed.Lives) > len(b.lives) {
				t.Errorf("it is live: %+v", observed.Lives)
			}
			var lines []string
			for line := range strings.SplitSeq(text(b.plan()), "\n") {
				if strings.Contains(line, "edge/main") {
					lines = append(lines, line+"\n")
				}
			}
			got := strings.Join(lines, "")
			if got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

// An edge on a guest that is not there yet waits for it, and for what sets it up.
func TestFarEdgeWaitsForItsGuest(t *testing.T) {
	b, f := farBench(t)
	b.lives = nil
	b.unwant("vm/edge")
	b.spec.At = "vm/new"
	b.guest("new", "dhcp", false)
	b.want(&desired.Resource{ID: "play/nginx", Needs: []desired.ID{"vm/new"}, Spec: &desired.Playbook{Targets: []desired.ID{"vm/new"}}})
	b.route("a.example.com", "10.1.1.1:443")
	b.expect(text(b.plan()), `
vm/new create
play/nginx run after [vm/new create]
    hosts.new  → 
edge/main route after [vm/new create]
    tls.default  → reject after [play/nginx run of hosts.new]
    tls.listen  → LISTEN after [play/nginx run of hosts.new]
    tls.routes[a.example.com]  → 10.1.1.1:443 after [play/nginx run of hosts.new]
`)
	_, outcomes := b.turn()
	for _, o := range outcomes {
		if o.Status != drift.Done {
			t.Errorf("%s: %s %s", o.Key, o.Status, o.Reason)
		}
	}
	if len(f.asked) == 0 || f.asked[0].Address != "10.1.1.99" || !strings.Contains(b.managed(), "a.example.com") {
		t.Errorf("reached as %+v, and it routes\n%s", f.asked, b.managed())
	}
}

// Without forwarded ports a change is made, and what can't be told is said.
func TestNoForwarding(t *testing.T) {
	b, f := farBench(t)
	f.forbids = true
	b.route("a.example.com", "10.1.1.1:443")
	_, outcomes := b.turn()
	if o := outcomes[0]; o.Status != drift.Done {
		t.Fatalf("%s: %s", o.Status, o.Reason)
	}
	lines := strings.Join(outcomes[0].Lines, "\n")
	for _, want := range []string{
		"whether nginx takes the routes over is told by its processes alone: vm/edge (root@10.1.1.4:22): listen there: its SSH server forbids it: set AllowTcpForwarding yes",
		"no name was asked: vm/edge (root@10.1.1.4:22): connect to " + b.fake.address() + " from there: its SSH server forbids it",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
}

// Wherever the agent is killed, over SSH and with both files in change, each file is
// whole all the time, and the next agent brings files and nginx together.
func TestFarKilledAnywhere(t *testing.T) {
	killed := errors.New("killed")
	step := 3
	if os.Getenv("BERTH_REAL") != "" {
		step = 1 // deploy/test kills at every call.
	}
	for n := 1; ; n += step {
		died := false
		{
			b, f := farBench(t)
			b.guest("web", "10.1.1.21/24", true)
			b.whole()
			_, _ = b.turn() // It is settled at the end.
			b.route("git.example.com", "10.1.1.7:443")
			b.spec.HTTP.Routes["new.example.com"] = desired.Target{Text: "10.1.1.7:80"}
			plan := b.plan()
			whole := map[string]bool{}
			see := func() string { text, _ := os.ReadFile(b.path("berth/http.conf")); return string(text) }
			whole[see()] = true
			f.took()
			f.at = func(call int) error {
				if died {
					return killed // The dead do nothing more.
				}
				if call >= n {
					died = true
					runtime.Goexit()
				}
				return nil
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				for _, c := range plan.Changes {
					job := b.job(c.Fields)
					job.Key = c.Key
					if err := b.applyer.Apply(t.Context(), job, &said{}); err != nil {
						t.Error(err)
					}
				}
			}()
			<-over
			f.at = nil
			if died {
				b.litter()
			}
			if text := see(); !whole[text] && !strings.HasSuffix(text, "}\n") {
				t.Errorf("killed at call %d, half a file is there:\n%s", n, text)
			}
			b.settle()
			if !died {
				return
			}
			if b.fake.running != b.managed() || !strings.Contains(see(), "new.example.com") {
				t.Errorf("killed at call %d, nginx runs\n%s\nthe files are\n%s\n%s", n, b.fake.running, b.managed(), see())
			}
			b.noLeftovers()
		}
	}
}
