package schemacheck

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// samples are valid values of formats that are no pattern of their own.
var samples = map[string][]string{
	"pve-node": {"pve1", "pve2"}, "pve-vmid": {"100", "4711", "999999999"}, "pve-configid": {"abc", "a-b_c1"}, "pve-storage-id": {"local", "local-lvm", "nfs.1"},
	"pve-volume-id": {"local:iso/x.iso", "local-lvm:vm-100-disk-1"}, "dns-name": {"web-1", "a.example.net"}, "pve-tag": {"prod", "a_b", "x.y+z"},
	"mac-addr": {"BC:24:11:00:00:01", "02:00:00:aa:bb:cc"}, "disk-size": {"8G", "512M", "4.5G", "1024"}, "pve-bridge-id": {"vmbr0", "vnet_1"}, "pve-iface": {"eth0", "eno1.5"},
	"pve-poolid": {"prod", "a/b"}, "pve-roleid": {"PVEAdmin", "Role1"}, "pve-groupid": {"admins"}, "pve-realm": {"pve", "pam"},
	"pve-userid": {"berth@pve", "root@pam"}, "pve-tokenid": {"berth@pve!agent"}, "pve-cpuset": {"0-3,5", "1"}, "pve-priv": {"VM.Audit", "Sys.Modify"},
	"pve-ct-timezone": {"host", "Europe/Berlin"}, "pve-qemu-sev-fmt": {"type=std"}, "ipv4": {"192.0.2.1"}, "ipv6": {"2001:db8::1"}, "ip": {"192.0.2.1", "2001:db8::1"},
	"address": {"192.0.2.1", "ns.example.net"}, "pve-ipv4-config": {"dhcp", "192.0.2.4/24", "manual"}, "pve-ipv6-config": {"auto", "dhcp", "2001:db8::4/64"},
	"CIDR": {"192.0.2.0/24", "2001:db8::/32"}, "lxc-ip-with-ll-iface": {"192.0.2.1", "fe80::1%eth0"}, "pve-volume-id-or-qm-path": {"none", "local:8", "local-lvm:0.5", "local:iso/x.iso"},
	"pve-volume-id-or-absolute-path": {"local:import/x.qcow2", "/tmp/x.raw"}, "pve-lxc-mp-string": {"local:8", "/srv"}, "pve-lxc-dev-string": {"/dev/dri/card0"},
	"pve-storage-content": {"iso", "vztmpl", "import"}, "pve-task-status-type": {"ok", "error"}, "urlencoded": {"abc%20def", "x"}, "pve-startup-order": {"order=1,up=30", "5", "down=10"},
	"storage-pair": {"local:local-lvm", "local-lvm", "1"}, "pve-hotplug-features": {"network,disk", "0", "1", "cpu;memory"}, "email": {"a@example.net"}, "pve-qm-bootdisk": {"scsi0"},
}

// spoilt are values that a format refuses.
var spoilt = map[string][]string{
	"pve-node": {"pve_1", "-x"}, "pve-vmid": {"99", "0100", "1000000000"}, "pve-configid": {"1abc", "a b", "x"}, "pve-storage-id": {"1local", "x", "lo cal"},
	"pve-volume-id": {"nocolon", "1x:y", ":x"}, "dns-name": {"a_b", "-x", "a..b"}, "pve-tag": {"-x", "a!b", "ä"}, "mac-addr": {"BC:24:11:00:00", "01:00:00:00:00:01", "x"},
	"disk-size": {"8X", "-1G", "G"}, "pve-bridge-id": {"a b", "vmbr/0"}, "pve-poolid": {"a b", "a/b/c/d", "ä"}, "pve-roleid": {"a b", "ä"}, "pve-groupid": {"a b"},
	"pve-userid": {"nobody", "a:b@pve", "x@1"}, "pve-tokenid": {"a@pve", "a!b"}, "pve-cpuset": {"a-b", "1-"}, "pve-priv": {"nothing", "VM"},
	"ipv4": {"192.0.2.256", "2001:db8::1", "x"}, "ipv6": {"192.0.2.1", "x"}, "address": {"a_b", "192.0.2.1/24"}, "pve-ipv4-config": {"192.0.2.4", "auto", "192.0.2.4/33"},
	"pve-ipv6-config": {"2001:db8::4", "192.0.2.4/24"}, "CIDR": {"192.0.2.0", "x"}, "lxc-ip-with-ll-iface": {"192.0.2.300", "2001:db8::1%eth0"},
	"pve-volume-id-or-qm-path": {"nothing", "1x:y"}, "pve-volume-id-or-absolute-path": {"relative", "1x:y"}, "pve-lxc-mp-string": {"/a/../b", "../x"},
	"pve-lxc-dev-string": {"/srv", "dev/x", "/dev/../x"}, "pve-storage-content": {"movies"}, "pve-task-status-type": {"fine"}, "urlencoded": {"a b", "ä", "a+b"}, "pve-startup-order": {"first", "order=x", "order=1,order=2"},
	"storage-pair": {"1x:y", "a b:c d"}, "pve-hotplug-features": {"everything", "disk,floppy"}, "email": {"nobody"}, "pve-ct-timezone": {"No Where!"},
}

