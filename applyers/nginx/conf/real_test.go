package conf

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/desired"
)

// realNginx is nginx, with a configuration that includes what is rendered.
type realNginx struct {
	dir, binary string
}

func newRealNginx(t *testing.T) realNginx {
	t.Helper()
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("needs nginx; set BERTH_REAL=1")
	}
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("nginx and libnginx-mod-stream must be installed: %v", err)
	}
	n := realNginx{dir: t.TempDir(), binary: binary}
	user := ""
	if os.Geteuid() == 0 {
		// Its workers write large bodies into the test's directory.
		user = "user root;\n"
	}
	n.write(t, "nginx.conf", user+"load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"+
		"daemon off;\npid "+n.path("pid")+";\nerror_log stderr warn;\nevents {}\n"+
		"stream {\n    include stream.conf;\n}\n"+
		"http {\n    access_log off;\n    client_body_temp_path "+n.path("body")+";\n    proxy_temp_path "+n.path("proxy")+";\n"+
		"    fastcgi_temp_path "+n.path("fcgi")+";\n    uwsgi_temp_path "+n.path("uwsgi")+";\n    scgi_temp_path "+n.path("scgi")+";\n    include http.conf;\n}\n")
	return n
}

func (n realNginx) path(name string) string { return filepath.Join(n.dir, name) }

