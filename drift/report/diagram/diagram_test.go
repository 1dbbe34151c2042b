package diagram_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/desired"
	"berth/drift/report"
	"berth/drift/report/diagram"
	"berth/drift/routes"
)

var update = flag.Bool("update", false, "write what is drawn into testdata")

// draw draws a table.
func draw(t interface {
	Helper()
	Fatal(args ...any)
}, fleet string, table *routes.Table,
) string {
	t.Helper()
	var b bytes.Buffer
	if err := diagram.SVG(&b, fleet, table); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// many is a table of so many guests behind two edges.
func many(guests int) *routes.Table {
	table := &routes.Table{Edges: []routes.Edge{
		{ID: "edge/gate", At: "ct/gate", Site: "home", Address: "10.1.1.4"},
		{ID: "edge/lab", At: "ct/lab-proxy", Site: "home", Address: "10.1.1.5", Inner: true},
	}}
	add := func(name string, through []routes.Hop, to routes.Leg) {
		table.Routes = append(table.Routes, routes.Route{
			Edge: "edge/gate", Way: routes.TLS, Listen: []string{"443"}, Name: name, Chains: []routes.Chain{{Through: through, To: []routes.Leg{to}}},
		})
	}
	for i := range guests {
		id := desired.MakeID(desired.KindContainer, fmt.Sprintf("app-%d", i))
		leg := routes.Leg{Target: string(id) + ":443", ID: id, Site: "home", Address: fmt.Sprintf("10.2.%d.%d:443", i/256, i%256)}
		if name := fmt.Sprintf("app-%d.lab.example.net", i); i%3 == 0 {
			add(name, []routes.Hop{{Edge: "edge/gate", Rule: ".lab.example.net", PROXY: true}, {Edge: "edge/lab", Rule: name}}, leg)
		} else {
			name = fmt.Sprintf("app-%d.example.net", i)
			add(name, []routes.Hop{{Edge: "edge/gate", Rule: name}}, leg)
			add("alt."+name, []routes.Hop{{Edge: "edge/gate", Rule: "alt." + name}}, leg)
		}
	}
	add("", []routes.Hop{{Edge: "edge/gate"}}, routes.Leg{Target: "host/old:443", ID: "host/old", Address: "10.1.1.9:443"})
	return table
}

// TestGolden compares drawings with those that somebody has looked at.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "routes", "testdata", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := desired.Load(fstest.MapFS{"lab.yaml": {Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range map[string]*routes.Table{
		"lab": routes.Of(fleet, nil, nil), "folded": many(40), "nothing": {},
	} {
		got := draw(t, name, table)
		file := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got), look at it after -update:\n%s", file, diff)
		}
		sound(t, got)
	}
}

// A drawing stays one that a page can show, however many guests there are.
func TestSizes(t *testing.T) {
	for _, row := range []struct{ guests, width, height int }{{3, 1500, 600}, {12, 1500, 1400}, {40, 2200, 1100}, {200, 2700, 2000}, {2000, 2700, 3500}} {
		d := sound(t, draw(t, "x", many(row.guests)))
		if d.w > row.width || d.h > row.height {
			t.Errorf("%d guests: %d × %d, at most %d × %d", row.guests, d.w, d.h, row.width, row.height)
		}
	}
	if !strings.Contains(draw(t, "x", many(2000)), "and 1093 more") {
		t.Error("it is not said how many guests are left out")
	}
}

