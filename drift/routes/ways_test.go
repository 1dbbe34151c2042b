package routes_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/desired"
	"berth/drift"
	"berth/drift/routes"
)

// edges is a fleet of edges on Hosts h0, h1, …, at 10.0.0.0, 10.0.0.1, ….
func edges(specs ...*desired.Edge) *desired.Fleet {
	f := &desired.Fleet{Hosts: make(map[string]*desired.Host)}
	for i, spec := range specs {
		name := fmt.Sprintf("h%d", i)
		f.Hosts[name] = &desired.Host{Name: name, Address: fmt.Sprintf("10.0.0.%d", i)}
		spec.At = "host/" + name
		f.Resources = append(f.Resources, &desired.Resource{ID: desired.MakeID(desired.KindEdge, fmt.Sprintf("e%d", i)), Spec: spec})
	}
	return f
}

// tlsEdge routes names by SNI: the default, then name, target, name, target.
func tlsEdge(def string, pairs ...string) *desired.Edge {
	e := &desired.Edge{TLS: desired.EdgeTLS{Default: desired.Target{Text: def}, Routes: make(map[string]desired.Target)}}
	for pair := range slices.Chunk(pairs, 2) {
		e.TLS.Routes[pair[0]] = desired.Target{Text: pair[1]}
	}
	return e
}

// Edges that lead to each other in a circle are followed once around, and it is said.
func TestCircle(t *testing.T) {
	table := routes.Of(edges(
		tlsEdge("host/h1:443", "a.example.net", "10.9.9.9:443"),
		tlsEdge("10.0.0.0:443", "b.example.net", "10.9.9.8:443"),
		tlsEdge("host/h2:443"),
	), nil, nil)
	same(t, lines(table.Routes), `
tls 443 "a.example.net": e0[a.example.net] → 10.9.9.9:443
tls 443 "b.example.net": e0[] e1[b.example.net] → 10.9.9.8:443
tls 443 "": e0[] e1[] → 10.0.0.0:443(host/h0) !it leads back to edge/e0, in a circle!
tls 443 "": e2[] → host/h2:443 !it leads back to edge/e2, in a circle!
`)
	if !table.Edges[2].Inner || table.Edges[0].Inner {
		t.Errorf("who is behind whom: %+v", table.Edges)
	}
}

// An upstream of two proxies has two ways; .x is told in two where they part.
func TestParted(t *testing.T) {
	front := tlsEdge("reject", ".lab.example.net", "both", "*.lab.example.org", "host/h1:443")
	front.Upstreams = map[string]desired.Upstream{
		"both":  {ProxyProtocol: true, Servers: desired.Servers{{To: desired.Target{Text: "host/h1:443"}}, {To: desired.Target{Text: "host/h2:443"}, Backup: true}, {To: desired.Target{Text: "10.9.9.9:443"}}}},
		"empty": {},
	}
	front.TLS.Routes["none.example.net"] = desired.Target{Text: "empty"}
	front.TLS.Routes["junk.example.net"] = desired.Target{Text: "nobody knows"}
	front.TCP = map[string]desired.Target{"25": {Text: "host/h1:25"}, "26": {Text: "host/h1:443"}}
	back := tlsEdge("reject", "lab.example.net", "10.9.9.1:443", ".lab.example.org", "10.9.9.2:443")
	back.TCP = map[string]desired.Target{"25": {Text: "10.9.9.9:25"}}
	table := routes.Of(edges(front, back, tlsEdge("10.9.9.3:443")), nil, nil)
	same(t, lines(table.Routes), `
tls 443 "junk.example.net": e0[junk.example.net] → nobody knows !it is no upstream, guest or address!
tls 443 "lab.example.net": e0[.lab.example.net]+PROXY e1[lab.example.net] → 10.9.9.1:443 |: e0[.lab.example.net]+PROXY e2[] → 10.9.9.3:443 |: e0[.lab.example.net]+PROXY → 10.9.9.9:443
tls 443 "*.lab.example.net": e0[.lab.example.net]+PROXY e1[] → reject |: e0[.lab.example.net]+PROXY e2[] → 10.9.9.3:443 |: e0[.lab.example.net]+PROXY → 10.9.9.9:443
tls 443 "none.example.net": e0[none.example.net] → empty !the upstream has no servers!
tls 443 "*.lab.example.org": e0[*.lab.example.org] e1[.lab.example.org] → 10.9.9.2:443
tls 443 "": e0[] → reject
tcp 25 "": e0[25] e1[25] → 10.9.9.9:25
tcp 26 "": e0[26] → host/h1:443
`)
	if h := table.Called("lab.example.net").Routes[0].Chains[1].Through[1]; !h.Backup {
		t.Errorf("the way through a backup: %+v", h)
	}
}

// Edges that all lead to all others have more ways than can be followed.
func TestManyWays(t *testing.T) {
	var specs []*desired.Edge
	for range 12 {
		e := tlsEdge("all")
		up := desired.Upstream{}
		for i := range 12 {
			up.Servers = append(up.Servers, desired.Server{To: desired.Target{Text: fmt.Sprintf("host/h%d:443", i)}})
		}
		e.Upstreams = map[string]desired.Upstream{"all": up}
		specs = append(specs, e)
	}
	began := time.Now()
	table := routes.Of(edges(specs...), nil, nil)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := len(table.Routes[0].Chains); n > 100 {
		t.Errorf("%d ways", n)
	}
	if !strings.Contains(lines(table.Routes), "there are too many ways") {
		t.Error("it is not said that there are more ways")
	}
}

