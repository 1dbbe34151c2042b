package conf

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/desired"
)

// backend is a server that wants a PROXY header, or wants none, and answers with
// its name if it is spoken to as it wants.
type backend struct {
	name, address string
	headed        bool
}

func newBackend(t *testing.T, name string, headed bool) backend {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	b := backend{name: name, address: l.Addr().String(), headed: headed}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.answer(conn)
		}
	}()
	return b
}

func (b backend) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(conn)
	who := "nobody"
	first, err := r.Peek(6)
	if err != nil {
		return
	}
	headed := string(first) == "PROXY "
	if headed {
		header, _ := r.ReadString('\n')
		who = strings.Fields(header + " - -")[2]
		first, _ = r.Peek(6)
	}
	switch {
	case headed != b.headed:
		_, _ = fmt.Fprintf(conn, "%s: a PROXY header: %v\n", b.name, headed)
	case len(first) < 3 || first[0] != 0x16 || first[1] != 3:
		_, _ = fmt.Fprintf(conn, "%s: no ClientHello: %q\n", b.name, first)
	default:
		_, _ = fmt.Fprintf(conn, "%s %s\n", b.name, who)
	}
	// What is left unread would end the connection before the answer is read.
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, r)
}

// hello is the ClientHello for a name.
func hello(t *testing.T, name string) []byte {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
	}()
	defer func() { _, _ = near.Close(), far.Close() }()
	head := make([]byte, 5)
	if _, err := io.ReadFull(far, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(far, body); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(head, body)
}

// dialFrom connects from an address of this machine, so that it can be told from
// those of nginx's own connections.
func dialFrom(ctx context.Context, from, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return conn, err
}

// answer is what a backend says to a ClientHello.
func answer(conn net.Conn, hello []byte) string {
	if _, err := conn.Write(hello); err != nil {
		return err.Error()
	}
	text, err := bufio.NewReader(conn).ReadString('\n')
	_ = conn.Close()
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text)
}

// reloads are nginx that is reloaded from one edge to the next.
type reloads struct {
	realNginx
	t       *testing.T
	port    string
	round   int
	witness net.Listener
	heard   atomic.Int64
	moving  []byte
}

const asker = "127.9.8.7"

func newReloads(t *testing.T) *reloads {
	r := &reloads{realNginx: newRealNginx(t), t: t, port: widePort(t), moving: hello(t, "moving.example.org")}
	var err error
	if r.witness, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.witness.Close() })
	go func() {
		for {
			conn, err := r.witness.Accept()
			if err != nil {
				return
			}
			r.heard.Add(1)
			_ = conn.Close()
		}
	}()
	return r
}

