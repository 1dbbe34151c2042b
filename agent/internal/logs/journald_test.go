package logs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/agent/internal/logs"
	"berth/applyers"
)

// daemon is a journald that keeps what it is sent, in its socket's queue.
type daemon struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t: t, path: filepath.Join(t.TempDir(), "socket")}
	d.start()
	return d
}

func (d *daemon) start() {
	d.t.Helper()
	var err error
	if d.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: d.path, Net: "unixgram"}); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { d.conn.Close() })
}

// stop is the end of a journald: its socket goes with it.
func (d *daemon) stop() {
	d.conn.Close()
	os.Remove(d.path)
}

// waiting is how many lines wait to be read, which it throws away.
func (d *daemon) waiting() int {
	n := 0
	for d.read() != nil {
		n++
	}
	return n
}

// read is the next line's fields; nil if there is none. What was logged is in the queue
// already: nobody waits for it.
func (d *daemon) read() map[string]string {
	d.t.Helper()
	raw, err := d.conn.SyscallConn()
	if err != nil {
		d.t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	var n int
	var failed error
	if err := raw.Read(func(fd uintptr) bool {
		n, _, failed = syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT)
		return true
	}); err != nil {
		d.t.Fatal(err)
	}
	if errors.Is(failed, syscall.EAGAIN) {
		return nil
	}
	if failed != nil {
		d.t.Fatal(failed)
	}
	return d.decode(buf[:n])
}

// decode reads the protocol as its documentation says, and takes nothing else.
func (d *daemon) decode(text []byte) map[string]string {
	d.t.Helper()
	all := make(map[string]string)
	for len(text) > 0 {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			d.t.Fatalf("no end of line in %q", text)
		}
		name, value, short := strings.Cut(string(line), "=")
		if !short {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+size]), rest[8+size:]
			if rest[0] != '\n' {
				d.t.Fatalf("%s is not as long as it says", name)
			}
			rest = rest[1:]
		}
		if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || strings.HasPrefix(name, "_") {
			d.t.Errorf("journald takes no field %q", name)
		}
		all[name], text = value, rest
	}
	return all
}

// TestJournaldFields reads lines as journald does.
func TestJournaldFields(t *testing.T) {
	d := newDaemon(t)
	var stderr bytes.Buffer
	log := logs.New(&stderr, logs.Options{Format: "journal", Socket: d.path, Level: slog.LevelDebug})
	ctx := applyers.ForResource(applyers.InTurn(t.Context(), "20261122-1"), "vm/web")
	log.With(slog.String("step", "online")).ErrorContext(ctx, "step failed", slog.Any("error", errors.New("two\nlines")), slog.Duration("duration", time.Second), slog.Group("lock", slog.Bool("held", true)))
	got := d.read()
	for name, want := range map[string]string{
		"MESSAGE":           `step failed step=online turn=20261122-1 resource=vm/web error="two\nlines" duration=1s lock.held=true`,
		"PRIORITY":          "3",
		"SYSLOG_IDENTIFIER": "berth",
		"BERTH_TURN":        "20261122-1",
		"BERTH_RESOURCE":    "vm/web",
		"BERTH_STEP":        "online",
		"BERTH_ERROR":       "two\nlines",
		"BERTH_DURATION":    "1s",
		"BERTH_LOCK_HELD":   "true",
	} {
		if got[name] != want {
			t.Errorf("%s=%q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("besides: %q", got)
	}
	log.WarnContext(t.Context(), "warn")
	log.InfoContext(t.Context(), "info")
	log.DebugContext(t.Context(), "debug")
	for _, want := range []string{"4 warn", "6 info", "7 debug"} {
		if got := d.read(); got["PRIORITY"]+" "+got["MESSAGE"] != want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("and again as text: %s", stderr.String())
	}
	// A line too long for a datagram is cut, not lost, and stays UTF-8.
	log.InfoContext(t.Context(), "long", slog.String("text", strings.Repeat("é", 1<<20)))
	if got := d.read()["BERTH_TEXT"]; !strings.HasSuffix(got, "é…") || len(got) > 17<<10 || strings.Contains(got, "\ufffd") {
		t.Errorf("a long line: %d bytes, …%q", len(got), got[max(0, len(got)-8):])
	}
}

// TestJournaldGone has journald stop, and start anew: meanwhile lines are text.
func TestJournaldGone(t *testing.T) {
	d := newDaemon(t)
	var stderr bytes.Buffer
	log := logs.New(&stderr, logs.Options{Format: "journal", Socket: d.path}).With(slog.Int("n", 1))
	ctx := applyers.InTurn(t.Context(), "t1")
	d.stop()
	log.InfoContext(ctx, "nobody there")
	if got := stderr.String(); !strings.HasSuffix(got, `level=INFO msg="nobody there" n=1 turn=t1`+"\n") {
		t.Errorf("without journald: %q", got)
	}
	d.start()
	log.InfoContext(ctx, "back")
	if got := d.read()["MESSAGE"]; got != "back n=1 turn=t1" {
		t.Errorf("it is back: %q", got)
	}
}

// TestJournaldHangs has journald read nothing: the agent waits a blink, not for it,
// and says afterwards how much was lost.
func TestJournaldHangs(t *testing.T) {
	d := newDaemon(t)
	log := logs.New(os.Stderr, logs.Options{Format: "journal", Socket: d.path})
	began := time.Now()
	const lines = 2000
	for n := range lines {
		log.InfoContext(t.Context(), "line", slog.Int("n", n))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("%d lines took %v", lines, took)
	}
	taken := d.waiting()
	if taken == 0 || taken == lines {
		t.Fatalf("%d lines fit into the queue: nothing was tried", taken)
	}
	<-time.After(1100 * time.Millisecond)
	log.InfoContext(t.Context(), "again")
	told, again := d.read(), d.read()
	var lost string
	if _, lost, _ = strings.Cut(told["MESSAGE"], "lost="); told["PRIORITY"] != "4" || again["MESSAGE"] != "again" {
		t.Errorf("told %q, then %q", told, again)
	}
	if want := lines - taken; lost != slog.IntValue(want).String() {
		t.Errorf("%s lost are told, %d are", lost, want)
	}
}
