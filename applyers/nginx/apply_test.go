package nginx

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

func TestFirstFile(t *testing.T) {
	b := newBench(t)
	b.guest("web", "10.1.1.21/24", true)
	b.route("git.example.com", "vm/web:443", ".lab.example.com", "10.1.1.9:8443", "old.example.com", "reject")
	b.expect(text(b.plan()), `
edge/main route
    tls.default  → reject
    tls.listen  → LISTEN
    tls.routes[.lab.example.com]  → 10.1.1.9:8443
    tls.routes[git.example.com]  → 10.1.1.21:443
    tls.routes[old.example.com]  → reject
`)
	b.settle()
	if calls := b.fake.took(); calls != "nginx -t, nginx -s" {
		t.Errorf("calls: %s", calls)
	}
	got := b.managed()
	if b.fake.tested != got {
		t.Errorf("nginx tested\n%s\nbut this is in place\n%s", b.fake.tested, got)
	}
	probe, _, _ := strings.Cut(got[strings.Index(got, `.berth.invalid "";`)+len(`.berth.invalid "";`)+1:], "\n")
	// What follows is conf's own affair.
	got, _, _ = strings.Cut(got, "# What comes from")
	b.expect(strings.Replace(got, probe, "    PROBE", 1), `
# berth: pegasus/edge/main 5b1f0c2e; do not edit: it is made from Git, and the next turn undoes what is changed here.
map $ssl_preread_server_name $berth_main_target {
    hostnames;
    default "";
    .berth.invalid "";
    PROBE
    .lab.example.com 10.1.1.9:8443;
    git.example.com 10.1.1.21:443;
    old.example.com "";
}
server {
    listen LISTEN;
    ssl_preread on;
    preread_timeout 5s;
    proxy_connect_timeout 5s;
    proxy_timeout 10m;
    proxy_pass $berth_main_target;
}
`)
	b.noLeftovers()
}

// noLeftovers expects the managed file alone.
func (b *bench) noLeftovers() {
	b.t.Helper()
	for _, dir := range []string{b.dir, b.path("berth")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				b.t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
			}
		}
	}
}

// The order comes out of the graph: names go before the guest goes, and come
// after the guest and its playbooks.
func TestOrder(t *testing.T) {
	b := newBench(t)
	b.guest("old", "10.1.1.20/24", true)
	b.guest("web", "10.1.1.21/24", true)
	b.route("a.example.com", "vm/old:443", "b.example.com", "vm/old:443", "c.example.com", "vm/web:443")
	b.settle()
	b.unwant("vm/old")
	b.lives[0].Facts = map[string]string{desired.FactAddress: "10.1.1.20"}
	b.guest("new", "dhcp", false)
	b.want(&desired.Resource{
		ID: "play/base", Needs: []desired.ID{"vm/new"},
		Spec: &desired.Playbook{Targets: []desired.ID{"vm/new"}},
	})
	b.route("b.example.com", "vm/web:443", "c.example.com", "vm/web:8443", "d.example.com", "vm/new:443")
	b.expect(text(b.plan()), `
edge/main drain
    tls.routes[a.example.com] 10.1.1.20:443 → 
edge/main early
    tls.routes[b.example.com] 10.1.1.20:443 → 10.1.1.21:443
    tls.routes[c.example.com] 10.1.1.21:443 → 10.1.1.21:8443
vm/new create
vm/old delete after [edge/main drain of tls.routes[a.example.com] edge/main early of tls.routes[b.example.com]]
play/base run after [vm/new create]
    hosts.new  → 
edge/main route
    tls.routes[d.example.com]  → vm/new:443 known after vm/new address after [vm/new create] after [play/base run of hosts.new]
`)
	_, outcomes := b.turn()
	for _, o := range outcomes {
		if o.Status != drift.Done {
			t.Errorf("%s: %s %s", o.Key, o.Status, o.Reason)
		}
	}
	if !strings.Contains(b.managed(), "d.example.com 10.1.1.99:443;") || strings.Contains(b.managed(), "10.1.1.20") {
		t.Errorf("it routes\n%s", b.managed())
	}
}

// A name whose guest fails holds no other.
func TestOneNameFails(t *testing.T) {
	b := newBench(t)
	b.guest("broken", "dhcp", false)
	b.route("bad.example.com", "vm/broken:443", "good.example.com", "10.1.1.9:443", "never.example.com", "vm/nobody:443", "no_port.example.com", "nas.lan:443")
	_, outcomes := b.turn()
	if len(outcomes) != 2 || outcomes[1].Status != drift.Done {
		t.Errorf("outcomes: %+v", outcomes)
	}
	got := b.managed()
	if !strings.Contains(got, "good.example.com 10.1.1.9:443;") || strings.Contains(got, "bad.") || strings.Contains(got, "never.") {
		t.Errorf("it routes\n%s", got)
	}
	b.expect(text(b.plan()), `
vm/broken create
edge/main route
    tls.routes[bad.example.com]  → vm/broken:443 known after vm/broken address after [vm/broken create]
    tls.routes[never.example.com]  → vm/nobody:443 known after vm/nobody address held: vm/nobody is not there and not planned in this turn
    tls.routes[no_port.example.com]  → nas.lan:443 held: "nas.lan:443" is no address with a port: nginx would find out only when somebody connects
`)
}

