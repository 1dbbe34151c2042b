//go:build linux

package lxc

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/pvesim"
)

// paths are where the parts of a container are.
type paths struct {
	rootfs string // of its template
	dir    string // its own
	// volume finds the directory of a volume.
	volume func(owner int, id string) string
}

// upper is where what is written in a container is kept.
func (p paths) upper() string { return p.dir + "/upper" }

// bridgeScript puts the host's end of a cable, its fifth argument, into a bridge. LXC
// itself would look for the bridge in /sys, which shows another network namespace.
func (p paths) bridgeScript(bridge string) string { return p.dir + "/to-" + bridge }

// postStop is the script that LXC runs when a container has gone off. Where somebody
// in it has rebooted it, it leaves the mark, and fails, so that LXC does not start it.
func (p paths) postStop() string { return p.dir + "/post-stop" }

func (p paths) rebootMark() string { return p.dir + "/reboot" }

// refuse names what cannot be had.
func refuse(c pvesim.Container) error {
	for i, n := range c.Networks {
		if n.Tag != 0 || n.Trunks != "" {
			return fmt.Errorf("net%d: real containers have no VLANs: take tag and trunks out", i)
		}
		if strings.ContainsAny(n.Bridge+n.Name, "/ \n") {
			return fmt.Errorf("net%d: %q and %q are no names of network devices", i, n.Name, n.Bridge)
		}
	}
	for _, m := range c.Mounts {
		if m.Host != "" {
			return fmt.Errorf("mount point %s: real containers do not get directories of the host, such as %s", m.Path, m.Host)
		}
		if strings.Contains(m.Path+"/", "/../") || strings.ContainsAny(m.Path, "\n") {
			return fmt.Errorf("mount point %q leads out of the container", m.Path)
		}
	}
	if len(c.Devices) > 0 {
		return fmt.Errorf("device %s: real containers do not get devices of the host", c.Devices[0])
	}
	return nil
}

// config is LXC's configuration of a container.
func config(c pvesim.Container, p paths, g groups) string {
	var b strings.Builder
	say := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "lxc.%s = %s\n", key, fmt.Sprintf(format, args...))
	}
	say("include", "/usr/share/lxc/config/common.conf")
	if slices.Contains(c.Features, "nesting") {
		say("include", "/usr/share/lxc/config/nesting.conf")
	}
	say("arch", "%s", runtime.GOARCH)
	say("uts.name", "%s", c.Hostname)
	say("rootfs.path", "overlay:%s:%s", p.rootfs, p.upper())
	say("apparmor.profile", "unconfined")
	say("signal.halt", "SIGRTMIN+3")
	say("hook.post-stop", "%s", p.postStop())
	// There is no console, and an overlay has no place for the terminals' directory.
	say("console.path", "none")
	say("tty.max", "0")
	say("tty.dir", "")
	for i, n := range c.Networks {
		net := func(key, format string, args ...any) { say("net."+strconv.Itoa(i)+"."+key, format, args...) }
		net("type", "veth")
		net("name", "%s", n.Name)
		net("hwaddr", "%s", n.MAC)
		if n.MTU > 0 {
			net("mtu", "%d", n.MTU)
		}
		if pair := cable(c.VMID, i); pair != "" {
			net("veth.pair", "%s", pair)
		}
		if n.Bridge != "" {
			net("script.up", "%s", p.bridgeScript(n.Bridge))
		}
		if !n.Down {
			net("flags", "up")
		}
		for _, a := range []struct {
			family, address string
			gateway         netip.Addr
		}{{"ipv4", n.Address, n.Gateway}, {"ipv6", n.Address6, n.Gateway6}} {
			if !isPrefix(a.address) {
				continue
			}
			net(a.family+".address", "%s", a.address)
			if a.gateway.IsValid() && !n.Down {
				net(a.family+".gateway", "%s", a.gateway)
			}
		}
	}
	if len(c.Networks) == 0 {
		say("net.0.type", "empty")
	}
	for _, m := range c.Mounts {
		options := "bind,create=dir"
		if m.ReadOnly {
			options += ",ro"
		}
		say("mount.entry", "%s %s none %s 0 0", escape(p.volume(m.Owner, m.Volume)), escape(strings.TrimPrefix(m.Path, "/")), options)
	}
	for _, l := range g.limits(c) {
		say(g.prefix()+"."+l.file, "%s", l.value)
	}
	return b.String()
}

// cable is the host's end of a container's network device, by Proxmox's rule; "" where
// that is longer than the kernel allows.
func cable(vmid, i int) string {
	name := fmt.Sprintf("veth%di%d", vmid, i)
	if len(name) > 15 {
		return ""
	}
	return name
}

func isPrefix(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// escape writes a path for a line of mounts.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`).Replace(path)
}

// wantsDHCP tells whether any device asks for an address.
func wantsDHCP(c pvesim.Container) bool {
	return slices.ContainsFunc(c.Networks, func(n pvesim.Network) bool { return n.Address == "dhcp" })
}
