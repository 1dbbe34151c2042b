package systemd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestManagerHears listens as systemd does.
func TestManagerHears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3600000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	hears := func() string {
		t.Helper()
		buf := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	m := New(slog.New(slog.DiscardHandler))
	m.Ready()
	m.Status("as Git says")
	m.Status("as Git says") // Nothing new.
	m.Status("two\nlines, and " + strings.Repeat("é", 400))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	m.Watch(ctx, func() string { return "" })
	m.Reloading()
	m.Ready()
	if got := []string{hears(), hears()}; !slices.Equal(got, []string{"READY=1", "STATUS=as Git says"}) {
		t.Errorf("it hears %q", got)
	}
	if got := hears(); !strings.HasPrefix(got, "STATUS=two lines, and éé") || len(got) > 320 || !strings.HasSuffix(got, "é…") {
		t.Errorf("a long status: %q", got)
	}
	if got := hears(); got != "WATCHDOG=1" {
		t.Errorf("a sign of life: %q", got)
	}
	reloading, usec, _ := strings.Cut(strings.TrimSpace(hears()), "\nMONOTONIC_USEC=")
	if n, err := strconv.ParseInt(usec, 10, 64); reloading != "RELOADING=1" || err != nil || n <= 0 {
		t.Errorf("a reload: %q %q", reloading, usec)
	}
	if got := hears(); got != "READY=1" {
		t.Errorf("after it: %q", got)
	}
	m.Stopping()
	if got := hears(); got != "STOPPING=1\nSTATUS=stopping: what has begun comes to its end\nEXTEND_TIMEOUT_USEC=10000000" {
		t.Errorf("the end: %q", got)
	}
	m.Close()
	m.Status("after all")
	m.Close()
}

// told is a manager that keeps what it is told, without a socket.
type told struct {
	*Manager
	mu  sync.Mutex
	all []string
	err error
	// hangs, if set, is what each message waits for.
	hangs chan struct{}
}

func newTold(log *slog.Logger, watchdog time.Duration) *told {
	out := &told{Manager: &Manager{log: log, watchdog: watchdog, states: make(chan string, 64), over: make(chan struct{})}}
	out.send = func(state string) (bool, error) {
		if out.hangs != nil {
			<-out.hangs
		}
		out.mu.Lock()
		defer out.mu.Unlock()
		out.all = append(out.all, state)
		return true, out.err
	}
	go out.deliver()
	return out
}

func (m *told) count(state string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.all {
		if s == state {
			n++
		}
	}
	return n
}

// TestWatchdogIsToldTheTruth has a loop get stuck and come back.
func TestWatchdogIsToldTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		m := newTold(slog.New(slog.NewTextHandler(&lines, nil)), time.Minute)
		var mu sync.Mutex
		why := ""
		set := func(to string) { mu.Lock(); defer mu.Unlock(); why = to }
		ctx, stop := context.WithCancel(t.Context())
		go m.Watch(ctx, func() string { mu.Lock(); defer mu.Unlock(); return why })
		<-time.After(61 * time.Second)
		if n := m.count("WATCHDOG=1"); n != 3 {
			t.Errorf("%d signs in a minute, of which one is due", n)
		}
		set("stuck")
		<-time.After(10 * time.Minute)
		if n := m.count("WATCHDOG=1"); n != 3 {
			t.Errorf("%d signs of a loop that is stuck", n-3)
		}
		set("")
		<-time.After(time.Minute)
		if n := m.count("WATCHDOG=1"); n != 5 {
			t.Errorf("%d signs after it came back", n-3)
		}
		stop()
		m.Close()
		if n := strings.Count(lines.String(), `msg="systemd gets no sign of life any more" reason=stuck`); n != 1 {
			t.Errorf("the log tells it %d times:\n%s", n, lines.String())
		}
	})
}

// TestStopAsksForTime stops for half a minute, and for ever.
func TestStopAsksForTime(t *testing.T) {
	const more = "EXTEND_TIMEOUT_USEC=10000000"
	synctest.Test(t, func(t *testing.T) {
		m := newTold(slog.New(slog.DiscardHandler), 0)
		m.Stopping()
		<-time.After(9 * time.Second)
		m.Close()
		if n := m.count(more); n != 4 {
			t.Errorf("in nine seconds more time is asked for %d times", n)
		}
		m = newTold(slog.New(slog.DiscardHandler), 0)
		m.Stopping()
		<-time.After(time.Hour)
		if n := m.count(more); n < 29 || n > 31 {
			t.Errorf("in an hour more time is asked for %d times", n)
		}
		m.Close()
	})
}

// TestManagerHangs has systemd take nothing, and refuse all: nobody waits.
func TestManagerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTold(slog.New(slog.DiscardHandler), 0)
		m.hangs = make(chan struct{})
		began := time.Now()
		for n := range 1000 {
			m.Status(strconv.Itoa(n))
		}
		m.Close()
		if took := time.Since(began); took > patience {
			t.Errorf("it took %v", took)
		}
		close(m.hangs)
		synctest.Wait()
		var lines bytes.Buffer
		m = newTold(slog.New(slog.NewTextHandler(&lines, nil)), 0)
		m.err = errors.New("no such file")
		for n := range 20 {
			m.Status(strconv.Itoa(n))
		}
		m.Close()
		if n := strings.Count(lines.String(), "systemd can't be told how the agent stands"); n != 1 {
			t.Errorf("the log tells it %d times", n)
		}
	})
}

// TestNobodyListens tells nobody, outside of systemd.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var lines bytes.Buffer
	m := New(slog.New(slog.NewTextHandler(&lines, nil)))
	m.Ready()
	m.Watch(t.Context(), func() string { return "" })
	m.Close()
	if lines.Len() > 0 {
		t.Errorf("the log says %s", lines.String())
	}
}
