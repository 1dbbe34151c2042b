package drift_test

import (
	"strings"
	"testing"

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
