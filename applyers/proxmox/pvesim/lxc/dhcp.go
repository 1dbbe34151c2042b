//go:build linux

package lxc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// server is a DHCP server that runs, until ended is closed.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// serveDHCP gives a bridge a DHCP server, unless it has one of ours.
func (r *Runtime) serveDHCP(ctx context.Context, bridge string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dhcps[bridge] != nil {
		return nil
	}
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		return fmt.Errorf("serve DHCP on %s: dnsmasq is missing: apt-get install dnsmasq-base, or write an address", bridge)
	}
	prefix, err := r.bridgePrefix(bridge)
	if err != nil {
		return fmt.Errorf("serve DHCP on %s: %w", bridge, err)
	}
	from, to := pool(prefix)
	cmd := r.inside(context.WithoutCancel(ctx), "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
		"--port=0", "--interface="+bridge, "--except-interface=lo", "--bind-interfaces", "--dhcp-authoritative", "--no-ping", "--user=root", "--pid-file=",
		fmt.Sprintf("--dhcp-range=%s,%s,%s,1h", from, to, net.IP(net.CIDRMask(prefix.Bits(), 32))),
		"--dhcp-leasefile="+filepath.Join(r.run, "leases-"+bridge))
	said := &bytes.Buffer{}
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("serve DHCP on %s: %w", bridge, err)
	}
	// What is wrong with its options it says at once. A guest asks more than once.
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // It is killed in the end.
		close(ended)
	}()
	select {
	case <-ended:
		return fmt.Errorf("serve DHCP on %s: dnsmasq: %s", bridge, lastLines(said.Bytes(), 1))
	case <-time.After(100 * time.Millisecond):
	}
	r.dhcps[bridge] = &server{cmd: cmd, ended: ended}
	return nil
}

// bridgePrefix is the bridge's own address.
func (r *Runtime) bridgePrefix(bridge string) (netip.Prefix, error) {
	var found netip.Prefix
	err := inNetwork(r.namespaceFile(), func() error {
		device, err := net.InterfaceByName(bridge)
		if err != nil {
			return err
		}
		addresses, err := device.Addrs()
		if err != nil {
			return err
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Bits() <= 29 {
				found = p
				return nil
			}
		}
		return errors.New("it has no IPv4 address with room for others")
	})
	return found, err
}

// pool is the upper end of a network, at most 64 addresses: whoever writes addresses
// begins below.
func pool(p netip.Prefix) (from, to netip.Addr) {
	base := binary.BigEndian.Uint32(p.Masked().Addr().AsSlice())
	size := uint32(1) << (32 - p.Bits())
	last := base + size - 2
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], last)
	to = netip.AddrFrom4(b)
	binary.BigEndian.PutUint32(b[:], last-min(size/4, 64)+1)
	return netip.AddrFrom4(b), to
}
