package probe_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/nginx/probe"
)

// serve answers each connection, and gives the address.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				answer(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func certificate(t *testing.T, subject pkix.Name, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: subject, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// handshake is a TLS server's side.
func handshake(config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.HandshakeContext(context.Background()) == nil {
			_, _ = io.Copy(io.Discard, server)
		}
	}
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func ask(t *testing.T, q probe.Question) probe.Answer {
	t.Helper()
	a := probe.Ask(t.Context(), dial, q, 5*time.Second)
	if a.Took <= 0 || a.Took > 5*time.Second {
		t.Errorf("it took %s", a.Took)
	}
	return a
}

// The certificate of the very name that is asked, or of none, tells who answers.
func TestHello(t *testing.T) {
	git := certificate(t, pkix.Name{CommonName: "git.example.com"})
	plain := certificate(t, pkix.Name{}, "other.example.com")
	var heard atomic.Value
	address := serve(t, handshake(&tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			heard.Store(hello.ServerName)
			if strings.EqualFold(hello.ServerName, "git.example.com") {
				return &git, nil
			}
			return &plain, nil
		},
	}))
	for name, want := range map[string]struct {
		cert  tls.Certificate
		words string
	}{
		"git.example.com": {git, "answers (CN=git.example.com)"},
		"GIT.example.com": {git, "answers (CN=git.example.com)"},
		"any.example.com": {plain, "answers (other.example.com)"},
		"":                {plain, "answers (other.example.com)"},
	} {
		a := ask(t, probe.Question{Address: address, Name: name})
		sum := sha256.Sum256(want.cert.Certificate[0])
		if a.Outcome != probe.Certified || a.Fingerprint != hex.EncodeToString(sum[:]) || a.String() != want.words || !a.Works() {
			t.Errorf("%q: %+v", name, a)
		}
		if until := time.Until(a.Expires); until < 50*time.Minute || until > time.Hour {
			t.Errorf("%q: it expires in %s", name, until)
		}
		if heard.Load() != name {
			t.Errorf("%q: the SNI was %q", name, heard.Load())
		}
	}
}

// Who wants a certificate of ours has shown their own.
func TestWantsOurCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		address := serve(t, handshake(&tls.Config{
			MinVersion: tls.VersionTLS12, MaxVersion: version, ClientAuth: tls.RequireAnyClientCert,
			Certificates: []tls.Certificate{certificate(t, pkix.Name{CommonName: "mutual"})},
		}))
		if a := ask(t, probe.Question{Address: address, Name: "a.example.com"}); a.String() != "answers (CN=mutual)" {
			t.Errorf("%x: %+v", version, a)
		}
	}
}

func TestOtherThanACertificate(t *testing.T) {
	alert := func(code byte) string {
		return serve(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, code})
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	gone := serve(t, func(net.Conn) {})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	for _, row := range []struct {
		name, address string
		want          probe.Outcome
		words         string
	}{
		{"no such name", alert(112), probe.Alerted, "answers, but refuses the name"},
		{"no common cipher", alert(40), probe.Alerted, "answers with the TLS alert handshake failure"},
		{"http", serve(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}), probe.Garbled, "answers, but speaks no TLS"},
		{"closed at once", gone, probe.Closed, "is closed without an answer"},
		{"closed once it has read", serve(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }), probe.Closed, "is closed without an answer"},
		{"nobody there", nobody, probe.Refused, "refuses connections"},
	} {
		a := ask(t, probe.Question{Address: row.address, Name: "a.example.com"})
		if a.Outcome != row.want || a.String() != row.words || a.Works() {
			t.Errorf("%s: %+v: %s", row.name, a, a)
		}
	}
}

func TestProxyHeader(t *testing.T) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate(t, pkix.Name{CommonName: "behind"})}}
	headers := make(chan string, 1)
	address := serve(t, func(conn net.Conn) {
		line, err := oneLine(conn)
		if err != nil {
			return
		}
		headers <- line + "|" + conn.RemoteAddr().String() + "|" + conn.LocalAddr().String()
		handshake(config)(conn)
	})
	if a := ask(t, probe.Question{Address: address, Name: "a", Proxy: true}); a.String() != "answers (CN=behind)" {
		t.Errorf("%+v", a)
	}
	line, ends, _ := strings.Cut(<-headers, "|")
	from, to, _ := strings.Cut(ends, "|")
	want := "PROXY TCP4 127.0.0.1 127.0.0.1 " + strings.TrimPrefix(from, "127.0.0.1:") + " " + strings.TrimPrefix(to, "127.0.0.1:")
	if line != want {
		t.Errorf("got %q, want %q", line, want)
	}
	// Through SSH neither end is known.
	through := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return bare{conn}, err
	}
	a := probe.Ask(t.Context(), through, probe.Question{Address: address, Name: "a", Proxy: true}, 5*time.Second)
	if line, _, _ := strings.Cut(<-headers, "|"); line != "PROXY UNKNOWN" || a.Outcome != probe.Certified {
		t.Errorf("got %q, %+v", line, a)
	}
}

// oneLine reads no byte more than the line.
func oneLine(conn net.Conn) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		if _, err := conn.Read(one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, one[0])
	}
}

