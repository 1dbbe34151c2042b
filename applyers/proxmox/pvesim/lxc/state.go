//go:build linux

package lxc

import (
	"net"
	"path/filepath"
	"strconv"

	"berth/applyers/proxmox/pvesim"
)

// State implements [pvesim.Runtime].
func (r *Runtime) State(vmid int) pvesim.State {
	r.mu.Lock()
	ct := r.cts[vmid]
	if ct == nil || ct.proc == nil {
		r.mu.Unlock()
		return pvesim.State{}
	}
	s := pvesim.State{PID: ct.proc.pid, Since: ct.proc.since}
	r.mu.Unlock()
	if s.PID == 0 {
		return s // It reboots.
	}
	s.Memory = r.groups.used(s.PID, ct.name)
	// One that is about to go off has no devices any more.
	_ = inNetwork(filepath.Join("/proc", strconv.Itoa(s.PID), "ns/net"), func() error {
		devices, err := net.Interfaces()
		if err != nil {
			return err
		}
		for _, d := range devices {
			if d.Flags&net.FlagLoopback != 0 {
				continue
			}
			i := pvesim.Interface{Name: d.Name, MAC: d.HardwareAddr.String()}
			addresses, err := d.Addrs()
			if err != nil {
				return err
			}
			for _, a := range addresses {
				i.Addresses = append(i.Addresses, a.String())
			}
			s.Interfaces = append(s.Interfaces, i)
		}
		return nil
	})
	return s
}
