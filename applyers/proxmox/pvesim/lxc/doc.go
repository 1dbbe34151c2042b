// Package lxc runs the containers of a simulated Proxmox cluster as real ones, by
// Debian's LXC: systemd is their first process, sshd answers, and what is done to
// them through the API happens to them. It is a [pvesim.Runtime].
//
// It needs Linux, root, the second or (with the hybrid layout) the first version of
// cgroups, and Debian's packages lxc, mmdebstrap and iproute2; dnsmasq-base for
// containers that want DHCP, and openssl for those with a password of root's. What is
// missing is named by [New], or by the task that needed it.
//
// The root file system of a template is built once, from the mirror that apt uses on
// this machine, and kept in a cache; a container is an overlay over it. The
// template's name alone says what is built: debian-12… and debian-13… are there.
// All bridges lie in one network namespace with no way out of it, so that the
// addresses of containers can clash with nobody's; who wants to reach them works in
// it (nsenter --net, not "ip netns exec", which hides the cgroups from LXC).
//
// A container gets what Proxmox would give it at each start: host name, name
// servers, addresses (those written, or by dnsmasq from the upper end of the bridge's
// network), mount points, limits. While it runs it takes memory, cores,
// cpulimit, the host name, network devices and new mount points at once.
//
// What it does not do: volumes are directories, so that their sizes limit nothing,
// and free and nproc tell what the kernel tells (nproc the cores, free the
// machine's memory). Every container is privileged, whatever "unprivileged" says,
// since an overlay cannot be mounted with shifted ids by this LXC; of the features,
// nesting alone makes a difference. VLAN tags, the host's directories as mount
// points and devices are refused at the start. There are no snapshots.
//
// Whatever a [Runtime] made is gone when it is closed: the cluster that knew of it
// is forgotten then, too. What a killed one left is removed by the next: each has a
// directory of its own, locked while it lives, and the names of its containers begin
// with that directory's. Containers of others are never touched.
package lxc
