package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// BenchmarkDrift measures a look at whole fleets, half virtual machines and half
// containers on three nodes, with the simulator in a process of its own, so that
// what Proxmox does is not counted. Cold is all of agent drift: the process
// starts, reads its clone, loads, sweeps and reports. Warm is the next turn of an
// agent that runs.
func BenchmarkDrift(b *testing.B) {
	program := filepath.Join(b.TempDir(), "agent")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, guests := range []int{10, 100, 1000, 10_000} {
		b.Run(strconv.Itoa(guests), func(b *testing.B) {
			settings := simulated(b, program, guests)
			b.Run("cold", func(b *testing.B) { coldDrift(b, program, settings) })
			b.Run("warm", func(b *testing.B) { warmDrift(b, settings) })
		})
	}
}

// simulated starts a simulator of so many guests and answers the settings of an
// agent whose fleet they are.
func simulated(b testing.TB, program string, guests int) string {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "sim")
	// Without b.Context: that ends before what Cleanup does.
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "sim", "--guests", strconv.Itoa(guests), "--nodes", "3", "--out", dir, "--listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	settings := filepath.Join(dir, "agent.yaml")
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		// The last thing that it says is how to look at the fleet.
		if strings.Contains(lines.Text(), "drift --config "+settings) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return settings
		}
	}
	b.Fatalf("the simulator ended: %v", lines.Err())
	return ""
}

func coldDrift(b *testing.B, program, settings string) {
	var cpu time.Duration
	var peak int
	var requests int
	for b.Loop() {
		// A clone of one's own is part of what is cold.
		if err := os.RemoveAll(filepath.Join(filepath.Dir(settings), "state")); err != nil {
			b.Fatal(err)
		}
		var out bytes.Buffer
		cmd := exec.CommandContext(b.Context(), program, "drift", "--config", settings, "--output", "json")
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		most, err := runWatched(cmd)
		if err != nil {
			b.Fatalf("%v\n%s", err, out.Bytes())
		}
		var rep report.Report
		if err := json.Unmarshal(out.Bytes(), &rep); err != nil {
			b.Fatal(err)
		}
		requests += total(rep.Stats.Requests)
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		peak = max(peak, most)
	}
	b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(peak)/1024, "peak-MiB")
}

func warmDrift(b *testing.B, file string) {
	look := looker(b, file)
	look()
	debug.FreeOSMemory()
	forgetPeak()
	var requests int
	var before, after syscall.Rusage
	b.ReportAllocs()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		requests += look()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	if peak := peakOf("self"); peak > 0 {
		b.ReportMetric(float64(peak)/1024, "peak-MiB")
	}
	b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
	b.ReportMetric((spent(after)-spent(before)).Seconds()/float64(b.N), "cpu-s/op")
}

// looker answers what makes one look, in this process, and tells how many requests it
// cost.
func looker(b testing.TB, file string) func() int {
	b.Helper()
	s := streams{Out: io.Discard, Err: os.Stderr, Env: os.Getenv}
	settings, err := config.Load(file, s.Env)
	if err != nil {
		b.Fatal(err)
	}
	w, err := newWiring(s, settings, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := w.close(); err != nil {
			b.Error(err)
		}
	})
	return func() int {
		rep, err := w.turner.Run(b.Context(), turn.Request{Mode: report.Drift})
		if err == nil {
			err = conclude(rep)
		}
		if err != nil {
			b.Fatal(err)
		}
		return total(rep.Stats.Requests)
	}
}

// forgetPeak lets Linux count this process's peak from now on (proc_pid_clear_refs(5)).
func forgetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// runWatched runs a command, and tells the most memory that it had, in KiB; 0 where the
// system does not tell. What wait4(2) says of it counts the memory of the process that
// started it, too: this one's, which has grown.
func runWatched(cmd *exec.Cmd) (peak int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	watched := make(chan int)
	go func() {
		most := 0
		for {
			most = max(most, peakOf(strconv.Itoa(cmd.Process.Pid)))
			select {
			case <-ended:
				watched <- most
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	err = cmd.Wait()
	close(ended)
	return <-watched, err
}

// peakOf is the most memory that a process had, in KiB, this one ("self") since it was
// forgotten; 0 where the system does not tell.
func peakOf(process string) int {
	status, err := os.ReadFile(filepath.Join("/proc", process, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kib
		}
	}
	return 0
}

func spent(u syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func total(requests map[string]int) int {
	sum := 0
	for _, n := range requests {
		sum += n
	}
	return sum
}
