//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"berth/applyers/proxmox/pvesim"
)

// Create implements [pvesim.Runtime].
func (r *Runtime) Create(ctx context.Context, c pvesim.Container, from pvesim.Origin) error {
	ct := &container{vmid: c.VMID, name: fmt.Sprintf("%s-%d", filepath.Base(r.run), c.VMID)}
	r.mu.Lock()
	source := r.cts[from.Clone]
	_, there := r.cts[c.VMID]
	r.mu.Unlock()
	switch {
	case there:
		return fmt.Errorf("make container %d: it is there", c.VMID)
	case from.Clone != 0 && source == nil:
		return fmt.Errorf("copy container %d: it was not made here", from.Clone)
	case source != nil:
		ct.rootfs = source.rootfs
	default:
		rootfs, err := Rootfs(ctx, r.options.Cache, from.Template, r.options.Say)
		if err != nil {
			return err
		}
		ct.rootfs = rootfs
	}
	p := r.paths(ct)
	err := os.MkdirAll(p.upper(), 0o755) //nolint:gosec // The container's own root directory.
	if err == nil && source != nil {
		// Tar would lose what an overlay keeps in extended attributes.
		_, err = do(ctx, "cp", "-a", r.paths(source).upper()+"/.", p.upper())
	}
	if err == nil {
		err = personal(ctx, p, from)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make container %d: %w", c.VMID, err), os.RemoveAll(p.dir))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cts[c.VMID] = ct
	return nil
}

// Destroy implements [pvesim.Runtime].
func (r *Runtime) Destroy(ctx context.Context, vmid int) error {
	ct, err := r.find(vmid)
	if err != nil {
		return err
	}
	if err := r.Stop(ctx, vmid, 0); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(r.paths(ct).dir), os.RemoveAll(r.volumes(vmid))); err != nil {
		return fmt.Errorf("remove container %d: %w", vmid, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cts, vmid)
	return nil
}

// lay writes what a container is started with.
func (r *Runtime) lay(ctx context.Context, ct *container, c pvesim.Container) error {
	if err := refuse(c); err != nil {
		return err
	}
	p := r.paths(ct)
	if err := inherited(p.upper(), c); err != nil {
		return err
	}
	for _, m := range c.Mounts {
		if err := os.MkdirAll(r.volume(m.Owner, m.Volume), 0o755); err != nil { //nolint:gosec // Users of the container go through it.
			return fmt.Errorf("make a volume: %w", err)
		}
	}
	if err := r.prune(c); err != nil {
		return err
	}
	for _, n := range c.Networks {
		if n.Bridge == "" {
			continue
		}
		script := fmt.Sprintf("#!/bin/sh\nexec ip link set dev \"$5\" master %s\n", n.Bridge)
		if err := os.WriteFile(p.bridgeScript(n.Bridge), []byte(script), 0o700); err != nil { //nolint:gosec // LXC runs it.
			return fmt.Errorf("write how a cable gets into its bridge: %w", err)
		}
		if n.Address == "dhcp" {
			if err := r.serveDHCP(ctx, n.Bridge); err != nil {
				return err
			}
		}
	}
	hook := fmt.Sprintf("#!/bin/sh\n[ \"$LXC_TARGET\" != reboot ] || ! : >%s\n", p.rebootMark())
	if err := os.WriteFile(p.postStop(), []byte(hook), 0o700); err != nil { //nolint:gosec // LXC runs it.
		return fmt.Errorf("write what LXC does at the end: %w", err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "config"), []byte(config(c, p, r.groups)), 0o600); err != nil {
		return fmt.Errorf("write LXC's configuration: %w", err)
	}
	return nil
}

// lxc prepares one of LXC's tools. All of them find a container by a socket in the
// network namespace in which it was started.
func (r *Runtime) lxc(ctx context.Context, ct *container, tool string, args ...string) *exec.Cmd {
	return r.inside(ctx, tool, append([]string{"-P", filepath.Join(r.run, "ct"), "-n", ct.name}, args...)...)
}

// complaint is what LXC said when a container did not start: the first line, which is
// nearest to the cause, without where in LXC it was said.
func complaint(said []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if _, text, ok := strings.Cut(line, " - "); ok {
		line = text
	}
	if line == "" {
		line = "LXC says nothing"
	}
	return line
}