// Whatever the edges, asking the table for a name gives the way that nginx would
// take, step by step.
func TestAsNginxWould(t *testing.T) {
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 4).Draw(t, "labels"), ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		const n = 3
		var specs []*desired.Edge
		for i := range n {
			var targets []string
			for j := i + 1; j < n; j++ { // No circles: these have a test of their own.
				targets = append(targets, fmt.Sprintf("host/h%d:443", j))
			}
			target := rapid.SampledFrom(append(targets, "10.9.9.9:443", "10.9.9.8:443", "reject"))
			e := tlsEdge(target.Draw(t, "default"))
			for range rapid.IntRange(0, 6).Draw(t, "routes") {
				rule := rapid.SampledFrom([]string{"", ".", "*."}).Draw(t, "kind") + name.Draw(t, "name")
				e.TLS.Routes[rule] = desired.Target{Text: target.Draw(t, "target")}
			}
			specs = append(specs, e)
		}
		table := routes.Of(edges(specs...), nil, nil)
		asked := name.Draw(t, "asked")
		var want, got strings.Builder
		for i := 0; i < n; {
			rule := decides(slices.Sorted(maps.Keys(specs[i].TLS.Routes)), asked)
			to := specs[i].TLS.Default.Text
			if rule != "" {
				to = specs[i].TLS.Routes[rule].Text
			}
			fmt.Fprintf(&want, "e%d[%s] ", i, rule)
			if _, err := fmt.Sscanf(to, "host/h%d:443", &i); err != nil {
				want.WriteString("→ " + to)
				break
			}
		}
		for _, r := range table.Called(asked).Routes {
			if r.Edge != "edge/e0" {
				continue
			}
			for _, h := range r.Chains[0].Through {
				fmt.Fprintf(&got, "%s[%s] ", routes.Short(h.Edge), h.Rule)
			}
			got.WriteString("→ " + r.Chains[0].To[0].Target)
			if got.String() != want.String() || len(r.Chains) != 1 {
				t.Fatalf("%s: %s, want %s\n%s", asked, got.String(), want.String(), lines(table.Routes))
			}
			return
		}
		t.Fatalf("no route for %s:\n%s", asked, lines(table.Routes))
	})
}

// decides is which rule nginx's hostnames take for a name, by the words of its
// documentation: the name itself, then the longest wildcard.
func decides(rules []string, name string) string {
	best, length := "", -1
	for _, rule := range rules {
		bare := strings.TrimPrefix(strings.TrimPrefix(rule, "*"), ".")
		switch {
		case rule == name:
			return rule
		case rule == "."+name:
			best, length = rule, 1<<20
		case rule != bare && strings.HasSuffix(name, "."+bare) && (len(bare) > length || len(bare) == length && rule[0] == '*'):
			best, length = rule, len(bare)
		}
	}
	return best
}

// many is a fleet of so many names, each on a guest of its own behind two edges.
func many(names int) *desired.Fleet {
	front, back := tlsEdge("reject", ".lab.example.net", "host/h1:443"), tlsEdge("reject")
	f := edges(front, back)
	for i := range names {
		id := desired.MakeID(desired.KindContainer, fmt.Sprintf("app-%d", i))
		guest := &desired.Container{}
		guest.Networks = map[string]desired.NIC{"net0": {Address: fmt.Sprintf("10.%d.%d.%d/8", 1+i>>16, i>>8&255, i&255)}}
		f.Resources = append(f.Resources, &desired.Resource{ID: id, Site: "home", Spec: guest})
		if i%2 == 0 {
			front.TLS.Routes[fmt.Sprintf("app-%d.example.net", i)] = desired.Target{Text: string(id) + ":443"}
		} else {
			back.TLS.Routes[fmt.Sprintf("app-%d.lab.example.net", i)] = desired.Target{Text: string(id) + ":443"}
		}
	}
	return f.Of(f.Resources)
}

// A thousand names cost milliseconds, and a hundred times as many a hundred times that.
func BenchmarkOf(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			fleet := many(n)
			for b.Loop() {
				if t := routes.Of(fleet, nil, nil); len(t.Routes) < n {
					b.Fatal(len(t.Routes))
				}
			}
		})
	}
}

// TestCost holds a thousand names, looked at and planned for, to far less than a second.
func TestCost(t *testing.T) {
	fleet := many(1000)
	plan := &drift.Plan{}
	c := drift.Change{Key: drift.Key{ID: "edge/e0", Step: drift.Route}}
	for name, to := range fleet.Resource("edge/e0").Spec.(*desired.Edge).TLS.Routes {
		c.Fields = append(c.Fields, drift.Field{Path: desired.Path("tls.routes").Sub(name), After: drift.Value{Text: to.Text}})
	}
	plan.Changes = append(plan.Changes, c)
	began := time.Now()
	table := routes.Of(fleet, drift.NewWorld(fleet, nil), plan)
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	if len(table.Routes) < 1000 {
		t.Errorf("%d routes", len(table.Routes))
	}
}