// Names that are not even names, and fleets that are hardly any, give a drawing.
func TestHostile(t *testing.T) {
	for _, evil := range []string{
		"</title><script>alert(1)</script>", `"><rect onload="x"/>`, "]]>&amp;&#0;", "\x00\x1b[2J\ufffe\uffff", "\u202egnp.exe", "\xff\xfe",
		strings.Repeat("long", 200) + ".example.net", "日本語.例え", "e\u0301\u0301\u0301", "", "%s%d%n", "{{.}}", "javascript:x",
	} {
		table := many(2)
		table.Edges[0].ID, table.Edges[0].At, table.Edges[0].Address, table.Edges[0].Site = desired.ID("edge/"+evil), "vm/"+evil, evil, evil
		for i := range table.Routes {
			r := &table.Routes[i]
			r.Name, r.Edge, r.Listen = evil, desired.ID("edge/"+evil), []string{evil, ":" + evil}
			r.Chains[0].Through[0].Edge, r.Chains[0].Through[0].Rule = r.Edge, evil
			leg := &r.Chains[0].To[0]
			leg.Target, leg.ID, leg.Address, leg.Site = evil, desired.ID("vm/"+evil), evil, evil
		}
		svg := draw(t, evil, table)
		sound(t, svg)
		for _, tag := range []string{"<script", "onload=\"", "<foreignObject", "href"} {
			if strings.Contains(svg, tag) {
				t.Errorf("%q gives %s", evil, tag)
			}
		}
	}
}

// drawn is what matters of a drawing.
type drawn struct {
	w, h  int
	boxes []box
}

type box struct{ x, y, w, h int }

func (b box) touches(o box) bool {
	return b.x < o.x+o.w && o.x < b.x+b.w && b.y < o.y+o.h && o.y < b.y+b.h
}

// sound parses a drawing, and asks what holds for each: boxes and words are on the
// paper, and none covers another.
func sound(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, svg string,
) drawn {
	t.Helper()
	var d drawn
	var words []box
	var said []string
	var depth, size, level int
	dec := xml.NewDecoder(strings.NewReader(svg))
	var at box
	var text strings.Builder
	anchor := ""
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			depth++
			a := make(map[string]string)
			for _, attr := range e.Attr {
				a[attr.Name.Local] = attr.Value
			}
			number := func(name string) int { n, _ := strconv.Atoi(a[name]); return n }
			switch {
			case e.Name.Local == "svg":
				d.w, d.h = number("width"), number("height")
			case e.Name.Local == "rect" && strings.HasPrefix(a["class"], "box "):
				d.boxes = append(d.boxes, box{number("x"), number("y"), number("width"), number("height")})
			case e.Name.Local == "text":
				at, level, size, anchor = box{x: number("x"), y: number("y")}, depth, 13, a["text-anchor"]
				text.Reset()
				if strings.Contains(a["class"], "small") {
					size = 12
				}
				if strings.Contains(a["class"], "title") {
					size = 16
				}
			}
		case xml.CharData:
			text.Write(e)
		case xml.EndElement:
			if e.Name.Local == "text" && depth == level {
				at.w = report.Cells(text.String()) * size * 61 / 100
				at.h = size
				at.y -= size - 2
				if anchor == "middle" {
					at.x -= at.w / 2
				}
				words = append(words, at)
				said = append(said, text.String())
			}
			depth--
		}
	}
	if d.w == 0 || d.h == 0 || !strings.Contains(svg, "<title id=") || !strings.Contains(svg, "<desc id=") {
		t.Fatalf("it has no size, title or description:\n%s", svg)
	}
	for i, b := range d.boxes {
		if b.x < 0 || b.y < 0 || b.x+b.w > d.w || b.y+b.h > d.h || b.w <= 0 || b.h <= 0 {
			t.Fatalf("a box beside the paper: %+v of %d × %d", b, d.w, d.h)
		}
		for _, o := range d.boxes[:i] {
			if b.touches(o) {
				t.Fatalf("%+v covers %+v\n%s", b, o, svg)
			}
		}
	}
	for i, w := range words {
		if w.x < 0 || w.x+w.w > d.w || w.y < 0 || w.y+w.h > d.h {
			t.Fatalf("%q stands beside the paper: %+v of %d × %d", said[i], w, d.w, d.h)
		}
		for _, b := range d.boxes {
			inside := w.x >= b.x && w.x+w.w <= b.x+b.w && w.y >= b.y && w.y+w.h <= b.y+b.h
			if b.touches(w) && !inside {
				t.Fatalf("%q %+v crosses the box %+v\n%s", said[i], w, b, svg)
			}
		}
		for j, o := range words[:i] {
			if w.touches(o) {
				t.Fatalf("%q %+v stands on %q %+v\n%s", said[i], w, said[j], o, svg)
			}
		}
	}
	return d
}

