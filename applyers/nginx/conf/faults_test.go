package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// Whatever nginx would find out only when somebody connects, or when it starts, is
// refused, and nothing is rendered.
func TestFaults(t *testing.T) {
	up := func(e *desired.Edge, change func(*desired.Upstream)) {
		u := e.Upstreams["web"]
		u.Servers = slices.Clone(u.Servers)
		change(&u)
		e.Upstreams["web"] = u
	}
	for want, spoil := range map[string]func(*desired.Edge){
		`tls.routes[a.org]: there is no upstream https_lab_backend: nginx would find out only when somebody connects`: func(e *desired.Edge) { e.TLS.Routes["a.org"] = to("https_lab_backend") },
		`tls.default: there is no upstream prod2: nginx would find out only when somebody connects`:                   func(e *desired.Edge) { e.TLS.Default = to("prod2") },
		`tls.default: it is missing: nginx needs to know where all other names go`:                                    func(e *desired.Edge) { e.TLS.Default = to("") },
		`tls.default: redirect is for http alone: write reject, or where it goes`:                                     func(e *desired.Edge) { e.TLS.Default = to("redirect") },
		`tls.default: the address of vm/web is not known yet`:                                                         func(e *desired.Edge) { e.TLS.Default = to("vm/web:443") },
		`http.routes[a.org]: "nas.lan:80" is no address with a port: nginx would find out only when somebody connects`: func(e *desired.Edge) {
			e.HTTP.Routes["a.org"] = to("nas.lan:80")
		},
		`tls.routes[a.org]: "10.0.0.1:99999" is no address with a port: nginx would find out only when somebody connects`:   func(e *desired.Edge) { e.TLS.Routes["a.org"] = to("10.0.0.1:99999") },
		`tls.routes[a.org]: "10.0.0.1" is no address with a port: nginx would find out only when somebody connects`:         func(e *desired.Edge) { e.TLS.Routes["a.org"] = to("10.0.0.1") },
		`tls.routes[a.org]: "" is no address with a port: nginx would find out only when somebody connects`:                 func(e *desired.Edge) { e.TLS.Routes["a.org"] = to("") },
		`tls.routes[a.org]: "[fe80::1%eth0]:4" is no address with a port: nginx would find out only when somebody connects`: func(e *desired.Edge) { e.TLS.Routes["a.org"] = to("[fe80::1%eth0]:4") },
		`tls.routes[a.org]: "[FD00::1]:443" is spelled in a way of its own: write [fd00::1]:443`:                            func(e *desired.Edge) { e.TLS.Routes["a.org"] = to("[FD00::1]:443") },
		`tls.routes[*.x.org]: .x.org is routed, too: write .x.org for all below it, and nothing else`: func(e *desired.Edge) {
			e.TLS.Routes["*.x.org"], e.TLS.Routes[".x.org"] = to(reject), to(reject)
		},
		`tls.routes[A.org]: "A.org" is no name: write lower-case labels of letters, digits and -, with dots between`:  func(e *desired.Edge) { e.TLS.Routes["A.org"] = to(reject) },
		`tls.routes[a.org; b]: "a.org; b" is no name: write lower-case labels of letters, digits and -, with dots be`: func(e *desired.Edge) { e.TLS.Routes["a.org; b"] = to(reject) },
		`tls.routes.default: "default" is a word of nginx's own`:                                                      func(e *desired.Edge) { e.TLS.Routes["default"] = to(reject) },
		`http.routes[x.berth.invalid]: "x.berth.invalid" is kept for Berth's own use`:                                 func(e *desired.Edge) { e.HTTP.Routes["x."+Domain] = to(reject) },
		`tls.listen: there is nothing to listen on`:                                                                   func(e *desired.Edge) { e.TLS.Listen = nil },
		`tls.listen: "lan:443" is nothing to listen on: write a port, or an address with a port`:                      func(e *desired.Edge) { e.TLS.Listen = desired.List{"lan:443"} },
		`http.listen: port 443 is tls.listen's on all addresses`:                                                      func(e *desired.Edge) { e.HTTP.Listen = desired.List{"10.0.0.1:443"} },
		`http.listen: 443 is listened on for tls.listen already`:                                                      func(e *desired.Edge) { e.HTTP.Listen = desired.List{"443"} },
		`tcp.443: 443 is listened on for tls.listen already`:                                                          func(e *desired.Edge) { e.TCP["443"] = to(reject) },
		`tcp.25: 25 is listened on for tcp[0.0.0.0:25] already`:                                                       func(e *desired.Edge) { e.TCP["0.0.0.0:25"] = to(reject) },
		`udp.0: "0" is nothing to listen on: write a port, or an address with a port`:                                 func(e *desired.Edge) { e.UDP["0"] = to(reject) },
		`udp.53: lab gets a PROXY header, which UDP has none of: name an upstream without proxyProtocol`:              func(e *desired.Edge) { e.UDP["53"] = to("lab") },
		`http.proxyProtocol.from: "nobody" is no address: write one, or a network as in 10.0.0.0/8`:                   func(e *desired.Edge) { e.HTTP.ProxyProtocol.From = desired.List{"nobody"} },
		`upstreams.web.servers: it has no server that is no backup: nginx would not start`:                            func(e *desired.Edge) { up(e, func(u *desired.Upstream) { u.Servers = u.Servers[1:] }) },
		`upstreams.web.servers: 10.111.1.5:80 stands here twice: give it a weight`:                                    func(e *desired.Edge) { up(e, func(u *desired.Upstream) { u.Servers[1] = u.Servers[0] }) },
		`upstreams.web.servers: the address of vm/web is not known yet`:                                               func(e *desired.Edge) { up(e, func(u *desired.Upstream) { u.Servers[1].To = to("vm/web:80") }) },
		`upstreams.web.servers: 10.111.1.5:80 has weight -1: write 1 to 65535`:                                        func(e *desired.Edge) { up(e, func(u *desired.Upstream) { u.Servers[0].Weight = -1 }) },
		`upstreams.web.connect: 1µs can't be waited for: write seconds, minutes or hours`: func(e *desired.Edge) {
			up(e, func(u *desired.Upstream) { u.Connect = desired.Duration(time.Microsecond) })
		},
		`upstreams.web.idle: 400d is too long: write no more than 365d`: func(e *desired.Edge) {
			up(e, func(u *desired.Upstream) { u.Idle = desired.Duration(400 * 24 * time.Hour) })
		},
		`upstreams.web.keepalive: -1 connections can't be kept: write 0 to 65535`:                         func(e *desired.Edge) { up(e, func(u *desired.Upstream) { u.Keepalive = -1 }) },
		`upstreams.a;b.servers: "a;b" is no name of an upstream: write letters, digits, - and _`:          func(e *desired.Edge) { e.Upstreams["a;b"] = e.Upstreams["web"] },
		`upstreams.reject.servers: "reject" is a target of its own: name the upstream otherwise`:          func(e *desired.Edge) { e.Upstreams["reject"] = e.Upstreams["web"] },
		`upstreams.web.servers: web is the same to nginx as WEB: give it another name`:                    func(e *desired.Edge) { e.Upstreams["WEB"] = e.Upstreams["web"] },
		`tls.default: "10.0.0.1:443 x" is no address with a port: nginx would find out only when somebod`: func(e *desired.Edge) { e.TLS.Default = to("10.0.0.1:443 x") },
	} {
		e := pegasus()
		spoil(e)
		all := Faults(e)
		if len(all) != 1 || !strings.HasPrefix(fmt.Sprintf("%s: %s", all[0].Path, all[0].Reason), want) {
			t.Errorf("got %q\nnot %q", all, want)
		}
		files, err := Render(e, Options{Mark: testMark()})
		var unfit *UnfitError
		if !errors.As(err, &unfit) || files.Stream != nil || files.HTTP != nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("rendered all the same, or %v", err)
		}
	}
	if all := Faults(pegasus()); all != nil {
		t.Errorf("got %v", all)
	}
}