// widePort is a port that is free on all addresses, and that no connection of the
// test's gets for its own.
func widePort(t *testing.T) string {
	t.Helper()
	for port := 20000 + os.Getpid()%5000; port < 30000; port++ {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", ":"+strconv.Itoa(port))
		if err == nil {
			_ = l.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (r *reloads) render(e *desired.Edge) Files {
	r.t.Helper()
	r.round++
	files, err := Render(e, Options{Mark: testMark(), Witness: Witness{Name: strconv.Itoa(r.round) + "." + Domain, Stream: r.witness.Addr().String()}})
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

// to makes nginx take an edge, and waits until no former worker accepts any more.
func (r *reloads) to(e *desired.Edge) {
	r.t.Helper()
	if said := r.says(r.t, r.render(e)); said != "" {
		r.t.Fatal(said)
	}
	text, err := os.ReadFile(r.path("pid"))
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	name := hello(r.t, strconv.Itoa(r.round)+"."+Domain)
	for begun := time.Now(); ; {
		before := r.heard.Load()
		if conn, err := dialFrom(r.t.Context(), asker, "127.0.0.1:"+r.port); err == nil {
			_ = answer(conn, name)
		}
		if r.heard.Load() > before {
			break
		}
		if time.Since(begun) > 10*time.Second {
			r.t.Fatal("nginx does not take it")
		}
	}
	// nginx lets former workers accept for 100 ms longer.
	<-time.After(200 * time.Millisecond)
}

// edge routes moving.example.org to a target, among others that stay.
func (r *reloads) edge(moving string, upstreams map[string]desired.Upstream, stay map[string]string) *desired.Edge {
	e := &desired.Edge{
		Name: "main", Upstreams: upstreams,
		TLS: desired.EdgeTLS{Listen: desired.List{r.port}, Default: to(reject), Routes: map[string]desired.Target{"moving.example.org": to(moving)}},
	}
	for name, target := range stay {
		e.TLS.Routes[name] = to(target)
	}
	return e
}

func one(b backend, idle time.Duration) desired.Upstream {
	return desired.Upstream{Servers: desired.Servers{{To: to(b.address), Weight: 1}}, ProxyProtocol: b.headed, Idle: desired.Duration(idle)}
}

// A connection whose name is known only after a reload, to a former worker, goes
// where either configuration sends it, in the way of that target: whatever ways there
// were before and are now.
func TestRealHeldOverReload(t *testing.T) {
	r := newReloads(t)
	headed, plain, patient := newBackend(t, "headed", true), newBackend(t, "plain", false), newBackend(t, "patient", true)
	h, p, l := one(headed, 0), one(plain, time.Hour), one(patient, 2*time.Hour)
	mixed := map[string]string{"headed.example.org": "headed", "plain.example.org": plain.address}
	edges := map[string]*desired.Edge{
		"nothing but plain":        r.edge(plain.address, nil, nil),
		"nothing but headed":       r.edge("headed", map[string]desired.Upstream{"headed": h}, nil),
		"plain, times differ":      r.edge("plain", map[string]desired.Upstream{"plain": p}, map[string]string{"a.example.org": plain.address}),
		"headed among plain":       r.edge("headed", map[string]desired.Upstream{"headed": h}, mixed),
		"plain among headed":       r.edge(plain.address, map[string]desired.Upstream{"headed": h}, mixed),
		"four ways, to headed":     r.edge("headed", map[string]desired.Upstream{"headed": h, "plain": p, "patient": l}, map[string]string{"b.example.org": "plain", "c.example.org": "patient", "d.example.org": plain.address}),
		"four ways, to plain":      r.edge("plain", map[string]desired.Upstream{"headed": h, "plain": p, "patient": l}, map[string]string{"b.example.org": "headed", "c.example.org": "patient", "d.example.org": plain.address}),
		"headed upstream is plain": r.edge("headed", map[string]desired.Upstream{"headed": one(plain, 0), "patient": l}, map[string]string{"c.example.org": "patient"}),
	}
	names := slices.Sorted(maps.Keys(edges))
	r.start(t, r.render(edges[names[0]]))
	var held []net.Conn
	at := names[0]
	move := func(after string) {
		for range 4 {
			conn, err := dialFrom(t.Context(), asker, "127.0.0.1:"+r.port)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
		}
		// They have to be accepted before the reload.
		<-time.After(20 * time.Millisecond)
		r.to(edges[after])
		for _, conn := range held {
			switch got := answer(conn, r.moving); got {
			case "headed " + asker, "patient " + asker, "plain nobody":
			case "headed " + testMark().innerAddress(innerSource), "patient " + testMark().innerAddress(innerSource):
				// It was sent to a server without PROXY before it came to be known that
				// its target is another now.
				if !strings.Contains(at, "plain") {
					t.Errorf("%s → %s: %s", at, after, got)
				}
			default:
				t.Errorf("%s → %s: %s", at, after, got)
			}
		}
		at, held = after, nil
	}
	// Each of them before each other.
	for i := range names {
		for j := i + 2; j < len(names); j++ {
			move(names[j])
			move(names[i])
		}
		if i+1 < len(names) {
			move(names[i+1])
		}
	}
	for i := len(names) - 2; i >= 0; i-- {
		move(names[i])
	}
}

// Names that move from way to way while many ask lose no visit.
func TestRealMovesUnderLoad(t *testing.T) {
	r := newReloads(t)
	headed, plain, far := newBackend(t, "headed", true), newBackend(t, "plain", false), newBackend(t, "far", false)
	upstreams := map[string]desired.Upstream{"headed": one(headed, 0), "plain": one(plain, time.Hour)}
	steady := hello(t, "steady.example.org")
	edges := []*desired.Edge{
		r.edge("headed", upstreams, map[string]string{"steady.example.org": "plain"}),
		r.edge("plain", upstreams, map[string]string{"steady.example.org": "plain"}),
		r.edge(far.address, upstreams, map[string]string{"steady.example.org": "plain"}),
		r.edge("headed", map[string]desired.Upstream{"headed": one(headed, 0)}, map[string]string{"steady.example.org": "headed"}),
		r.edge(far.address, nil, map[string]string{"steady.example.org": far.address}),
	}
	r.start(t, r.render(edges[0]))
	ctx, cancel := context.WithCancel(t.Context())
	var (
		wait   sync.WaitGroup
		visits atomic.Int64
		mutex  sync.Mutex
	)
	wrong := make(map[string]int)
	for i := range 8 {
		words := [][]byte{r.moving, steady}[i%2]
		wait.Go(func() {
			for ctx.Err() == nil {
				visits.Add(1)
				conn, err := dialFrom(ctx, asker, "127.0.0.1:"+r.port)
				if err != nil {
					if !errors.Is(err, context.Canceled) && ctx.Err() == nil {
						mutex.Lock()
						wrong[err.Error()]++
						mutex.Unlock()
					}
					continue
				}
				switch got := answer(conn, words); got {
				case "headed " + asker, "plain nobody", "far nobody", "headed " + testMark().innerAddress(innerSource):
				default:
					mutex.Lock()
					wrong[got]++
					mutex.Unlock()
				}
			}
		})
	}
	for i := range 15 {
		r.to(edges[(i+1)%len(edges)])
	}
	cancel()
	wait.Wait()
	t.Logf("%d visits", visits.Load())
	for what, count := range wrong {
		t.Errorf("%d times: %s", count, what)
	}
}
