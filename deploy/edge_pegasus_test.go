//go:build linux

package deploy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/deploy/internal/edgebed"
)

// pegasus is the edge of a real fleet, but for its addresses.
const pegasus = `-- fleet.yaml --
kind: Fleet
name: pegasus
uid: 5b1f0c2e
version: 1
---
kind: Host
name: lab-proxy
address: 10.77.2.212
---
kind: Host
name: prod-proxy
address: 10.77.2.5
---
kind: Host
name: lab-certbot
address: 10.77.2.100
-- edge.yaml --
kind: Edge
name: edge
upstreams:
  lab: {servers: ["host/lab-proxy:443"], proxyProtocol: true}
  prod: {servers: ["host/prod-proxy:443"], proxyProtocol: true}
  lab-http: {servers: ["host/lab-certbot:80"], keepalive: 4}
  prod-http: {servers: ["host/prod-proxy:80"], keepalive: 32}
tls:
  default: prod
  routes: {.lab.pegasuspad.com: lab}
http:
  default: prod-http
  routes: {.lab.pegasuspad.com: lab-http}`

// seven are the names that the real edge was tried with, and whether they are the
// lab's; the last is a client that says none.
var seven = map[string]bool{
	"app.lab.pegasuspad.com": true, "a.b.lab.pegasuspad.com": true, "lab.pegasuspad.com": true, "APP.LAB.PEGASUSPAD.COM": true,
	"xlab.pegasuspad.com": false, "www.pegasuspad.com": false, "": false,
}

// storyPegasus leads the seven names of the real edge, over both ports and both
// sorts of address; then one upstream does without PROXY; then a proxy stands before
// the edge.
func storyPegasus(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	const labIn, prodIn = "10.77.2.212", "10.77.2.5"
	w.backend(t, "lab-proxy", labIn, edgebed.Proxy)
	w.backend(t, "prod-proxy", prodIn, edgebed.Proxy)
	w.backend(t, "lab-certbot", "10.77.2.100", edgebed.Plain)
	w.commit(t, pegasus)
	w.settles(t)
	w.clean(t, "http.conf", "stream.conf")
	w.seven(t, func(from string) (lab, prod edgebed.Seen) {
		return edgebed.Seen{Backend: "lab-proxy", Peer: edgeHost, Proxy: from}, edgebed.Seen{Backend: "prod-proxy", Peer: edgeHost, Proxy: from}
	})
	w.sevenInClear(t)
	t.Run("upgrade", func(t *testing.T) {
		conn, err := w.client.Upgrade(t.Context(), edgeHost+":80", "app.lab.pegasuspad.com")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if seen, err := conn.Ask(); err != nil || seen.Backend != "lab-certbot" {
			t.Errorf("%+v, %v", seen, err)
		}
	})
	t.Run("one without PROXY", func(t *testing.T) {
		w.backend(t, "plain-proxy", "10.77.2.6", edgebed.Plain)
		w.commit(t, strings.NewReplacer(`["host/prod-proxy:443"], proxyProtocol: true`, `["10.77.2.6:443"]`).Replace(pegasus))
		w.settles(t)
		w.seven(t, func(from string) (lab, prod edgebed.Seen) {
			return edgebed.Seen{Backend: "lab-proxy", Peer: edgeHost, Proxy: from}, edgebed.Seen{Backend: "plain-proxy", Peer: edgeHost}
		})
		w.sevenInClear(t)
	})
	t.Run("behind a proxy", func(t *testing.T) {
		w.commit(t, strings.NewReplacer("tls:\n", "tls:\n  proxyProtocol: {from: ["+visitor4+"/32, "+visitor6+"/128]}\n").Replace(pegasus))
		w.settles(t)
		for _, c := range []struct {
			client  edgebed.Client
			address string
			from    string
			header  string
		}{
			{w.client, edgeHost + ":443", "198.51.100.7", "TCP4 198.51.100.7 10.77.0.5 4711 443"},
			{w.client6, "[" + edgeHost6 + "]:443", "2001:db8::7", "TCP6 2001:db8::7 fd77::5 4711 443"},
			// Whoever is not the proxy stands under their own address.
			{edgebed.Client{Network: w.network, From: w.stranger(t)}, edgeHost + ":443", "10.77.3.9", "TCP4 198.51.100.7 10.77.0.5 4711 443"},
		} {
			c.client.Proxied = c.header
			seen, err := c.client.Who(t.Context(), c.address, "app.lab.pegasuspad.com")
			if err != nil || seen.Backend != "lab-proxy" || seen.Proxy != c.from {
				t.Errorf("%s by %s: %+v, %v", c.header, c.address, seen, err)
			}
		}
		if seen, err := w.client.Who(t.Context(), edgeHost+":443", "www.pegasuspad.com"); err == nil {
			t.Errorf("without a header one comes to %+v", seen)
		}
	})
}

