//go:build linux

package deploy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// simulation is an "agent sim --runtime lxc" that runs.
type simulation struct {
	cmd                        *exec.Cmd
	namespace, endpoint, token string
}

func startSimulation(t *testing.T, binary string) *simulation {
	t.Helper()
	s := &simulation{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), binary, "sim", "--runtime", "lxc", "--listen", "127.0.0.1:0", "--address", "10.77.8.1/24")}
	s.cmd.Stderr = t.Output()
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // If the test has not ended it.
	for lines := bufio.NewScanner(out); s.token == "" && lines.Scan(); {
		for word, value := range map[string]*string{"namespace": &s.namespace, "endpoint": &s.endpoint, "token": &s.token} {
			if rest, ok := strings.CutPrefix(lines.Text(), word+" "); ok {
				*value = strings.TrimSpace(rest)
			}
		}
	}
	if s.token == "" {
		t.Fatalf("the simulator does not say what a client needs: %+v", s)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return s
}

// in runs a command in the network of the containers.
func (s *simulation) in(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + s.namespace, "--"}, args...)...).CombinedOutput()
	return string(out), err
}

func (s *simulation) api(t *testing.T, path string, form ...string) string {
	t.Helper()
	args := []string{"curl", "--silent", "--show-error", "--fail", "--insecure", "--header", "Authorization: PVEAPIToken=" + s.token}
	for _, f := range form {
		args = append(args, "--data-urlencode", f)
	}
	out, err := s.in(t, append(args, s.endpoint+"/api2/json/nodes/proxmox-1"+path)...)
	if err != nil {
		t.Fatalf("%s: %v: %s", path, err, out)
	}
	return out
}

// left lists what there still is of a simulation.
func (s *simulation) left() []string {
	all, _ := filepath.Glob("/run/netns/" + s.namespace)
	for _, depth := range []string{"*/", ""} {
		groups, _ := filepath.Glob("/sys/fs/cgroup/" + depth + "lxc.*" + s.namespace + "-*")
		all = append(all, groups...)
	}
	return all
}

// TestSimulatorWithRealContainers boots one as a person would, by any client of the
// API; kills the simulator, whose leftovers the next removes; and ends that one.
func TestSimulatorWithRealContainers(t *testing.T) {
	t.Parallel()
	standin.Net(t) // Skips, or fails, before anything is built.
	components(t)
	binary := buildAgentWith(t)
	first := startSimulation(t, binary)
	first.api(t, "/storage/local/download-url", "content=vztmpl", "filename=debian-12.tar.zst", "url="+imageURL)
	first.api(t, "/lxc", "vmid=5000", "ostemplate=local:vztmpl/debian-12.tar.zst", "rootfs=local-nvme:4", "hostname=real", "memory=128",
		"net0=name=eth0,bridge=vmbr0,ip=10.77.8.11/24", "start=1")
	eventually(t, time.Minute, "the container answers SSH", func() error {
		out, err := first.in(t, "bash", "-c", "exec 3<>/dev/tcp/10.77.8.11/22 && head -c 4 <&3")
		if err == nil && out != "SSH-" {
			err = errors.New("it is not SSH")
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if out := first.api(t, "/lxc/5000/interfaces"); !strings.Contains(out, "10.77.8.11/24") {
		t.Errorf("interfaces: %s", out)
	}
	if out := first.api(t, "/lxc/5000/status/current"); !strings.Contains(out, `"status":"running"`) {
		t.Errorf("status: %s", out)
	}

	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait() // By the kill.
	second := startSimulation(t, binary)
	if left := first.left(); len(left) > 0 {
		t.Errorf("of the killed simulator there is left: %s", left)
	}
	if err := second.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := second.cmd.Wait(); err != nil {
		t.Errorf("told to end, the simulator ends with %v", err)
	}
	if left := second.left(); len(left) > 0 {
		t.Errorf("of the simulator that ended there is left: %s", left)
	}
	if _, err := os.Stat("/var/cache/berth/rootfs"); err != nil {
		t.Errorf("what containers are made from is not kept: %v", err)
	}
}
