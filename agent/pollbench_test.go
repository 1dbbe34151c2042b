package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/gitserve"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// BenchmarkPoll measures a poll that finds nothing, of whole fleets as BenchmarkDrift
// has them: Git over HTTP, and the cluster. The CPU time includes the Git server's own,
// which is no process of its own here. The heap's growth is what lives after all polls
// less what lived after the first.
func BenchmarkPoll(b *testing.B) {
	program := filepath.Join(b.TempDir(), "agent")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, guests := range []int{10, 100, 1000, 10_000} {
		b.Run(strconv.Itoa(guests), func(b *testing.B) {
			file := simulated(b, program, guests)
			benchmarkPolls(b, file, overHTTP(b, filepath.Join(filepath.Dir(file), "fleet", ".git")))
		})
	}
}

// overHTTP serves a repository, and answers its URL.
func overHTTP(b *testing.B, dir string) string {
	b.Helper()
	server, err := gitserve.New(dir)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	web := &http.Server{Handler: server, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = web.Serve(listener)
	}()
	b.Cleanup(func() {
		_ = web.Close()
		<-ended
	})
	return "http://" + listener.Addr().String() + "/fleet.git"
}

func benchmarkPolls(b *testing.B, file, url string) {
	s := streams{Out: io.Discard, Err: os.Stderr, Env: os.Getenv}
	settings, err := config.Load(file, s.Env)
	if err != nil {
		b.Fatal(err)
	}
	settings.Repository.URL = url
	counted := &requestLines{Handler: slog.DiscardHandler}
	w, err := newWiring(s, settings, slog.New(counted))
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	rep, err := w.turner.Run(b.Context(), turn.Request{Mode: report.Run})
	if err = errors.Join(err, conclude(rep)); err != nil {
		b.Fatal(err)
	}
	poll := func() {
		if tip, err := w.repository.Fetch(b.Context()); err != nil || tip.Hash != rep.Commit.Hash {
			b.Fatalf("the tip is %v, %v", tip, err)
		}
		if why := w.turner.Look(b.Context()); why != "" {
			b.Fatal(why)
		}
	}
	poll()
	counted.requests = 0
	lived := living()
	var before, after syscall.Rusage
	b.ReportAllocs()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		poll()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.ReportMetric(float64(counted.requests)/float64(b.N), "requests/op")
	b.ReportMetric((spent(after)-spent(before)).Seconds()*1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(living()-lived)/1024, "growth-KiB")
}

// living is how many bytes of the heap live.
func living() int64 {
	runtime.GC()
	runtime.GC() // What pools hold goes at the second.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// requestLines adds up the requests that polls tell of in the log.
type requestLines struct {
	slog.Handler
	requests int64
}

func (*requestLines) Enabled(context.Context, slog.Level) bool { return true }

func (r *requestLines) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if record.Message == "polled" && a.Key == "requests" {
			r.requests += a.Value.Int64()
		}
		return true
	})
	return nil
}

func (r *requestLines) WithAttrs([]slog.Attr) slog.Handler { return r }
