//go:build linux

package deploy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// edge is a real nginx on the node, with a configuration of its own that
// includes the directory that Berth manages.
type edge struct {
	network *standin.Network
	dir     string
}

const edgeAddress = standin.Gateway + ":443"

// edgeConfig notes each connection in milliseconds when it ends: name, upstream
// (- if there was none) and how it went.
const edgeConfig = `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log notice;
events {}
stream {
  log_format visits '$msec $session_time $ssl_preread_server_name $upstream_addr $status';
  access_log %[1]s/visits.log visits;
  include %[1]s/berth/*.conf;
}
`

func newEdge(t *testing.T, network *standin.Network) *edge {
	t.Helper()
	e := &edge{network: network, dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(e.dir, "berth"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(e.dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, edgeConfig, e.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	standin.Daemon(t, network.Command(context.WithoutCancel(t.Context()), "nginx", "-e", filepath.Join(e.dir, "error.log"), "-p", e.dir, "-c", config))
	eventually(t, 5*time.Second, "nginx is up", func() error {
		_, err := os.Stat(filepath.Join(e.dir, "pid"))
		return err
	})
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"error.log", "berth/stream.conf"} {
				text, _ := os.ReadFile(filepath.Join(e.dir, name))
				t.Logf("nginx's %s:\n%s", name, text)
			}
		}
	})
	return e
}

// visit is a line of nginx's log of connections.
type visit struct {
	began, ended time.Time
	name         string
	upstream     string // "" where nginx knew no way.
}

// visits reads nginx's log for a name, in the order in which connections ended.
func (e *edge) visits(t *testing.T, name string, since time.Time) []visit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, "visits.log"))
	if err != nil {
		t.Fatal(err)
	}
	var all []visit
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 5 || words[2] != name {
			continue
		}
		end, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			t.Fatalf("nginx's log: %q", line)
		}
		lasted, err := strconv.ParseFloat(words[1], 64)
		if err != nil {
			t.Fatalf("nginx's log: %q", line)
		}
		v := visit{ended: time.UnixMicro(int64(end * 1e6)), name: name}
		v.began = v.ended.Add(-time.Duration(lasted * float64(time.Second)))
		if words[3] != "-" {
			v.upstream = words[3]
		}
		if v.began.After(since) {
			all = append(all, v)
		}
	}
	return all
}

// routed is the first connection since a moment that nginx led anywhere, which
// is to be an address.
func (e *edge) routed(t *testing.T, name, to string, since time.Time) (first event) {
	t.Helper()
	// A connection is in the log when it has ended.
	eventually(t, 5*time.Second, name+" leads to "+to, func() error {
		for _, v := range e.visits(t, name, since) {
			if v.upstream == to {
				first = event{"nginx leads " + name + " to " + to, v.began}
				return nil
			}
			if v.upstream != "" {
				return fmt.Errorf("it led to %s", v.upstream)
			}
		}
		return errors.New("nowhere, by nginx's log")
	})
	return first
}

// drained tells of a name that went to an address, and then nowhere: the last
// connection that went there, and the first that did not.
func (e *edge) drained(t *testing.T, name, to string, since time.Time) (last, first event) {
	t.Helper()
	eventually(t, 5*time.Second, name+" leads nowhere", func() error {
		if all := e.visits(t, name, since); len(all) == 0 || all[len(all)-1].upstream != "" {
			return errors.New("not by nginx's log")
		}
		return nil
	})
	for _, v := range e.visits(t, name, since) {
		switch {
		case v.upstream == to:
			last = event{"the last connection for " + name + " ends", v.ended}
		case v.upstream == "" && first == event{}:
			first = event{"nginx leads " + name + " nowhere", v.began}
		}
	}
	if (last == event{}) {
		t.Fatalf("nginx's log does not tell that %s led to %s before", name, to)
	}
	return last, first
}

// greet says hello for a name and returns the certificate that answers.
func (e *edge) greet(ctx context.Context, name string) (*x509.Certificate, error) {
	conn, err := e.dial(ctx, name)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func (e *edge) dial(ctx context.Context, name string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := e.network.DialContext(ctx, "tcp", edgeAddress)
	if err != nil {
		return nil, err
	}
	// Whose certificate it is, is what is asked.
	secure := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// page reads the page behind a name, and the certificate that came with it.
func (e *edge) page(ctx context.Context, name string) (page string, certificate *x509.Certificate, err error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := e.dial(ctx, name)
			if err != nil {
				return nil, err // A nil *tls.Conn would be no nil net.Conn.
			}
			certificate = conn.ConnectionState().PeerCertificates[0]
			return conn, nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+name+"/", http.NoBody)
	if err != nil {
		return "", nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), certificate, err
}

// visitor greets a name over and over, so that nginx's log and its own tell at
// any time where the name leads.
type visitor struct {
	mu      sync.Mutex
	results []greeting
}

// greeting is how one hello was answered.
type greeting struct {
	began time.Time
	by    string // The common name of the certificate; "" where nobody answered.
	err   error
}

func (e *edge) visitor(t *testing.T, name string) *visitor {
	t.Helper()
	v := &visitor{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			result := greeting{began: time.Now()}
			var certificate *x509.Certificate
			if certificate, result.err = e.greet(ctx, name); result.err == nil {
				result.by = certificate.Subject.CommonName
			}
			v.mu.Lock()
			v.results = append(v.results, result)
			v.mu.Unlock()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return v
}

// only fails the test where a name was not answered by the one host at all
// times, from one moment to another.
func (v *visitor) only(t *testing.T, by string, from, to time.Time) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	count := 0
	for _, r := range v.results {
		if r.began.Before(from) || r.began.After(to) {
			continue
		}
		count++
		if r.by != by {
			t.Errorf("at %s the visitor wanted %s and got %q: %v", r.began.Format("15:04:05.000"), by, r.by, r.err)
		}
	}
	if count == 0 {
		t.Error("the visitor did not come")
	}
}

// isCertificate tells whether a PEM file holds this certificate.
func isCertificate(file, certificate []byte) bool {
	block, _ := pem.Decode(file)
	return block != nil && bytes.Equal(block.Bytes, certificate)
}
