package conf

import (
	"bytes"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
		again(t, Files{Stream: append(slices.Clip(head), stream...), HTTP: append(slices.Clip(head), web...)})
	})
}

// Lines taken out, doubled, moved and mixed up are read the same, too.
func TestAnyEditComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files, err := Render(anEdge(t), Options{Mark: testMark(), IPv6: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, content := range []*[]byte{&files.Stream, &files.HTTP} {
			lines := strings.SplitAfter(string(*content), "\n")
			for range rapid.IntRange(0, 4).Draw(t, "edits") {
				if len(lines) < 3 {
					break
				}
				at := rapid.IntRange(1, len(lines)-1).Draw(t, "line")
				other := rapid.IntRange(1, len(lines)-1).Draw(t, "other")
				switch rapid.SampledFrom([]string{"out", "double", "swap", "word"}).Draw(t, "edit") {
				case "out":
					lines = slices.Delete(lines, at, at+1)
				case "double":
					lines = slices.Insert(lines, other, lines[at])
				case "swap":
					lines[at], lines[other] = lines[other], lines[at]
				case "word":
					words, others := strings.Fields(lines[at]), strings.Fields(lines[other])
					if len(words) > 0 && len(others) > 0 {
						words[len(words)-1] = others[len(others)-1]
						lines[at] = strings.Join(words, " ") + "\n"
					}
				}
			}
			*content = []byte(strings.Join(lines, ""))
		}
		again(t, files)
	})
}

// again expects that what files say reads the same once it is rendered again.
func again(t rapid.TB, files Files) {
	o := Options{Mark: testMark(), IPv6: true}
	live, err := Parse(files, sources(o))
	if err != nil || live.Edge == nil {
		return
	}
	// What people wrote may be written again as it stands there, or not at all.
	o.Live = live.Edge
	next, err := Render(live.Edge, o)
	if err != nil {
		return
	}
	back, err := Parse(next, sources(o))
	if err != nil {
		t.Fatalf("%v in\n%s\n%s", err, next.Stream, next.HTTP)
	}
	if back.Edge == nil {
		back.Edge = &desired.Edge{Name: "main"}
	}
	if diff := cmp.Diff(whole(live.Edge), whole(back.Edge)); diff != "" {
		t.Errorf("%s\nof\n%s\n%s\nas\n%s\n%s", diff, files.Stream, files.HTTP, next.Stream, next.HTTP)
	}
}

// whole is an edge with what Render sets where people left it open, and with the
// targets that it mends: where one file names an upstream that only the other one has
// any more, both have it again.
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
			if _, err := netip.ParseAddr(up.Servers[i].To.Text); err == nil {
				up.Servers[i].To.Text += ":80" // A stream takes no server without a port; http means 80.
			}
		}
		out.Upstreams[name] = up
	}
	mended := func(t desired.Target) desired.Target {
		for name := range e.Upstreams {
			if t.Text == testMark().upstream(name) {
				return to(name)
			}
		}
		return t
	}
	out.TLS.Default, out.HTTP.Default = mended(e.TLS.Default), mended(e.HTTP.Default)
	for _, targets := range []*map[string]desired.Target{&out.TLS.Routes, &out.HTTP.Routes, &out.TCP, &out.UDP} {
		*targets = maps.Clone(*targets)
		for name, t := range *targets {
			(*targets)[name] = mended(t)
		}
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
