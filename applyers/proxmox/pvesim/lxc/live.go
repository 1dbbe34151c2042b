//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/applyers/proxmox/pvesim"
)

// Change implements [pvesim.Runtime].
func (r *Runtime) Change(ctx context.Context, c pvesim.Container) error {
	ct, err := r.find(c.VMID)
	if err != nil {
		return err
	}
	r.mu.Lock()
	was := ct.knows
	r.mu.Unlock()
	if reflect.DeepEqual(was, c) {
		return nil
	}
	if err := refuse(c); err != nil {
		return err
	}
	pid, err := r.first(ctx, ct)
	if err != nil {
		return err
	}
	if was.Memory != c.Memory || was.Swap != c.Swap || was.Cores != c.Cores || was.CPULimit != c.CPULimit {
		if err := r.groups.apply(pid, ct.name, c); err != nil {
			return err
		}
	}
	root := filepath.Join("/proc", strconv.Itoa(pid), "root")
	if was.Hostname != c.Hostname {
		if _, err := do(ctx, "nsenter", "--target="+strconv.Itoa(pid), "--uts", "--", "hostname", c.Hostname); err != nil {
			return fmt.Errorf("name the container: %w", err)
		}
		if err := inherited(root, c); err != nil {
			return err
		}
	}
	if !reflect.DeepEqual(was.Networks, c.Networks) {
		if err := r.rewire(ctx, pid, was, c); err != nil {
			return err
		}
	}
	for _, m := range c.Mounts {
		if !slices.ContainsFunc(was.Mounts, func(o pvesim.Mount) bool { return o.Path == m.Path }) {
			if err := r.mount(pid, m); err != nil {
				return err
			}
		}
	}
	if err := r.prune(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ct.knows = c
	return nil
}

// rewire gives a running container other network devices.
func (r *Runtime) rewire(ctx context.Context, pid int, was, c pvesim.Container) error {
	target := []string{"--target=" + strconv.Itoa(pid), "--net", "--", "ip"}
	in := func(args ...string) error {
		_, err := do(ctx, "nsenter", append(slices.Clone(target), args...)...)
		return err
	}
	for _, old := range was.Networks {
		if !slices.ContainsFunc(c.Networks, func(n pvesim.Network) bool { return n.Name == old.Name && n.MAC == old.MAC }) {
			if err := in("link", "del", old.Name); err != nil {
				return fmt.Errorf("take %s away: %w", old.Name, err)
			}
		}
	}
	for i, n := range c.Networks {
		at := slices.IndexFunc(was.Networks, func(o pvesim.Network) bool { return n.Name == o.Name && n.MAC == o.MAC })
		var old pvesim.Network
		if at >= 0 {
			old = was.Networks[at]
		}
		if old == n {
			continue
		}
		pair := cable(c.VMID, i)
		if at < 0 {
			if pair == "" {
				return fmt.Errorf("plug %s: the VMID is too long for a device's name: restart the container", n.Name)
			}
			add := []string{"-n", r.namespace, "link", "add", pair, "type", "veth", "peer", "name", n.Name, "address", n.MAC, "netns", strconv.Itoa(pid)}
			if _, err := do(ctx, "ip", add...); err != nil {
				return fmt.Errorf("plug %s: %w", n.Name, err)
			}
		}
		if err := r.wire(ctx, pair, old, n, in); err != nil {
			return fmt.Errorf("set %s up: %w", n.Name, err)
		}
	}
	if !wantsDHCP(c) && !wantsDHCP(was) {
		return nil
	}
	for _, n := range c.Networks {
		if n.Address == "dhcp" {
			if err := r.serveDHCP(ctx, n.Bridge); err != nil {
				return err
			}
		}
	}
	if err := dhcpClient(filepath.Join("/proc", strconv.Itoa(pid), "root"), c); err != nil {
		return err
	}
	verb := "stop"
	if wantsDHCP(c) {
		verb = "restart"
	}
	_, err := do(ctx, "nsenter", "--target="+strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--", "systemctl", verb, "systemd-networkd")
	return err
}

// wire puts a device into its bridge and gives it its addresses.
func (r *Runtime) wire(ctx context.Context, pair string, old, n pvesim.Network, in func(...string) error) error {
	if n.Bridge != old.Bridge {
		if pair == "" {
			return errors.New("the VMID is too long for a device's name: restart the container")
		}
		steps := [][]string{{"-n", r.namespace, "link", "set", pair, "nomaster"}}
		if n.Bridge != "" {
			steps = [][]string{{"-n", r.namespace, "link", "set", pair, "master", n.Bridge}}
		}
		for _, step := range append(steps, []string{"-n", r.namespace, "link", "set", pair, "up"}) {
			if _, err := do(ctx, "ip", step...); err != nil {
				return err
			}
		}
	}
	if n.MTU > 0 {
		if err := in("link", "set", n.Name, "mtu", strconv.Itoa(n.MTU)); err != nil {
			return err
		}
	}
	state := "up"
	if n.Down {
		state = "down"
	}
	if err := errors.Join(in("addr", "flush", "dev", n.Name, "scope", "global"), in("link", "set", n.Name, state)); err != nil {
		return err
	}
	for _, a := range []struct {
		address string
		gateway netip.Addr
	}{{n.Address, n.Gateway}, {n.Address6, n.Gateway6}} {
		if !isPrefix(a.address) {
			continue
		}
		if err := in("addr", "add", a.address, "dev", n.Name); err != nil {
			return err
		}
		if a.gateway.IsValid() && !n.Down {
			if err := in("route", "replace", "default", "via", a.gateway.String(), "dev", n.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// mount gives a running container a volume: its directory is cloned here, where it is
// seen, and hung up there.
func (r *Runtime) mount(pid int, m pvesim.Mount) error {
	dir := r.volume(m.Owner, m.Volume)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Users of the container go through it.
		return fmt.Errorf("make a volume: %w", err)
	}
	root, err := os.OpenRoot(filepath.Join("/proc", strconv.Itoa(pid), "root"))
	if err != nil {
		return fmt.Errorf("mount %s: %w", m.Path, err)
	}
	defer root.Close()
	if err := root.MkdirAll(strings.Trim(m.Path, "/"), 0o755); err != nil {
		return fmt.Errorf("mount %s: %w", m.Path, err)
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("mount %s: clone its volume: %w", m.Path, err)
	}
	defer unix.Close(tree)
	if m.ReadOnly {
		readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &readOnly); err != nil {
			return fmt.Errorf("mount %s for reading: %w", m.Path, err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- hang(pid, tree, m.Path) }()
	if err := <-done; err != nil {
		return fmt.Errorf("mount %s: %w", m.Path, err)
	}
	return nil
}
