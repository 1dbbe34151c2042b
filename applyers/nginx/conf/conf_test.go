package conf

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// testMark is the mark of the tests' files.
func testMark() Mark { return Mark{Fleet: "pegasus", UID: "5b1f0c2e", ID: "edge/main"} }

func to(text string) desired.Target { return desired.Target{Text: text} }

func TestRoundTrip(t *testing.T) {
	edge := &desired.Edge{Name: "main", TLS: desired.EdgeTLS{
		Listen: desired.List{"443", "10.0.0.1:8443"}, Default: to("10.0.0.1:443"),
		Routes: map[string]desired.Target{".a.org": to("10.0.0.2:443"), "a.org": to("10.0.0.3:443"), "*.b.org": to("reject")},
	}}
	files, err := Render(edge, Options{Mark: testMark(), IPv6: true, Witness: Witness{Name: "00." + Domain, Stream: "127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	live, err := Parse(files, Sources{Mark: testMark(), IPv6: true, Stream: "stream.conf"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(edge, live.Edge); diff != "" {
		t.Error(diff)
	}
	if live.Witness != (Witness{Name: "00." + Domain, Stream: "127.0.0.1:1"}) || live.Notes != nil {
		t.Errorf("got %+v", live)
	}
}
