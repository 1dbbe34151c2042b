package ansible

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// children are the processes below one, as /proc has them.
func children(of int) []int {
	var all []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) > 1 && fields[1] == strconv.Itoa(of) {
			all = append(append(all, pid), children(pid)...)
		}
	}
	return all
}

// A host that freezes in the middle of a task, as a paused machine does, is given up
// alone; the others do not share its end.
func TestRealFrozenHost(t *testing.T) {
	b, servers := realBench(t, 2)
	b.alive = 1
	p := b.play("base", `
- hosts: web
  gather_facts: false
  tasks:
    - name: Work
      shell: "touch {{ place }}/working; [ {{ inventory_hostname }} = web-1 ] || sleep 40"
    - name: Go on
      command: "true"
`, "web-1", "web-2")
	p.Timeout = desired.Duration(35 * time.Second)
	var frozen []int
	t.Cleanup(func() {
		for _, pid := range frozen {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		until(t, "web-2 works", func() bool { return exists(filepath.Join(servers[1].dir, "working")) })
		for _, pid := range append(children(servers[1].cmd.Process.Pid), servers[1].cmd.Process.Pid) {
			if syscall.Kill(pid, syscall.SIGSTOP) == nil {
				frozen = append(frozen, pid)
			}
		}
	}()
	o := b.one(t.Context())
	<-done
	if len(frozen) < 2 {
		t.Errorf("frozen are %d processes", len(frozen))
	}
	if o.Results["hosts.web-1"] != "" || !strings.HasPrefix(o.Results["hosts.web-2"], "can't be reached: ") {
		t.Errorf("with one host frozen: %s", show(o))
	}
	if diff := cmp.Diff([]string{"play/base web-1"}, b.memory.hosts()); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
	if took := o.Ended.Sub(o.Started); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
