package conf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/desired"
)

// anEdge draws an edge that can be rendered, with all that an edge can have.
func anEdge(t *rapid.T) *desired.Edge {
	e := &desired.Edge{Name: "main"}
	ports := 1000
	port := func() string {
		ports++
		return strconv.Itoa(ports)
	}
	listen := func() string {
		at := rapid.SampledFrom([]string{"", "", "127.0.0.1:", "127.1.2.3:", "[::1]:", "0.0.0.0:", "[::]:"}).Draw(t, "listen on")
		return at + port()
	}
	listens := func() desired.List {
		var all desired.List
		for range rapid.IntRange(1, 3).Draw(t, "listens") {
			all = append(all, listen())
		}
		return all
	}
	if n := rapid.IntRange(0, 6).Draw(t, "upstreams"); n > 0 {
		e.Upstreams = make(map[string]desired.Upstream)
		for i := range n {
			name := rapid.SampledFrom([]string{"lab", "prod-http", "Web", "web-1.443", "x_y"}).Draw(t, "upstream") + strconv.Itoa(i)
			e.Upstreams[name] = anUpstream(t)
		}
	}
	target := func(also ...string) desired.Target {
		words := append([]string{reject, anAddress(t)}, also...)
		for name := range e.Upstreams {
			words = append(words, name)
		}
		// A map's order is not rapid's to draw.
		slices.Sort(words)
		return to(rapid.SampledFrom(words).Draw(t, "target"))
	}
	trust := func() desired.Trust {
		return desired.Trust{From: rapid.SampledFrom([]desired.List{nil, {"10.0.0.0/8"}, {"192.168.1.1", "fd00::/8"}}).Draw(t, "from")}
	}
	routes := func(also ...string) map[string]desired.Target {
		all := make(map[string]desired.Target)
		for range rapid.IntRange(0, 24).Draw(t, "routes") {
			name := aName(t)
			all[name] = target(also...)
		}
		for name := range all {
			if _, found := clash(name, all); found {
				delete(all, name)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return all
	}
	if rapid.Bool().Draw(t, "tls") {
		e.TLS = desired.EdgeTLS{Listen: listens(), ProxyProtocol: trust(), Default: target(), Routes: routes()}
	}
	if rapid.Bool().Draw(t, "http") {
		e.HTTP = desired.EdgeHTTP{Listen: listens(), ProxyProtocol: trust(), Default: target(redirect), Routes: routes(redirect)}
	}
	for range rapid.IntRange(0, 3).Draw(t, "tcp") {
		if e.TCP == nil {
			e.TCP = make(map[string]desired.Target)
		}
		e.TCP[listen()] = target()
	}
	for range rapid.IntRange(0, 3).Draw(t, "udp") {
		to := target()
		if e.Upstreams[to.Text].ProxyProtocol {
			continue
		}
		if e.UDP == nil {
			e.UDP = make(map[string]desired.Target)
		}
		e.UDP[listen()] = to
	}
	return e
}

func anUpstream(t *rapid.T) desired.Upstream {
	up := desired.Upstream{
		ProxyProtocol: rapid.Bool().Draw(t, "proxyProtocol"),
		Keepalive:     rapid.SampledFrom([]int{0, 0, 1, 32}).Draw(t, "keepalive"),
		Connect:       aSpan(t), Idle: aSpan(t),
	}
	seen := make(map[string]bool)
	for i := range rapid.IntRange(1, 4).Draw(t, "servers") {
		s := desired.Server{To: to(anAddress(t)), Weight: rapid.IntRange(1, 9).Draw(t, "weight"), Backup: i > 0 && rapid.Bool().Draw(t, "backup")}
		if !seen[s.To.Text] {
			up.Servers = append(up.Servers, s)
		}
		seen[s.To.Text] = true
	}
	return up
}

func aSpan(t *rapid.T) desired.Duration {
	unit := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour}).Draw(t, "unit")
	return desired.Duration(time.Duration(rapid.IntRange(1, 300).Draw(t, "span")) * unit)
}

func anAddress(t *rapid.T) string {
	port := rapid.IntRange(1, 65535).Draw(t, "port")
	if rapid.IntRange(0, 4).Draw(t, "six") == 0 {
		return fmt.Sprintf("[fd00::%x]:%d", rapid.IntRange(1, 9).Draw(t, "host"), port)
	}
	return fmt.Sprintf("10.0.0.%d:%d", rapid.IntRange(0, 9).Draw(t, "host"), port)
}

func aName(t *rapid.T) string {
	labels := []string{"a", "b", "x", "lab", "www", "_acme", "a-1", strings.Repeat("l", 63)}
	name := rapid.SampledFrom(labels).Draw(t, "label")
	for range rapid.IntRange(0, 4).Draw(t, "depth") {
		if longer := rapid.SampledFrom(labels).Draw(t, "label") + "." + name; len(longer) <= 253 {
			name = longer
		}
	}
	return rapid.SampledFrom([]string{"", "", ".", "*."}).Draw(t, "below") + name
}

// Whatever can be rendered reads the same, and renders the same again.
func TestAnyEdgeComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anEdge(t)
		if all := Faults(e); all != nil {
			t.Fatalf("the test's edge has faults: %v", all)
		}
		o := Options{Mark: testMark(), IPv6: rapid.Bool().Draw(t, "ipv6")}
		if rapid.Bool().Draw(t, "witness") {
			o.Witness = Witness{Name: "00." + Domain, Stream: "127.0.0.1:1", HTTP: "127.0.0.1:2"}
		}
		files, err := Render(e, o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Render(e, o)
		if err != nil || string(again.Stream) != string(files.Stream) || string(again.HTTP) != string(files.HTTP) {
			t.Fatalf("it is not rendered alike, %v", err)
		}
		live, err := Parse(files, sources(o))
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, files.Stream, files.HTTP)
		}
		if live.Edge == nil {
			live.Edge = &desired.Edge{Name: "main"}
		}
		if diff := cmp.Diff(e, live.Edge); diff != "" {
			t.Fatalf("%s\n%s\n%s", diff, files.Stream, files.HTTP)
		}
		if len(live.Notes) > 0 {
			t.Fatalf("notes: %v\n%s\n%s", live.Notes, files.Stream, files.HTTP)
		}
	})
}

func sources(o Options) Sources {
	return Sources{Mark: o.Mark, IPv6: o.IPv6, Stream: "stream.conf", HTTP: "http.conf"}
}