// seven asks by the seven names, by IPv4 and IPv6, and holds what arrives against
// what is to.
func (w *edgeWorld) seven(t *testing.T, want func(from string) (lab, prod edgebed.Seen)) {
	t.Helper()
	for name, isLab := range seven {
		for _, way := range []struct {
			client        edgebed.Client
			from, address string
		}{{w.client, visitor4, edgeHost + ":443"}, {w.client6, visitor6, "[" + edgeHost6 + "]:443"}} {
			lab, prod := want(way.from)
			expect := map[bool]edgebed.Seen{true: lab, false: prod}[isLab]
			expect.SNI = name
			seen, err := way.client.Who(t.Context(), way.address, name)
			if diff := cmp.Diff(expect, seen); err != nil || diff != "" {
				t.Errorf("%q by %s: %v %s", name, way.address, err, diff)
			}
		}
	}
}

// sevenInClear asks by the same names over port 80.
func (w *edgeWorld) sevenInClear(t *testing.T) {
	t.Helper()
	for name, isLab := range seven {
		for _, way := range []struct {
			client        edgebed.Client
			from, address string
		}{{w.client, visitor4, edgeHost + ":80"}, {w.client6, visitor6, "[" + edgeHost6 + "]:80"}} {
			want := edgebed.Seen{
				Backend: map[bool]string{true: "lab-certbot", false: "prod-proxy"}[isLab],
				Peer:    edgeHost, RealIP: way.from, ForwardedFor: way.from, Proto: "http", Host: strings.ToLower(name),
			}
			answer, err := way.client.HTTP(t.Context(), way.address, name)
			if name == "" {
				// Without a Host there is nothing to pass on, and the backend may refuse that.
				if err != nil || answer.Backend != want.Backend {
					t.Errorf("without a Host by %s: %+v, %v", way.address, answer, err)
				}
				continue
			}
			if diff := cmp.Diff(want, answer.Seen); err != nil || answer.Status != 200 || diff != "" {
				t.Errorf("%q by %s: %d, %v %s", name, way.address, answer.Status, err, diff)
			}
		}
	}
}

// storyMistakes has manifests that would break the edge as it broke in its history:
// they are refused with their line, and nothing is touched.
func storyMistakes(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	w.backend(t, "lab-proxy", "10.77.2.212", edgebed.Proxy)
	w.backend(t, "prod-proxy", "10.77.2.5", edgebed.Proxy)
	w.backend(t, "lab-certbot", "10.77.2.100", edgebed.Plain)
	w.commit(t, pegasus)
	w.settles(t)
	sound, workers := w.edge.Run(t, "cat", edgebed.Stream, edgebed.HTTP80), w.edge.Workers(t)
	for _, c := range []struct{ name, old, new, says string }{
		{"an undefined upstream", "{.lab.pegasuspad.com: lab}", "{.lab.pegasuspad.com: lab-backend}", "edge.yaml:10"},
		{"a default that is not defined", "default: prod\n", "default: prd\n", "did you mean prod"},
		{"a host name as a server", "host/lab-certbot:80", "lab-certbot:80", "edge.yaml:6"},
		{"a host that nobody declares", "host/lab-certbot:80", "host/lab-certbt:80", "did you mean"},
		{"the twin lacks a name", "  routes: {.lab.pegasuspad.com: lab-http}", "  routes: {}", ".lab.pegasuspad.com"},
		{"a name twice", "{.lab.pegasuspad.com: lab}", "{.lab.pegasuspad.com: lab, .LAB.pegasuspad.com: prod}", "edge.yaml:10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken := strings.Replace(pegasus, c.old, c.new, 1)
			if broken == pegasus {
				t.Fatalf("the manifests do not hold %q", c.old)
			}
			w.commit(t, broken)
			out, code := w.agent(t, "validate", "/srv/fleet")
			if code != 1 {
				t.Errorf("validate exits %d: %s", code, out)
			}
			holds(t, "validate", out, c.says)
			t.Log(strings.TrimSpace(out))
			// The last good commit goes on being enforced.
			if out, code = w.agent(t, "sync", "--once"); code == 0 {
				t.Errorf("a turn takes it: %s", out)
			}
			holds(t, "the turn", out, c.says)
		})
	}
	if now := w.edge.Run(t, "cat", edgebed.Stream, edgebed.HTTP80); now != sound || w.edge.Workers(t) != workers {
		t.Errorf("a mistake has come to nginx:\n%s", now)
	}
	// The rendered map has what the history lacked.
	if n := strings.Count(sound, "hostnames;"); n < 2 {
		t.Errorf("of the two maps %d match by host names", n)
	}
}
