package conf

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/desired"
)

// start starts nginx with files, as a child that ends with the test.
func (n realNginx) start(t *testing.T, files Files) {
	t.Helper()
	if said := n.says(t, files); said != "" {
		t.Fatalf("%s\n%s\n%s", said, files.Stream, files.HTTP)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), n.binary, "-c", n.path("nginx.conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	// Its sockets are bound before it writes this.
	for range 500 {
		if pid, err := os.ReadFile(n.path("pid")); err == nil && len(pid) > 0 {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatal("nginx does not start")
}

// freePort is a port of this machine, for nginx to listen on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return portOf(l.Addr().String())
}

// hears listens, and answers each connection with what came first.
func hears(t *testing.T) (address string, heard chan string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	heard = make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			first := make([]byte, 4096)
			size, _ := conn.Read(first)
			heard <- string(first[:size])
			_ = conn.Close()
		}
	}()
	return l.Addr().String(), heard
}

// knock sends words and then a ClientHello for a name; it tells from where.
func knock(t *testing.T, address, words, name string) (from string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, words); err != nil {
		t.Fatal(err)
	}
	client := tls.Client(conn, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12})
	_ = client.HandshakeContext(t.Context())
	return conn.LocalAddr().String()
}

// Upstreams behind one listener are each spoken to in their own way, with who asks.
func TestRealWays(t *testing.T) {
	for _, trusting := range []bool{false, true} {
		t.Run(fmt.Sprintf("trusting %v", trusting), func(t *testing.T) { realWays(t, trusting) })
	}
}

