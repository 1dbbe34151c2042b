package nginx

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// TestInTheWay has servers of nginx's own listen where an edge shall.
func TestInTheWay(t *testing.T) {
	const streamBlock, httpBlock = "stream { include berth/stream*.conf; ", "http { include berth/http*.conf; include sites-enabled/*; "
	for _, row := range []struct {
		name, stream, http string
		want               string // "" is nothing; else what the blind edge says
	}{
		{"nothing else", "", "", ""},
		{"Debian's page", "", "site", "DIR/sites-enabled/default:2: a server of nginx's own has 0.0.0.0:80, as this edge (http.listen); rm DIR/sites-enabled/default, unless there is more in it than Debian's welcome page"},
		{"a site of its own name on 80", "", "server { listen 80; server_name a.example.com; }", ""},
		{"a default server elsewhere", "", "server { listen 8080 default_server; }", ""},
		{"a default server on another address", "", "server { listen 10.1.1.9:80 default_server; }", ""},
		{"IPv6 only", "", "server { listen [::1]:80 default_server; }", ""},
		{"a map kept by hand", "server { listen 443; }", "", "DIR/nginx.conf:1: a server of nginx's own has 0.0.0.0:443, as this edge (tls.listen)"},
		{"the same over UDP", "server { listen 443 udp; }", "", ""},
		{"a site on 443", "", "server { listen *:443 ssl; }", "DIR/nginx.conf:2: a server of nginx's own has 0.0.0.0:443, as this edge (tls.listen)"},
		{"a site on an address's 443", "", "server { listen 10.1.1.9:443 ssl; }", "DIR/nginx.conf:2: a server of nginx's own has 10.1.1.9:443, as this edge (tls.listen)"},
		{"a stream on an address's 443", "server { listen 10.1.1.9:443; }", "", ""},
		{"a port of tcp", "server { listen 25; }", "", "DIR/nginx.conf:1: a server of nginx's own has 0.0.0.0:25, as this edge (tcp)"},
		{"sockets and names", "server { listen unix:/run/x; }", "server { listen localhost:443; }", ""},
		{"another edge", "include other/*.conf;", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			b.spec.TLS.Listen = desired.List{"443"}
			b.spec.HTTP = desired.EdgeHTTP{Listen: desired.List{"80"}, Default: desired.Target{Text: desired.RedirectTarget}}
			b.spec.TCP = map[string]desired.Target{"25": {Text: "10.1.1.25:25"}}
			if row.http == "site" {
				b.write("sites-enabled/default", "server {\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n}\n")
				row.http = ""
			}
			b.write("other/stream.conf", "# berth: pegasus/edge/other 5b1f0c2e; do not edit\nserver { listen 443; }\n")
			b.write("nginx.conf", streamBlock+row.stream+"}\n"+httpBlock+row.http+"}\n")
			blind := b.observe().Blind
			if row.want == "" {
				if len(blind) != 0 {
					t.Errorf("%+v", blind)
				}
				return
			}
			if len(blind) != 1 {
				t.Fatalf("%+v", blind)
			}
			if got := strings.ReplaceAll(blind[0].Reason+"; "+blind[0].Remedy, b.dir, "DIR"); !strings.HasPrefix(got, row.want) {
				t.Errorf("it says\n%s\nnot\n%s", got, row.want)
			}
		})
	}
}

// TestSetUpAtOnce has nothing set up: all of it is told at once.
func TestSetUpAtOnce(t *testing.T) {
	b := newBench(t)
	b.spec.HTTP = desired.EdgeHTTP{Listen: desired.List{"80"}, Default: desired.Target{Text: desired.RedirectTarget}}
	b.write("nginx.conf", "load_module modules/ngx_stream_module.so;\nhttp { server { listen 80 default_server; } }\n")
	b.expect(text(b.plan()), `
blind edge/main: DIR/nginx.conf does not include DIR/berth/stream.conf in a stream block; DIR/nginx.conf does not include DIR/berth/http.conf in an http block; DIR/nginx.conf:2: a server of nginx's own has 0.0.0.0:80, as this edge (http.listen); add to DIR/nginx.conf, outside of any block: stream { include DIR/berth/stream*.conf; }; and add to the http block in DIR/nginx.conf: include DIR/berth/http*.conf; and move its names into this edge and take it out there, with no reload, which the turn makes; or give either another address
`)
}

// TestInTheWayOfWhatStands tells nothing of an edge that stands: nginx judges.
func TestInTheWayOfWhatStands(t *testing.T) {
	b := newBench(t)
	b.settle()
	b.write("nginx.conf", "stream { include berth/*.conf; server { listen "+b.fake.address()+"; } }\n")
	if blind := b.observe().Blind; len(blind) != 0 {
		t.Errorf("%+v", blind)
	}
}

// TestElsewhere has nginx refuse what is not ours.
func TestElsewhere(t *testing.T) {
	b := newBench(t)
	s := &seat{spec: b.spec, files: [2]managed{{seen: b.spec.Nginx.Stream}, {seen: b.spec.Nginx.HTTP}}}
	for said, want := range map[string]string{
		`[emerg] unknown directive "stream" in ` + b.spec.Nginx.Config + `:84`: "",
		`[emerg] unexpected "}" in /etc/nginx/conf.d/x.conf:1`:                 "; that file is not Berth's: mend it there",
		`[emerg] no such thing in ` + b.spec.Nginx.Stream + `:3`:               "",
		`[emerg] out of memory`: "",
	} {
		if got := s.elsewhere(said); got != want {
			t.Errorf("%s: %q, not %q", said, got, want)
		}
	}
}

// TestDownIsTold has a configuration that says where nginx writes its process id.
func TestDownIsTold(t *testing.T) {
	for _, row := range []struct {
		pid  string
		down bool
	}{{"", false}, {"/elsewhere/nginx.pid", false}, {"run/nginx.pid", true}} {
		b := newBench(t)
		b.applyer.usualPid = b.path("run/nginx.pid")
		said := ""
		if row.pid != "" {
			said = "pid " + filepath.Join(b.dir, row.pid) + ";\n"
		}
		b.write("nginx.conf", said+"stream { include berth/*.conf; }\n")
		told := slices.ContainsFunc(b.observe().Notes, func(n drift.Note) bool { return strings.HasPrefix(n.Text, "nginx does not run") })
		if told != row.down {
			t.Errorf("%q: told %t", row.pid, told)
		}
	}
}

// TestFirstFilesNotTakenOver has an nginx go on by maps that are configured nowhere any
// more: it must not be reloaded without ours.
func TestFirstFilesNotTakenOver(t *testing.T) {
	b := newBench(t)
	b.fake.deaf = true
	b.route("a.example.com", "10.1.1.1:443")
	_, outcomes := b.turn()
	if calls := b.fake.took(); calls != "nginx -t, nginx -s" || b.managed() != "" || outcomes[0].Status != drift.Failed {
		t.Errorf("after %s it is %s: %s", calls, outcomes[0].Status, outcomes[0].Reason)
	}
	b.noLeftovers()
	b.fake.deaf = false
	b.settle()
}
