//go:build linux

package standin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// TestHost logs in to a stand-in as people and as Ansible do, and shows that
// what they write stays inside and survives a power cut.
func TestHost(t *testing.T) {
	t.Parallel()
	network := standin.Net(t)
	identity, authorized := standin.ClientKey(t)
	host := network.Host(t, "web-1", "10.77.3.11", authorized)
	if _, err := host.ReadFile("/etc/hostname"); err == nil {
		t.Error("a file of a host that is off was read")
	}
	began := time.Now()
	start(t, host)
	if silent := host.Silent(); silent.Before(began) || silent.After(time.Now()) {
		t.Errorf("started at %s, the host was silent until %s", began, silent)
	}
	if err := host.Start(t.Context()); err == nil {
		t.Error("a host that is on was started again")
	}

	dir := t.TempDir()
	knownHosts := filepath.Join(dir, "known_hosts")
	write(t, knownHosts, host.Address()+" "+host.HostKey()+"\n")
	ssh := []string{
		"-i", identity, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + knownHosts, "-o", "ConnectTimeout=5", "-F", "none",
	}
	if got := run(t, network.Command(t.Context(), "ssh", append(ssh, "root@"+host.Address(), "hostname; stat --format %U /root; ls -A /root")...)); got != "web-1\nroot\n" {
		t.Errorf("the host says %q", got)
	}
	stranger, _ := standin.ClientKey(t)
	refused := network.Command(t.Context(), "ssh", append([]string{"-i", stranger}, append(ssh[2:], "root@"+host.Address(), "true")...)...)
	if err := refused.Run(); err == nil {
		t.Error("a key that was not given was let in")
	}

	inventory := filepath.Join(dir, "inventory")
	write(t, inventory, fmt.Sprintf("web-1 ansible_host=%s ansible_user=root ansible_ssh_private_key_file=%s ansible_python_interpreter=/usr/bin/python3\n",
		host.Address(), identity))
	ansible := func(args ...string) string {
		cmd := network.Command(t.Context(), "ansible", append([]string{"-i", inventory, "web-1"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "ANSIBLE_TIMEOUT=5", "ANSIBLE_NOCOLOR=1",
			"ANSIBLE_LOCAL_TEMP="+dir, "ANSIBLE_SSH_ARGS="+strings.Join(ssh[2:], " "))
		return run(t, cmd)
	}
	if got := ansible("-m", "ping"); !strings.Contains(got, `"ping": "pong"`) {
		t.Errorf("ansible ping says %q", got)
	}
	const file = "/etc/standin-test"
	if got := ansible("-m", "copy", "-a", "content=made-inside dest="+file); !strings.Contains(got, "CHANGED") {
		t.Errorf("ansible copy says %q", got)
	}
	read := func() {
		t.Helper()
		text, err := host.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != "made-inside" {
			t.Errorf("the host's file holds %q", text)
		}
	}
	read()
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s came out of the host: %v", file, err)
	}
	if _, err := host.ReadFile("/etc/no-such-file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a file that is not there: %v", err)
	}

	ansible("-m", "copy", "-a", "dest="+standin.StartFile+" mode=0755 content='#!/bin/sh\nsetsid sleep 600 >/dev/null 2>&1 & echo $! >/srv/started\n'")

	stop(t, host)
	stop(t, host)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if conn, err := network.DialContext(ctx, "tcp", net.JoinHostPort(host.Address(), "22")); err == nil {
		_ = conn.Close()
		t.Error("a host that is off answers")
	}
	start(t, host)
	read()
	pid, err := host.ReadFile("/srv/started")
	if err != nil {
		t.Fatalf("%s was not run: %v", standin.StartFile, err)
	}
	if name, err := host.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/comm"); err != nil || string(name) != "sleep\n" {
		t.Errorf("what %s started is %q, %v", standin.StartFile, name, err)
	}
}

