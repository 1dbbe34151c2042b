package drift_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/desired"
	"berth/drift"
)

// A server of an upstream, and a port, hold a guest as a name does.
func TestRoutedByUpstreamAndPort(t *testing.T) {
	live := func() *desired.Edge {
		return &desired.Edge{
			Upstreams: map[string]desired.Upstream{"lab": {Servers: desired.Servers{{To: desired.Target{Text: "10.1.1.4:443"}}, {To: desired.Target{Text: "10.1.1.5:443"}, Backup: true}}}},
			TCP:       map[string]desired.Target{"25": {Text: "10.1.1.6:25"}},
		}
	}
	wanted := func(server string) *desired.Resource {
		spec := live()
		spec.Upstreams["lab"].Servers[1].To.Text = server
		r := want("edge/main", spec)
		r.Set.Put("upstreams.lab.servers", desired.Source{Line: 4})
		r.Set.Put("tcp.25", desired.Source{Line: 5})
		return r
	}
	made := func(server string, guests ...*desired.Resource) *drift.Plan {
		return plan(t, drift.Input{
			Fleet:    fleet(append(guests, wanted(server))...),
			Observed: drift.Observed{Lives: []drift.Live{up("old", "10.1.1.5"), up("mail", "10.1.1.6"), {ID: "edge/main", Spec: live()}}},
			Guards:   []drift.Guard{drift.Routed()},
		})
	}
	p := made("10.1.1.5:443")
	for id, path := range map[desired.ID]string{"vm/old": "upstreams.lab.servers", "vm/mail": "tcp.25"} {
		if held := change(t, p, id, drift.Stop).Held; !strings.Contains(held, "edge/main still leads "+path+" to it") {
			t.Errorf("%s: held %q", id, held)
		}
	}
	// Another guest takes the place at the same address.
	if held := change(t, made("vm/new:443", guest("new", "10.1.1.5")), "vm/old", drift.Stop).Held; held != "" {
		t.Errorf("held %q", held)
	}
}

// cpu is the processor's time that the process has used, which other work on the machine
// does not change much.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Very many names that go are told from those that stay at once.
func TestRoutedVeryMany(t *testing.T) {
	const names = 30_000
	edge := &desired.Edge{TLS: desired.EdgeTLS{Routes: make(map[string]desired.Target, names)}}
	for i := range names {
		edge.TLS.Routes[fmt.Sprintf("n%05d.example.com", i)] = desired.Target{Text: "10.1.1.5:443"}
	}
	r := want("edge/main", &desired.Edge{TLS: desired.EdgeTLS{Default: desired.Target{Text: "reject"}}})
	r.Set.Put("tls.routes", desired.Source{Line: 4})
	start := cpu()
	p := plan(t, drift.Input{
		Fleet:    fleet(r),
		Observed: drift.Observed{Lives: []drift.Live{up("old", "10.1.1.5"), {ID: "edge/main", Spec: edge}}},
		Guards:   []drift.Guard{drift.Routed()},
	})
	took := cpu() - start
	going := 0
	for _, c := range p.Changes {
		if c.ID == "edge/main" {
			going += len(c.Fields)
		}
	}
	if going != names {
		t.Errorf("%d names go", going)
	}
	if took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
