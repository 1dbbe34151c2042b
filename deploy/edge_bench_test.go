//go:build linux

package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"berth/applyers/nginx/conf"
	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
	"berth/desired"
	"berth/drift"
)

// hugeEdge is an edge of so many names in memory, more than a manifest may hold: each
// goes to one of two upstreams, or to an address.
func hugeEdge(names int) *desired.Edge {
	to := func(text string) desired.Target { return desired.Target{Text: text} }
	way := func(server string, proxy bool) desired.Upstream {
		return desired.Upstream{
			Servers: desired.Servers{{To: to(server), Weight: 1}}, ProxyProtocol: proxy,
			Connect: desired.Duration(5 * time.Second), Idle: desired.Duration(10 * time.Minute),
		}
	}
	e := &desired.Edge{
		Name:      "edge",
		Upstreams: map[string]desired.Upstream{"headed": way("10.77.2.1:443", true), "plain": way("10.77.2.2:443", false)},
		TLS:       desired.EdgeTLS{Listen: desired.List{"443"}, Default: to("plain"), Routes: make(map[string]desired.Target, names)},
	}
	targets := []desired.Target{to("headed"), to("plain"), to("10.77.2.3:443")}
	for i := range names {
		e.TLS.Routes[fmt.Sprintf("n%d.site-%d.example.test", i, i%977)] = targets[i%len(targets)]
	}
	return e
}

// rendering is what an edge's text and the comparison with what is live cost.
type rendering struct {
	names int
	mark  conf.Mark
	want  *desired.Resource
	fleet *desired.Fleet
	files conf.Files
	live  conf.Live
}

func newRendering(t testing.TB, names int) *rendering {
	t.Helper()
	fleet, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte("kind: Fleet\nname: many\nuid: 5b1f0c2e\nversion: 1\n")}})
	if err != nil {
		t.Fatal(err)
	}
	id := desired.MakeID(desired.KindEdge, "edge")
	edge := hugeEdge(names)
	r := &rendering{names: names, mark: conf.Mark{Fleet: "many", UID: "5b1f0c2e", ID: id}, fleet: fleet}
	r.want = &desired.Resource{ID: id, Spec: edge}
	set := make(map[desired.Path]desired.Source)
	for _, leaf := range desired.Leaves(desired.KindEdge, edge) {
		set[leaf.Path] = desired.Source{File: "edge.yaml", Line: 1}
	}
	r.want.Set = desired.SettingsOf(set)
	return r
}

func (r *rendering) render(t testing.TB) {
	t.Helper()
	files, err := conf.Render(r.want.Spec.(*desired.Edge), conf.Options{Mark: r.mark, IPv6: true})
	if err != nil {
		t.Fatal(err)
	}
	r.files = files
}

func (r *rendering) parse(t testing.TB) {
	t.Helper()
	live, err := conf.Parse(r.files, conf.Sources{Mark: r.mark, IPv6: true, Stream: edgebed.Stream, HTTP: edgebed.HTTP80})
	if err != nil {
		t.Fatal(err)
	}
	r.live = live
}

func (r *rendering) compare(t testing.TB) {
	t.Helper()
	have := drift.Live{ID: r.want.ID, Spec: r.live.Edge}
	fields, _, err := drift.Compare(drift.NewWorld(r.fleet, []drift.Live{have}), r.want, &have)
	if err != nil || len(fields) > 0 {
		t.Fatalf("what was read is not what was written: %d fields, such as %v, %v", len(fields), fields[:min(len(fields), 3)], err)
	}
}

