package nginx

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/desired"
	"berth/drift"
)

// realBench is a bench with an nginx that runs.
type realBench struct {
	*bench
	listen, binary string
	nginx          *exec.Cmd
}

func newRealBench(t *testing.T) *realBench {
	t.Helper()
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("needs nginx; set BERTH_REAL=1")
	}
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("nginx and libnginx-mod-stream must be installed: %v", err)
	}
	b := &realBench{bench: newBench(t), listen: freeAddress(t), binary: binary}
	conf := b.spec.Nginx.Config
	b.write("nginx.conf", "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"+
		"daemon off;\nworker_processes 2;\npid "+b.path("pid")+";\nerror_log "+b.path("error.log")+" info;\n"+
		"events { worker_connections 256; }\nstream {\n    include berth/*.conf;\n}\n")
	b.spec.Nginx.Test = desired.List{binary, "-t"}
	b.spec.Nginx.Reload = desired.List{binary, "-c", conf, "-s", "reload"}
	b.spec.TLS.Listen = desired.List{b.listen}
	b.applyer = New(Options{})
	b.start()
	return b
}

// start starts nginx as a child, which ends with the test.
func (b *realBench) start() {
	b.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(b.t.Context()), b.binary, "-c", b.spec.Nginx.Config)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if b.t.Failed() {
			log, _ := os.ReadFile(b.path("error.log"))
			b.t.Logf("nginx's log:\n%s", log)
		}
	})
	b.until("nginx writes its pid", func() bool {
		text, err := os.ReadFile(b.path("pid"))
		return err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(cmd.Process.Pid)
	})
	b.nginx = cmd
}