// TestAnyFleet draws whatever edges there may be: XML that parses, the same each
// time, with nothing on top of anything else.
func TestAnyFleet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "edges")
		fleet := &desired.Fleet{Sites: map[string]*desired.Site{}, Hosts: map[string]*desired.Host{}}
		guests := rapid.SampledFrom([]int{1, 3, 30}).Draw(t, "guests")
		for i := range guests {
			c := &desired.Container{}
			c.Networks = map[string]desired.NIC{"net0": {Address: fmt.Sprintf("10.0.0.%d/24", i+1)}}
			fleet.Resources = append(fleet.Resources, &desired.Resource{ID: desired.MakeID("ct", fmt.Sprintf("g%d", i)), Site: fmt.Sprintf("s%d", i%3), Spec: c})
		}
		target := rapid.Custom(func(t *rapid.T) desired.Target {
			switch rapid.IntRange(0, 9).Draw(t, "sort") {
			case 0:
				return desired.Target{Text: "reject"}
			case 1:
				return desired.Target{Text: "redirect"}
			case 2:
				return desired.Target{Text: rapid.String().Draw(t, "text")}
			case 3:
				return desired.Target{Text: "up"}
			case 4:
				return desired.Target{Text: fmt.Sprintf("10.9.9.%d:443", rapid.IntRange(1, 9).Draw(t, "address"))}
			}
			return desired.Target{Text: fmt.Sprintf("ct/g%d:%d", rapid.IntRange(0, guests).Draw(t, "guest"), rapid.SampledFrom([]int{443, 80, 25}).Draw(t, "port"))}
		})
		name := rapid.OneOf(rapid.StringMatching(`(\.|\*\.)?[a-c]{1,3}(\.[a-c]){0,2}`), rapid.String())
		table := func(of *rapid.Generator[string], label string) map[string]desired.Target {
			return rapid.MapOfN(of, target, 0, 8).Draw(t, label)
		}
		ports := rapid.SampledFrom([]string{"25", "26", "443"})
		for i := range n {
			e := &desired.Edge{
				At:   rapid.SampledFrom([]string{"local", "ct/g0", "ct/g1", "host/none"}).Draw(t, "at"),
				TLS:  desired.EdgeTLS{Default: target.Draw(t, "default"), Routes: table(name, "tls")},
				HTTP: desired.EdgeHTTP{Default: target.Draw(t, "default"), Routes: table(name, "http")},
				TCP:  table(ports, "tcp"), UDP: table(ports, "udp"),
				Upstreams: map[string]desired.Upstream{"up": {ProxyProtocol: i%2 == 0, Servers: desired.Servers{{To: target.Draw(t, "server")}, {To: target.Draw(t, "server"), Backup: true}}}},
			}
			fleet.Resources = append(fleet.Resources, &desired.Resource{ID: desired.MakeID("edge", fmt.Sprintf("e%d", i)), Spec: e})
		}
		svg := draw(t, "any", routes.Of(fleet, nil, nil))
		sound(t, svg)
		for range 2 {
			if again := draw(t, "any", routes.Of(fleet, nil, nil)); again != svg {
				t.Fatalf("drawn twice, it is another:\n%s", cmp.Diff(svg, again))
			}
		}
	})
}

// A drawing for a thousand guests costs milliseconds.
func BenchmarkSVG(b *testing.B) {
	table := many(1000)
	for b.Loop() {
		if err := diagram.SVG(io.Discard, "x", table); err != nil {
			b.Fatal(err)
		}
	}
}
