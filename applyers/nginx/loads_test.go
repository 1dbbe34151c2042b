package nginx

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/applyers/nginx/conf"
	"berth/desired"
)

// fleetText draws the manifests of an edge, some of which the loader refuses: it is
// the bounds of what it takes that matter here.
func fleetText(t *rapid.T) string {
	// What stands behind | is drawn now and then.
	one := func(label string, all ...string) string {
		if odd := slices.Index(all, "|"); odd >= 0 {
			usual, odds := all[:odd], all[odd+1:]
			if all = usual; rapid.IntRange(0, 199).Draw(t, "odd") == 199 {
				all = odds
			}
		}
		return rapid.SampledFrom(all).Draw(t, label)
	}
	some := func(label string, most int, draw func() string) []string {
		var all []string
		for range rapid.IntRange(0, most).Draw(t, label) {
			all = append(all, draw())
		}
		return all
	}
	port := func() string {
		return one("port", "1", "25", "80", "443", "444", "8443", "65535", "|", "65536", "0", "080")
	}
	host := func() string {
		return one("host", "10.0.0.1", "10.0.0.2", "10.1.1.6", "[fd00::1]", "vm/web", "vm/v6", "host/nas", "|",
			"127.0.0.1", "0.0.0.0", "[::1]", "[FD00::1]", "[fd00:0::2]", "[::ffff:10.0.0.1]", "[::]", "nas.lan", "255.255.255.255", "224.0.0.1", "127.66.1.1")
	}
	place := func() string {
		return one("listen", "", "", "", "10.0.0.1:", "10.0.0.2:", "0.0.0.0:", "[::]:", "[::1]:", "127.0.0.1:", "|", "[fd00:0::2]:", "127.66.7.1:") + one("own", "1025", "1080", "1443", "1444", "|", "80", "443")
	}
	upstream := func() string { return one("upstream", "lab", "web-1", "x--y", "acme", "a0") }
	target := func(also ...string) string {
		switch rapid.IntRange(0, 4).Draw(t, "sort") {
		case 0:
			return one("word", append(also, "10.0.0.1:444", "lab", "|", "reject")...)
		case 1, 2:
			return upstream()
		default:
			return host() + ":" + port()
		}
	}
	name := func() string {
		return one("below", "", "", "", ".", "*.") + one("name", "a", "x.org", "www.x.org", "a.b.x.org", "x-1.org", "x--1.org", "xn--bcher-kva.example", "1.org", strings.Repeat("l", 63)+".org", strings.Repeat("l.", 126)+"o", "|", "a_b.org", "_acme.org", "X.org", "default", "include",
			"berth.invalid", "x.berth.invalid", "x.org.", strings.Repeat("l", 64)+".org", strings.Repeat("l.", 126)+"ol", "10.1.1.1", "a;b", `a\"b`, "a{", "$a", "#a", "~a")
	}
	span := func() string {
		return one("span", "1s", "1ms", "500ms", "90s", "1h", "1h30m", "365d", "|", "366d", "100000h", "1us", "0s")
	}
	quoted := func(all []string) string {
		if len(all) == 0 {
			return "[]"
		}
		return `["` + strings.Join(all, `", "`) + `"]`
	}
	entries := func(label string, most int, key, value func() string) string {
		seen := make(map[string]bool)
		var all []string
		for _, k := range some(label, most, key) {
			if !seen[k] {
				all = append(all, fmt.Sprintf("%q: %q", k, value()))
			}
			seen[k] = true
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	trust := func() string {
		return one("trust", "", "", ", proxyProtocol: {from: [10.0.0.0/8]}", `, proxyProtocol: {from: ["fd00::/8", 10.1.1.1]}`, `, proxyProtocol: {from: [0.0.0.0/0]}`, "|", `, proxyProtocol: {from: ["fe80::1%eth0"]}`, `, proxyProtocol: {from: [10.0.0.1/8]}`)
	}
	listen := func() string {
		if all := some("listens", 3, place); len(all) > 0 {
			return ", listen: " + quoted(all)
		}
		return ""
	}
	var b strings.Builder
	b.WriteString("kind: Edge\nname: " + one("edge", "main", "a-b", "x1") + "\nupstreams:\n")
	for _, up := range []string{"lab", "web-1", "x--y", "acme", "a0"} {
		var servers []string
		for range rapid.IntRange(1, 3).Draw(t, "servers") {
			servers = append(servers, fmt.Sprintf("{to: %q%s}", host()+":"+port(), one("option", "", "", ", weight: 1", ", weight: 65535", "|", ", weight: 65536", ", backup: true")))
		}
		fmt.Fprintf(&b, "  %q: {servers: [%s]%s%s%s}\n", up, strings.Join(servers, ", "), one("header", "", "", ", proxyProtocol: true"), one("keep", "", "", "", "", "", ", keepalive: 4"),
			one("times", "", "", ", connect: "+span(), ", idle: "+span()))
	}
	expose := ""
	if rapid.IntRange(0, 4).Draw(t, "tls") > 0 {
		expose = one("expose", "", "", "expose: [{name: git.x.org}]", "expose: [{name: git.x.org, port: 8443, proxyProtocol: true}]", "expose: [{name: git.x.org, proxyProtocol: true}, {name: \".x.org\", port: 444}]")
		fmt.Fprintf(&b, "tls: {default: %q, routes: %s%s%s}\n", target(), entries("routes", 6, name, func() string { return target() }), listen(), trust())
	}
	if rapid.IntRange(0, 2).Draw(t, "http") > 0 {
		fmt.Fprintf(&b, "http: {default: %q, routes: %s%s%s}\n", one("http default", "redirect", "redirect", "reject", "acme"), entries("routes", 3, name, func() string { return target("redirect") }), listen(), trust())
	}
	fmt.Fprintf(&b, "tcp: %s\nudp: %s\n", entries("tcp", 2, place, func() string { return target() }), entries("udp", 2, place, func() string { return target() }))
	b.WriteString("---\n{kind: Host, name: nas, address: 10.1.1.6}\n---\n{kind: VM, name: web, memory: 1GiB, networks: {net0: {}}}\n---\nkind: VM\nname: v6\nmemory: 1GiB\nnetworks: {net0: {}}\n" + expose + "\n")
	return b.String()
}

// Whatever the loader takes can be written for nginx, once guests have addresses, and
// reads the same again.
func TestWhatLoadsIsRendered(t *testing.T) {
	const site = `{kind: Fleet, name: pegasus, uid: 5b1f0c2e}
---
kind: Site
name: home
endpoints: [https://10.1.1.11:8006]
token: {secret: pve-home}
storage: {ssd: {store: local-nvme, ssd: true}}
images: ssd
networks: {lan: {bridge: vmbr0, subnet: 10.0.0.0/8, gateway: 10.0.0.1, dns: [10.0.0.1]}}
ids: {default: {range: 100000-199999}}
`
	check := func(t rapid.TB, text string) (loaded bool) {
		fleet, err := desired.Load(fstest.MapFS{"site.yaml": {Data: []byte(site)}, "edge.yaml": {Data: []byte(text)}})
		if err != nil {
			return false
		}
		for _, r := range fleet.Resources {
			if spec, is := r.Spec.(*desired.Edge); is {
				comesBack(t, addressed(spec, fleet), r.ID, text)
			}
		}
		return true
	}
	if !check(t, "{kind: Edge, name: main, tls: {default: \"10.0.0.1:443\"}}") {
		t.Fatal("no edge is loaded")
	}
	rapid.Check(t, func(t *rapid.T) {
		// Half of them and more are refused.
		for range 10 {
			if check(t, fleetText(t)) {
				return
			}
		}
	})
}

// comesBack expects that an edge can be rendered, and reads the same.
func comesBack(t rapid.TB, edge *desired.Edge, id desired.ID, text string) {
	for _, ipv6 := range []bool{true, false} {
		o := conf.Options{Mark: conf.Mark{Fleet: "pegasus", UID: "5b1f0c2e", ID: id}, IPv6: ipv6}
		files, err := conf.Render(edge, o)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		live, err := conf.Parse(files, conf.Sources{Mark: o.Mark, IPv6: ipv6, Stream: "stream.conf", HTTP: "http.conf"})
		if err != nil {
			t.Fatalf("%v\n%s\n%s\n%s", err, text, files.Stream, files.HTTP)
		}
		if len(live.Notes) > 0 {
			t.Fatalf("%v\n%s\n%s\n%s", live.Notes, text, files.Stream, files.HTTP)
		}
		if diff := cmp.Diff(texts(edge), texts(live.Edge)); diff != "" {
			t.Fatalf("%s\n%s\n%s\n%s", diff, text, files.Stream, files.HTTP)
		}
	}
}

// addressed is an edge with the addresses that its fleet gives.
func addressed(spec *desired.Edge, fleet *desired.Fleet) *desired.Edge {
	return placedBy(spec, func(id desired.ID, _ string) (string, bool) {
		if id.Kind() == desired.KindHost {
			return fleet.Hosts[id.Name()].Address, true
		}
		return map[desired.ID]string{"vm/web": "10.1.1.5", "vm/v6": "fd00:0::9"}[id], true
	})
}
