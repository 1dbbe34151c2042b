package desired

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// crowded makes a fleet of n guests, ten to a file, each with a profile, an
// address, a route and a playbook.
func crowded(n int) fstest.MapFS {
	fsys := files("p.yaml", `kind: Profile
name: base
memory: {size: 512MiB, balloon: false}
cpu: {cores: 2, type: host}
agent: true
tags: [base]
disks: {scsi0: {image: debian-12, storage: ssd, size: 32GiB}}
networks: {net0: {network: lan}}
cloudInit: {packages: [qemu-guest-agent], upgrade: true}
---
kind: Edge
name: main
tls: {default: reject}
---
kind: Playbook
name: base
path: play/base.yml
hosts: all
`, "play/base.yml", "- hosts: all", "play/.berthignore", "")
	for from := 0; from < n; from += 10 {
		var b strings.Builder
		for i := from; i < min(from+10, n); i++ {
			fmt.Fprintf(&b, "---\nkind: VM\nname: web-%d\nid: net\nuses: [base]\ntags: [web]\nmemory: 1GiB\nnetworks: {net0: {hostnum: %d}}\nexpose: [{name: web-%d.example.net}]\n", i, i+10, i)
		}
		fsys[fmt.Sprintf("guests/%05d.yaml", from)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return fsys
}

// BenchmarkLoadAgain loads a fleet of which one file has changed since the last
// load.
func BenchmarkLoadAgain(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("guests=%d", n), func(b *testing.B) {
			fsys := crowded(n)
			var l Loader
			if _, err := l.Load(fsys); err != nil {
				b.Fatal(err)
			}
			was := string(fsys["guests/00000.yaml"].Data)
			times := 0
			b.ReportAllocs()
			start := cpu()
			defer func() { b.ReportMetric(float64(cpu()-start)/1e6/float64(b.N), "cpu-ms/op") }()
			for b.Loop() {
				times++
				fsys["guests/00000.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(was, "1GiB", fmt.Sprintf("%dMiB", 1000+times), 1))}
				f, err := l.Load(fsys)
				if err != nil {
					b.Fatal(err)
				}
				if len(f.Resources) != n+3 {
					b.Fatalf("%d resources", len(f.Resources))
				}
			}
		})
	}
}

// cpu is the CPU time that the process has used, which other work on the machine
// does not change much.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkHeap tells what a fleet keeps, and what a Loader keeps beside it.
func BenchmarkHeap(b *testing.B) {
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	fsys := crowded(10000)
	before := heap()
	var l Loader
	var f *Fleet
	for b.Loop() {
		var err error
		if f, err = l.Load(fsys); err != nil {
			b.Fatal(err)
		}
	}
	both := heap() - before
	l = Loader{}
	b.ReportMetric(heap()-before, "fleet-MiB")
	b.ReportMetric(both, "both-MiB")
	runtime.KeepAlive(f)
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("guests=%d", n), func(b *testing.B) {
			fsys := crowded(n)
			b.ReportAllocs()
			start := cpu()
			defer func() { b.ReportMetric(float64(cpu()-start)/1e6/float64(b.N), "cpu-ms/op") }()
			for b.Loop() {
				f, err := Load(fsys)
				if err != nil {
					b.Fatal(err)
				}
				if len(f.Resources) != n+3 {
					b.Fatalf("%d resources", len(f.Resources))
				}
			}
		})
	}
}
