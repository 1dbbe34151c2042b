package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wholeEdge has every field of an Edge, and a guest that exposes names on it.
const wholeEdge = `kind: Edge
name: main
description: what comes in
at: vm/proxy
nginx: {stream: /srv/nginx/stream.conf, http: /srv/nginx/http.conf, config: /etc/nginx/own.conf, test: [nginx, -t, -q], reload: [kill, -HUP, "1"], container: nginx, engine: podman, sudo: false}
upstreams:
  lab: {servers: ["host/lab:443", {to: "[fd00:1::9]:443", weight: 2, backup: true}], proxyProtocol: true, connect: 2s, idle: 1h}
  acme: {servers: ["10.1.1.7:80"], keepalive: 4}
tls:
  listen: [443, "[::1]:8443"]
  proxyProtocol: {from: [10.0.0.0/8, "fd00:1::/64"]}
  default: lab
  routes: {.lab.example.net: lab, "*.x.example.net": "10.1.1.8:8443", no.example.net: reject}
http:
  listen: ["0.0.0.0:80"]
  proxyProtocol: {from: [10.1.1.1]}
  default: redirect
  routes: {.lab.example.net: acme}
tcp: {25: "10.1.1.9:25", "10.1.1.4:143": lab}
udp: {3478: "10.1.1.10:3478"}
probe: {timeout: 10s, sample: 5}
ignore: [tls.routes]
---
{kind: VM, name: proxy, networks: {net0: {address: 10.1.1.4}}}
---
{kind: Host, name: lab, address: 10.1.1.6}
---
kind: VM
name: git
networks: {net0: {address: 10.1.1.5}}
expose: [{name: git.example.net, http: 80, early: true}, {name: wiki.example.net, port: 8443, proxyProtocol: true}]
`

// loadEdge loads the fleet of an edge called main.
func loadEdge(t *testing.T, text string) (*Edge, *Resource) {
	t.Helper()
	r := mustLoad(t, files("a.yaml", text)).Resource("edge/main")
	return r.Spec.(*Edge), r
}