// TestNetwork shows the ways in: a server of the test is reached from inside,
// and a real nginx inside is reached from the test and from its neighbours.
func TestNetwork(t *testing.T) {
	t.Parallel()
	network := standin.Net(t)
	other := standin.Net(t)

	listener := network.Listen(t, standin.Gateway+":0")
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from the test") }),
		ReadHeaderTimeout: time.Second,
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	url := "http://" + listener.Addr().String() + "/"
	if got := run(t, network.Command(t.Context(), "curl", "-sS", "--max-time", "5", url)); got != "from the test" {
		t.Errorf("curl inside got %q", got)
	}
	if err := other.Command(t.Context(), "curl", "-sS", "--max-time", "1", url).Run(); err == nil {
		t.Error("a server of one network is reached from another")
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	write(t, config, fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr;
events {}
http { access_log off; server { listen %[2]s:8080; return 200 "from nginx"; }
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e; }
`, dir, standin.Gateway))
	nginx := network.Command(t.Context(), "nginx", "-e", "stderr", "-p", dir, "-c", config)
	standin.Daemon(t, nginx)
	client := http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
	if got := fetch(t, client, "http://"+standin.Gateway+":8080/"); got != "from nginx" {
		t.Errorf("nginx says %q", got)
	}
	running, err := network.Processes(t.Context())
	if err != nil || !slices.ContainsFunc(running, func(command string) bool { return strings.Contains(command, config) }) {
		t.Errorf("in the network run %q, %v", running, err)
	}
	if _, err := network.DialContext(t.Context(), "tcp", "localhost:8080"); err == nil {
		t.Error("a name was looked up outside of the network")
	}
}

// TestThreads shows that reaching into a network ends no process: the kernel
// would kill a host when the thread that started it ends.
func TestThreads(t *testing.T) {
	t.Parallel()
	network := standin.Net(t)
	_, authorized := standin.ClientKey(t)
	host := network.Host(t, "steady", "10.77.0.2", authorized)
	start(t, host)
	for range 200 {
		conn, err := network.DialContext(t.Context(), "tcp", net.JoinHostPort(host.Address(), "22"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if _, err := host.ReadFile("/etc/hostname"); err != nil {
		t.Error(err)
	}
}

// TestLeftovers kills a run that has a network, a host and a process in it, and
// shows that the next one takes all of it away.
func TestLeftovers(t *testing.T) {
	if os.Getenv("BERTH_STANDIN_LEAVE") != "" {
		network := standin.Net(t)
		_, authorized := standin.ClientKey(t)
		start(t, network.Host(t, "lost", "10.77.0.2", authorized))
		// It has no parent to die with, as ssh's masters have none.
		run(t, network.Command(t.Context(), "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 &"))
		write(t, os.Getenv("BERTH_STANDIN_LEAVE"), network.Namespace())
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	t.Parallel()
	standin.Net(t) // It sweeps, or skips where there is nothing to test with.
	if os.Getenv("BERTH_STANDIN_SWEEP") != "" {
		return
	}
	dir := t.TempDir()
	note := filepath.Join(dir, "namespace")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestLeftovers$")
	cmd.Env = append(os.Environ(), "BERTH_STANDIN_LEAVE="+note, "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if state := cmd.ProcessState; state == nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the run to be killed ended by itself: %v\n%s", err, out)
	}
	name, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	namespace := "/run/netns/" + string(name)
	if _, err := os.Stat(namespace); err != nil {
		t.Fatalf("the killed run left nothing behind: %v", err)
	}
	prefix := strings.TrimSuffix(string(name), "-node")
	folder := filepath.Join(dir, "berth-standin", prefix)
	if _, err := os.Stat(folder); err != nil {
		// Where the temporary folder can carry no overlay.
		folder = filepath.Join("/dev/shm/berth-standin", prefix)
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(folder, long, long); err != nil {
		t.Fatal(err)
	}
	sweeper := exec.CommandContext(t.Context(), self, "-test.run=^TestLeftovers$")
	sweeper.Env = append(os.Environ(), "BERTH_STANDIN_SWEEP=1", "TMPDIR="+dir)
	run(t, sweeper)
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left over: %v", folder, err)
	}
	if left, err := filepath.Glob("/run/netns/" + prefix + "*"); err != nil || len(left) != 0 {
		t.Errorf("leftover namespaces: %v, %v", left, err)
	}
}

func start(t *testing.T, host *standin.Host) {
	t.Helper()
	if err := host.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, host *standin.Host) {
	t.Helper()
	if err := host.Stop(); err != nil {
		t.Fatal(err)
	}
}

// run returns what a command prints and fails the test where the command does.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// fetch asks until the server answers, for at most five seconds.
func fetch(t *testing.T, client http.Client, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err == nil {
			text, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
