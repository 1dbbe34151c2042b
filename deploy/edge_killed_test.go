//go:build linux

package deploy_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// storyKilled kills the agent by SIGKILL after each step of a change, and nginx with
// it at every second one, as a power cut would. nginx works, or starts again; the
// next turn makes the change whole.
func storyKilled(t *testing.T, binary string) {
	const lanes = 3
	var all [lanes][]string
	var killing sync.WaitGroup
	// The agent is held up at each step, so that they wait more than they work.
	for lane := range lanes {
		killing.Go(func() {
			t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) { all[lane] = killedSteps(t, binary, lane+1, lanes) })
		})
	}
	killing.Wait()
	steps := slices.Concat(all[:]...)
	t.Logf("killed after %d steps:\n%s", len(steps), strings.Join(steps, "\n"))
	// To test, to keep, to put in place, to reload, to ask and to forget are more.
	if len(steps) < 20 {
		t.Errorf("only %d steps were found", len(steps))
	}
}

// killedSteps kills the agent after the first step, and each some steps later, until
// there are no more; it tells which those were.
func killedSteps(t *testing.T, binary string, first, every int) (steps []string) {
	t.Helper()
	w := newEdgeWorld(t, binary)
	w.mixedBackends(t)
	w.commit(t, mixed)
	w.settles(t)
	other := strings.ReplaceAll(mixed, "moving.example.test: 10.77.2.3:443", "moving.example.test: headed\n    second.example.test: plain")
	moving := map[bool]string{true: "headed", false: "address"}
	changed := false
	for n := first; n < 100 && !t.Failed(); n += every {
		changed = !changed
		w.commit(t, map[bool]string{true: other, false: mixed}[changed])
		step, late := w.killedAfter(t, n)
		if late {
			w.settles(t)
			continue
		}
		if step == "" {
			break
		}
		steps = append(steps, fmt.Sprintf("%2d %s", n, step))
		power := n%4 >= 2
		if power {
			w.powerCut(t)
		}
		what := fmt.Sprintf("killed after step %d, %s (power cut: %t)", n, step, power)
		if out, err := w.edge.Command(t.Context(), "nginx", "-t").CombinedOutput(); err != nil {
			t.Errorf("%s: nginx would not start: %v: %s", what, err, out)
		}
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
		if seen, err := w.client.Who(t.Context(), edgeHost+":443", "moving.example.test"); err != nil || seen.Backend != "headed" && seen.Backend != "address" {
			t.Errorf("%s: moving.example.test reaches %q, %v", what, seen.Backend, err)
		}
		w.settles(t)
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
		w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": moving[changed], "second.example.test": "plain"})
		w.clean(t, "stream.conf")
		if t.Failed() {
			t.Log(what)
		}
	}
	return steps
}

// powerCut ends nginx and all its workers, and starts it again.
func (w *edgeWorld) powerCut(t *testing.T) {
	t.Helper()
	w.edge.Run(t, "sh", "-c", "pkill -9 -x nginx; while pgrep -x nginx >/dev/null; do sleep 0.01; done")
	w.edge.StartNginx(t)
}

// traced are the calls by which a program changes anything outside of itself, as far
// as the change of a configuration needs them.
const traced = "execve,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,mkdirat,fchmod,fchown,fchmodat,fchownat,linkat,connect,flock"

// traceLine is a line of strace that tells of a call which has come to its end.
var traceLine = regexp.MustCompile(`^\d+ +(<\.\.\. )?\w+(\(| resumed).* = (-?\d+|\?)`)

// killedAfter makes a turn and kills it after its nth step, counted from the first
// that has to do with nginx. It tells which step that was; "" if the turn ended
// before. late tells that a busy machine let the turn end between step and kill.
func (w *edgeWorld) killedAfter(t *testing.T, n int) (step string, late bool) {
	t.Helper()
	lines, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	// The agent is held up after each call, so that it can be killed before the next.
	cmd := w.control.Command(t.Context(), "strace", "-f", "--seccomp-bpf", "-y", "-s", "200", "-e", "trace="+traced, "-e", "inject="+traced+":delay_exit=10000", "-o", "/proc/self/fd/3",
		"agent", "sync", "--once")
	cmd.ExtraFiles = []*os.File{to}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = to.Close()
	count, begun := 0, false
	program := make(map[string]bool) // Processes that the agent has started.
	for scan := bufio.NewScanner(lines); scan.Scan(); {
		line := scan.Text()
		pid, _, _ := strings.Cut(line, " ")
		if strings.Contains(line, ` execve("`) && !strings.Contains(line, "/agent\"") {
			program[pid] = true
		} else if program[pid] && !strings.Contains(line, "+++ exited") && !strings.Contains(line, "execve resumed") {
			continue
		}
		if !program[pid] && !traceLine.MatchString(line) || strings.Contains(line, "<unfinished") {
			continue
		}
		begun = begun || strings.Contains(line, "/etc/nginx")
		if !begun {
			continue
		}
		if count++; count == n {
			agent := agentBelow(cmd.Process.Pid)
			if late = agent == 0; late {
				break
			}
			step = strings.TrimLeft(strings.TrimPrefix(line, pid), " ")
			if err := syscall.Kill(agent, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); step == "" && err != nil {
		t.Fatalf("the turn, left alone: %v", err)
	} else if step != "" && (exit == nil && err == nil) {
		t.Fatalf("the turn went on after it was killed at %s", step)
	}
	return step, late
}

// agentBelow finds the agent among the children of a process, by the test's own
// process ids; 0 if it has ended.
func agentBelow(pid int) int {
	deadline := time.Now().Add(2 * time.Second)
	for time.Now().Before(deadline) {
		if agent := agentAmong(offspring(pid)); agent != 0 {
			return agent
		}
	}
	return 0
}

// agentAmong is the agent among processes; 0 if it is none of them.
func agentAmong(pids []int) int {
	for _, pid := range pids {
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); strings.TrimSpace(string(name)) == "agent" {
			return pid
		}
	}
	return 0
}

// offspring are a process's children, and theirs.
func offspring(pid int) []int {
	var all []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for word := range strings.FieldsSeq(string(text)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				all = append(all, child)
				all = append(all, offspring(child)...)
			}
		}
	}
	return all
}