func realWays(t *testing.T, trusting bool) {
	n := newRealNginx(t)
	port := freePort(t)
	e := &desired.Edge{Name: "main", Upstreams: map[string]desired.Upstream{}, TLS: desired.EdgeTLS{Listen: desired.List{"127.0.0.1:" + port}, Default: to(reject), Routes: map[string]desired.Target{}}}
	words, who := "", ""
	if trusting {
		e.TLS.ProxyProtocol.From = desired.List{"127.0.0.0/8"}
		words, who = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", "203.0.113.7 "
	}
	ears := make(map[string]chan string)
	add := func(name string, up *desired.Upstream) {
		address, heard := hears(t)
		ears[name] = heard
		if up == nil {
			e.TLS.Routes[name+".org"] = to(address)
			return
		}
		up.Servers = desired.Servers{{To: to(address), Weight: 1}}
		e.Upstreams[name] = *up
		e.TLS.Routes[name+".org"] = to(name)
	}
	hour := desired.Duration(time.Hour)
	add("plain", nil)
	add("lab", &desired.Upstream{ProxyProtocol: true})
	add("patient", &desired.Upstream{ProxyProtocol: true, Idle: hour})
	add("quick", &desired.Upstream{Connect: desired.Duration(time.Second)})
	add("slow", &desired.Upstream{Idle: 2 * hour})
	files, err := Render(e, Options{Mark: testMark()})
	if err != nil {
		t.Fatal(err)
	}
	n.start(t, files)
	for name, proxied := range map[string]bool{"plain": false, "lab": true, "patient": true, "quick": false, "slow": false} {
		from := knock(t, "127.0.0.1:"+port, words, name+".org")
		select {
		case got := <-ears[name]:
			if who != "" {
				from = who
			}
			host, _, _ := strings.Cut(from, ":")
			if header := strings.HasPrefix(got, "PROXY TCP4 "+strings.TrimSpace(host)+" "); header != proxied {
				t.Errorf("%s hears %q", name, got)
			}
			if !proxied && !strings.HasPrefix(got, "\x16\x03") || !strings.Contains(got, name+".org") {
				t.Errorf("%s hears %q", name, got)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s hears nothing\n%s", name, files.Stream)
		}
	}
	knock(t, "127.0.0.1:"+port, words, "other.org")
	for name, heard := range ears {
		if len(heard) > 0 {
			t.Errorf("%s hears what is rejected", name)
		}
	}
}

// The twin sends each name to its own, whole, and the rest where it shall go.
func TestRealTwin(t *testing.T) {
	n := newRealNginx(t)
	port := freePort(t)
	server := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-time.After(1500 * time.Millisecond)
			}
			switch r.URL.Path {
			case "/who":
				_, _ = io.WriteString(w, strings.Join(r.Header.Values("X-Forwarded-For"), "+"))
				return
			case "/host":
				_, _ = io.WriteString(w, r.Host)
				return
			}
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s %s %s %d %s %s %q %q", name, r.Method, r.RequestURI, r.Host, len(body), r.Header.Get("X-Real-IP"),
				r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Connection"), r.Header.Get("Upgrade"))
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	quick := desired.Duration(time.Second)
	e := &desired.Edge{
		Name: "main",
		Upstreams: map[string]desired.Upstream{
			"acme":  {Servers: desired.Servers{{To: to(server("acme"))}}, Keepalive: 4},
			"quick": {Servers: desired.Servers{{To: to(server("quick"))}}, Idle: quick},
			"calm":  {Servers: desired.Servers{{To: to(server("calm"))}}, Connect: quick, Keepalive: 2},
		},
		HTTP: desired.EdgeHTTP{Listen: desired.List{"127.0.0.1:" + port}, Default: to("calm"), Routes: map[string]desired.Target{
			"else.org": to(redirect), ".acme.org": to("acme"), "quick.org": to("quick"), "calm.org": to("calm"), "plain.org": to(server("plain")), "no.org": to(reject),
		}},
	}
	files, err := Render(e, Options{Mark: testMark()})
	if err != nil {
		t.Fatal(err)
	}
	n.start(t, files)
	client := &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(host, path, body string, header ...string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:"+port+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		response, err := client.Do(r)
		if err != nil {
			return "closed"
		}
		defer func() { _ = response.Body.Close() }()
		if to := response.Header.Get("Location"); to != "" {
			return fmt.Sprintf("%d %s", response.StatusCode, to)
		}
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK {
			return strconv.Itoa(response.StatusCode)
		}
		return string(text)
	}
	large := strings.Repeat("x", 3<<20)
	for _, row := range []struct{ host, path, body, want string }{
		{"acme.org", "/a%20b?c=d", "12345", `acme POST /a%20b?c=d acme.org 5 127.0.0.1 http "" ""`},
		{"x.ACME.org:80", "/", "", `acme POST / x.acme.org 0 127.0.0.1 http "" ""`},
		{"quick.org", "/up", large, `quick POST /up quick.org 3145728 127.0.0.1 http "" ""`},
		{"calm.org", "/slow", large, `calm POST /slow calm.org 3145728 127.0.0.1 http "" ""`},
		{"plain.org", "/", large, `plain POST / plain.org 3145728 127.0.0.1 http "" ""`},
		{"quick.org", "/slow", "", "504"},
		{"no.org", "/", "", "closed"},
		{"else.org", "/a%20b?c=d", "", "301 https://else.org/a%20b?c=d"},
		{"witness." + Domain, "/", "", "closed"},
	} {
		if got := ask(row.host, row.path, row.body); got != row.want {
			t.Errorf("%s%s: %s, not %s", row.host, row.path, got, row.want)
		}
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/who": "127.0.0.1", "/host": strings.ToLower(machine)} {
		conn, err := dialFrom(t.Context(), "127.0.0.1", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		// Nobody says who they are themselves, and a Host that is missing is made up.
		_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.0\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n")
		response, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !strings.HasSuffix(string(response), "\n"+want) {
			t.Errorf("%s without a Host: %q, not %s", path, response, want)
		}
	}
	if got := ask("quick.org", "/", "", "Upgrade", "websocket", "Connection", "Upgrade"); !strings.HasSuffix(got, ` "upgrade" "websocket"`) {
		t.Errorf("an upgrade arrives as %s", got)
	}
}
