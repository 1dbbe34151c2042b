package turn

import (
	"slices"
	"testing"

	"berth/desired"
)

func TestMovedEdges(t *testing.T) {
	fleet := func(at, stream, http string) *desired.Fleet {
		edge := &desired.Edge{At: at, Nginx: desired.Nginx{Stream: stream, HTTP: http}, TLS: desired.EdgeTLS{Default: desired.Target{Text: "reject"}}}
		if http != "" {
			edge.HTTP.Default.Text = "redirect"
		}
		return &desired.Fleet{Resources: []*desired.Resource{{ID: "edge/main", Spec: edge}}}
	}
	says := func(file string) string {
		return "it was at " + file + "; what is there stays, and nginx goes on by it: remove that file, and reload nginx"
	}
	for _, row := range []struct {
		before, now *desired.Fleet
		want        []string
	}{
		{nil, fleet("local", "/a", "/b"), nil},
		{fleet("local", "/a", "/b"), fleet("", "/a", "/b"), nil},
		{&desired.Fleet{}, fleet("local", "/a", "/b"), nil},
		{fleet("vm/one", "/a", "/b"), fleet("vm/two", "/a", "/b"), []string{says("/a on vm/one"), says("/b on vm/one")}},
		{fleet("local", "/a", "/b"), fleet("vm/two", "/a", "/b"), []string{says("/a"), says("/b")}},
		{fleet("vm/one", "/a", "/b"), fleet("vm/one", "/c", "/b"), []string{says("/a on vm/one")}},
		{fleet("vm/one", "/a", ""), fleet("vm/two", "/a", "/b"), []string{says("/a on vm/one")}},
	} {
		var got []string
		for _, n := range movedEdges(row.now, row.before) {
			got = append(got, n.Text)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("got %q, want %q", got, row.want)
		}
	}
}
