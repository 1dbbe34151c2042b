package desired

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestHugeProject holds that a small file can't make more guests than anybody
// has.
func TestHugeProject(t *testing.T) {
	var b strings.Builder
	b.WriteString("kind: Project\nname: p\nguests:\n")
	for i := range 300 {
		fmt.Fprintf(&b, "  g%d: {kind: VM}\n", i)
	}
	b.WriteString("environments:\n")
	for i := range 300 {
		fmt.Fprintf(&b, "  e%d: {}\n", i)
	}
	b.WriteString("---\n{kind: VM, name: a, needs: [vm/p-e1-g1]}\n")
	want := []string{"a.yaml:1:1: project/p: with this project, more than 50000 guests are made: make fewer"}
	if got := problems(t, files("a.yaml", b.String())); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
