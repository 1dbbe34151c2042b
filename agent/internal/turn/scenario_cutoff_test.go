package turn_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/ansible"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

const oneHost = `
kind: Fleet
name: tested
uid: 5b1f0c2e
---
kind: Host
name: web
address: 10.1.1.5
` + playbook

// noSecrets has none.
type noSecrets struct{}

func (noSecrets) Read(context.Context, desired.SecretRef) (desired.Secret, error) {
	return desired.Secret{}, errors.New("no such secret")
}

func (noSecrets) Version(context.Context, desired.SecretRef) (string, error) {
	return "", errors.New("no such secret")
}

// playing is an agent that keeps all it has in a directory, and runs the program that
// is there in Ansible's place.
func playing(t *testing.T, dir string) (agent *turn.Turner, stop func()) {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{}
	r.push("aaaa", oneHost)
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &turn.Turner{
		Repository: withFiles{r}, Journal: j, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Appliers: func(_ *desired.Fleet, files fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
			a, err := ansible.New(ansible.Options{
				Memory: j, Secrets: noSecrets{}, State: filepath.Join(dir, "state"), Dir: filepath.Join(dir, "run"),
				Bin:   filepath.Join(dir, "ansible-playbook"),
				Files: func(context.Context) (fs.FS, error) { return files, nil },
				Dial: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					return here, there.Close()
				},
			})
			return []applyers.Applyer{a}, func() map[string]int { return nil }, err
		},
	}, func() { _ = j.Close() }
}

// An agent that is killed in the middle of a playbook runs it again, once, and says so.
// What the run had said until then is kept, and what it left behind is not.
func TestKilledInThePlaybook(t *testing.T) {
	if dir := os.Getenv("BERTH_KILLED_PLAYBOOK"); dir != "" {
		agent, stop := playing(t, dir)
		defer stop()
		run(t, agent, report.Run)
		return
	}
	dir := t.TempDir()
	program := func(script string) {
		t.Helper()
		text := "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'ansible-playbook [core 2.14.18]'; exit 0; }\n" + script
		if err := os.WriteFile(filepath.Join(dir, "ansible-playbook"), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program("echo 'PLAY [all] begins'; sleep 1; echo $$ > " + dir + "/begun; sleep 60\n")
	agent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledInThePlaybook$")
	agent.Env = append(os.Environ(), "BERTH_KILLED_PLAYBOOK="+dir)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if text, _ := os.ReadFile(filepath.Join(dir, "begun")); len(text) > 0 {
			break
		}
		if time.Now().After(deadline) {
			_ = agent.Process.Kill()
			t.Fatal("the playbook does not begin")
		}
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()

	logs, _ := filepath.Glob(filepath.Join(dir, "journal", "*.play.base.run.log"))
	if len(logs) != 1 {
		t.Fatalf("logs of the run: %q", logs)
	}
	if text, _ := os.ReadFile(logs[0]); !strings.Contains(string(text), "PLAY [all] begins") {
		t.Errorf("its log has %q", text)
	}

	program(`echo ran >> ` + dir + `/ran
tell() { printf '%s\n' "$1" >> "$BERTH_EVENTS"; }
tell '{"event":"host","host":"web","ok":1}'
tell '{"event":"play","name":"berth: the playbook has run to its end"}'
tell '{"event":"stats"}'
`)
	next, stop := playing(t, dir)
	defer stop()
	rep := run(t, next, report.Drift)
	c := rep.Plan.Change(drift.Key{ID: "play/base", Step: drift.Run})
	if c == nil || len(c.Fields) != 1 || !strings.HasSuffix(c.Fields[0].Reason, " UTC was cut off") {
		t.Fatalf("planned: %+v", rep.Plan)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "run", "*")); len(left) > 0 {
		t.Errorf("the killed run left %q", left)
	}
	rep = run(t, next, report.Run)
	var page strings.Builder
	if err := report.Text(&page, rep, report.TextOptions{Width: 140}); err != nil {
		t.Fatal(err)
	}
	if rep.Summary.Done.Run != 1 || !strings.Contains(page.String(), "was cut off") {
		t.Errorf("the turn says:\n%s", page.String())
	}
	run(t, next, report.Run)
	if text, _ := os.ReadFile(filepath.Join(dir, "ran")); string(text) != "ran\n" {
		t.Errorf("it ran %q", text)
	}
}
