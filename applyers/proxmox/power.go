package proxmox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// powerState is what a guest does right now.
type powerState struct {
	Status string
	HA     struct{ Managed pve.Scalar }
	// Uptime in seconds.
	Uptime pve.Scalar
}

func (j *job) power(ctx context.Context) (powerState, error) {
	var s powerState
	err := j.Get(ctx, j.path()+"/status/current", &s)
	return s, err
}

// runs tells whether the guest runs, and refuses where HA is in charge.
func (j *job) runs(ctx context.Context) (bool, error) {
	s, err := j.power(ctx)
	if err != nil {
		return false, err
	}
	if s.HA.Managed.Yes() {
		return false, &applyers.HeldError{Reason: "it is managed by HA, which Berth can't steer yet: set its state there"}
	}
	return s.Status == "running", nil
}

// start starts the guest and makes sure that it runs: a task that ends well says
// nothing about QEMU a moment later (FACTS 2).
func (j *job) start(ctx context.Context) error {
	if err := j.settlePower(ctx); err != nil {
		return err
	}
	running, err := j.runs(ctx)
	if err != nil || running {
		return err
	}
	if err := j.writesAlone(ctx); err != nil {
		return err
	}
	err = j.patient(ctx, func() error {
		return j.Do(ctx, j.p, j.limit(anyTask), "POST", j.path()+"/status/start", pve.Params{})
	})
	if err != nil && !pve.Says(err, "already running") {
		return fmt.Errorf("start %s %d: %w", j.kind, j.vmid, err)
	}
	if running, err = j.runs(ctx); err != nil {
		return err
	}
	if !running {
		return fmt.Errorf("start %s %d: it stopped again at once; why, as root on %s: pvenode task list --vmid %d, and the log of its start", j.kind, j.vmid, j.node, j.vmid)
	}
	return nil
}

// settlePower waits for a start, shutdown or reboot that is under way.
func (j *job) settlePower(ctx context.Context) error {
	_, err := j.settle(ctx, j.limit(shutdown)+j.limit(anyTask),
		"qmstart", "qmstop", "qmshutdown", "qmreboot", "vzstart", "vzstop", "vzshutdown", "vzreboot")
	return err
}

func (j *job) startStep(ctx context.Context) error {
	if _, err := j.mine(ctx); err != nil {
		return err
	}
	return j.start(ctx)
}

// stopStep shuts the guest down. One that goes for good is not even stopped where
// a last look speaks against that.
func (j *job) stopStep(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	if g := j.guest(); g != nil && g.State != desired.Absent {
		return j.stop(ctx)
	}
	if err := j.unprotected(g); err != nil {
		return err
	}
	if j.guest() != nil || g.stamp.Making || g.stamp.Remove == destroy || !g.stamp.Archived.IsZero() || j.Fleet.Spec.ArchiveFor == 0 {
		if err := j.loseNothing(ctx, g); err != nil {
			return err
		}
	}
	return j.stop(ctx)
}

// stop shuts the guest down; one that does not react is left running, unless the
// manifest says force.
func (j *job) stop(ctx context.Context) error {
	if err := j.settlePower(ctx); err != nil {
		return err
	}
	running, err := j.runs(ctx)
	if err != nil || !running {
		return err
	}
	limit := j.limit(shutdown)
	options := pve.Params{"timeout": strconv.Itoa(int(limit / time.Second))}
	force := false
	if g := j.guest(); g != nil {
		force = g.Lifecycle.Stop == "force"
	}
	if force {
		options["forceStop"] = "1"
	}
	err = j.patient(ctx, func() error {
		return j.Do(ctx, j.p, limit+j.limit(anyTask), "POST", j.path()+"/status/shutdown", options)
	})
	if errors.Is(err, applyers.ErrLeft) {
		return err
	}
	// A guest that stopped meanwhile is a failure to Proxmox and none to us.
	still, look := j.runs(ctx)
	switch {
	case look != nil && err != nil:
		return fmt.Errorf("shut %s %d down: %w", j.kind, j.vmid, err)
	case look != nil:
		return fmt.Errorf("shut %s %d down: whether it runs still: %w", j.kind, j.vmid, look)
	case !still:
		return nil
	case err != nil && pve.Says(err, "timeout", "timed out"):
		return &applyers.HeldError{Reason: fmt.Sprintf("it did not shut down in %s; left running (lifecycle.stop: graceful): stop it by hand, or see why it does not", desired.Duration(limit))}
	case err != nil:
		return fmt.Errorf("shut %s %d down: %w", j.kind, j.vmid, err)
	}
	return fmt.Errorf("shut %s %d down: it still runs", j.kind, j.vmid)
}

// reboot lets pending changes take effect. One that has none any more was
// rebooted already.
func (j *job) reboot(ctx context.Context) error {
	if err := j.settlePower(ctx); err != nil {
		return err
	}
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	running, err := j.runs(ctx)
	switch {
	case err != nil:
		return err
	case len(j.Fields) > 0:
		return j.renew(ctx)
	case !running:
		return j.start(ctx)
	case len(g.conf.Now) == 0:
		power, err := j.power(ctx)
		if err != nil || !waitsForBoot(g.stamp, power.Uptime.Int(), j.Now()) {
			return err
		}
	}
	limit := j.limit(shutdown)
	err = j.patient(ctx, func() error {
		return j.Do(ctx, j.p, limit+j.limit(anyTask), "POST", j.path()+"/status/reboot", pve.Params{"timeout": strconv.Itoa(int(limit / time.Second))})
	})
	if err != nil && pve.Says(err, "timeout", "timed out") {
		return &applyers.HeldError{Reason: fmt.Sprintf("it did not shut down in %s; left running, the changes wait", desired.Duration(limit))}
	}
	if err != nil {
		return fmt.Errorf("reboot %s %d: %w", j.kind, j.vmid, err)
	}
	return nil
}

// renew lets what Proxmox's own cloud-init drive says take effect: it is written
// while the guest is off, so that a turn that breaks off finds what is left to do.
func (j *job) renew(ctx context.Context) error {
	if err := j.stop(ctx); err != nil {
		return err
	}
	if err := j.change(ctx); err != nil {
		return err
	}
	return j.start(ctx)
}
