//go:build linux

package deploy_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cost is what a command of the agent took.
type cost struct {
	wall time.Duration
	// work is the time of the processor outside of the kernel, nginx's own test and
	// reload with it. The kernel looks longer for a free port the more connections
	// there were, and each new name is one.
	work   time.Duration
	memory int // In KiB, at most.
}

func (c cost) String() string {
	return fmt.Sprintf("%s (%s of it worked), %d MiB", c.wall.Round(time.Millisecond), c.work.Round(time.Millisecond), c.memory>>10)
}

// costs runs a command to its end and tells what it took.
func (w *edgeWorld) costs(t *testing.T, want int, args ...string) cost {
	t.Helper()
	var out bytes.Buffer
	cmd := w.command(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { defer close(over); _ = cmd.Wait() }()
	// What Linux calls the high water mark only rises, so the last look is the peak,
	// but for the last milliseconds.
	c, tick := cost{}, time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	pid := 0
	for running := true; running; {
		select {
		case <-over:
			running = false
		case <-tick.C:
			if pid == 0 {
				pid = agentAmong(offspring(cmd.Process.Pid))
			}
			c.memory = max(c.memory, highWater(pid))
		}
	}
	c.wall, c.work = time.Since(began), cmd.ProcessState.UserTime()
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("agent %s exits %d, not %d: %.2000s", strings.Join(args, " "), code, want, out.String())
	}
	return c
}

// highWater is the most memory that a process had, in KiB; 0 if it is gone.
func highWater(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib
		}
	}
	return 0
}

// many is an edge with so many names, of which each leads to one of two backends; the
// last leads to target.
func many(names int, target string) string {
	var text strings.Builder
	text.WriteString("-- fleet.yaml --\nkind: Fleet\nname: many\nuid: 5b1f0c2e\nversion: 1\n-- edge.yaml --\nkind: Edge\nname: edge\ntls:\n  default: reject\n  routes:\n")
	for i := range names - 1 {
		fmt.Fprintf(&text, "    n%d.site-%d.example.test: 10.77.2.%d:443\n", i, i%977, 2+i%2)
	}
	fmt.Fprintf(&text, "    last.example.test: %s\n", target)
	return text.String()
}

// storyGrowth has edges of 10 to 10,000 names: what a turn costs grows as they do. A
// file of manifests takes some 20,000; what is beyond tells storyHuge.
func storyGrowth(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	w.mixedBackends(t)
	type row struct{ first, compare, change cost }
	sizes := []int{10, 1000, 10000}
	rows := make(map[int]row)
	for _, names := range sizes {
		w.commit(t, many(names, "10.77.2.2:443"))
		var r row
		r.first = w.costs(t, 0, "sync", "--once")
		r.compare = w.costs(t, 0, "drift")
		w.commit(t, many(names, "10.77.2.3:443"))
		r.change = w.costs(t, 0, "sync", "--once")
		rows[names] = r
		goes := map[string]string{"last.example.test": "address"}
		for _, i := range []int{0, names / 2, names - 2} {
			goes[fmt.Sprintf("n%d.site-%d.example.test", i, i%977)] = []string{"plain", "address"}[i%2]
		}
		w.reaches(t, w.client, edgeHost+":443", goes)
	}
	began := time.Now()
	w.edge.Run(t, "nginx", "-t")
	t.Logf("nginx alone takes %s to test %d names", time.Since(began).Round(time.Millisecond), sizes[len(sizes)-1])
	for _, names := range sizes {
		r := rows[names]
		t.Logf("%6d names: all new %s; compared %s; one changed %s", names, r.first, r.compare, r.change)
	}
	// Ten times the names may take ten times as long, and a little for what is sorted.
	few, most := rows[1000], rows[10000]
	for _, c := range []struct {
		what      string
		few, most cost
	}{{"all new", few.first, most.first}, {"compared", few.compare, most.compare}, {"one changed", few.change, most.change}} {
		if c.most.work > 15*c.few.work+100*time.Millisecond {
			t.Errorf("%s: 1,000 names take %s, 10,000 take %s", c.what, c.few.work, c.most.work)
		}
		if c.most.memory > 12*c.few.memory {
			t.Errorf("%s: 1,000 names take %d KiB, 10,000 take %d KiB", c.what, c.few.memory, c.most.memory)
		}
	}
	w.clean(t, "stream.conf")
}