func TestNoFileWithoutDefault(t *testing.T) {
	b := newBench(t)
	b.guest("broken", "dhcp", false)
	b.spec.TLS.Default = desired.Target{Text: "vm/broken:443"}
	b.route("good.example.com", "10.1.1.9:443")
	_, outcomes := b.turn()
	if o := outcomes[1]; o.Status != drift.Skipped || o.Reason != "waits for vm/broken create, which failed" {
		t.Errorf("%s %s: %s", o.Key, o.Status, o.Reason)
	}
	// A guest that stands but tells no address.
	b.lives = []drift.Live{{ID: "vm/broken", Spec: b.fleet.Resource("vm/broken").Spec}}
	_, outcomes = b.turn()
	if o := outcomes[0]; o.Status != drift.Held || o.Reason != "the first file needs a default, whose address is not known yet" {
		t.Errorf("%s %s: %s", o.Key, o.Status, o.Reason)
	}
	if b.managed() != "" {
		t.Errorf("it wrote\n%s", b.managed())
	}
}

func TestHandEdits(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443", ".lab.example.com", "10.1.1.2:443")
	b.settle()
	b.edit("a.example.com 10.1.1.1:443;", "a.example.com nas.lan:443;\n    ~^x(?<y>.*)$ 10.1.1.7:443;\n    Z.example.com 10.1.1.8:443; # mine")
	b.edit(`default ""`, `default 10.6.6.6:443`)
	b.edit(".lab.example.com 10.1.1.2:443;\n", "")
	b.expect(text(b.plan()), `
edge/main drain
    tls.routes[z.example.com] 10.1.1.8:443 → 
    tls.routes[~^x(?<y>.*)$] 10.1.1.7:443 → 
edge/main route
    tls.default 10.6.6.6:443 → reject
    tls.routes[.lab.example.com]  → 10.1.1.2:443
    tls.routes[a.example.com] nas.lan:443 → 10.1.1.1:443
note DIR/berth/stream.conf:7: a.example.com goes to "nas.lan:443", which is neither an address nor an upstream of this file: nginx finds out only when somebody connects
`)
	b.settle()
}

// An entry of an included file is routed like any other.
func TestHandMadeInclude(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	b.write("more.map", "b.example.com 10.1.1.2:443;\n")
	b.edit("    hostnames;", "    hostnames;\n    include more.map;")
	b.expect(text(b.plan()), `
edge/main drain
    edits[DIR/berth/stream.conf:4] include more.map, whose names count as if they stood here → 
    tls.routes[b.example.com] 10.1.1.2:443 → 
`)
	b.settle()
}

// What no field shows is a difference all the same, and is mended.
func TestEditsBesideTheNames(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	file := b.managed()
	for _, edit := range [][3]string{
		{"    hostnames;\n", "", "the map lacks the word hostnames"},
		{"ssl_preread on", "ssl_preread off", "ssl_preread off, where Berth writes ssl_preread on"},
		{"    preread_timeout 5s;\n", "", "server lacks preread_timeout 5s"},
		{"server {", "log_format x y;\nserver {", "log_format x y is not of Berth's making"},
		{"server {", "include /dev/null;\nserver {", "include /dev/null is not of Berth's making"},
	} {
		b.write("berth/stream.conf", strings.Replace(b.managed(), edit[0], edit[1], 1))
		plan := b.plan()
		if len(plan.Changes) != 1 || plan.Changes[0].Step != drift.Drain || len(plan.Changes[0].Fields) != 1 {
			t.Errorf("%q is planned as\n%s", edit, text(plan))
			continue
		}
		f := plan.Changes[0].Fields[0]
		if !strings.HasPrefix(string(f.Path), "edits["+b.path("berth/stream.conf")+":") || f.Before.Text != edit[2] || len(plan.Notes) > 0 {
			t.Errorf("%q is planned as\n%s", edit, text(plan))
		}
		b.settle()
		if without(b.managed()) != without(file) {
			t.Errorf("%q is mended as\n%s", edit, b.managed())
		}
	}
}

// An edit is mended though a name has to wait, and the name is not lost by that.
func TestEditsWhileANameWaits(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	b.edit("ssl_preread on", "ssl_preread off")
	b.route("a.example.com", "vm/nobody:443", "b.example.com", "vm/nobody:443")
	b.turn()
	if got := b.managed(); !strings.Contains(got, "ssl_preread on") || !strings.Contains(got, "a.example.com 10.1.1.1:443;") {
		t.Errorf("it routes\n%s", got)
	}
}

