package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth/drift/routes"
)

// answering serves connections on loopback, and gives the address.
func answering(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				answer(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// tlsEnd answers by certificates that bear the name asked for, but for one name.
func tlsEnd(t *testing.T) func(net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := hello.ServerName
		if name == "" {
			name = "nobody"
		}
		of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{CommonName: name}}
		der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
	}}
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.HandshakeContext(context.Background()) == nil {
			_, _ = io.Copy(io.Discard, server)
		}
	}
}

// route is one by a way, at an address, to a target.
func route(way routes.Way, listen, name, target string) routes.Route {
	return routes.Route{
		Edge: "edge/e", Way: way, Listen: []string{listen}, Name: name, State: routes.Live,
		Chains: []routes.Chain{{Through: []routes.Hop{{Edge: "edge/e", Rule: name}}, To: []routes.Leg{{Target: target}}}},
	}
}

var took = regexp.MustCompile(`\d+ ms`)

// TestProbes asks servers that answer in every way.
func TestProbes(t *testing.T) {
	secure := answering(t, tlsEnd(t))
	closes := answering(t, func(net.Conn) {})
	silent := answering(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	headed := answering(t, func(conn net.Conn) {
		line := make([]byte, 6)
		if _, err := io.ReadFull(conn, line); err != nil || string(line) != "PROXY " {
			return
		}
		for one := make([]byte, 1); one[0] != '\n'; {
			if _, err := conn.Read(one); err != nil {
				return
			}
		}
		tlsEnd(t)(conn)
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Host {
		case "away.example.net":
			http.Redirect(w, r, "https://away.example.net/", http.StatusMovedPermanently)
		case "down.example.net":
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer web.Close()
	plain := strings.TrimPrefix(web.URL, "http://")
	after := func(r routes.Route) routes.Route { r.PROXY = true; return r }
	state := func(r routes.Route, s routes.State) routes.Route { r.State = s; return r }
	problem := route(routes.TLS, secure, "lost.example.net", "ct/x:443")
	problem.Chains[0].To[0].Problem = "ct/x has no known address"
	port := func(address string) string { _, p, _ := net.SplitHostPort(address); return p }
	rows := []struct {
		route routes.Route
		want  string
		good  bool
	}{
		{route(routes.TLS, secure, "git.example.net", "ct/x:443"), "ok N ms CN=git.example.net", true},
		{route(routes.TLS, secure, ".lab.example.net", "ct/x:443"), "ok N ms CN=lab.example.net", true},
		{route(routes.TLS, secure, "*.lab.example.net", "ct/x:443"), "ok N ms CN=any.lab.example.net", true},
		{route(routes.TLS, secure, "", "ct/x:443"), "ok N ms CN=nobody", true},
		{route(routes.TLS, port(secure), "local.example.net", "ct/x:443"), "ok N ms CN=local.example.net", true},
		{route(routes.TLS, "0.0.0.0:"+port(secure), "any.example.net", "ct/x:443"), "ok N ms CN=any.example.net", true},
		{after(route(routes.TLS, headed, "told.example.net", "ct/x:443")), "ok N ms CN=told.example.net", true},
		{route(routes.TLS, closes, "git.example.net", "ct/x:443"), "closed without an answer", false},
		{route(routes.TLS, closes, "", "reject"), "ok N ms rejected", true},
		{route(routes.TLS, secure, "", "reject"), "CN=nobody", false},
		{route(routes.TLS, "127.0.0.1:1", "git.example.net", "ct/x:443"), "refused", false},
		{route(routes.TLS, silent, "git.example.net", "ct/x:443"), "no answer in 300ms", false},
		{route(routes.TLS, plain, "git.example.net", "ct/x:443"), "speaks no TLS", false},
		{route(routes.HTTP, plain, "git.example.net", "ct/x:80"), "ok N ms HTTP 200", true},
		{route(routes.HTTP, plain, "down.example.net", "ct/x:80"), "HTTP 502", false},
		{route(routes.HTTP, plain, "away.example.net", "redirect"), "ok N ms HTTP 301", true},
		{route(routes.HTTP, plain, "git.example.net", "redirect"), "HTTP 200", false},
		{route(routes.TCP, silent, "", "ct/x:25"), "ok N ms open", true},
		{route(routes.TCP, closes, "", "ct/x:25"), "closed without an answer", false},
		{route(routes.TCP, closes, "", "reject"), "ok N ms rejected", true},
		{route(routes.TCP, silent, "", "reject"), "open, though it is to be rejected", false},
		{route(routes.TCP, "127.0.0.1:1", "", "ct/x:25"), "refused", false},
		{route(routes.UDP, silent, "", "ct/x:25"), "not asked: it is UDP", false},
		{state(route(routes.TLS, secure, "new.example.net", "ct/x:443"), routes.New), "", false},
		{state(route(routes.TLS, secure, "old.example.net", "ct/x:443"), routes.Goes), "", false},
		{problem, "", false},
	}
	table := &routes.Table{Edges: []routes.Edge{{ID: "edge/e", At: "local", Timeout: 300 * time.Millisecond}}}
	for _, row := range rows {
		table.Routes = append(table.Routes, row.route)
	}
	probeRoutes(t.Context(), table, probing{within: 10 * time.Second, dial: dialOut})
	for i, row := range rows {
		got := table.Routes[i].Answer
		switch {
		case got == nil && row.want == "":
		case got == nil || took.ReplaceAllString(got.Text, "N ms") != row.want || got.Good != row.good:
			t.Errorf("%s %q: %+v, want %q, %t", row.route.Way, row.route.Name, got, row.want, row.good)
		}
	}
	if a := table.Routes[0].Answer; a.Fingerprint == "" || a.Address != secure || a.Name != "git.example.net" || a.Outcome != "certificate" {
		t.Errorf("%+v", a)
	}
}

// An edge whose address nobody knows can't be asked.
func TestProbeNowhere(t *testing.T) {
	table := &routes.Table{Edges: []routes.Edge{{ID: "edge/e", At: "vm/x"}}, Routes: []routes.Route{route(routes.TLS, "443", "a.example.net", "vm/y:443")}}
	probeRoutes(t.Context(), table, probing{within: time.Second, dial: dialOut})
	if a := table.Routes[0].Answer; a.Text != "not asked: the edge's address is not known" || a.Outcome != routes.Skipped {
		t.Errorf("%+v", a)
	}
}

// However many names do not answer, all of them take no longer than they may; and no
// more than a few connections are open at once.
func TestProbesEnd(t *testing.T) {
	var open, most atomic.Int32
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		now := open.Add(1)
		defer open.Add(-1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	table := &routes.Table{Edges: []routes.Edge{{ID: "edge/e", At: "local", Timeout: time.Minute}}}
	for range 200 {
		table.Routes = append(table.Routes, route(routes.TLS, "127.0.0.1:1", "a.example.net", "vm/y:443"), route(routes.TCP, "127.0.0.1:1", "", "vm/y:25"))
	}
	for i := range table.Routes {
		table.Routes[i].Name += strings.Repeat("a", i%50)
	}
	began := time.Now()
	probeRoutes(t.Context(), table, probing{within: 200 * time.Millisecond, dial: dial})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if most.Load() > 32 {
		t.Errorf("%d connections at once", most.Load())
	}
	for _, r := range table.Routes {
		if r.Answer.Text != "not asked: the time was up" || r.Answer.Outcome != routes.Skipped {
			t.Fatalf("%+v", r.Answer)
		}
	}
}
