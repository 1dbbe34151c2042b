package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the drawings of the examples anew")

// exampleDrawings are the examples that have a drawing beside their manifests.
var exampleDrawings = []string{"pegasus"}

// routesOf runs agent routes.
func routesOf(t testing.TB, args ...string) string {
	t.Helper()
	var out, told bytes.Buffer
	s := streams{In: strings.NewReader(""), Out: &out, Err: &told, Env: func(string) string { return "" }}
	if code := run(t.Context(), s, append([]string{"routes"}, args...)); code != exitSame || told.Len() > 0 {
		t.Fatalf("agent routes %s: %d, %s", strings.Join(args, " "), code, told.String())
	}
	return out.String()
}

// TestExampleDrawings compares the drawing beside an example with what is drawn of it.
func TestExampleDrawings(t *testing.T) {
	for _, name := range exampleDrawings {
		dir := filepath.Join("..", "examples", name)
		file := filepath.Join(dir, "network.svg")
		got := routesOf(t, "--graph", "--manifests", dir)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s is of other manifests (agent routes --graph --manifests examples/%s makes it anew):\n%s", file, name, diff)
		}
	}
}

// manyNames writes a fleet of so many names, each of a Host, behind one edge.
func manyNames(t testing.TB, names int) (dir string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("kind: Fleet\nname: many\nuid: 5b1f0c2e\n---\nkind: Edge\nname: edge\ntls:\n  default: reject\n  routes:\n")
	for i := range names {
		fmt.Fprintf(&b, "    app-%d.example.net: 10.%d.%d.%d:443\n", i, 1+i>>16, i>>8&255, i&255)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.yaml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRoutesCost holds a thousand names, read from their manifests, to a second.
func TestRoutesCost(t *testing.T) {
	dir := manyNames(t, 1000)
	// On a busy machine one may be late.
	took, out := time.Hour, ""
	for range 3 {
		began := time.Now()
		out = routesOf(t, "--manifests", dir)
		took = min(took, time.Since(began))
	}
	if took > time.Second {
		t.Errorf("it took %s at the soonest", took)
	}
	if !strings.Contains(out, "1,001 routes") {
		t.Errorf("%s", out[max(0, len(out)-200):])
	}
}

// BenchmarkRoutes is the whole command, manifests and all, without asking anybody.
func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{10, 1_000} {
		for _, view := range []string{"text", "json", "svg"} {
			b.Run(fmt.Sprintf("%d/%s", n, view), func(b *testing.B) {
				dir := manyNames(b, n)
				for b.Loop() {
					routesOf(b, "--manifests", dir, "--output", view)
				}
			})
		}
	}
}
