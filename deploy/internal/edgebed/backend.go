//go:build linux

package edgebed

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// Seen is what a backend says of itself and of who asks it.
type Seen struct {
	// Backend is the name of the one that answers.
	Backend string
	// Peer is the address that the connection comes from: the proxy's.
	Peer string
	// Proxy is who asks, by a PROXY header; "" where there was none.
	Proxy string `json:",omitempty"`
	// SNI is the name that the client said hello to.
	SNI string `json:",omitempty"`
	// Host, RealIP, ForwardedFor and Proto are headers of an HTTP request.
	Host         string `json:",omitempty"`
	RealIP       string `json:",omitempty"`
	ForwardedFor string `json:",omitempty"`
	Proto        string `json:",omitempty"`
}

// How tells whether a backend is spoken to by a PROXY header, without which it
// closes the connection.
type How bool

// The two ways.
const (
	Plain How = false
	Proxy How = true
)

// Backend is a server in the test process, on an address of a node's network.
type Backend struct {
	Name, Address string

	mu    sync.Mutex
	count int
	hook  func(*Backend)
}

// Count is how many connections came.
func (b *Backend) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// OnConnection calls f at each connection, before anything is read from it; nil
// ends that.
func (b *Backend) OnConnection(f func(*Backend)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = f
}

// came counts a connection.
func (b *Backend) came() {
	b.mu.Lock()
	b.count++
	f := b.hook
	b.mu.Unlock()
	if f != nil {
		f(b)
	}
}

// TLS is a backend that answers each line by what it has seen, and has a
// certificate of its own, whose common name is its own.
func TLS(t testing.TB, n *standin.Network, name, address string, how How) *Backend {
	t.Helper()
	b := &Backend{Name: name, Address: address}
	certificate := certificate(t, name)
	b.serve(t, n.Listen(t, address), how, func(conn *headed) {
		secure := tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}})
		if secure.HandshakeContext(t.Context()) != nil {
			return
		}
		seen := conn.seen(name)
		seen.SNI = secure.ConnectionState().ServerName
		answer(secure, seen)
	})
	return b
}

// TCP is a backend that answers each line by what it has seen.
func TCP(t testing.TB, n *standin.Network, name, address string, how How) *Backend {
	t.Helper()
	b := &Backend{Name: name, Address: address}
	b.serve(t, n.Listen(t, address), how, func(conn *headed) { answer(conn, conn.seen(name)) })
	return b
}

// UDP is a backend that answers each datagram by what it has seen.
func UDP(t testing.TB, n *standin.Network, name, address string) *Backend {
	t.Helper()
	b := &Backend{Name: name, Address: address}
	conn := n.ListenPacket(t, address)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for part := make([]byte, 2048); ; {
			_, from, err := conn.ReadFrom(part)
			if err != nil {
				return
			}
			b.came()
			text, _ := json.Marshal(Seen{Backend: name, Peer: host(from)})
			_, _ = conn.WriteTo(text, from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return b
}

// HTTP is a backend that answers each request by what it has seen. Asked to
// upgrade to "lines", it answers lines as the others do.
func HTTP(t testing.TB, n *standin.Network, name, address string, how How) *Backend {
	t.Helper()
	b := &Backend{Name: name, Address: address}
	listener := n.Listen(t, address)
	server := &http.Server{
		ReadHeaderTimeout: 20 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := Seen{
				Backend: name, Peer: r.RemoteAddr, Host: r.Host, RealIP: r.Header.Get("X-Real-IP"),
				ForwardedFor: r.Header.Get("X-Forwarded-For"), Proto: r.Header.Get("X-Forwarded-Proto"),
			}
			if peer, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
				seen.Peer = peer
			}
			if conn, ok := r.Context().Value(http.LocalAddrContextKey).(headedAddr); ok {
				seen.Proxy = conn.proxy()
			}
			if r.Header.Get("Upgrade") == "lines" {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n"))
				answer(conn, seen)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(seen)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(headedListener{Listener: listener, b: b, how: how})
	}()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return b
}

// serve answers connections until the test ends.
func (b *Backend) serve(t testing.TB, listener net.Listener, how How, each func(conn *headed)) {
	t.Helper()
	var mu sync.Mutex
	open := make(map[*headed]bool)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			plain, err := listener.Accept()
			if err != nil {
				return
			}
			conn := &headed{Conn: plain, how: how, lines: bufio.NewReader(plain)}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			serving.Go(func() {
				b.came()
				each(conn)
				_ = conn.Close()
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
}

// answer answers each line by what was seen.
func answer(conn net.Conn, seen Seen) {
	text, err := json.Marshal(seen)
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if _, err := conn.Write(append(text, '\n')); err != nil {
			return
		}
	}
}

// certificate is one of a backend's own, signed by itself.
func certificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	raw, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// host is an address without its port.
func host(a net.Addr) string {
	name, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return name
}
