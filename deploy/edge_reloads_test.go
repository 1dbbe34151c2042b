//go:build linux

package deploy_test

import (
	"strings"
	"testing"

	"berth/deploy/internal/edgebed"
)

// mixed is an edge of which one upstream is spoken to by PROXY, and others are not.
const mixed = `-- fleet.yaml --
kind: Fleet
name: mixed
uid: 5b1f0c2e
version: 1
-- edge.yaml --
kind: Edge
name: edge
upstreams:
  headed: {servers: ["10.77.2.1:443"], proxyProtocol: true}
  plain: {servers: ["10.77.2.2:443"]}
tls:
  default: plain
  routes:
    headed.example.test: headed
    .plain.example.test: plain
    address.example.test: 10.77.2.3:443
    moving.example.test: 10.77.2.3:443
    closed.example.test: reject
`

// mixedBackends are those of the edge above.
func (w *edgeWorld) mixedBackends(t *testing.T) {
	t.Helper()
	w.backend(t, "headed", "10.77.2.1", edgebed.Proxy)
	w.backend(t, "plain", "10.77.2.2", edgebed.Plain)
	w.backend(t, "address", "10.77.2.3", edgebed.Plain)
}

// mixedNames are where its names lead.
var mixedNames = map[string]string{
	"headed.example.test": "headed", "plain.example.test": "plain", "a.b.plain.example.test": "plain",
	"address.example.test": "address", "closed.example.test": "", "": "plain",
}

// storyReloads changes a route ten times, and nobody is the worse for it who does
// not ask for that one.
func storyReloads(t *testing.T, binary string) {
	const turns = 10
	w := newEdgeWorld(t, binary)
	w.mixedBackends(t)
	w.commit(t, mixed)
	w.settles(t)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)

	held := make(map[string]*edgebed.Conn)
	for name, want := range mixedNames {
		if want == "" || name == "" {
			continue
		}
		conn, err := w.client.TLS(t.Context(), edgeHost+":443", name)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held[name] = conn
	}
	visitors := w.client.Visit(t, edgeHost+":443", map[string][]string{
		"headed.example.test": {"headed"}, "a.plain.example.test": {"plain"}, "address.example.test": {"address"},
		"moving.example.test": {"address", "headed", "plain"},
	})
	visitors6 := w.client6.Visit(t, "["+edgeHost6+"]:443", map[string][]string{"headed.example.test": {"headed"}})
	workers := w.edge.Workers(t)
	targets := []string{"headed", "plain", "10.77.2.3:443"}
	names := []string{"headed", "plain", "address"}
	for i := range turns {
		w.commit(t, strings.ReplaceAll(mixed, "moving.example.test: 10.77.2.3:443", "moving.example.test: "+targets[i%len(targets)]))
		w.sync(t, 0)
		if now := w.edge.Workers(t); now == workers || now == "" {
			t.Errorf("turn %d leaves nginx its workers, %s", i+1, now)
		} else {
			workers = now
		}
		// As soon as the turn is over, no former worker answers any more.
		w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": names[i%len(names)]})
		for name, conn := range held {
			if seen, err := conn.Ask(); err != nil || seen.Backend != mixedNames[name] {
				t.Errorf("after %d reloads the connection to %s is answered by %q: %v", i+1, name, seen.Backend, err)
			}
		}
	}
	visits, wrong := visitors.End()
	visits6, wrong6 := visitors6.End()
	if all := append(wrong, wrong6...); len(all) > 0 {
		t.Errorf("%d of %d visits went wrong:\n%s", len(all), visits+visits6, strings.Join(all, "\n"))
	}
	if visits < 100 || visits6 < 10 {
		t.Errorf("there were %d visits, and %d by IPv6, only", visits, visits6)
	}
	t.Logf("%d visits by IPv4, %d by IPv6", visits, visits6)
	w.drift(t, 0)
}