// reload puts the files in place and waits until nginx leads the name by them.
func (r *rendering) reload(t testing.TB, h edgebed.Host, c edgebed.Client) {
	t.Helper()
	file := h.Path(edgebed.Stream)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), ".new"), r.files.Stream, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(filepath.Dir(file), ".new"), file); err != nil {
		t.Fatal(err)
	}
	workers := h.Workers(t)
	h.Run(t, "nginx", "-t")
	h.Run(t, "nginx", "-s", "reload")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	last := fmt.Sprintf("n%d.site-%d.example.test", r.names-1, (r.names-1)%977)
	for {
		seen, err := c.Who(ctx, edgeHost+":443", last)
		// Former workers may answer for a moment yet.
		if now := h.Workers(t); err == nil && now != "" && now != workers && seen.Backend == []string{"headed", "plain", "address"}[(r.names-1)%3] {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(errors.Join(errors.New("nginx does not take it over"), err))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// benchWorld is an nginx with backends, and no agent.
func benchWorld(t testing.TB) (edgebed.Host, edgebed.Client) {
	t.Helper()
	n := standin.Net(t)
	for i, name := range []string{"headed", "plain", "address"} {
		address := fmt.Sprintf("10.77.2.%d", i+1)
		n.Address(t, address+"/16")
		edgebed.TLS(t, n, name, address+":443", name == "headed")
	}
	_, public := standin.ClientKey(t)
	return edgebed.NewHost(t, n, "edge", edgeHost, public), edgebed.Client{Network: n}
}

// BenchmarkEdge tells what the text of an edge costs, and what nginx makes of it.
func BenchmarkEdge(b *testing.B) {
	h, c := benchWorld(b)
	for _, names := range []int{10, 1000, 100000} {
		r := newRendering(b, names)
		r.render(b)
		r.parse(b)
		for _, part := range []struct {
			name string
			run  func(testing.TB)
		}{
			{"render", r.render},
			{"parse", r.parse},
			{"compare", r.compare},
			{"reload", func(t testing.TB) { r.reload(t, h, c) }},
		} {
			b.Run(fmt.Sprintf("%s/names=%d", part.name, names), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					part.run(b)
				}
			})
		}
	}
}

// storyHuge holds the time that BenchmarkEdge tells to growing as the names do. It is the
// processor's, of this thread: others use it, too.
func storyHuge(t *testing.T, _ string) {
	h, c := benchWorld(t)
	type taken struct{ wall, work time.Duration }
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	parts := []string{"render", "parse", "compare", "reload"}
	all := make(map[string]map[int]taken)
	// The race detector makes the last one take a minute; BenchmarkEdge has it, too.
	few, most := 10000, 100000
	if raceEnabled {
		few, most = 1000, 10000
	}
	sizes := []int{10, few, most}
	for _, names := range sizes {
		r := newRendering(t, names)
		for i, run := range []func(testing.TB){r.render, r.parse, r.compare, func(t testing.TB) { r.reload(t, h, c) }} {
			if all[parts[i]] == nil {
				all[parts[i]] = make(map[int]taken)
			}
			began, worked := time.Now(), threadTime(t)
			run(t)
			all[parts[i]][names] = taken{time.Since(began), threadTime(t) - worked}
		}
	}
	for _, part := range parts {
		var text strings.Builder
		for _, names := range sizes {
			fmt.Fprintf(&text, "  %d: %s (%s of it worked)", names, all[part][names].wall.Round(100*time.Microsecond), all[part][names].work.Round(100*time.Microsecond))
		}
		t.Logf("%-8s%s", part, text.String())
		less, more := all[part][few], all[part][most]
		// Sorting takes a little more than ten times as long.
		if more.work > 18*less.work+100*time.Millisecond {
			t.Errorf("%s: %d names take %s, %d take %s", part, few, less.work, most, more.work)
		}
	}
}

// TestEdgeMemory holds what BenchmarkEdge tells to be allocated to growing as the names
// do. It is counted for the whole process: nothing may be beside it.
func TestEdgeMemory(t *testing.T) {
	const few, most = 1000, 10000
	parts := []string{"render", "parse", "compare"}
	all := make(map[string]map[int]uint64)
	for _, names := range []int{few, most} {
		r := newRendering(t, names)
		for i, run := range []func(testing.TB){r.render, r.parse, r.compare} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			run(t)
			runtime.ReadMemStats(&after)
			if all[parts[i]] == nil {
				all[parts[i]] = make(map[int]uint64)
			}
			all[parts[i]][names] = after.TotalAlloc - before.TotalAlloc
		}
	}
	for _, part := range parts {
		less, more := all[part][few], all[part][most]
		t.Logf("%-8s %d: %d KiB  %d: %d KiB", part, few, less>>10, most, more>>10)
		if more > 14*less {
			t.Errorf("%s: %d names allocate %d bytes, %d allocate %d", part, few, less, most, more)
		}
	}
}

// threadTime is the time that this thread, to which its goroutine is bound, has worked.
func threadTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