// without is a file without the random name of each.
func without(file string) string {
	var lines []string
	for line := range strings.Lines(file) {
		if !strings.Contains(line, ".berth.invalid 127.") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestIgnoredNameStays(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	b.edit("a.example.com 10.1.1.1:443;", "a.example.com 10.1.1.1:443; hand.example.com 10.1.1.5:443;")
	b.route("a.example.com", "10.1.1.2:443")
	b.observe()
	fields := []drift.Field{{Path: "tls.routes[a.example.com]", Before: drift.Value{Text: "10.1.1.1:443"}, After: drift.Value{Text: "10.1.1.2:443"}}}
	if err := b.applyer.Apply(t.Context(), b.job(fields), &said{}); err != nil {
		t.Fatal(err)
	}
	if got := b.managed(); !strings.Contains(got, "hand.example.com 10.1.1.5:443;") || !strings.Contains(got, "a.example.com 10.1.1.2:443;") {
		t.Errorf("it routes\n%s", got)
	}
}

func (b *bench) job(fields []drift.Field) applyers.Job {
	return applyers.Job{
		Change: drift.Change{Key: drift.Key{ID: "edge/main", Step: drift.Route}, Fields: fields},
		Fleet:  b.fleet, Want: b.fleet.Resource("edge/main"),
	}
}

// said is a Progress.
type said struct {
	lines  []string
	fields map[desired.Path]error
}

func (*said) Task(string) error               { return nil }
func (s *said) Say(line string)               { s.lines = append(s.lines, line) }
func (s *said) Warn(line string)              { s.lines = append(s.lines, line) }
func (*said) Made(desired.ID, string, string) {}
func (s *said) Field(path desired.Path, e error) {
	if s.fields == nil {
		s.fields = make(map[desired.Path]error)
	}
	s.fields[path] = e
}

// A name that somebody moved between plan and step is left alone; the others
// are made.
func TestMovedMeanwhile(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443", "b.example.com", "10.1.1.1:443")
	b.settle()
	b.edit("a.example.com 10.1.1.1:443;", "a.example.com 10.1.1.7:443;")
	move := func(name string) drift.Field {
		return drift.Field{Path: desired.Path("tls.routes").Sub(name), Before: drift.Value{Text: "10.1.1.1:443"}, After: drift.Value{Text: "10.1.1.2:443"}}
	}
	var p said
	err := b.applyer.Apply(t.Context(), b.job([]drift.Field{move("a.example.com"), move("b.example.com")}), &p)
	const want = `tls.routes[a.example.com] has changed since it was planned, from "10.1.1.1:443" to "10.1.1.7:443": the next turn plans it again`
	if err == nil || err.Error() != "1 of 2 fields were not made: "+want {
		t.Errorf("got %v", err)
	}
	if e := p.fields["tls.routes[b.example.com]"]; e != nil || len(p.fields) != 2 {
		t.Errorf("fields: %v", p.fields)
	}
	if got := b.managed(); !strings.Contains(got, "a.example.com 10.1.1.7:443;") || !strings.Contains(got, "b.example.com 10.1.1.2:443;") {
		t.Errorf("it routes\n%s", got)
	}
	err = b.applyer.Apply(t.Context(), b.job([]drift.Field{move("a.example.com")}), &said{})
	if held := (*applyers.HeldError)(nil); !errors.As(err, &held) || held.Reason != want {
		t.Errorf("got %v", err)
	}
}

func TestTwice(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	plan, _ := b.turn()
	before := b.managed()
	b.fake.took()
	if err := b.applyer.Apply(t.Context(), b.job(plan.Changes[0].Fields), &said{}); err != nil {
		t.Fatal(err)
	}
	if calls := b.fake.took(); calls != "" || b.managed() != before {
		t.Errorf("it was made again: %s", calls)
	}
}

func TestRefusedByNginx(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	before := b.managed()
	b.fake.took()
	b.fake.refuse = errors.New("exit status 1")
	b.route("a.example.com", "10.1.1.2:443")
	_, outcomes := b.turn()
	got := outcomes[0].Reason
	if strings.Contains(got, ".staged-") {
		t.Errorf("it names a copy: %s", got)
	}
	b.expect(got, `nginx refuses the new file, nothing was changed: nginx -t -c DIR/nginx.conf: exit status 1: [emerg] something in DIR/nginx.conf`)
	if b.managed() != before || b.fake.took() != "nginx -t" {
		t.Error("it was changed")
	}
	b.noLeftovers()
}

func TestReloadFails(t *testing.T) {
	b := newBench(t)
	b.write("error.log", "[emerg] long ago\n")
	b.write("nginx.conf", "error_log "+b.path("error.log")+" info;\nstream { include "+b.path("berth/*.conf")+"; }\n")
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	before := b.managed()
	b.fake.took()
	b.fake.jam = errors.New("exit status 1")
	b.fake.onReload = func() {
		b.write("error.log", "[emerg] long ago\n2026/01/01 00:00:00 [notice] 1#1: x\n2026/01/01 00:00:00 [emerg] 1#1: bind() failed\n")
	}
	b.route("a.example.com", "10.1.1.2:443")
	_, outcomes := b.turn()
	if outcomes[0].Status != drift.Failed {
		t.Errorf("%+v", outcomes[0])
	}
	b.expect(outcomes[0].Reason, "reload nginx: nginx -s reload: exit status 1: Job for nginx.service failed.; nginx says: [emerg] bind() failed; the former file is back")
	if b.managed() != before || b.fake.took() != "nginx -t, nginx -s, nginx -s" {
		t.Error("it was not put back")
	}
	b.noLeftovers()
	b.settle()
}

func TestWorkersDoNotTakeOver(t *testing.T) {
	b := newBench(t)
	b.fake.deaf = true
	b.route("a.example.com", "10.1.1.1:443")
	_, outcomes := b.turn()
	b.expect(outcomes[0].Reason, "wait 300ms for nginx's new workers: LISTEN does not answer by the new routes; the new file is taken away again")
	if b.managed() != "" {
		t.Error("the first file stays")
	}
	b.noLeftovers()
	b.fake.deaf = false
	b.settle()
}

// Killed between the new file and its reload, the agent must not take the file
// for what nginx does.
func TestKilledBeforeReload(t *testing.T) {
	for _, first := range []bool{true, false} {
		b := newBench(t)
		b.route("a.example.com", "10.1.1.1:443", "gone.example.com", "10.1.1.1:443")
		before := ""
		if !first {
			b.settle()
			before = b.managed()
		}
		b.route("a.example.com", "10.1.1.2:443")
		b.settle()
		b.write("berth/.stream.conf.former", before)
		if first {
			b.expect(text(b.plan()), `
edge/main route
    tls.default  → reject
    tls.listen  → LISTEN
    tls.routes[a.example.com]  → 10.1.1.2:443
note DIR/berth/stream.conf: a reload of nginx was not seen to its end; it is made good
`)
		} else {
			b.expect(text(b.plan()), `
edge/main drain
    tls.routes[gone.example.com] perhaps nothing or 10.1.1.1:443 → 
edge/main route
    tls.default perhaps reject → reject
    tls.listen perhaps LISTEN → LISTEN
    tls.routes[a.example.com] perhaps 10.1.1.2:443 or 10.1.1.1:443 → 10.1.1.2:443
note DIR/berth/stream.conf: a reload of nginx was not seen to its end; it is made good
`)
		}
		b.fake.took()
		_, _ = b.turn()
		if calls := b.fake.took(); !strings.Contains(calls, "nginx -s") {
			t.Errorf("nginx was not reloaded: %s", calls)
		}
		b.settle()
	}
}

func TestLeft(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	plan := b.plan()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.applyer.Apply(ctx, b.job(plan.Changes[0].Fields), &said{}); !errors.Is(err, applyers.ErrLeft) {
		t.Errorf("got %v", err)
	}
	// Told to stop while nginx tests.
	ctx, cancel = context.WithCancel(t.Context())
	b.applyer.run = func(ctx context.Context, _ []string) ([]byte, error) {
		cancel()
		return nil, ctx.Err()
	}
	if err := b.applyer.Apply(ctx, b.job(plan.Changes[0].Fields), &said{}); !errors.Is(err, applyers.ErrLeft) {
		t.Errorf("got %v", err)
	}
	if b.managed() != "" {
		t.Error("it was changed")
	}
	b.noLeftovers()
	// Told to stop while nginx reloads: that is brought to its end.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	b.applyer.run = b.fake.run
	b.fake.onReload = cancel
	if err := b.applyer.Apply(ctx, b.job(plan.Changes[0].Fields), &said{}); err != nil {
		t.Errorf("got %v", err)
	}
	b.fake.onReload = nil
	b.settle()
}

func TestOwnerAndModeStay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a file away")
	}
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	if err := errors.Join(os.Chmod(b.spec.Nginx.Stream, 0o640), os.Chown(b.spec.Nginx.Stream, 1, 1)); err != nil {
		t.Fatal(err)
	}
	b.route("a.example.com", "10.1.1.2:443")
	b.settle()
	info, err := os.Stat(b.spec.Nginx.Stream)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if uid, gid := owner(t, info); uid != 1 || gid != 1 {
		t.Errorf("owner %d:%d", uid, gid)
	}
}
