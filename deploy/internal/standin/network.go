//go:build linux

package standin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Subnet is the network of a node's bridge. Every Network has its own, so tests
// that run at the same time may use the same addresses.
const Subnet = "10.77.0.0/16"

// Gateway is the node's own address on its bridge, where nginx, the agent and
// servers of the test listen for the hosts.
const Gateway = "10.77.0.1"

// Network is a node: a network namespace with a bridge and no way out of it.
type Network struct {
	name  string
	dir   string // Scratch space; its lock file is held as long as we live.
	hosts atomic.Int64
}

// Net makes a network that is gone again when the test ends. What a killed run
// left behind is removed on the way.
func Net(t testing.TB) *Network {
	t.Helper()
	require(t)
	base, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	if err := sweep(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	dir, lock, err := claim(base)
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{name: filepath.Base(dir), dir: dir}
	t.Cleanup(func() {
		if err := errors.Join(remove(context.WithoutCancel(t.Context()), dir), lock.Close()); err != nil {
			t.Errorf("remove the stand-in network: %v", err)
		}
	})
	node := n.Namespace()
	for _, args := range [][]string{
		{"netns", "add", node},
		{"-n", node, "link", "set", "lo", "up"},
		{"-n", node, "link", "add", "vmbr0", "type", "bridge"},
		{"-n", node, "addr", "add", Gateway + "/16", "dev", "vmbr0"},
		{"-n", node, "link", "set", "vmbr0", "up"},
	} {
		if err := ip(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// Namespace is the name of the node's network namespace, as `ip netns` knows it.
func (n *Network) Namespace() string { return n.name + "-node" }

// Command prepares a program that runs inside the node's network, with the test
// machine's files. When the context ends it is asked to end by SIGTERM and killed
// five seconds later; when the test process dies it is killed at once.
func (n *Network) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + namespaceFile(n.Namespace()), "--", program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Daemon starts a command and ends it with the test: it is asked to by SIGTERM
// and killed after five seconds. Unless the command has an output already, what
// it says is logged when the test fails.
func Daemon(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	if cmd.Stdout == nil && cmd.Stderr == nil {
		cmd.Stdout, cmd.Stderr = &said, &said
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // It may have ended by itself.
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait() // How it ends by a signal says nothing.
		if t.Failed() && said.Len() > 0 {
			t.Logf("%s said:\n%s", cmd, &said)
		}
	})
}

// Listen opens a listener of the test process inside the node's network, so
// that a server in the test (a Git remote, a simulator) can be reached from
// there. The address must be literal; it is closed when the test ends.
func (n *Network) Listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var listener net.Listener
	err := n.inside(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// DialContext connects from inside the node's network; it fits http.Transport.
// The address must be literal, since names would be looked up outside.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial in the stand-in network: %w", err)
	}
	var conn net.Conn
	err := n.inside(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Processes lists the command lines of what runs in the node's network, its
// hosts left out.
func (n *Network) Processes(ctx context.Context) ([]string, error) {
	pids, err := processes(ctx, n.Namespace())
	if err != nil {
		return nil, err
	}
	var all []string
	for _, pid := range pids {
		words, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil { // Else it has just ended.
			all = append(all, strings.TrimSpace(strings.ReplaceAll(string(words), "\x00", " ")))
		}
	}
	return all, nil
}

// inside calls f on a thread that is in the node's network namespace. Sockets
// that f makes stay there.
func (n *Network) inside(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- n.onThread(f) }()
	return <-done
}

// onThread does the work of inside and leaves its thread as it was. It must not
// simply let the thread end: the kernel would take that for the death of the
// parent of every process that was started on it.
func (n *Network) onThread(f func() error) error {
	there, err := os.Open(namespaceFile(n.Namespace()))
	if err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	defer there.Close()
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace %s: %w", n.Namespace(), err)
	}
	fault := f()
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		// Still locked, the thread ends with its goroutine, so that no other
		// code can run in the wrong namespace.
		return errors.Join(fault, fmt.Errorf("leave network namespace %s: %w", n.Namespace(), err))
	}
	runtime.UnlockOSThread()
	return fault
}

// require skips or fails the test where stand-ins cannot be had.
func require(t testing.TB) {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs real sshd and network namespaces: set BERTH_REAL=1, or run deploy/test")
	}
	if os.Geteuid() != 0 {
		t.Fatal("BERTH_REAL=1 asks for network namespaces, which need root")
	}
	for _, program := range []string{"ip", "nsenter", sshd} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
		}
	}
}

func namespaceFile(name string) string { return "/run/netns/" + name }

// ip runs the ip command.
func ip(ctx context.Context, args ...string) error {
	// Making and removing namespaces takes milliseconds and must come to its end
	// when the test's context is over, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
