package nginx

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// workers lists the worker processes of the nginx whose master wrote pidFile, as
// far as the kernel tells; nil where it does not.
func workers(pidFile string) []int {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return nil
	}
	master, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		return nil
	}
	var pids []int
	for word := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(word); err == nil && takes(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// takes tells whether a worker takes new connections: one that is told to end
// says so in its title right before it closes its listening sockets, and lives
// on for the connections that it has.
func takes(pid int) bool {
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.HasPrefix(string(title), "nginx: worker process") && !strings.Contains(string(title), "shutting down")
}

// retire waits until none of the workers takes connections any more: until then
// one of them may still route by the former file.
func retire(ctx context.Context, pids []int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range pids {
		for takes(pid) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("worker %d still routes by the former file: %w", pid, context.Cause(ctx))
			case <-tick.C:
			}
		}
	}
	return nil
}
