package routes_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
	"berth/drift/routes"
)

// lab is a fleet of a gate, and a proxy behind it.
func lab(t *testing.T) *desired.Fleet {
	t.Helper()
	text, err := os.ReadFile("testdata/lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := desired.Load(fstest.MapFS{"lab.yaml": {Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// lines writes routes as text, one a line.
func lines(all []routes.Route) string {
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "%s %s %q", r.Way, strings.Join(r.Listen, ","), r.Name)
		if r.By != "" {
			fmt.Fprintf(&b, " by %s", r.By)
		}
		for i, c := range r.Chains {
			if i > 0 {
				b.WriteString(" |")
			}
			b.WriteString(":")
			for _, h := range c.Through {
				fmt.Fprintf(&b, " %s[%s]", routes.Short(h.Edge), h.Rule)
				if h.PROXY {
					b.WriteString("+PROXY")
				}
			}
			for _, leg := range c.To {
				fmt.Fprintf(&b, " → %s", leg.Target)
				if leg.ID != "" && !strings.Contains(leg.Target, string(leg.ID)) {
					fmt.Fprintf(&b, "(%s)", leg.ID)
				}
				if leg.Weight > 0 {
					fmt.Fprintf(&b, "×%d", leg.Weight)
				}
				if leg.Backup {
					b.WriteString(" backup")
				}
				if leg.Problem != "" {
					fmt.Fprintf(&b, " !%s!", leg.Problem)
				}
			}
		}
		if r.Unreached {
			b.WriteString(" unreached")
		}
		if r.State != "" {
			fmt.Fprintf(&b, " %s", r.State)
		}
		for _, text := range r.Remarks {
			fmt.Fprintf(&b, "; %s", text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A name is followed through a proxy behind the first, which may tell names apart
// that the first does not.
func TestManifestsAlone(t *testing.T) {
	table := routes.Of(lab(t), nil, nil)
	same(t, lines(table.Routes), `
tls 443 "git.example.net": gate[git.example.net] → ct/web-1:8443
tls 443 ".lab.example.net": gate[.lab.example.net]+PROXY lab[] → ct/web-2:443
tls 443 "app.lab.example.net": gate[.lab.example.net]+PROXY lab[app.lab.example.net] → ct/web-1:443
tls 443 ".deep.lab.example.net": gate[.lab.example.net]+PROXY lab[.deep.lab.example.net] → ct/web-2:8443
tls 443 "wiki.example.net": gate[wiki.example.net] → ct/wiki:443 !ct/wiki has no address in Git: it is known when the guest runs!
tls 443 "www.example.net": gate[www.example.net] → ct/web-1:443 → ct/web-2:443×2 backup
tls 443 "*.example.org": gate[*.example.org] → 10.1.1.7:443(ct/web-2)
tls 443 "": gate[] → reject
http 80 ".lab.example.net": gate[.lab.example.net] → ct/web-1:80
http 80 "": gate[] → redirect
tcp 25 "": gate[25] → host/nas:25
udp 3478 "": gate[3478] → 10.1.1.99:3478
tls 8443 "lost.example.com": lab[lost.example.com] → ct/web-1:443 unreached
`)
	if len(table.Edges) != 2 || table.Edges[0].Inner || !table.Edges[1].Inner || table.Edges[1].Address != "10.1.1.5" || table.Edges[1].Site != "home" {
		t.Errorf("edges: %+v", table.Edges)
	}
	if r := table.Routes[2]; r.Source.File != "lab.yaml" || r.Source.Line == 0 {
		t.Errorf("a route's line: %v", r.Source)
	}
}

// Called finds what decides a name as nginx does, capitals and all aside.
func TestCalled(t *testing.T) {
	table := routes.Of(lab(t), nil, nil)
	for name, want := range map[string]string{
		"app.lab.example.net": "tls 443 \"app.lab.example.net\": gate[.lab.example.net]+PROXY lab[app.lab.example.net] → ct/web-1:443\n" +
			"http 80 \"app.lab.example.net\" by .lab.example.net: gate[.lab.example.net] → ct/web-1:80\n",
		"x.deep.lab.example.net": "tls 443 \"x.deep.lab.example.net\" by .deep.lab.example.net: gate[.lab.example.net]+PROXY lab[.deep.lab.example.net] → ct/web-2:8443\n" +
			"http 80 \"x.deep.lab.example.net\" by .lab.example.net: gate[.lab.example.net] → ct/web-1:80\n",
		"xlab.example.net": "tls 443 \"xlab.example.net\" by default: gate[] → reject\n" +
			"http 80 \"xlab.example.net\" by default: gate[] → redirect\n",
		"example.org": "tls 443 \"example.org\" by default: gate[] → reject\n" +
			"http 80 \"example.org\" by default: gate[] → redirect\n",
		"lost.example.com": "tls 443 \"lost.example.com\" by default: gate[] → reject\n" +
			"http 80 \"lost.example.com\" by default: gate[] → redirect\n" +
			"tls 8443 \"lost.example.com\": lab[lost.example.com] → ct/web-1:443 unreached\n",
	} {
		same(t, lines(table.Called(name).Routes), want)
	}
}

// Of keeps what leads to a guest, or through what runs on one.
func TestOf(t *testing.T) {
	table := routes.Of(lab(t), nil, nil)
	for id, want := range map[desired.ID]int{
		"host/nas": 1, "ct/web-2": 4, "edge/lab": 4, "ct/lab-proxy": 4, "ct/wiki": 1, "ct/gate": 12, "vm/none": 0,
	} {
		if got := len(table.Of(id).Routes); got != want {
			t.Errorf("%s: %d routes, want %d:\n%s", id, got, want, lines(table.Of(id).Routes))
		}
	}
	if edges := table.Of("host/nas").Edges; len(edges) != 1 || edges[0].ID != "edge/gate" {
		t.Errorf("edges of host/nas: %+v", edges)
	}
}

// What is planned, held, gone or could not be read is told at the routes that it
// concerns, those through the edge behind included.
func TestLive(t *testing.T) {
	fleet := lab(t)
	value := func(s string) drift.Value { return drift.Value{Text: s} }
	field := func(path string, before, after drift.Value) drift.Field {
		return drift.Field{Path: desired.Path(path), Before: before, After: after}
	}
	lives := []drift.Live{
		{ID: "edge/gate", Spec: &desired.Edge{}},
		{ID: "edge/lab", Spec: &desired.Edge{}},
		{ID: "ct/wiki", Spec: &desired.Container{}},
		{ID: "ct/web-1", Spec: &desired.Container{}, Facts: map[string]string{"address": "10.1.1.6"}},
	}
	held := field("tls.routes[wiki.example.net]", drift.Value{}, drift.Value{Text: "ct/wiki:443", From: "ct/wiki address"})
	waits := field("tls.routes[git.example.net]", drift.Value{}, value("10.1.1.6:8443"))
	waits.Wait = []drift.Key{{ID: "ct/web-1", Step: drift.Ready}}
	refused := field("http.routes[.lab.example.net]", value("10.1.1.9:80"), value("10.1.1.6:80"))
	refused.Held, refused.By = "the port-80 twin is held", "hand"
	plan := &drift.Plan{Changes: []drift.Change{
		{Key: drift.Key{ID: "edge/gate", Step: drift.Drain}, Fields: []drift.Field{
			field("tls.routes[old.example.net]", value("10.1.1.6:443"), drift.Value{}),
			field("tcp[26]", value("10.1.1.8:26"), drift.Value{}),
			field("udp[5000]", value("10.1.1.8:5000"), drift.Value{}),
		}},
		{Key: drift.Key{ID: "edge/gate", Step: drift.Route}, Fields: []drift.Field{
			held, waits, refused, field("upstreams.web.servers", value("10.1.1.6:443"), value("10.1.1.6:443 10.1.1.7:443")),
			field("tls.listen", value("444"), value("443")),
		}},
		{Key: drift.Key{ID: "edge/lab", Step: drift.Route}, Held: "no sudo", Fields: []drift.Field{
			field("tls.routes[app.lab.example.net]", value("10.1.1.7:443"), value("10.1.1.6:443")),
		}},
	}}
	world := drift.NewWorld(fleet, lives)
	table := routes.Of(fleet, world, plan)
	same(t, lines(table.Routes), `
tls 443 "git.example.net": gate[git.example.net] → ct/web-1:8443 new; waits for ct/web-1 ready
tls 443 ".lab.example.net": gate[.lab.example.net]+PROXY lab[] → ct/web-2:443 live
tls 443 "app.lab.example.net": gate[.lab.example.net]+PROXY lab[app.lab.example.net] → ct/web-1:443 moves; at edge/lab: live it is 10.1.1.7:443 (ct/web-2); held: no sudo
tls 443 ".deep.lab.example.net": gate[.lab.example.net]+PROXY lab[.deep.lab.example.net] → ct/web-2:8443 live
tls 443 "old.example.net": gate[old.example.net] → 10.1.1.6:443(ct/web-1) goes
tls 443 "wiki.example.net": gate[wiki.example.net] → ct/wiki:443 !ct/wiki has no known address: it has told none yet! new; waits for ct/wiki address
tls 443 "www.example.net": gate[www.example.net] → ct/web-1:443 → ct/web-2:443×2 backup moves; upstream web: live it is 10.1.1.6:443 (ct/web-1)
tls 443 "*.example.org": gate[*.example.org] → 10.1.1.7:443(ct/web-2) live
tls 443 "": gate[] → reject live
http 80 ".lab.example.net": gate[.lab.example.net] → ct/web-1:80 moves; live it is 10.1.1.9:80, by hand; held: the port-80 twin is held
http 80 "": gate[] → redirect live
tcp 25 "": gate[25] → host/nas:25 live
tcp 26 "": gate[26] → 10.1.1.8:26(host/nas) goes
udp 3478 "": gate[3478] → 10.1.1.99:3478 live
udp 5000 "": gate[5000] → 10.1.1.8:5000(host/nas) goes
tls 8443 "lost.example.com": lab[lost.example.com] → ct/web-1:443 unreached live
`)
	if e := table.Edges[0]; e.State != routes.Live || e.Others != 1 || !table.Bad() {
		t.Errorf("edge: %+v", e)
	}

	// An edge that could not be read makes its own routes unknown, and those through it.
	plan = &drift.Plan{
		Blind:   []drift.Blind{{ID: "edge/lab", Reason: "no route to host", Remedy: "see to it"}},
		Foreign: []drift.Foreign{{ID: "edge/gate", What: "/etc/nginx/berth/gate.conf", Reason: "another fleet's"}},
	}
	table = routes.Of(fleet, drift.NewWorld(fleet, lives[:1]), plan)
	if e := table.Edge("edge/lab"); e.State != routes.Unknown || e.Reason != "no route to host" || e.Remedy != "see to it" {
		t.Errorf("a blind edge: %+v", e)
	}
	if e := table.Edge("edge/gate"); e.State != routes.Foreign || e.Reason != "/etc/nginx/berth/gate.conf: another fleet's" {
		t.Errorf("a foreign edge: %+v", e)
	}
	if r := table.Called("app.lab.example.net").Routes[0]; r.State != routes.Unknown || r.Problem() != "" {
		t.Errorf("a route through it: %+v", r)
	}
	if r := table.Called("git.example.net").Routes[0]; r.State != routes.Live {
		t.Errorf("a route past it: %+v", r)
	}
	if r := table.Called("wiki.example.net").Routes[0]; r.Problem() != "ct/wiki has no known address: it does not stand yet, or could not be read" {
		t.Errorf("a guest that is not there: %+v", r)
	}
}

// Bad is what the exit code of agent routes says.
func TestBad(t *testing.T) {
	ends := func(problem string) []routes.Chain {
		return []routes.Chain{{To: []routes.Leg{{Target: "ct/x:443", Problem: problem}, {Target: "ct/y:443", Problem: problem}}}}
	}
	for _, row := range []struct {
		what  string
		route routes.Route
		bad   bool
	}{
		{"nobody looked", routes.Route{Chains: ends("")}, false},
		{"live", routes.Route{State: routes.Live, Chains: ends("")}, false},
		{"live and answers", routes.Route{State: routes.Live, Answer: &routes.Answer{Good: true}}, false},
		{"does not answer", routes.Route{State: routes.Live, Answer: &routes.Answer{Outcome: "refused"}}, true},
		{"was not asked in time", routes.Route{State: routes.Live, Way: routes.TLS, Answer: &routes.Answer{Outcome: routes.Skipped}}, true},
		{"can't be asked", routes.Route{State: routes.Live, Way: routes.UDP, Answer: &routes.Answer{Outcome: routes.Skipped}}, false},
		{"new", routes.Route{State: routes.New}, true},
		{"unknown", routes.Route{State: routes.Unknown}, true},
		{"leads nowhere", routes.Route{State: routes.Live, Chains: ends("gone")}, true},
		{"leads somewhere", routes.Route{State: routes.Live, Chains: append(ends("gone"), ends("")...)}, false},
	} {
		if row.route.Bad() != row.bad {
			t.Errorf("%s: bad is %t", row.what, !row.bad)
		}
		if table := (&routes.Table{Routes: []routes.Route{row.route}}); table.Bad() != row.bad {
			t.Errorf("a table of one that %s: bad is %t", row.what, !row.bad)
		}
	}
	if table := (&routes.Table{Edges: []routes.Edge{{State: routes.Foreign}}}); !table.Bad() {
		t.Error("a foreign edge is nothing bad")
	}
}

// Of an edge that is not set up yet, nothing but that is told: all of it differs.
func TestNewEdge(t *testing.T) {
	fleet := lab(t)
	plan := &drift.Plan{Changes: []drift.Change{{Key: drift.Key{ID: "edge/gate", Step: drift.Route}, Fields: []drift.Field{
		{Path: "tls.listen", After: drift.Value{Text: "443"}},
		{Path: "tls.default", After: drift.Value{Text: "reject"}},
	}}}}
	table := routes.Of(fleet, drift.NewWorld(fleet, nil), plan)
	if e := table.Edge("edge/gate"); e.State != routes.New || e.Others != 0 {
		t.Errorf("%+v", e)
	}
	if r := table.Called("nobody.example.com").Routes[0]; r.State != routes.New || len(r.Remarks) != 0 {
		t.Errorf("%+v", r)
	}
}