func (n realNginx) write(t interface{ Fatal(...any) }, name, text string) {
	if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// says is what nginx's test says to files; "" if it finds nothing, not even to warn of.
func (n realNginx) says(t interface{ Fatal(...any) }, files Files) string {
	n.write(t, "stream.conf", string(files.Stream))
	n.write(t, "http.conf", string(files.HTTP))
	out, err := exec.CommandContext(context.Background(), n.binary, "-t", "-q", "-c", n.path("nginx.conf")).CombinedOutput()
	out = bytes.TrimSpace(out)
	if err != nil && len(out) == 0 {
		return err.Error()
	}
	return string(out)
}

// nginx itself takes whatever is rendered, and warns of nothing.
func TestRealAnyEdgeIsTaken(t *testing.T) {
	n := newRealNginx(t)
	rapid.Check(t, func(t *rapid.T) {
		e := anEdge(t)
		files, err := Render(e, Options{Mark: testMark(), IPv6: true, Witness: Witness{Name: "00." + Domain, Stream: "127.0.0.1:1", HTTP: "127.0.0.1:2"}})
		if err != nil {
			t.Fatal(err)
		}
		if said := n.says(t, files); said != "" {
			t.Fatalf("%s\n%s\n%s", said, files.Stream, files.HTTP)
		}
	})
}

// manyNames is an edge with so many names on both sides.
func manyNames(count int) *desired.Edge {
	e := &desired.Edge{
		Name:      "main",
		Upstreams: map[string]desired.Upstream{"lab": {Servers: desired.Servers{{To: to("10.1.1.9:443"), Weight: 1}}, ProxyProtocol: true, Connect: plainWay().connect, Idle: plainWay().idle}},
		TLS:       desired.EdgeTLS{Listen: desired.List{"20443"}, Default: to(reject), Routes: make(map[string]desired.Target, count)},
		HTTP:      desired.EdgeHTTP{Listen: desired.List{"20080"}, Default: to(redirect), Routes: make(map[string]desired.Target, count)},
	}
	for i := range count {
		name := fmt.Sprintf("app-%d.some.example.com", i)
		if i%4 == 0 {
			name = "." + name
		}
		target := to(fmt.Sprintf("10.%d.%d.%d:443", i>>16, i>>8&255, i&255))
		if i%8 == 1 {
			target = to("lab")
		}
		e.TLS.Routes[name], e.HTTP.Routes[name] = target, target
	}
	return e
}

func TestRealSizes(t *testing.T) {
	n := newRealNginx(t)
	long := strings.Repeat("a-very-long-label-indeed-it-is.", 8) + "x.org"
	if len(long) != 253 {
		t.Fatalf("the name has %d characters", len(long))
	}
	for _, count := range []int{0, 1, 46, 99, 100, 101, 1000, 100_000} {
		for _, name := range []string{"", long, "." + long, strings.Repeat("n", 46), strings.Repeat("n", 47), "*." + strings.Repeat("n", 44), "." + strings.Repeat("n", 46)} {
			if count > 1000 && name != "."+long {
				continue
			}
			e := manyNames(count)
			if name != "" {
				e.TLS.Routes[name], e.HTTP.Routes[name] = to("10.0.0.1:443"), to("10.0.0.1:80")
			}
			files, err := Render(e, Options{Mark: testMark(), IPv6: true})
			if err != nil {
				t.Fatal(err)
			}
			if said := n.says(t, files); said != "" {
				t.Errorf("%d names and %q: %s", count, name, said)
			}
		}
	}
}

// The ways in which a real edge broke: nginx's own test sees nothing wrong in the
// first two, and starts not at all, for all names, with the third.
func TestRealNginxDoesNotSee(t *testing.T) {
	n := newRealNginx(t)
	e := pegasus()
	e.TLS.Listen, e.HTTP.Listen, e.TCP, e.UDP = desired.List{"127.0.0.1:20443"}, desired.List{"127.0.0.1:20080"}, nil, nil
	o := Options{Mark: testMark()}
	for _, row := range []struct{ name, old, now, nginx, shows string }{
		{"an upstream that is not defined", ".lab.example.com berth_main_lab;", ".lab.example.com https_lab_backend;", "", "tls.routes[.lab.example.com]: https_lab_backend → lab"},
		{"a missing hostnames", "    hostnames;\n", "", "", "tls.routes[.lab.example.com]:  → lab"},
		{"a port that is none", "10.111.1.9:443", "10.111.1.9:99999", "", "tls.routes[git.example.com]: 10.111.1.9:99999 → 10.111.1.9:443"},
		{"a name that does not resolve", "server 10.111.1.212:443", "server lab-proxy.invalid:443", "host not found in upstream", "upstreams.lab.servers: lab-proxy.invalid:443 → 10.111.1.212:443"},
	} {
		files, err := Render(e, o)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.ReplaceAll(string(files.Stream), row.old, row.now)
		if edited == string(files.Stream) {
			t.Fatalf("%s: nothing to edit", row.name)
		}
		files.Stream = []byte(edited)
		if said := n.says(t, files); (said == "") != (row.nginx == "") || !strings.Contains(said, row.nginx) {
			t.Errorf("%s: nginx says %q", row.name, said)
		}
		live, err := Parse(files, sources(o))
		if err != nil {
			t.Fatal(err)
		}
		if got := differs(live.Edge, e); !slices.Equal(got, []string{row.shows}) {
			t.Errorf("%s shows as %q", row.name, got)
		}
		if len(live.Notes) == 0 && row.nginx == "" {
			t.Errorf("%s: no line is told", row.name)
		}
		if _, err := Render(live.Edge, o); err == nil && row.name != "a missing hostnames" {
			t.Errorf("%s: it could be written newly", row.name)
		}
	}
}

// So many guests that each want to be told who asks.
func TestRealManyUpstreams(t *testing.T) {
	n := newRealNginx(t)
	e := manyNames(0)
	e.HTTP = desired.EdgeHTTP{}
	for i := range 5000 {
		name := fmt.Sprintf("web-%d.443", i)
		e.Upstreams[name] = desired.Upstream{Servers: desired.Servers{{To: to(fmt.Sprintf("10.0.%d.%d:443", i>>8, i&255)), Weight: 1}}, ProxyProtocol: i%2 == 0, Connect: plainWay().connect, Idle: plainWay().idle}
		e.TLS.Routes[fmt.Sprintf("web-%d.example.com", i)] = to(name)
	}
	o := Options{Mark: testMark(), IPv6: true}
	files, err := Render(e, o)
	if err != nil {
		t.Fatal(err)
	}
	if said := n.says(t, files); said != "" {
		t.Error(said)
	}
	live, err := Parse(files, sources(o))
	if err != nil {
		t.Fatal(err)
	}
	if got := differs(live.Edge, e); got != nil || live.Notes != nil {
		t.Errorf("%v, %v", got, live.Notes)
	}
}
