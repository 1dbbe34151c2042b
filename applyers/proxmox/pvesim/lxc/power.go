//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// process is a container that runs. What is not the channel is guarded by the
// runtime's mu.
type process struct {
	ended    chan struct{} // closed when it has gone off
	pid      int           // of the first process in it; zero while it reboots
	since    time.Time
	stopping bool // It is not to come up again.
}

// startTime is how long LXC may take until the first process of a container runs.
const startTime = 30 * time.Second

// Start implements [pvesim.Runtime].
func (r *Runtime) Start(ctx context.Context, c pvesim.Container, ended func()) error {
	ct, err := r.find(c.VMID)
	if err != nil {
		return err
	}
	if r.running(ct) != nil {
		return fmt.Errorf("start container %d: it runs", c.VMID)
	}
	pid, gone, err := r.boot(ctx, ct, c)
	if err != nil {
		return fmt.Errorf("start container %d: %w", c.VMID, err)
	}
	p := &process{ended: make(chan struct{}), pid: pid, since: time.Now()}
	r.mu.Lock()
	ct.proc, ct.knows = p, c
	r.mu.Unlock()
	lives := context.WithoutCancel(ctx)
	go func() {
		for gone != nil {
			<-gone
			gone = r.reboots(lives, ct, p)
		}
		r.mu.Lock()
		ct.proc = nil
		r.mu.Unlock()
		ended()
		close(p.ended)
	}()
	return nil
}

// boot starts a container and tells its first process, and when it has gone off.
func (r *Runtime) boot(ctx context.Context, ct *container, c pvesim.Container) (pid int, gone <-chan struct{}, err error) {
	if err := r.lay(ctx, ct, c); err != nil {
		return 0, nil, err
	}
	console := filepath.Join(r.paths(ct).dir, "console")
	out, err := os.Create(console)
	if err != nil {
		return 0, nil, err
	}
	defer out.Close()
	// The container outlives the call; Stop ends it, and so does our own end.
	cmd := r.lxc(context.WithoutCancel(ctx), ct, "lxc-start", "-F")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // It ends when the container does, whatever became of that.
		close(ended)
	}()
	if pid, err = r.comes(ctx, ct, ended); err != nil {
		_ = cmd.Process.Kill() // It may have ended.
		<-ended
		said, _ := os.ReadFile(console)
		return 0, nil, fmt.Errorf("%w: %s", err, complaint(said))
	}
	return pid, ended, nil
}

// comes waits until the first process of a container runs, and tells its number.
func (r *Runtime) comes(ctx context.Context, ct *container, gone <-chan struct{}) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if pid := r.ask(ctx, ct); pid != 0 {
			return pid, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for its first process: %w", ctx.Err())
		case <-gone:
			return 0, errors.New("it does not start")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ask asks LXC for the first process of a container, zero where none runs yet.
func (r *Runtime) ask(ctx context.Context, ct *container) int {
	out, err := r.lxc(ctx, ct, "lxc-info", "-s", "-p", "-H").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) == 0 || !slices.Contains(words, "RUNNING") {
		return 0
	}
	pid, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return 0
	}
	return pid
}

// reboots starts a container again where somebody in it has rebooted it, so that it has
// what was changed meanwhile; it returns nil where it has gone off for good. LXC itself
// would start it with what it had before.
func (r *Runtime) reboots(ctx context.Context, ct *container, p *process) <-chan struct{} {
	mark := r.paths(ct).rebootMark()
	if err := os.Remove(mark); err != nil {
		return nil // Nobody has.
	}
	r.mu.Lock()
	c, stopping := ct.knows, p.stopping
	p.pid = 0
	r.mu.Unlock()
	if stopping {
		return nil
	}
	pid, gone, err := r.boot(ctx, ct, c)
	if err != nil {
		r.options.Say(fmt.Sprintf("Container %d does not come up again: %v", ct.vmid, err))
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.pid, p.since = pid, time.Now()
	return gone
}

func (r *Runtime) running(ct *container) *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ct.proc
}

// first is the number of the first process of a container that runs. For one that
// reboots it waits.
func (r *Runtime) first(ctx context.Context, ct *container) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		r.mu.Lock()
		p, pid := ct.proc, 0
		if p != nil {
			pid = p.pid
		}
		r.mu.Unlock()
		switch {
		case p == nil:
			return 0, fmt.Errorf("container %d is off", ct.vmid)
		case pid != 0:
			return pid, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("container %d does not come up again: %w", ct.vmid, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// halt is what systemd shuts down at: SIGRTMIN+3.
const halt = syscall.Signal(34 + 3)

// Stop implements [pvesim.Runtime].
func (r *Runtime) Stop(ctx context.Context, vmid int, within time.Duration) error {
	ct, err := r.find(vmid)
	if err != nil {
		return err
	}
	p := r.running(ct)
	if p == nil {
		return nil
	}
	signal := halt
	if within <= 0 {
		signal, within = syscall.SIGKILL, 10*time.Second
	}
	late := time.NewTimer(within)
	defer late.Stop()
	// One that has just started may not hear the first time, and one that reboots is
	// another process.
	again := time.NewTicker(2 * time.Second)
	defer again.Stop()
	for {
		r.mu.Lock()
		pid := p.pid
		p.stopping = true
		r.mu.Unlock()
		if pid != 0 {
			_ = syscall.Kill(pid, signal) // It may have ended.
		}
		select {
		case <-p.ended:
			return nil
		case <-again.C:
		case <-late.C:
			r.mu.Lock()
			p.stopping = false
			r.mu.Unlock()
			return fmt.Errorf("container %d has not gone off within %s", vmid, within)
		case <-ctx.Done():
			return fmt.Errorf("stop container %d: %w", vmid, ctx.Err())
		}
	}
}
