//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// inNetwork calls f in the network namespace that a file stands for. Sockets that f
// opens stay there.
func inNetwork(file string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- onThread(unix.CLONE_NEWNET, "/proc/thread-self/ns/net", file, f) }()
	return <-done
}

// onThread enters a namespace on a thread of its own for as long as f takes. The thread
// goes back before it is given up: what is started from a thread that ends is
// told that its parent has died.
func onThread(kind int, own, file string, f func() error) error {
	goal, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("enter a namespace: %w", err)
	}
	defer goal.Close()
	runtime.LockOSThread()
	home, err := os.Open(own)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter a namespace: %w", err)
	}
	defer home.Close()
	if err := unix.Setns(int(goal.Fd()), kind); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %s: %w", file, err)
	}
	fault := f()
	if err := unix.Setns(int(home.Fd()), kind); err != nil {
		// The thread stays locked, and ends with this goroutine.
		return errors.Join(fault, fmt.Errorf("leave namespace %s: %w", file, err))
	}
	runtime.UnlockOSThread()
	return fault
}

// Listen listens in the containers' network, so that those who work in it reach us.
func (r *Runtime) Listen(ctx context.Context, address string) (net.Listener, error) {
	var listener net.Listener
	err := inNetwork(r.namespaceFile(), func() (err error) {
		var config net.ListenConfig
		listener, err = config.Listen(ctx, "tcp", address)
		return err
	})
	return listener, err
}

// Namespace is the name of the network namespace, as "ip netns" knows it.
func (r *Runtime) Namespace() string { return r.namespace }

func (r *Runtime) namespaceFile() string { return "/run/netns/" + r.namespace }

// inside prepares a command that works in the containers' network.
func (r *Runtime) inside(ctx context.Context, program string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + r.namespaceFile(), "--", program}, args...)...)
}

// do runs a command that takes no time to speak of.
func do(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
