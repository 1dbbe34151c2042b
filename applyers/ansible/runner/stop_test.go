package runner

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/desired"
)

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("still waiting until %s", what)
			return
		}
	}
}

func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"one that obeys":       "echo > BEGUN; sleep 20",
		"one that doesn't":     "trap '' TERM; echo > BEGUN; sleep 20; sleep 20",
		"one that strays":      "setsid sleep 20 & echo > BEGUN; wait",
		"one that keeps pipes": "setsid sh -c 'exec sleep 20' & echo > BEGUN; sleep 20",
	} {
		t.Run(name, func(t *testing.T) {
			begun := filepath.Join(t.TempDir(), "begun")
			b := newBench(t, fake(t, strings.ReplaceAll(script, "BEGUN", begun)))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var stopping time.Time
			go func() {
				until(t, "the run begins", func() bool { return exists(begun) })
				stopping = time.Now()
				cancel()
			}()
			done, err := b.Run(ctx, b.Spec)
			if !errors.Is(err, context.Canceled) || done != nil {
				t.Errorf("stopped: %v, %s", err, show(done))
			}
			if took := time.Since(stopping); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
			until(t, "all is gone", func() bool { return strays(b.Options.Dir) == "" })
			b.nothingLeft()
		})
	}
}

// strays are processes that carry a run's name.
func strays(dir string) string {
	var all []string
	for _, name := range []string{"cmdline", "environ"} {
		files, _ := filepath.Glob("/proc/[0-9]*/" + name)
		for _, file := range files {
			if text, _ := os.ReadFile(file); strings.Contains(string(text), dir+"/") {
				all = append(all, file)
			}
		}
	}
	return strings.Join(all, " ")
}

// TestKilledAgent runs another process that is killed in the middle of a run, and
// in the middle of an installation.
func TestKilledAgent(t *testing.T) {
	if dir := os.Getenv("BERTH_TEST_RUN"); dir != "" {
		b := newBench(t, filepath.Join(dir, "script"))
		b.Options.Dir, b.Cache, b.Galaxy = filepath.Join(dir, "runs"), filepath.Join(dir, "cache"), filepath.Join(dir, "script")
		b.Keys = map[string]desired.Secret{"k": secret("hush-hush")}
		if os.Getenv("BERTH_TEST_GALAXY") != "" {
			b.file("requirements.yml", "[a]\n")
			b.Requirements = []string{"ansible/requirements.yml"}
		}
		_, _ = b.Run(t.Context(), b.Spec)
		return
	}
	for _, what := range []string{"", "galaxy"} {
		dir := t.TempDir()
		runs, begun := filepath.Join(dir, "runs"), filepath.Join(dir, "begun")
		if err := os.Mkdir(runs, 0o700); err != nil {
			t.Fatal(err)
		}
		script, err := os.ReadFile(fake(t, "[ $1 = --version ] && { echo 1; exit; }\nsleep 20 &\necho > "+begun+"; sleep 20"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "script"), script, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		agent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledAgent$", "-test.timeout=30s")
		agent.Env = append(os.Environ(), "BERTH_TEST_RUN="+dir, "BERTH_TEST_GALAXY="+what)
		if err := agent.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "the run begins", func() bool { return exists(begun) })

		// While it lives, another agent leaves its run and its installation alone.
		b := newBench(t, "")
		b.Options.Dir, b.Cache = runs, filepath.Join(dir, "cache")
		again := func() {
			if _, err := New(b.Options); err != nil {
				t.Fatal(err)
			}
		}
		again()
		pattern := filepath.Join(runs, "*", "keys", "0")
		if what != "" {
			pattern = filepath.Join(dir, "cache", "*"+freshSuffix)
		}
		if left, _ := filepath.Glob(pattern); len(left) != 1 {
			t.Fatalf("of the other agent's there is %q", left)
		}
		if err := agent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = agent.Wait()
		again()
		if left, _ := filepath.Glob(filepath.Join(runs, "*")); len(left) > 0 {
			t.Errorf("a run left %q", left)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "cache", "*[^k]")); len(left) > 0 {
			t.Errorf("an installation left %q", left)
		}
		until(t, "its children are dead too", func() bool { return strays(runs) == "" })
		if !strings.Contains(b.log.String(), "removing what a killed agent left") {
			t.Errorf("the log has %q", b.log.String())
		}
	}
}

func TestStoppedBeforeItBegins(t *testing.T) {
	b := newBench(t, fake(t, "exit 1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Run(ctx, b.Spec); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	b.nothingLeft()
}

func TestNewRefusesWhatSSHCannotQuote(t *testing.T) {
	_, err := New(Options{Dir: "/var/lib/with blank"})
	if want := `ssh can't be given the directory "/var/lib/with blank": use letters, digits and /._+@=,- alone`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
