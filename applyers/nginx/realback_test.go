package nginx

import (
	"strings"
	"testing"

	"berth/drift"
)

// Once it is said that the former file is back, nobody is led by the other any more.
func TestRealBackIsBack(t *testing.T) {
	b := newRealBench(t)
	b.write("nginx.conf", strings.Replace(b.read("nginx.conf"), "worker_processes 2", "worker_processes 12", 1))
	b.reload()
	one := backend(t, "one")
	b.route("git.example.com", one)
	b.settle()
	for range 4 {
		b.route("git.example.com", nobody(t))
		_, outcomes := b.turn()
		if o := outcomes[0]; o.Status != drift.Failed || !strings.HasSuffix(o.Reason, "; the former file is back") {
			t.Fatalf("%s: %s", o.Status, o.Reason)
		}
		for range 20 {
			b.goes("git.example.com", "one")
		}
	}
}
