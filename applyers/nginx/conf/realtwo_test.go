package conf

import (
	"strings"
	"testing"
	"time"

	"berth/desired"
)

// Two edges of one nginx share a port by different addresses.
func TestRealTwoEdges(t *testing.T) {
	n := newRealNginx(t)
	port := widePort(t)
	headed, plain := newBackend(t, "headed", true), newBackend(t, "plain", false)
	var both Files
	for name, address := range map[string]string{"west": "127.0.0.1:", "east": "127.0.0.2:"} {
		e := &desired.Edge{
			Name: name, Upstreams: map[string]desired.Upstream{"headed": one(headed, 0)},
			TLS: desired.EdgeTLS{
				Listen: desired.List{address + port}, Default: to(reject),
				Routes: map[string]desired.Target{name + ".headed.org": to("headed"), name + ".plain.org": to(plain.address)},
			},
		}
		files, err := Render(e, Options{Mark: Mark{Fleet: "pegasus", ID: desired.MakeID("edge", name)}})
		if err != nil {
			t.Fatal(err)
		}
		both.Stream = append(both.Stream, files.Stream...)
	}
	n.start(t, both)
	for name, want := range map[string]string{
		"127.0.0.1 west.headed.org": "headed " + asker, "127.0.0.1 west.plain.org": "plain nobody", "127.0.0.1 east.plain.org": "EOF",
		"127.0.0.2 east.headed.org": "headed " + asker, "127.0.0.2 east.plain.org": "plain nobody", "127.0.0.2 west.headed.org": "EOF",
	} {
		address, sni, _ := strings.Cut(name, " ")
		conn, err := dialFrom(t.Context(), asker, address+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if got := answer(conn, hello(t, sni)); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}
