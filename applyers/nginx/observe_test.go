package nginx

import (
	"os"
	"strings"
	"testing"

	"berth/applyers"
	"berth/desired"
)

func TestObserve(t *testing.T) {
	const notThere = "\nedge/main route\n    tls.default  → reject\n    tls.listen  → LISTEN\n"
	edited := func(old, with string) func(b *bench) {
		return func(b *bench) {
			b.settle()
			b.edit(old, with)
		}
	}
	for _, row := range []struct {
		name string
		set  func(b *bench)
		want string
	}{
		{"nothing there", func(*bench) {}, notThere},
		{"empty file", func(b *bench) { b.write("berth/stream.conf", " \n") }, notThere},
		{"as it shall be", (*bench).settle, ""},
		{
			"somebody's file",
			func(b *bench) { b.write("berth/stream.conf", "# mine\n") },
			`
edge/main route held: DIR/berth/stream.conf: its first line does not say that Berth made it; move it away, or name another file in nginx.stream
    tls.default  → reject
    tls.listen  → LISTEN
foreign edge/main: DIR/berth/stream.conf: its first line does not say that Berth made it; move it away, or name another file in nginx.stream
`,
		},
		{
			"another fleet's file", edited("pegasus/edge/main 5b1f0c2e;", "pegasus/edge/main 00000000;"),
			`
edge/main route held: DIR/berth/stream.conf: its first line says that it belongs to pegasus/edge/main 00000000; move it away, or name another file in nginx.stream
    tls.default  → reject
    tls.listen  → LISTEN
foreign edge/main: DIR/berth/stream.conf: its first line says that it belongs to pegasus/edge/main 00000000; move it away, or name another file in nginx.stream
`,
		},
		{
			"a directory in its place",
			func(b *bench) { b.write("berth/stream.conf/x", "") },
			`
edge/main route held: DIR/berth/stream.conf: it is no plain file; move it away, or name another file in nginx.stream
    tls.default  → reject
    tls.listen  → LISTEN
foreign edge/main: DIR/berth/stream.conf: it is no plain file; move it away, or name another file in nginx.stream
`,
		},
		{
			"broken off", edited("    proxy_pass $berth_main_target;\n}\n", "    proxy_pass"),
			`
blind edge/main: read the managed file: premature end of file in DIR/berth/stream.conf:31; mend it, or delete it: it is then written anew
`,
		},
		{
			"an entry without a target", edited("    hostnames;", "    hostnames;\n    a.example.com;"),
			`
blind edge/main: read the managed file: invalid number of parameters in DIR/berth/stream.conf:4; mend it, or delete it: it is then written anew
`,
		},
		{
			"server taken out", edited("server {", "types {"),
			notThere + "note DIR/berth/stream.conf: it has no map and server of an edge any more: it will be written anew\n",
		},
		{
			"another time-out", edited("preread_timeout 5s", "preread_timeout 1s"),
			"\nedge/main drain\n    edits[DIR/berth/stream.conf:11] preread_timeout 1s, where Berth writes preread_timeout 5s → " +
				"\n    edits[DIR/berth/stream.conf:30] preread_timeout 1s, where Berth writes preread_timeout 5s → \n",
		},
		{
			"no nginx", func(b *bench) { _ = os.Remove(b.spec.Nginx.Config) },
			`
blind edge/main: open DIR/nginx.conf: no such file or directory; install the packages nginx and libnginx-mod-stream, or name nginx's main file in nginx.config
`,
		},
		{
			"not included", func(b *bench) {
				b.write("nginx.conf", "http { include berth/*.conf; }\nstream { include other/*.conf; }\n")
			},
			`
blind edge/main: DIR/nginx.conf does not include DIR/berth/stream.conf in a stream block; install the package libnginx-mod-stream, and add to the stream block in DIR/nginx.conf: include DIR/berth/stream*.conf;
`,
		},
		{
			"no stream block", func(b *bench) {
				b.write("nginx.conf", "http { include berth/*.conf; }\n")
			},
			`
blind edge/main: DIR/nginx.conf does not include DIR/berth/stream.conf in a stream block; install the package libnginx-mod-stream, and add to DIR/nginx.conf, outside of any block: stream { include DIR/berth/stream*.conf; }
`,
		},
		{
			"no stream block, but the module", func(b *bench) {
				b.write("nginx.conf", "include modules-enabled/*.conf;\nhttp { include berth/*.conf; }\n")
				b.write("modules-enabled/50-mod-stream.conf", "load_module modules/ngx_stream_module.so;\n")
			},
			`
blind edge/main: DIR/nginx.conf does not include DIR/berth/stream.conf in a stream block; add to DIR/nginx.conf, outside of any block: stream { include DIR/berth/stream*.conf; }
`,
		},
		{
			"included in both blocks", func(b *bench) {
				b.write("nginx.conf", "http { include berth/*.conf; }\nstream { include berth/*.conf; }\n")
			},
			`
blind edge/main: DIR/nginx.conf includes DIR/berth/stream.conf in the http block, too; let that include name DIR/berth/http.conf alone, or write a file of another directory in nginx.stream
`,
		},
		{
			"broken configuration", func(b *bench) { b.write("nginx.conf", "http {\n") },
			`
blind edge/main: nginx's configuration could not be read: unexpected end of file, expecting "}" in DIR/nginx.conf:2; mend it, or name another in nginx.config
`,
		},
		{
			"included from an included file, by its own name",
			func(b *bench) {
				b.write("nginx.conf", "include modules/*.conf;\ninclude parts/*.conf;\n")
				b.write("parts/http.conf", "http { include berth/http*.conf; }\n")
				b.write("parts/stream.conf", "stream {\n  include 'inner.conf'; }\n")
				b.write("inner.conf", "include\n  "+b.spec.Nginx.Stream+" ;\n")
				b.route("a.example.com", "10.1.1.1:443")
				b.settle()
				b.noLeftovers()
				if b.fake.tested == "" {
					b.t.Error("nothing was tested")
				}
			},
			"",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			row.set(b)
			b.expect(text(b.plan()), row.want)
		})
	}
}

func TestObserveOnly(t *testing.T) {
	b := newBench(t)
	b.settle()
	observed, err := b.applyer.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{"edge/other"}})
	if err != nil || len(observed.Lives) != 0 {
		t.Errorf("%+v, %v", observed, err)
	}
}

func TestStagedCopiesNameNothingElse(t *testing.T) {
	b := newBench(t)
	b.write("berth/other.conf", "# other\n")
	b.settle()
	if !strings.Contains(b.fake.tested, "# other\n") || strings.Count(b.fake.tested, "# berth:") != 1 {
		t.Errorf("nginx tested\n%s", b.fake.tested)
	}
	b.route("a.example.com", "10.1.1.1:443")
	b.settle()
	if strings.Count(b.fake.tested, "# berth:") != 1 {
		t.Errorf("nginx tested\n%s", b.fake.tested)
	}
}
