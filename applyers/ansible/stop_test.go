package ansible

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"one that obeys":   "echo > BEGUN; sleep 20",
		"one that doesn't": "trap '' TERM; echo > BEGUN; sleep 20; sleep 20",
		"one that strays":  "setsid sleep 20 & echo > BEGUN; wait",
	} {
		t.Run(name, func(t *testing.T) {
			begun := filepath.Join(t.TempDir(), "begun")
			b := newBench(t, fake(t, strings.ReplaceAll(script, "BEGUN", begun)))
			b.guest("web-1", nil)
			b.play("base", "[]", "web-1")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				until(t, "the run begins", func() bool { _, err := os.Stat(begun); return err == nil })
				cancel()
			}()
			o := b.one(ctx)
			if o.Status != drift.Left || o.Reason != applyers.ErrLeft.Error() || b.memory.hosts() != nil {
				t.Errorf("stopped: %s, remembered %q", show(o), b.memory.hosts())
			}
			if took := o.Ended.Sub(o.Started); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			b.nothingLeft()
			until(t, "all is gone", func() bool { return mentioning(t, b.Dir) == "" })
		})
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("still waiting until %s", what)
			return
		}
	}
}

// TestKilledAgent runs another process that is killed in the middle of a run.
func TestKilledAgent(t *testing.T) {
	if dir := os.Getenv("BERTH_TEST_RUN"); dir != "" {
		b := newBench(t, filepath.Join(dir, "script"))
		b.Dir = filepath.Join(dir, "runs")
		b.remake()
		b.guest("web-1", nil)
		b.play("base", "[]", "web-1")
		b.one(t.Context())
		return
	}
	dir := t.TempDir()
	runs, begun := filepath.Join(dir, "runs"), filepath.Join(dir, "begun")
	if err := os.Mkdir(runs, 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(fake(t, "sleep 20 &\necho $$ > "+begun+".new; mv "+begun+".new "+begun+"; sleep 20"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "script"), script, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledAgent$", "-test.timeout=30s")
	agent.Env = append(os.Environ(), "BERTH_TEST_RUN="+dir)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the run begins", func() bool { _, err := os.Stat(begun); return err == nil })

	// While it lives, another agent leaves its run alone.
	b := newBench(t, "")
	b.Dir = runs
	if _, err := New(b.Options); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(runs, "*", "inventory.json")); len(left) != 1 {
		t.Fatalf("the other agent's runs are now %q", left)
	}

	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	pid, err := os.ReadFile(begun)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the program is dead too", func() bool {
		text, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline")
		return err != nil || len(text) == 0
	})
	if _, err := New(b.Options); err != nil {
		t.Fatal(err)
	}
	b.nothingLeft()
	until(t, "its children are dead too", func() bool { return mentioning(t, runs) == "" })
	if !strings.Contains(b.log.String(), "removing what a killed agent left") {
		t.Errorf("the log has %q", b.log.String())
	}
}

func TestStoppedBeforeItBegins(t *testing.T) {
	b := newBench(t, fake(t, "exit 1"))
	b.guest("web-1", nil)
	b.play("base", "[]", "web-1")
	plan, world := b.plan(t.Context())
	job := applyers.Job{Change: plan.Changes[0], Fleet: b.fleet, Want: b.fleet.Resource("play/base"), Fact: world.Fact}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Apply(ctx, job, &told{fields: make(map[desired.Path]error)}); !errors.Is(err, applyers.ErrLeft) {
		t.Error(fmt.Sprint("it ends with ", err))
	}
	b.nothingLeft()
}
