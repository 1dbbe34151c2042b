package machine

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// ours are the goroutines that work on a machine over SSH.
func ours() string {
	buf := make([]byte, 1<<20)
	var all []string
	for text := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		for _, what := range []string{"machine.(*remote).", "machine.(*session).", "machine.(*over).", "machine.(*holder).", "machine.(*conn)."} {
			if strings.Contains(text, what) {
				all = append(all, text)
				break
			}
		}
	}
	return strings.Join(all, "\n\n")
}

// What is under way when a turn ends, ends with it, and leaves nothing behind.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	m := b.SSH(b.access(), false)
	unlock, err := m.Lock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	quiet, err := m.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	// And one that is not connected yet.
	dialling := make(chan struct{})
	slow := b.turn(t)
	slow.o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	far := slow.SSH(b.access(), false)

	var all sync.WaitGroup
	for range sessions + 3 {
		all.Go(func() {
			if _, err := m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "while sleep 0.1; do echo still here || exit; done"}}); !errors.Is(err, net.ErrClosed) || !strings.HasSuffix(err.Error(), ": the turn is over") {
				t.Errorf("a program: %v", err)
			}
		})
	}
	all.Go(func() {
		if _, err := far.Stat(t.Context(), "/"); !errors.Is(err, net.ErrClosed) || !strings.HasSuffix(err.Error(), ": the turn is over") {
			t.Errorf("one that was not connected yet: %v", err)
		}
	})
	for _, c := range []net.Conn{quiet, there} {
		all.Go(func() {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("something came over the port")
			}
		})
	}
	all.Go(func() {
		if _, err := l.Accept(); err == nil {
			t.Error("somebody connected")
		}
	})
	<-dialling
	<-time.After(200 * time.Millisecond)
	begun := time.Now()
	for _, turn := range []*Machines{b.Machines, slow} {
		if err := turn.Close(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	unlock()
	freeSoon(t, dir)
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	for deadline := time.Now().Add(5 * time.Second); ours() != ""; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left behind:\n%s", ours())
		}
	}
}

// A server that answers nothing but whether it is there is not waited for without end.
func TestSSHServerThatIgnores(t *testing.T) {
	b := newBench(t)
	b.wait.port = 300 * time.Millisecond
	m := b.SSH(b.access(), false)
	if _, err := m.Stat(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	b.server.mu.Lock()
	b.ignores = true
	b.server.mu.Unlock()
	begun := time.Now()
	if _, err := m.Dial(context.Background(), "tcp", "127.0.0.1:443"); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), b.name()+": connect to 127.0.0.1:443 from there: ") {
		t.Errorf("a port: %v", err)
	}
	if _, err := m.Run(context.Background(), Command{Argv: []string{"true"}, Timeout: 300 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a program: %v", err)
	}
	within, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := m.Lock(within, os.TempDir()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock: %v", err)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A server that talks without end lets nobody wait, nor fills the memory.
func TestSSHServerThatTalks(t *testing.T) {
	b := newBench(t)
	b.wait.dial = time.Second
	for name, talk := range map[string]func(net.Conn) error{
		"lines":  func(c net.Conn) error { _, err := c.Write([]byte("welcome\r\n")); return err },
		"a line": func(c net.Conn) error { _, err := c.Write([]byte("welcome ")); return err },
	} {
		m := b.turn(t)
		m.wait.dial = time.Second
		m.o.Dial = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				for talk(far) == nil {
				}
			}()
			return near, nil
		}
		begun := time.Now()
		if _, err := m.SSH(b.access(), false).Stat(t.Context(), "/"); !isUnreachable(err) || time.Since(begun) > 5*time.Second {
			t.Errorf("%s, after %s: %v", name, time.Since(begun), err)
		}
	}
	// A banner for each try.
	b.server.mu.Lock()
	b.config.BannerCallback = func(ssh.ConnMetadata) string { return strings.Repeat("welcome ", 1<<14) }
	b.server.mu.Unlock()
	if _, err := b.turn(t).SSH(b.access(), false).Stat(t.Context(), "/"); err != nil {
		t.Errorf("a long banner: %v", err)
	}
}

// lingering is a connection that tells how it was closed.
type lingering struct {
	net.Conn
	mu     sync.Mutex // guards linger.
	linger []int
}

func (l *lingering) SetLinger(sec int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.linger = append(l.linger, sec)
	return nil
}

// What was sent over a link that went dead must not arrive when it comes back: the lock
// may be another's by then.
func TestDeadLinkSendsNothingLater(t *testing.T) {
	b := newBench(t)
	b.wait.answer = 300 * time.Millisecond
	var raw *lingering
	b.o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := b.wires.dial(ctx, network, address)
		raw = &lingering{Conn: c}
		return raw, err
	}
	m := b.SSH(b.access(), false)
	if _, err := m.Stat(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	b.wires.last().die()
	if err := m.Replace(t.Context(), filepath.Join(t.TempDir(), "file"), []byte("x"), 0o644); !isUnreachable(err) {
		t.Errorf("over a dead link: %v", err)
	}
	raw.mu.Lock()
	defer raw.mu.Unlock()
	if len(raw.linger) != 1 || raw.linger[0] != 0 {
		t.Errorf("what was on its way is kept: %v", raw.linger)
	}
}
