package nginx

import (
	"strings"
	"testing"
)

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

func TestMapIncludesItself(t *testing.T) {
	b := newBench(t)
	b.settle()
	b.write("more.map", "include more.map;\n")
	b.edit("    hostnames;", "    hostnames; include more.map;")
	observed := b.observe()
	if len(observed.Blind) != 1 || !strings.Contains(observed.Blind[0].Reason, "files include one another") {
		t.Errorf("got %+v", observed)
	}
}
