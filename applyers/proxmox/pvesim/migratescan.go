package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// devices refuses a guest that is bound to its node's hardware.
func (m *trip) devices() error {
	if bound := m.bound(); len(bound) > 0 {
		return fail("can't migrate VM which uses local devices: %s", strings.Join(bound, ", "))
	}
	return nil
}

// bound are the options that name the node's hardware.
func (m *trip) bound() []string {
	bound := []string{}
	for _, k := range slices.Sorted(maps.Keys(m.g.conf)) {
		base, n := splitIndex(k)
		v := m.g.conf[k]
		switch {
		case n < 0 || m.g.kind == KindCT:
		case base == "hostpci" && !strings.Contains(v, "mapping="),
			base == "usb" && !strings.Contains(v, "mapping=") && !strings.Contains(v, "spice"),
			base == "serial" && v != "socket", base == "parallel":
			bound = append(bound, k)
		}
	}
	return bound
}

// scan tells whether the volume of a slot must be copied, and why it can't be.
func (m *trip) scan(s slot) (local bool, err error) {
	cannot := func(why string) error {
		return fail("Problem found while scanning volumes - can't migrate local disk '%s': %s", s.volid, why)
	}
	if strings.HasPrefix(s.volid, "/") {
		switch {
		case s.shared:
			return false, nil
		case m.g.kind == KindCT:
			kind := "bind"
			if strings.HasPrefix(s.volid, "/dev/") {
				kind = "device"
			}
			return false, fail("cannot migrate local %s mount point '%s'", kind, s.key)
		}
		return false, cannot("local file/device")
	}
	if s.volid == "cdrom" {
		return false, fail("Problem found while scanning volumes - can't migrate local cdrom drive")
	}
	name, rest, ok := strings.Cut(s.volid, ":")
	if !ok {
		return false, nil
	}
	st, err := m.storageOn(m.g.node, name)
	if err != nil {
		return false, err
	}
	if st.Shared {
		_, err := m.storageOn(m.to, name)
		return false, err
	}
	to, err := m.storageOn(m.to, m.goal(name))
	if err != nil {
		return false, err
	}
	if m.g.kind == KindCT && !to.holds("rootdir") {
		return false, fail("content type 'rootdir' is not available on storage '%s'", to.Name)
	}
	if s.cdrom && !s.cloudinit {
		return false, cannot("local cdrom image")
	}
	_, owner, _, err := st.parseName(rest)
	if err != nil {
		return false, err
	}
	if owner != m.g.vmid {
		return false, cannot(fmt.Sprintf("owned by other VM (owner = VM %d)", owner))
	}
	if m.g.kind == KindVM && m.g.running && !m.local && !s.unused && !s.cloudinit {
		return false, cannot("can't live migrate attached local disks without with-local-disks option")
	}
	if m.volume(m.g.node, s.volid) == nil {
		return false, cannot(fmt.Sprintf("volume '%s' does not exist", s.volid))
	}
	return true, nil
}

// goal is the storage that a local volume goes to.
func (m *trip) goal(storage string) string {
	for _, from := range []string{storage, ""} {
		if to := m.stores[from]; to != "" {
			return to
		}
	}
	return storage
}

// bridges tells that a running VM would not come up over there.
func (m *trip) bridges() error {
	if m.g.kind == KindCT || !m.g.running {
		return nil
	}
	for i := range 32 {
		n, _ := qemuProps()["net"].parseProps("net", m.g.conf["net"+itoa(i)])
		if b := n["bridge"]; b != "" && !m.hasBridge(m.to, b) {
			return fail("bridge '%s' does not exist", b)
		}
	}
	return nil
}