// bare is a connection as one through SSH: without ends, and without deadlines.
type bare struct{ net.Conn }

func (bare) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4zero} }
func (bare) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4zero} }
func (bare) SetDeadline(time.Time) error      { return errors.New("deadline not supported") }
func (bare) SetReadDeadline(time.Time) error  { return errors.New("deadline not supported") }
func (bare) SetWriteDeadline(time.Time) error { return errors.New("deadline not supported") }

func TestRequest(t *testing.T) {
	asked := make(chan string, 1)
	answer := func(text string) string {
		return serve(t, func(conn net.Conn) {
			reader := bufio.NewReader(conn)
			line, _ := reader.ReadString('\n')
			host, _ := reader.ReadString('\n')
			asked <- strings.TrimSpace(line) + "|" + strings.TrimSpace(host)
			_, _ = io.WriteString(conn, text)
		})
	}
	for _, row := range []struct {
		name, text, asked, words string
		works                    bool
	}{
		{"a.example.com", "HTTP/1.1 200 OK\r\n\r\nhello", "GET / HTTP/1.1|Host: a.example.com", "answers HTTP 200", true},
		{"", "HTTP/1.1 404 Not Found\r\n\r\n", "GET / HTTP/1.0|User-Agent: berth", "answers HTTP 404", true},
		{"a", "HTTP/1.1 301 Moved\r\nlocation: https://a/\r\n\r\n", "GET / HTTP/1.1|Host: a", "answers HTTP 301 to https://a/", true},
		{"a", "HTTP/1.1 502 Bad Gateway\r\n\r\n", "GET / HTTP/1.1|Host: a", "answers HTTP 502", false},
		{"a", "SSH-2.0-OpenSSH_9.6\r\n", "GET / HTTP/1.1|Host: a", "answers, but speaks no HTTP", false},
		{"a", "", "GET / HTTP/1.1|Host: a", "is closed without an answer", false},
	} {
		a := ask(t, probe.Question{Address: answer(row.text), Name: row.name, HTTP: true})
		if got := <-asked; got != row.asked || a.String() != row.words || a.Works() != row.works {
			t.Errorf("%q: %s: %+v", row.text, got, a)
		}
	}
	a := ask(t, probe.Question{Address: answer("HTTP/1.1 200 OK\r\n\r\n"), Name: "a\r\nX: y", HTTP: true})
	if a.Outcome != probe.Unasked || a.String() != `could not be asked: "a\r\nX: y" is no name` {
		t.Errorf("%+v", a)
	}
}

// Whatever hangs, and wherever: the answer comes in time, even where the
// connection knows no deadline.
func TestTimeout(t *testing.T) {
	for name, q := range map[string]probe.Question{"tls": {}, "http": {HTTP: true}, "proxy": {Proxy: true}} {
		for _, where := range []string{"dial", "answer"} {
			synctest.Test(t, func(t *testing.T) {
				silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
					if where == "dial" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					conn, far := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, far) }()
					return bare{conn}, nil
				}
				a := probe.Ask(t.Context(), silent, q, 3*time.Second)
				if a.Outcome != probe.TimedOut || a.Took != 3*time.Second || a.String() != "does not answer in time" {
					t.Errorf("%s, %s: %+v", name, where, a)
				}
			})
		}
	}
}

func TestLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := probe.Ask(ctx, dial, probe.Question{Address: "127.0.0.1:1", Name: "a"}, time.Second)
	if a.Outcome != probe.Unasked {
		t.Errorf("%+v", a)
	}
}

// Many are asked some at a time, each once, and answered in their places.
func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, under, most atomic.Int32
		hanging := func(ctx context.Context, _, address string) (net.Conn, error) {
			asked.Add(1)
			most.Store(max(most.Load(), under.Add(1)))
			defer under.Add(-1)
			<-ctx.Done()
			return nil, errors.New("nothing at " + address)
		}
		var all []probe.Question
		for i := range 40 {
			all = append(all, probe.Question{Address: "a", Name: strings.Repeat("x", i%32)})
		}
		start := time.Now()
		answers := probe.All(t.Context(), hanging, all, time.Second)
		if asked.Load() != 32 || most.Load() != 16 || time.Since(start) != 2*time.Second {
			t.Errorf("%d asked, %d at once, in %s", asked.Load(), most.Load(), time.Since(start))
		}
		for i, a := range answers {
			if a.Outcome != probe.TimedOut || a.Detail != "nothing at a" {
				t.Errorf("%d: %+v", i, a)
			}
		}
		if got := probe.All(t.Context(), hanging, nil, time.Second); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// Who answers chooses how long its name is, not how long a report's line is.
func TestLongAnswers(t *testing.T) {
	long := strings.Repeat("ü", 5000)
	for _, a := range []probe.Answer{
		{Outcome: probe.Certified, Subject: long}, {Outcome: probe.Responded, Status: 301, Location: long},
	} {
		if got := a.String(); len([]rune(got)) > 150 || !strings.Contains(got, strings.Repeat("ü", 120)+"…") {
			t.Errorf("it is %d bytes long", len(got))
		}
	}
}
