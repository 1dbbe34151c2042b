package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/lxc"
)

// simGuests says what the simulator's guests are.
type simGuests struct {
	runtime, cache string
	address        string
	build          bool
	prefix         netip.Prefix
}

// bootable is the template whose root file system is there from the beginning.
const bootable = "debian-12"

// simLockWait is how long a writer waits for a task of the same guest, as Proxmox lets
// it: what is real takes its time.
const simLockWait = 10 * time.Second

func (g *simGuests) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.runtime, "runtime", "", "boot containers for real: lxc")
	cmd.Flags().StringVar(&g.cache, "cache", "", "with --runtime: directory of root file systems (default /var/cache/berth for root)")
	cmd.Flags().StringVar(&g.address, "address", "10.111.1.1/24", "with --runtime: address of the bridge vmbr0 in the network namespace")
	cmd.Flags().BoolVar(&g.build, "build-only", false, "with --runtime: build the root file system of "+bootable+" where it is missing, and end")
}

func (g *simGuests) check(cmd *cobra.Command) error {
	for _, flag := range []string{"cache", "address", "build-only"} {
		if cmd.Flags().Changed(flag) && g.runtime == "" {
			return fmt.Errorf("--%s goes with --runtime lxc", flag)
		}
	}
	if g.runtime != "" && g.runtime != "lxc" || cmd.Flags().Changed("runtime") && g.runtime == "" {
		return fmt.Errorf("--runtime %s: write lxc, which is the one that there is", g.runtime)
	}
	prefix, err := netip.ParsePrefix(g.address)
	if err != nil || prefix.Addr() == prefix.Masked().Addr() {
		return fmt.Errorf("--address %s: write an address with the length of its network, as 10.111.1.1/24", g.address)
	}
	g.prefix = prefix
	return nil
}

// network is where the simulator listens; the zero value is the machine's own.
type network struct {
	prefix string       // of commands that are to reach it
	lan    netip.Prefix // address of the bridge
	listen func(ctx context.Context, address string) (net.Listener, error)
}

func (n network) open(ctx context.Context, address string) (net.Listener, error) {
	if n.listen != nil {
		return n.listen(ctx, address)
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

// with calls f with what runs the guests, and takes it away when f is done.
func (g *simGuests) with(ctx context.Context, s streams, f func(pvesim.Options, network) error) error {
	if g.runtime == "" {
		return f(pvesim.Options{}, network{lan: g.prefix})
	}
	say := func(line string) { fmt.Fprintln(s.Err, line) }
	if g.build {
		return g.make(ctx, say)
	}
	r, err := lxc.New(ctx, lxc.Options{Cache: g.cache, Address: g.prefix, Say: say})
	if err != nil {
		return fmt.Errorf("run real containers: %w", err)
	}
	if err := g.make(ctx, say); err != nil {
		return errors.Join(err, r.Close(ctx))
	}
	enter := "nsenter --net=/run/netns/" + r.Namespace() + " "
	fmt.Fprintf(s.Out, "namespace    %s\nreach it by  %sCOMMAND\n", r.Namespace(), enter)
	return errors.Join(f(pvesim.Options{Runtime: r, LockWait: simLockWait}, network{prefix: enter, lan: g.prefix, listen: r.Listen}), r.Close(ctx))
}

// make builds what containers are made from.
func (g *simGuests) make(ctx context.Context, say func(string)) error {
	cache := g.cache
	if cache == "" {
		dir, err := lxc.DefaultCache()
		if err != nil {
			return err
		}
		cache = dir
	}
	if err := lxc.Check(); err != nil {
		return fmt.Errorf("run real containers: %w", err)
	}
	_, err := lxc.Rootfs(ctx, cache, bootable, say)
	return err
}