// What somebody broke by hand keeps no other route from being changed.
func TestLiveIsForgiven(t *testing.T) {
	live := pegasus()
	live.TLS.Routes["git.example.com"] = to("nas.lan:443")
	live.TLS.Routes["~^x"] = to("10.0.0.1:443")
	live.TLS.Default = to("nowhere")
	web := live.Upstreams["web"]
	web.Servers = desired.Servers{{To: to("web.lan:80"), Weight: 1}}
	live.Upstreams["web"] = web
	next := pegasus()
	next.TLS.Default, next.Upstreams["web"] = live.TLS.Default, web
	next.TLS.Routes["git.example.com"], next.TLS.Routes["~^x"] = to("nas.lan:443"), to("10.0.0.1:443")
	next.TLS.Routes["new.example.com"] = to("10.0.0.9:443")
	o := Options{Mark: testMark(), Live: live}
	files, err := Render(next, o)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse(files, sources(o))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(next, back.Edge); diff != "" {
		t.Error(diff)
	}
	for want, spoil := range map[string]func(){
		`tls.routes[git.example.com]: "nas.lan:444" is no address`: func() { next.TLS.Routes["git.example.com"] = to("nas.lan:444") },
		`tls.routes[git.example.com]: "nas.lan:443; x" is no addr`: func() {
			next.TLS.Routes["git.example.com"] = to("nas.lan:443; x")
			live.TLS.Routes["git.example.com"] = to("nas.lan:443; x")
		},
	} {
		spoil()
		if _, err := Render(next, o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNothingThere(t *testing.T) {
	o := Options{Mark: testMark()}
	files, err := Render(&desired.Edge{Name: "main"}, o)
	if err != nil || files.Stream != nil || files.HTTP != nil {
		t.Errorf("an empty edge is %q, %v", files, err)
	}
	for name, files := range map[string]Files{
		"no files": {}, "blank files": {Stream: []byte("\n "), HTTP: []byte(" ")}, "files of ours that say nothing": {Stream: o.Mark.Blank(), HTTP: o.Mark.Blank()},
	} {
		if live, err := Parse(files, sources(o)); err != nil || live.Edge != nil {
			t.Errorf("%s are %+v, %v", name, live, err)
		}
	}
	var damaged *DamagedError
	if _, err := Parse(Files{HTTP: append(o.Mark.Blank(), "server { listen 80; }"...)}, sources(o)); !errors.As(err, &damaged) || damaged.File != "http.conf" {
		t.Errorf("got %v", err)
	}
	var foreign *ForeignError
	if _, err := Parse(Files{Stream: []byte("server { }")}, sources(o)); !errors.As(err, &foreign) || foreign.File != "stream.conf" {
		t.Errorf("got %v", err)
	}
	other := o
	other.Mark.UID = "0"
	files, err = Render(pegasus(), other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(files, sources(o)); !errors.As(err, &foreign) {
		t.Errorf("a file of a copied repository's: %v", err)
	}
	// One of two that is damaged is told of; the other counts.
	if files, err = Render(pegasus(), o); err != nil {
		t.Fatal(err)
	}
	files.Stream = append(o.Mark.Blank(), "# all gone\n"...)
	live, err := Parse(files, sources(o))
	if err != nil || live.Edge.HTTP.Default != to("web") || live.Edge.TLS.Default != to("") || len(live.Notes) != 1 {
		t.Errorf("got %+v, %v", live, err)
	}
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]string{
		"5s": "5s", "90": "1m30s", "1h30m": "1h30m", "1h 30m": "1h30m", "500ms": "500ms", "1d": "1d", "2w": "14d", "1M": "30d", "1y": "365d", "0": "0s",
		"": "", "s": "", "5x": "", "5ss": "", "-5s": "", "99999999999999999999": "", "999999y": "", "1.5s": "",
	} {
		got := ""
		if d, err := parseSpan(text); err == nil {
			got = d.String()
		}
		if got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}
