package nginx

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]string{
		"a.example.com":                "",
		".example.com":                 "",
		"*.example.com":                "",
		"localhost":                    "",
		"_acme.x-1.example":            "",
		strings.Repeat("a", 63) + ".b": "",
		"":                             `"" is no name: it has 0 characters`,
		".":                            `"." is no name: it has 0 characters`,
		"*":                            `"*" is no name: the wildcard stands for whole labels, as in *.example.com`,
		"*a.example.com":               `"*a.example.com" is no name: the wildcard stands for whole labels, as in *.example.com`,
		"..a":                          `"..a" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"a.*.b":                        `"a.*.b" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"A.example.com":                `"A.example.com" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"a b":                          `"a b" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"a;b":                          `"a;b" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"~^a$":                         `"~^a$" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"default":                      `"default" is a word of nginx's own`,
		".hostnames":                   `".hostnames" is a word of nginx's own`,
		"x.berth.invalid":              `"x.berth.invalid" is kept for Berth's own use`,
	} {
		got := ""
		if err := validName(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}

func TestValidTarget(t *testing.T) {
	for target, fit := range map[string]bool{
		"10.1.1.1:443": true, "[fd00::1]:443": true, "reject": true,
		"10.1.1.1:0": false, "10.1.1.1:99999": false, "10.1.1.1": false, "nas.lan:443": false, "": false, "[fe80::1%eth0]:443": false, "vm/web:443": false,
	} {
		if err := validTarget(target); (err == nil) != fit {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestListens(t *testing.T) {
	for _, row := range []struct {
		all  string
		ipv6 bool
		want string
	}{
		{"443", true, "443 [::]:443"},
		{"443", false, "443"},
		{"443 8443", true, "443 [::]:443 8443 [::]:8443"},
		{"0.0.0.0:443", true, "0.0.0.0:443"},
		{"10.0.0.1:443 [::]:443", true, "10.0.0.1:443 [::]:443"},
		{"", true, "there is nothing to listen on"},
		{"443 [::]:443", true, "[::]:443 is listened on twice"},
		{"0", true, `"0" is nothing to listen on: write a port, or an address with a port`},
		{"lan:443", true, `"lan:443" is nothing to listen on: write a port, or an address with a port`},
	} {
		all := desired.List(strings.Fields(row.all))
		words, err := listens(all, row.ipv6)
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		} else if back := listened(words, row.ipv6); !back.Equal(all) {
			t.Errorf("%q came back as %q", all, back)
		}
		if got != row.want {
			t.Errorf("%q: %s", row.all, got)
		}
	}
	if got := listened([]string{"443"}, true); !slices.Equal(got, []string{"0.0.0.0:443"}) {
		t.Errorf("without [::]:443 it is %q", got)
	}
}

// A name may go elsewhere than what is below it.
func TestNameBesideApex(t *testing.T) {
	b := newBench(t)
	b.route(".x.org", "10.1.1.1:443")
	b.settle()
	if !strings.Contains(b.managed(), " .x.org 10.1.1.1:443;") {
		t.Errorf("it routes\n%s", b.managed())
	}
	b.route(".x.org", "10.1.1.1:443", "x.org", "10.1.1.2:443", "*.x.org", "10.1.1.3:443")
	b.expect(text(b.plan()), `
edge/main route
    tls.routes[*.x.org]  → 10.1.1.3:443 held: .x.org is routed, too: write .x.org for all below it, and nothing else
    tls.routes[x.org]  → 10.1.1.2:443
`)
	b.route(".x.org", "10.1.1.1:443", "x.org", "10.1.1.2:443")
	b.settle()
	if !strings.Contains(b.managed(), " *.x.org 10.1.1.1:443;") || !strings.Contains(b.managed(), " x.org 10.1.1.2:443;") {
		t.Errorf("it routes\n%s", b.managed())
	}
	b.route(".x.org", "10.1.1.1:443")
	b.settle()
	if !strings.Contains(b.managed(), " .x.org 10.1.1.1:443;") || strings.Contains(b.managed(), " x.org") {
		t.Errorf("it routes\n%s", b.managed())
	}
}

// testMark is the mark of the tests' files.
func testMark() mark { return mark{fleet: "pegasus", uid: "5b1f0c2e", id: "edge/main"} }

// Whatever stands in a file of ours: reading it ends, and what can be written
// again reads the same.
func FuzzParse(f *testing.F) {
	first, err := stream{
		mark: testMark(), listen: desired.List{"443", "10.0.0.1:8443"}, def: desired.Target{Text: "10.0.0.1:443"},
		routes: map[string]desired.Target{".a.org": {Text: "10.0.0.2:443"}, "*.b.org": {Text: reject}},
		probe:  probe{name: "00." + probeDomain, to: "127.0.0.1:1"},
	}.render(true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	body := func(entries string) []byte {
		return bytes.Replace(first, []byte("hostnames;"), []byte("hostnames;\n"+entries), 1)
	}
	f.Add(body(`A.org 1; "b;c" 2; d "e f"; ~x$ y; \default z; default q; # c`))
	f.Add(body(`include /dev/null; x {`))
	f.Add(body("}}"))
	f.Add([]byte("server { proxy_pass $berth_main_target; listen; } map $ssl_preread_server_name $berth_main_target { default; }"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.Contains(content, []byte("include")) {
			// It would read files of this machine.
			return
		}
		s, err := parse("f", content, testMark(), "/nowhere", true)
		if err != nil {
			return
		}
		again, err := s.render(true)
		if err != nil {
			return
		}
		back, err := parse("f", again, testMark(), "/nowhere", true)
		if err != nil {
			t.Fatalf("%v in\n%s", err, again)
		}
		if diff := cmp.Diff(s.edge(), back.edge()); diff != "" {
			t.Errorf("%s\n%s", diff, again)
		}
	})
}

// A name that is let through stays one entry.
func FuzzName(f *testing.F) {
	for _, name := range []string{"a.org", ".a.org", "*.a.org", "a;b", "default", "a\n", "\\a", "a{", "~a", "#a", "*", "berth.invalid"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if validName(name) != nil {
			return
		}
		s := stream{
			mark: testMark(), listen: desired.List{"443"}, def: desired.Target{Text: reject},
			routes: map[string]desired.Target{name: {Text: "10.0.0.1:443"}},
		}
		content, err := s.render(false)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parse("f", content, testMark(), "/nowhere", false)
		if err != nil || !cmp.Equal(s.edge(), back.edge()) {
			t.Errorf("%q became %v, %v", name, back.routes, err)
		}
	})
}

func TestMapIncludesItself(t *testing.T) {
	b := newBench(t)
	b.settle()
	b.write("more.map", "include more.map;\n")
	b.edit("    hostnames;", "    hostnames; include more.map;")
	_, err := parse("f", []byte(b.managed()), testMark(), b.dir, b.applyer.ipv6)
	if err == nil || errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "files include one another") {
		t.Errorf("got %v", err)
	}
}
