package conf

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// Whatever stands in files of ours: reading them ends, and what can be written
// again reads the same.
func FuzzParse(f *testing.F) {
	head := []byte(testMark().prefix() + "\n")
	stream, err := os.ReadFile("testdata/pegasus-stream.conf")
	if err != nil {
		f.Fatal(err)
	}
	web, err := os.ReadFile("testdata/pegasus-http.conf")
	if err != nil {
		f.Fatal(err)
	}
	_, stream, _ = bytes.Cut(stream, []byte("\n"))
	_, web, _ = bytes.Cut(web, []byte("\n"))
	f.Add(stream, web)
	f.Add(stream, []byte(nil))
	f.Fuzz(func(t *testing.T, stream, web []byte) {
		files := Files{Stream: append(slices.Clip(head), stream...), HTTP: append(slices.Clip(head), web...)}
		o := Options{Mark: testMark(), IPv6: true}
		live, err := Parse(files, sources(o))
		if err != nil {
			return
		}
		// What people wrote may be written again as it stands there, or not at all.
		o.Live = live.Edge
		again, err := Render(live.Edge, o)
		if err != nil {
			return
		}
		back, err := Parse(again, sources(o))
		if err != nil {
			t.Fatalf("%v in\n%s\n%s", err, again.Stream, again.HTTP)
		}
		if back.Edge == nil {
			back.Edge = &desired.Edge{Name: "main"}
		}
		if diff := cmp.Diff(whole(live.Edge), whole(back.Edge)); diff != "" {
			t.Errorf("%s\n%s\n%s", diff, again.Stream, again.HTTP)
		}
	})
}

// whole is an edge with what Render sets where people left it open.
func whole(e *desired.Edge) *desired.Edge {
	out := *e
	out.Upstreams = nil
	for name, up := range e.Upstreams {
		if out.Upstreams == nil {
			out.Upstreams = make(map[string]desired.Upstream)
		}
		w := wayOf(up)
		up.Connect, up.Idle = w.connect, w.idle
		for i := range up.Servers {
			up.Servers[i].Weight = max(up.Servers[i].Weight, 1)
		}
		out.Upstreams[name] = up
	}
	return &out
}

// A name that is let through stays one entry.
func FuzzName(f *testing.F) {
	for _, name := range []string{"a.org", ".a.org", "*.a.org", "a;b", "default", "a\n", "\\a", "a{", "~a", "#a", "*", "berth.invalid"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e := &desired.Edge{Name: "main", TLS: desired.EdgeTLS{
			Listen: desired.List{"443"}, Default: to(reject), Routes: map[string]desired.Target{name: to("10.0.0.1:443")},
		}}
		o := Options{Mark: testMark()}
		files, err := Render(e, o)
		if err != nil {
			if Faults(e) == nil {
				t.Fatal(err)
			}
			return
		}
		live, err := Parse(files, sources(o))
		if err != nil || !cmp.Equal(e, live.Edge) {
			t.Errorf("%q became %v, %v", name, live.Edge, err)
		}
	})
}