// shapes are values for parameters and keys that have a pattern; the first that
// matches is taken.
var shapes = []string{
	"scsi0", "1G", "socket", "berth@pve", "/dev/parport0", "0x5000c500a1b2c3d4", "q35", "abc", "0-1", "0-1;2", "1;2-3", "noatime", "0660", "nfs", "1234:5678", "now",
	"/var/tmp/pveupload-0123abcd", "https://example.net/x.iso", "net0=1500", "cdn", "order=scsi0", "host", "+aes;-pcid", "0x10de", "00:02.0", "aes",
	"00000000-0000-4000-8000-000000000001",
}

// misfits are values that patterns refuse; one that matches all the same is passed over.
var misfits = []string{"!!", "a b", "-", "§", "", "x/../y", "scsi", "12:"}

type generator struct {
	t *testing.T
	s *Schema
	r *rand.Rand
}

func pick[T any](g *generator, of []T) T { return of[g.r.IntN(len(of))] }

// value makes a valid value.
func (g *generator) value(name string, p *Property) string {
	keys := p.Keys
	if keys == nil {
		keys = g.s.formats[p.Format]
	}
	switch {
	case keys != nil:
		return g.properties(keys)
	case p.Type == "boolean":
		return strconv.Itoa(g.r.IntN(2))
	case p.Enum != nil:
		return pick(g, p.Enum)
	case p.Format != "" && p.Pattern == nil:
		return g.formatted(p.Format)
	case p.Pattern != nil:
		start := g.r.IntN(len(shapes))
		for i := range shapes {
			if v := shapes[(start+i)%len(shapes)]; g.s.Value(p, v) == "" {
				return v
			}
		}
		g.t.Fatalf("no value fits %s of %s", p.Pattern, name)
	case p.Type == "integer", p.Type == "number":
		low, high := 0.0, 1000.0
		if p.Min != nil {
			low = *p.Min
		}
		if p.Max != nil {
			high = *p.Max
		} else {
			high += low
		}
		n := strconv.Itoa(int(low) + g.r.IntN(int(high-low)+1))
		if p.Type == "number" && g.r.IntN(2) == 0 && float64(int(low)) < high {
			return strconv.FormatFloat(low+g.r.Float64()*(high-low), 'f', 2, 64)
		}
		return n
	}
	v := pick(g, []string{"x1", "hello world", "Grüße", "a,b;c=d"})
	return v + strings.Repeat("x", max(0, p.MinLen-utf8.RuneCountInString(v)))
}

func (g *generator) formatted(format string) string {
	if v := samples[format]; v != nil {
		return pick(g, v)
	}
	single := strings.TrimSuffix(strings.TrimSuffix(format, "-list"), "-opt")
	v := samples[single]
	if v == nil {
		g.t.Fatalf("no sample of %s", format)
	}
	if strings.HasSuffix(format, "-list") && g.r.IntN(2) == 0 {
		return pick(g, v) + pick(g, []string{",", ";", " "}) + pick(g, v)
	}
	return pick(g, v)
}

// properties makes a valid property string.
func (g *generator) properties(keys map[string]*Property) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		p := keys[k]
		if p.Alias != "" || p.Optional && g.r.IntN(4) > 0 {
			continue
		}
		if p.Requires != "" {
			continue
		}
		v := g.value(k, p)
		if strings.ContainsAny(v, ",=") {
			continue
		}
		if p.DefaultKey && g.r.IntN(3) > 0 {
			parts = append([]string{v}, parts...)
			continue
		}
		parts = append(parts, k+"="+v)
	}
	if len(parts) == 0 {
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			if keys[k].Requires == "" && keys[k].Alias == "" {
				return k + "=" + g.value(k, keys[k])
			}
		}
	}
	return strings.Join(parts, ",")
}

// request makes valid parameters for a method, without those of its path.
func (g *generator) request(m *Method) map[string]string {
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(m.Params)) {
		p := m.Params[k]
		if strings.Contains(m.Path, "{"+k+"}") || p.Optional && g.r.IntN(8) > 0 || k == "tmpfilename" {
			continue
		}
		if p.Requires != "" {
			r := m.Params[p.Requires]
			if r == nil || strings.Contains(m.Path, "{"+p.Requires+"}") {
				continue
			}
			out[p.Requires] = g.value(p.Requires, r)
		}
		name := g.numbered(k)
		out[name] = g.value(k, p)
	}
	for k := range out {
		if p := m.Param(k); p != nil && p.Requires != "" && out[p.Requires] == "" {
			delete(out, k)
		}
	}
	return out
}

func (g *generator) numbered(k string) string {
	if base, ok := strings.CutSuffix(k, "[n]"); ok {
		return base + strconv.Itoa(g.r.IntN(counts[base]))
	}
	return k
}
