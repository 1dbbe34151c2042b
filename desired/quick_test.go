package desired

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestQuick holds that what is large, and what is wrong all over, is loaded in
// time that grows with its size alone.
func TestQuick(t *testing.T) {
	docs := func(n int, one func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(one(i) + "\n---\n")
		}
		return b.String()
	}
	guest := func(words string) func(int) string {
		return func(i int) string {
			return fmt.Sprintf("{kind: VM, name: a%d, disks: {scsi0: {size: 8GiB}}, %s}", i, strings.ReplaceAll(words, "#", strconv.Itoa(i)))
		}
	}
	chain := func(n int) string {
		return docs(n, func(i int) string {
			if i == 0 {
				return "{kind: Profile, name: p0}"
			}
			return fmt.Sprintf("{kind: Profile, name: p%d, uses: [p%d], tags: [t%d]}", i, i-1, i)
		})
	}
	for _, c := range []struct{ name, text, want string }{
		{"guests over many profiles", chain(1000) + docs(400, guest("uses: [p999]")), ""},
		{"too many profiles", chain(3000) + guest("uses: [p2999]")(0), "a.yaml:2001:1: profile/p1000: uses: more than 1000 profiles lie over each other here: make fewer"},
		{"needs that are not there", docs(5000, guest("needs: [vm/b#]")), `a.yaml:1:60: vm/a0: needs: no VM "vm/b0": correct the name, or add it`},
		{"one volume, many readers", "{kind: DataVM, name: d, disks: {scsi0: {name: x, size: 8GiB}}}\n---\n" + docs(5000, func(i int) string {
			return fmt.Sprintf("{kind: VM, name: a%d, disks: {scsi0: {volume: d/x, readOnly: true}}}", i)
		}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := cpu()
			first := ""
			if got := problems(t, files("a.yaml", c.text)); len(got) > 0 {
				first = got[0]
			}
			if first != c.want {
				t.Errorf("got  %q\nwant %q", first, c.want)
			}
			if took := cpu() - start; took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