// kill kills nginx and its workers at once, as a lack of memory does.
func (b *realBench) kill() {
	b.t.Helper()
	pid := b.nginx.Process.Pid
	workers, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.nginx.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	_ = b.nginx.Wait()
	for word := range strings.FieldsSeq(string(workers)) {
		worker, err := strconv.Atoi(word)
		if err != nil {
			b.t.Fatal(err)
		}
		_ = syscall.Kill(worker, syscall.SIGKILL)
	}
	b.until("nginx is gone", func() bool {
		conn, err := new(net.Dialer).DialContext(b.t.Context(), "tcp", b.listen)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

func (b *realBench) until(what string, is func() bool) {
	b.t.Helper()
	deadline := time.After(10 * time.Second)
	for !is() {
		select {
		case <-deadline:
			b.t.Fatalf("it never came: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// backend is a TLS server that answers each line with its own name.
func backend(t *testing.T, name string) (address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	cert, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(plain, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if _, err := fmt.Fprintln(conn, name); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return plain.Addr().String()
}

// connection is one to nginx, by a name.
type connection struct {
	*tls.Conn
	lines *bufio.Reader
}

func (b *realBench) connect(sni string) (*connection, error) {
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 5 * time.Second},
		Config:    &tls.Config{ServerName: sni, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
	}
	conn, err := dialer.DialContext(b.t.Context(), "tcp", b.listen)
	if err != nil {
		return nil, err
	}
	c, ok := conn.(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T is no TLS", conn)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return &connection{Conn: c, lines: bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(20 * time.Second))
}

// ask tells who is at the other end.
func (c *connection) ask() string {
	if _, err := fmt.Fprintln(c, "who"); err != nil {
		return err.Error()
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// reload reloads nginx as its owner would.
func (b *realBench) reload() {
	b.t.Helper()
	if out, err := exec.CommandContext(b.t.Context(), b.spec.Nginx.Reload[0], b.spec.Nginx.Reload[1:]...).CombinedOutput(); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
}

// goes expects who answers for each name: name, backend, name, backend.
func (b *realBench) goes(pairs ...string) {
	b.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		who := "closed"
		if c, err := b.connect(pairs[i]); err == nil {
			who = c.ask()
			_ = c.Close()
		}
		if who != pairs[i+1] {
			b.t.Errorf("%s reaches %s, not %s", pairs[i], who, pairs[i+1])
		}
	}
}

func TestRealRoutes(t *testing.T) {
	b := newRealBench(t)
	one, two, three := backend(t, "one"), backend(t, "two"), backend(t, "three")
	long := strings.Repeat("a-very-long-label-indeed.", 9) + "example.com"
	b.route("git.example.com", one, ".lab.example.com", two, "*.low.example.com", two, "closed.lab.example.com", "reject", long, one,
		".mix.example.com", two, "mix.example.com", one)
	b.spec.TLS.Default = desired.Target{Text: three}
	b.settle()
	b.goes("git.example.com", "one", "GIT.example.com", "one", "lab.example.com", "two", "a.b.lab.example.com", "two",
		"x.low.example.com", "two", "low.example.com", "three", "xlab.example.com", "three", "a.git.example.com", "three",
		"closed.lab.example.com", "closed", long, "one", "berth.invalid", "closed", "mix.example.com", "one", "a.mix.example.com", "two")

	// A connection that stands outlives the change of its route.
	held, err := b.connect("git.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if who := held.ask(); who != "one" {
		t.Fatalf("git.example.com reaches %s", who)
	}
	b.route("git.example.com", two)
	b.spec.TLS.Default = desired.Target{Text: "reject"}
	b.settle()
	b.goes("git.example.com", "two", "lab.example.com", "closed", "any.example.org", "closed")
	if who := held.ask(); who != "one" {
		t.Errorf("the connection was cut: %s", who)
	}

	// What somebody changes by hand comes back.
	b.edit("git.example.com "+two, "git.example.com "+three)
	b.reload()
	b.until("the hand edit", func() bool {
		c, err := b.connect("git.example.com")
		return err == nil && c.ask() == "three"
	})
	b.settle()
	b.goes("git.example.com", "two")
	b.noLeftovers()
}

// nginx's test finds an address in use to be right; only its reload does not.
func TestRealReloadFails(t *testing.T) {
	b := newRealBench(t)
	b.route("git.example.com", backend(t, "one"))
	b.settle()
	before := b.managed()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	b.applyer.takeover = time.Second
	b.spec.TLS.Listen = desired.List{b.listen, taken.Addr().String()}
	_, outcomes := b.turn()
	o := outcomes[0]
	for _, want := range []string{"wait 1s for nginx's new workers: ", "nginx says: [emerg] ", "bind() to " + taken.Addr().String() + " failed (98: Address already in use)", "; the former file is back"} {
		if o.Status != drift.Failed || !strings.Contains(o.Reason, want) {
			t.Errorf("no %q in %s: %s", want, o.Status, o.Reason)
		}
	}
	if b.managed() != before {
		t.Error("the file was not put back")
	}
	b.noLeftovers()
	b.goes("git.example.com", "one")
	b.spec.TLS.Listen = desired.List{b.listen}
	b.route("git.example.com", backend(t, "two"))
	b.applyer.takeover = 10 * time.Second
	b.settle()
	b.goes("git.example.com", "two")
}

func TestRealTestRefuses(t *testing.T) {
	b := newRealBench(t)
	b.route("git.example.com", backend(t, "one"))
	b.settle()
	before := b.managed()
	// A mistake of somebody's elsewhere.
	b.write("berth/other.conf", "server { listen nonsense; }\n")
	b.route("git.example.com", "127.0.0.1:1")
	_, outcomes := b.turn()
	if o := outcomes[0]; o.Status != drift.Failed ||
		!strings.Contains(o.Reason, "nginx refuses the new file, nothing was changed: ") ||
		!strings.Contains(o.Reason, `[emerg] `) || !strings.Contains(o.Reason, b.path("berth/other.conf")+":1") {
		t.Errorf("%s: %s", o.Status, o.Reason)
	}
	if b.managed() != before {
		t.Error("the file was changed")
	}
	b.noLeftovers()
	b.goes("git.example.com", "one")
}

// What is managed must not keep a killed nginx from starting again.
func TestRealKilledNginxStartsAgain(t *testing.T) {
	b := newRealBench(t)
	b.route("git.example.com", backend(t, "one"))
	b.settle()
	b.kill()
	b.route("git.example.com", backend(t, "two"))
	_, outcomes := b.turn()
	if o := outcomes[0]; o.Status != drift.Failed || !strings.HasSuffix(o.Reason, ": nginx does not run, or has lost its pid file: start it (systemctl start nginx); the former file is back") {
		t.Errorf("without nginx it is %s: %s", o.Status, o.Reason)
	}
	b.start()
	b.goes("git.example.com", "one")
	b.settle()
	b.goes("git.example.com", "two")
}