// TestEdgeLeaves holds which values of an edge are compared with live, under which
// paths, and that the manifest owns all of them whole.
func TestEdgeLeaves(t *testing.T) {
	edge, r := loadEdge(t, wholeEdge)
	var got []string
	for _, leaf := range Leaves(KindEdge, edge) {
		got = append(got, fmt.Sprintf("%s = %s", leaf.Path, Text(leaf.Value)))
		if set := r.Set.Has(leaf.Path); !set || !leaf.Exact || leaf.Effect != Online {
			t.Errorf("%s: set %v, exact %v, %s", leaf.Path, set, leaf.Exact, leaf.Effect)
		}
	}
	want := strings.Split(strings.TrimSpace(`
http.default = redirect
http.listen = 0.0.0.0:80
http.proxyProtocol.from = 10.1.1.1
http.routes[.lab.example.net] = acme
http.routes[git.example.net] = vm/git:80
tcp.25 = 10.1.1.9:25
tcp[10.1.1.4:143] = lab
tls.default = lab
tls.listen = 443 [::1]:8443
tls.proxyProtocol.from = 10.0.0.0/8 fd00:1::/64
tls.routes[*.x.example.net] = 10.1.1.8:8443
tls.routes[.lab.example.net] = lab
tls.routes[git.example.net] = vm/git:443
tls.routes[no.example.net] = reject
tls.routes[wiki.example.net] = git.8443
udp.3478 = 10.1.1.10:3478
upstreams.acme.connect = 5s
upstreams.acme.idle = 10m
upstreams.acme.keepalive = 4
upstreams.acme.proxyProtocol = false
upstreams.acme.servers = 10.1.1.7:80
upstreams.lab.connect = 2s
upstreams.lab.idle = 1h
upstreams.lab.keepalive = 0
upstreams.lab.proxyProtocol = true
upstreams.lab.servers = [fd00:1::9]:443 weight=2 backup + host/lab:443
upstreams[git.8443].connect = 5s
upstreams[git.8443].idle = 10m
upstreams[git.8443].keepalive = 0
upstreams[git.8443].proxyProtocol = true
upstreams[git.8443].servers = vm/git:8443`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if want := map[Path]bool{"tls.routes[git.example.net]": true, "http.routes[git.example.net]": true}; !maps.Equal(edge.Early, want) {
		t.Errorf("early: %v", edge.Early)
	}
}

// TestEdgeWithoutASide holds that the side which an edge does not have is no value to
// compare: nothing about it is wanted, and nothing that is not there differs from it.
func TestEdgeWithoutASide(t *testing.T) {
	edge, _ := loadEdge(t, "{kind: Edge, name: main, tcp: {25: \"10.1.1.9:25\"}}")
	var got []Path
	for _, leaf := range Leaves(KindEdge, edge) {
		got = append(got, leaf.Path)
	}
	if !slices.Equal(got, []Path{"tcp.25"}) {
		t.Errorf("leaves %v", got)
	}
}

// TestEdgeIsWrittenAndRead holds that an edge which is written as a manifest loads as
// what it was.
func TestEdgeIsWrittenAndRead(t *testing.T) {
	alone, _, _ := strings.Cut(wholeEdge, "\nkind: VM\n")
	edge, r := loadEdge(t, alone)
	_, beside, _ := strings.Cut(alone, "\n---\n")
	keep := maps.Collect(func(yield func(Path, bool) bool) {
		for path := range r.Set.Paths() {
			if !yield(path, true) {
				return
			}
		}
	})
	keep["ignore"] = true
	text, err := Write(Document{Kind: "Edge", Name: "main", Spec: edge, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := loadEdge(t, string(text)+"---\n"+beside)
	if diff := cmp.Diff(edge, again); diff != "" {
		t.Errorf("-written +read:\n%s\n%s", diff, text)
	}
}

// TestServers holds that the order of servers means nothing, and that an upstream is
// known once all of its servers are.
func TestServers(t *testing.T) {
	a, b := Server{To: Target{Text: "vm/a:443"}}, Server{To: Target{Text: "vm/b:443"}, Weight: 2, Backup: true}
	one := Server{To: Target{Text: "vm/a:443"}, Weight: 1}
	for _, test := range []struct {
		a, b Servers
		same bool
	}{
		{Servers{a, b}, Servers{b, one}, true},
		{nil, Servers{}, true},
		{Servers{a}, Servers{a, a}, false},
		{Servers{a, b}, Servers{a}, false},
		{Servers{{To: a.To, Backup: true}}, Servers{a}, false},
		{Servers{{To: a.To, Weight: 2}}, Servers{a}, false},
	} {
		if test.a.Equal(test.b) != test.same || test.b.Equal(test.a) != test.same {
			t.Errorf("%v and %v: same is not %v", test.a, test.b, test.same)
		}
	}
	servers := Servers{b, a, {To: Target{Text: "10.1.1.9:443"}}}
	if got := servers.String(); got != "10.1.1.9:443 + vm/a:443 + vm/b:443 weight=2 backup" {
		t.Errorf("got %s", got)
	}
	known := map[ID]string{}
	lookup := func(id ID, fact string) (string, bool) {
		addr, ok := known[id]
		return addr, ok && fact == FactAddress
	}
	for _, step := range []struct{ id, addr, text, from string }{
		{"", "", "10.1.1.9:443 + vm/a:443 + vm/b:443 weight=2 backup", "vm/a address"},
		{"vm/a", "10.1.1.1", "10.1.1.1:443 + 10.1.1.9:443 + vm/b:443 weight=2 backup", "vm/b address"},
		{"vm/b", "fd00:1::2", "10.1.1.1:443 + 10.1.1.9:443 + [fd00:1::2]:443 weight=2 backup", ""},
	} {
		known[ID(step.id)] = step.addr
		leaf, from := servers.Resolve(lookup)
		if Text(leaf) != step.text || from != step.from {
			t.Errorf("with %v: %s, from %q", known, Text(leaf), from)
		}
	}
	if servers[1].To != a.To {
		t.Error("resolving wrote to what is wanted")
	}
}

// TestEdgeTargets holds what an edge says of where it leads.
func TestEdgeTargets(t *testing.T) {
	edge, _ := loadEdge(t, wholeEdge)
	var got []string
	for path, target := range edge.Targets() {
		got = append(got, fmt.Sprintf("%s → %s", path, edge.Servers(target)))
	}
	slices.Sort(got)
	want := strings.Split(strings.TrimSpace(`
http.default → `+`
http.routes[.lab.example.net] → 10.1.1.7:80
http.routes[git.example.net] → vm/git:80
tcp.25 → 10.1.1.9:25
tcp[10.1.1.4:143] → [fd00:1::9]:443 weight=2 backup + host/lab:443
tls.default → [fd00:1::9]:443 weight=2 backup + host/lab:443
tls.routes[*.x.example.net] → 10.1.1.8:8443
tls.routes[.lab.example.net] → [fd00:1::9]:443 weight=2 backup + host/lab:443
tls.routes[git.example.net] → vm/git:443
tls.routes[no.example.net] → `+`
tls.routes[wiki.example.net] → vm/git:8443
udp.3478 → 10.1.1.10:3478`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := (&Edge{}).Targets(); len(got) != 0 {
		t.Errorf("an empty edge leads to %v", got)
	}
}

// TestCovers holds which wildcard takes a name that is not written, as nginx has it.
func TestCovers(t *testing.T) {
	routes := map[string]Target{".a.org": {}, "*.b.org": {}, ".c.b.org": {}, "x.a.org": {}, "*.org.uk": {}}
	for name, want := range map[string]string{
		"a.org": ".a.org", "y.a.org": ".a.org", "z.y.a.org": ".a.org", "x.a.org": ".a.org", "*.a.org": ".a.org", ".a.org": "", "*.y.a.org": ".a.org",
		"b.org": "", "y.b.org": "*.b.org", ".y.b.org": "*.b.org", "*.b.org": "", ".b.org": "", "c.b.org": ".c.b.org", "y.c.b.org": ".c.b.org", ".c.b.org": "*.b.org",
		"org": "", "ba.org": "", "a.org.uk": "*.org.uk", "org.uk": "", "localhost": "", ".localhost": "",
	} {
		if got, found := covers(routes, name); got != want || found != (want != "") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
