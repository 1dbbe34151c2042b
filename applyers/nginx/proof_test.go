package nginx

import (
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// nobody is an address at which nobody answers.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// A name that was served and is not after the change brings the former file back, and
// is told with what was and what is.
func TestLostName(t *testing.T) {
	b := newBench(t)
	b.fake.backend = b.fake.leads
	one, other := backend(t, "one.example.com"), backend(t, "other.example.com")
	b.route("one.example.com", one, "other.example.com", other)
	b.settle()
	before := b.managed()
	b.fake.took()
	dead := nobody(t)
	b.route("one.example.com", dead, "other.example.com", other, "new.example.com", dead)
	_, outcomes := b.turn()
	o := outcomes[0]
	why := "one.example.com: answered (one.example.com) before, and now is closed without an answer: " + dead + " refuses connections"
	if want := "1 of 2 fields were not made: " + why + "; it stays as it was"; o.Status != drift.Failed || o.Reason != want {
		t.Errorf("%s: %s\nwant %s", o.Status, o.Reason, want)
	}
	if got := o.Results["tls.routes[one.example.com]"]; got != why+"; it stays as it was" {
		t.Errorf("the name that was lost: %q", got)
	}
	if got, made := o.Results["tls.routes[new.example.com]"]; got != "" || !made {
		t.Errorf("the other name: %q", got)
	}
	if got := b.managed(); b.fake.running != got || b.fake.took() != "nginx -t, nginx -s, nginx -s, nginx -t, nginx -s" {
		t.Error("nginx was not reloaded with what is there")
	}
	if got := without(b.managed()); got != strings.Replace(without(before), "    one.", "    new.example.com "+dead+";\n    one.", 1) {
		t.Errorf("it routes\n%s", got)
	}
	b.noLeftovers()
	// Alone, it fails as a whole.
	before = b.managed()
	_, outcomes = b.turn()
	o = outcomes[0]
	want := why + "; the former file is back"
	if o.Status != drift.Failed || o.Reason != want || o.Results["tls.routes[one.example.com]"] != want {
		t.Errorf("%s: %s, %v\nwant %s", o.Status, o.Reason, o.Results, want)
	}
	if b.managed() != before || b.fake.running != before || b.fake.took() != "nginx -t, nginx -s, nginx -s" {
		t.Error("the former file is not back")
	}
	b.noLeftovers()
}

// An upstream whose new servers serve nobody keeps no other name from being changed.
func TestLostUpstream(t *testing.T) {
	b := newBench(t)
	b.fake.backend = b.fake.leads
	one, other := backend(t, "one.example.com"), backend(t, "other.example.com")
	b.spec.Upstreams = map[string]desired.Upstream{"lab": {Servers: desired.Servers{{To: desired.Target{Text: one}, Weight: 1}}, Connect: desired.Duration(5e9), Idle: desired.Duration(6e11)}}
	b.route("one.example.com", "lab", "other.example.com", other)
	b.settle()
	b.fake.took()
	b.spec.Upstreams = map[string]desired.Upstream{"lab": {Servers: desired.Servers{{To: desired.Target{Text: nobody(t)}, Weight: 1}}, Connect: desired.Duration(5e9), Idle: desired.Duration(6e11)}}
	b.route("one.example.com", "lab", "other.example.com", other, "new.example.com", other)
	_, outcomes := b.turn()
	o := outcomes[0]
	if o.Status != drift.Failed || !strings.HasPrefix(o.Results["upstreams.lab.servers"], "one.example.com: answered") || o.Results["tls.routes[new.example.com]"] != "" {
		t.Errorf("%s: %s, %v", o.Status, o.Reason, o.Results)
	}
	if got := b.managed(); !strings.Contains(got, "new.example.com "+other) || !strings.Contains(got, "server "+one) || b.fake.running != got {
		t.Errorf("it routes\n%s", got)
	}
}

// A new name that is not served is made, and said so; one that was not served before
// may go on so.
func TestNewNameIsSilent(t *testing.T) {
	b := newBench(t)
	b.fake.backend = b.fake.leads
	one, dead := backend(t, "one.example.com"), nobody(t)
	b.route("one.example.com", one, "late.example.com", dead)
	b.settle()
	b.route("one.example.com", one, "late.example.com", nobody(t), "new.example.com", dead)
	b.spec.Probe.Sample = 20
	_, outcomes := b.turn()
	if o := outcomes[0]; o.Status != drift.Done {
		t.Errorf("%s: %s", o.Status, o.Reason)
	}
	want := []string{
		"nginx routes 3 names and all others to reject",
		"names asked: 3, of which 1 are served",
		"not served yet: late.example.com is closed without an answer",
		"not served yet: new.example.com is closed without an answer",
	}
	if got := slices.Concat(outcomes[0].Lines, outcomes[0].Warnings); !slices.Equal(got, want) {
		t.Errorf("it said\n%s", strings.Join(got, "\n"))
	}
}

// What a change breaks beside itself is found by the sample.
func TestSampleIsLost(t *testing.T) {
	for _, sampled := range []int{0, 20} {
		b := newBench(t)
		b.spec.Probe.Sample = sampled
		b.fake.backend = b.fake.leads
		one, two := backend(t, "one.example.com"), backend(t, "two.example.com")
		b.route("one.example.com", one, "two.example.com", two)
		b.settle()
		before := b.managed()
		// A reload that breaks all names.
		b.fake.onReload = func() { b.fake.backend = nil }
		b.route("one.example.com", one, "two.example.com", two, "new.example.com", two)
		_, outcomes := b.turn()
		if sampled == 0 {
			if o := outcomes[0]; o.Status != drift.Done {
				t.Errorf("nothing was to be asked, and it is %s: %s", o.Status, o.Reason)
			}
			continue
		}
		for _, name := range []string{"one.example.com: answered (one.example.com) before, and now is closed", "two.example.com: answered"} {
			if o := outcomes[0]; o.Status != drift.Failed || !strings.Contains(o.Reason, name) {
				t.Errorf("no %q in %s: %s", name, o.Status, o.Reason)
			}
		}
		if b.managed() != before {
			t.Error("the former file is not back")
		}
	}
}

// A name that goes nowhere on purpose is not lost.
func TestRejectedOnPurpose(t *testing.T) {
	b := newBench(t)
	b.fake.backend = b.fake.leads
	b.route("one.example.com", backend(t, "one.example.com"))
	b.settle()
	b.route("one.example.com", "reject")
	b.settle()
	b.route()
	b.settle()
}

func TestSample(t *testing.T) {
	all := make(map[string][]asked)
	for _, name := range []string{"a 1", "a 2", "a 3", "b 4", "c 5", "c 6"} {
		to, label, _ := strings.Cut(name, " ")
		all[to] = append(all[to], asked{label: label})
	}
	for n, want := range map[int]string{0: "", 2: "14", 4: "1452", 6: "145263", 20: "145263"} {
		var labels []string
		for _, q := range sample(all, n) {
			labels = append(labels, q.label)
		}
		if got := strings.Join(labels, ""); got != want {
			t.Errorf("%d: %s, not %s", n, got, want)
		}
	}
}

func TestCovering(t *testing.T) {
	routes := map[string]desired.Target{".lab.x": {Text: "1"}, "a.lab.x": {Text: "2"}, "*.y": {Text: "3"}, ".b.lab.x": {Text: "4"}}
	for name, want := range map[string]string{"lab.x": "1", "a.lab.x": "2", "c.a.lab.x": "1", "y": "", "a.b.y": "3", "b.lab.x": "4", "q.b.lab.x": "4", "x": ""} {
		if got, _ := covering(name, routes); got.Text != want {
			t.Errorf("%s: %q, not %q", name, got.Text, want)
		}
	}
	examples := map[string]string{"a.x": "a.x", ".x": "x", ".y": "berth-probe.y", "*.z": "berth-probe.z", "~^a": ""}
	for _, route := range slices.Sorted(maps.Keys(examples)) {
		if got := example(route, map[string]desired.Target{"y": {}}); got != examples[route] {
			t.Errorf("%s: %q", route, got)
		}
	}
}

// whole gives the bench's edge everything that the language has.
func (b *bench) whole() {
	b.spec.Upstreams = map[string]desired.Upstream{"lab": {
		Servers:       desired.Servers{{To: desired.Target{Text: "vm/web:443"}, Weight: 1}, {To: desired.Target{Text: "10.1.1.8:443"}, Weight: 2, Backup: true}},
		ProxyProtocol: true, Connect: desired.Duration(5e9), Idle: desired.Duration(6e11),
	}}
	b.route(".lab.example.com", "lab", "git.example.com", "10.1.1.9:443")
	b.spec.HTTP = desired.EdgeHTTP{
		Listen: desired.List{b.fake.web.Addr().String()}, Default: desired.Target{Text: "redirect"},
		Routes: map[string]desired.Target{".lab.example.com": {Text: "vm/web:80"}},
	}
	b.spec.TCP = map[string]desired.Target{"127.0.0.1:2525": {Text: "10.1.1.25:25"}}
	b.spec.UDP = map[string]desired.Target{"127.0.0.1:3478": {Text: "10.1.1.34:3478"}}
	b.write("nginx.conf", "events {}\nstream {\n    include berth/stream*.conf;\n}\nhttp {\n    include berth/http*.conf;\n}\n")
}

// The whole language is written, seen as it is, edited by hand, mended and taken away.
func TestWholeEdge(t *testing.T) {
	b := newBench(t)
	b.guest("web", "10.1.1.21/24", true)
	b.whole()
	b.settle()
	web := b.path("berth/http.conf")
	now, err := os.ReadFile(web)
	if err != nil || !strings.Contains(string(now), "10.1.1.21:80") || !strings.Contains(b.managed(), "10.1.1.21:443") {
		t.Fatalf("%v:\n%s\n%s", err, now, b.managed())
	}
	// One side alone is touched.
	stream := b.managed()
	b.spec.HTTP.Routes["new.example.com"] = desired.Target{Text: "10.1.1.9:80"}
	b.expect(text(b.plan()), "\nedge/main route\n    http.routes[new.example.com]  → 10.1.1.9:80\n")
	b.settle()
	if b.managed() != stream {
		t.Error("the other side was touched")
	}
	// By hand.
	b.edit("10.1.1.25:25", "10.1.1.26:25")
	b.edit("10.1.1.34:3478", "10.1.1.35:3478")
	b.edit("10.1.1.8:443", "10.1.1.7:443")
	b.expect(strings.ReplaceAll(text(b.plan()), b.fake.web.Addr().String(), "WEB"), `
edge/main route
    tcp[127.0.0.1:2525] 10.1.1.26:25 → 10.1.1.25:25
    udp[127.0.0.1:3478] 10.1.1.35:3478 → 10.1.1.34:3478
    upstreams.lab.servers 10.1.1.21:443 + 10.1.1.7:443 weight=2 backup → 10.1.1.21:443 + 10.1.1.8:443 weight=2 backup
`)
	b.settle()
	// The twin goes, and an upstream with what leads to it; what is left of the twin
	// is an empty file, which an include by name would miss otherwise.
	b.spec.HTTP = desired.EdgeHTTP{}
	b.spec.Upstreams = nil
	b.route("git.example.com", "10.1.1.9:443", "a.lab.example.com", "10.1.1.21:443")
	b.settle()
	if now, err := os.ReadFile(web); err != nil || len(now) > 0 {
		t.Errorf("%v: %s", err, now)
	}
	if strings.Contains(b.managed(), "berth_main_lab") {
		t.Errorf("it routes\n%s", b.managed())
	}
	b.noLeftovers()
}

// An upstream goes with the routes that leave it, and stays while one does not.
func TestUpstreamGoes(t *testing.T) {
	b := newBench(t)
	b.guest("web", "10.1.1.21/24", true)
	b.whole()
	b.settle()
	b.unwant("vm/web")
	b.lives[0].Facts = map[string]string{desired.FactAddress: "10.1.1.21"}
	b.spec.Upstreams = nil
	delete(b.spec.HTTP.Routes, ".lab.example.com")
	b.guest("late", "dhcp", true)
	b.route(".lab.example.com", "vm/late:443", "git.example.com", "10.1.1.9:443")
	b.expect(text(b.plan()), `
edge/main drain
    http.routes[.lab.example.com] 10.1.1.21:80 → 
edge/main route
    tls.routes[.lab.example.com] lab → vm/late:443 known after vm/late address held: vm/late has no known address: give it a static address or a reservation, or enable its guest agent
    upstreams.lab.connect 5s → 
    upstreams.lab.idle 10m → 
    upstreams.lab.keepalive 0 → 
    upstreams.lab.proxyProtocol true → 
    upstreams.lab.servers 10.1.1.21:443 + 10.1.1.8:443 weight=2 backup → 
vm/web delete after [edge/main drain of http.routes[.lab.example.com] edge/main route of upstreams.lab.servers]
`)
	plan, outcomes := b.turn()
	why := make(map[desired.ID]string)
	for i, o := range outcomes {
		why[plan.Changes[i].ID] = string(o.Status) + ": " + o.Reason
	}
	if got := why["edge/main"]; got != "held: tls.routes[.lab.example.com] still leads to the upstream lab, so it stays" {
		t.Errorf("the edge is %s", got)
	}
	if got := why["vm/web"]; !strings.HasPrefix(got, "skipped: waits for edge/main route of upstreams.lab.servers") {
		t.Errorf("the guest is %s", got)
	}
}

// What a new upstream is made of is waited for by all that rests on it; what is early
// waits for the guest alone.
func TestUpstreamWaits(t *testing.T) {
	b := newBench(t)
	b.route("git.example.com", "10.1.1.9:443")
	b.settle()
	b.guest("new", "dhcp", false)
	b.want(&desired.Resource{ID: "play/base", Needs: []desired.ID{"vm/new"}, Spec: &desired.Playbook{Targets: []desired.ID{"vm/new"}}})
	b.fleet.Resource("vm/new").Spec.(*desired.VM).Expose = []desired.Expose{{Name: "acme.example.com", Port: 443, Via: "main", Early: true}}
	b.spec.Upstreams = map[string]desired.Upstream{"lab": {
		Servers: desired.Servers{{To: desired.Target{Text: "vm/new:443"}, Weight: 1}}, Connect: desired.Duration(5e9), Idle: desired.Duration(6e11),
	}}
	b.route("git.example.com", "10.1.1.9:443", "a.example.com", "lab", "acme.example.com", "vm/new:443")
	b.spec.Early = map[desired.Path]bool{"tls.routes[acme.example.com]": true}
	const after = " after [vm/new create]"
	b.expect(text(b.plan()), `
vm/new create
edge/main early
    tls.routes[acme.example.com]  → vm/new:443 known after vm/new address`+after+`
play/base run`+after+`
    hosts.new  → 
edge/main route
    tls.routes[a.example.com]  → lab known after vm/new address`+after+` after [play/base run of hosts.new]
    upstreams.lab.connect  → 5s`+after+` after [play/base run of hosts.new]
    upstreams.lab.idle  → 10m`+after+` after [play/base run of hosts.new]
    upstreams.lab.keepalive  → 0`+after+` after [play/base run of hosts.new]
    upstreams.lab.proxyProtocol  → false`+after+` after [play/base run of hosts.new]
    upstreams.lab.servers  → vm/new:443 known after vm/new address`+after+` after [play/base run of hosts.new]
`)
	_, outcomes := b.turn()
	for _, o := range outcomes {
		if o.Status != drift.Done {
			t.Errorf("%s: %s %s", o.Key, o.Status, o.Reason)
		}
	}
	if !strings.Contains(b.managed(), "10.1.1.99:443") {
		t.Errorf("it routes\n%s", b.managed())
	}
}
