//go:build linux

package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// buildAgent builds the agent as this test is built, with the race detector or
// without.
func buildAgent(t *testing.T) string {
	t.Helper()
	if raceEnabled {
		return buildAgentWith(t, "-race")
	}
	return buildAgentWith(t)
}

func buildAgentWith(t *testing.T, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent")
	args := append([]string{"build", "-buildvcs=false", "-o", file}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "berth/agent")...)
	if len(flags) == 0 {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // As it is released.
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	return file
}

// agent is an installed agent: its program, its settings and its state.
type agent struct {
	network     *standin.Network
	binary, dir string
}

// settings are agent.yaml. Relative paths are relative to its directory.
const settings = `repository: {url: %q, token: git-token}
state: state
socket: agent.sock
poll: 200ms
sweep: 1s
secrets: {pve: pve-token, ssh-key: ssh-key}
log: {level: debug}
`

func newAgent(t *testing.T, network *standin.Network, binary, url string, secrets map[string]string) *agent {
	t.Helper()
	a := &agent{network: network, binary: binary, dir: t.TempDir()}
	a.write(t, "agent.yaml", fmt.Sprintf(settings, url))
	for name, secret := range secrets {
		a.write(t, name, secret)
	}
	// What the agent starts as ansible-playbook notes the time and becomes the
	// real one.
	ansible, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, "bin", "ansible-playbook")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\ndate +%%s.%%N >>%s/playbooks\nexec %s \"$@\"\n", a.dir, ansible)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return a
}

// playbooks tells when the agent has started ansible-playbook.
func (a *agent) playbooks(t *testing.T) []time.Time {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, "playbooks"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return times(t, string(text))
}

func (a *agent) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *agent) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	// The process is stopped by its owner, not by the end of the test.
	cmd := a.network.Command(context.WithoutCancel(t.Context()), a.binary, append(args, "--config", filepath.Join(a.dir, "agent.yaml"))...)
	cmd.Dir = a.dir
	cmd.Env = []string{"PATH=" + filepath.Join(a.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + a.dir, "LC_ALL=C.UTF-8", "GORACE=atexit_sleep_ms=100"}
	return cmd
}

// run runs one of the agent's commands to its end.
func (a *agent) run(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	out, err := a.command(t, args...).CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("agent %s: %v", strings.Join(args, " "), err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(out), code
}

// process is an agent that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // How it ended; read it after ended is closed.
}

// start starts `agent run`. It is told to stop when the test ends, and must obey.
func (a *agent) start(t *testing.T) *process {
	t.Helper()
	p := &process{cmd: a.command(t, "run"), ended: make(chan struct{})}
	said := &bytes.Buffer{}
	p.cmd.Stdout, p.cmd.Stderr = said, said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		select {
		case <-p.ended:
		default:
			p.stop(t, 5*time.Second)
		}
		if t.Failed() || bytes.Contains(said.Bytes(), []byte("DATA RACE")) {
			t.Errorf("the agent said:\n%s", said)
		}
	})
	return p
}

// stop asks the agent to end and fails the test where it does not, or badly.
func (p *process) stop(t *testing.T, within time.Duration) {
	t.Helper()
	p.signal(t, syscall.SIGTERM, within)
	if p.err != nil {
		t.Errorf("the agent ended badly when it was told to: %v", p.err)
	}
}

// signal sends a signal and waits for the end.
func (p *process) signal(t *testing.T, signal syscall.Signal, within time.Duration) {
	t.Helper()
	select {
	case <-p.ended:
		t.Errorf("the agent had ended by itself: %v", p.err)
		return
	default:
	}
	began := time.Now()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Errorf("signal the agent: %v", err)
	}
	select {
	case <-p.ended:
		t.Logf("%s ended the agent within %s", signal, time.Since(began).Round(time.Millisecond))
	case <-time.After(within):
		t.Errorf("%s did not end the agent within %s", signal, within)
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
