package pvesim

import (
	"slices"
	"strings"
)

// lxcPriv returns the privilege that an option of a container asks for; "" means
// root@pam alone, by FACTS 11 and the sources.
func lxcPriv(key string) string {
	base, _ := splitIndex(key)
	switch {
	case key == "hookscript" || base == "dev" || key == "lock":
		return ""
	case isMount(key) || base == "unused":
		return "VM.Config.Disk"
	case slices.Contains([]string{"cores", "cpulimit", "cpuunits"}, key):
		return "VM.Config.CPU"
	case key == "memory" || key == "swap":
		return "VM.Config.Memory"
	case base == "net" || slices.Contains([]string{"nameserver", "searchdomain", "hostname"}, key):
		return "VM.Config.Network"
	}
	return "VM.Config.Options"
}

// lxcForRoot is the refusal of an option that only root@pam may set.
func lxcForRoot(key string) string {
	base, n := splitIndex(key)
	switch {
	case base == "dev" && n >= 0:
		return " (configuring device passthrough is only allowed for root@pam)"
	case key == "hookscript":
		return " (changing the hookscript is only allowed for root@pam)"
	}
	return " (changing " + key + " is only allowed for root@pam)"
}

// checkMountKind keeps bind and device mount points for root@pam.
func (q *call) checkMountKind(p drive) error {
	if q.auth.root() || !strings.HasPrefix(p["volume"], "/") {
		return nil
	}
	return deniedText(" (mount point type " + mountKind(p["volume"]) + " is only allowed for root@pam)")
}

func mountKind(volume string) string {
	switch {
	case strings.HasPrefix(volume, "/dev/"):
		return "device"
	case strings.HasPrefix(volume, "/"):
		return "bind"
	}
	return "volume"
}

// checkFeatures lets tokens switch nesting of unprivileged containers alone. What
// counts is what changes; of a container that has none yet, even nesting=0 is
// more than nesting=1, and refused (by the sources).
func (q *call) checkFeatures(now, next, at string, unprivileged bool) error {
	if !unprivileged {
		return deniedText(" (changing feature flags for privileged container is only allowed for root@pam)")
	}
	props := lxcProps()["features"]
	was, _ := props.parseProps("features", now)
	is, _ := props.parseProps("features", next)
	nesting, other := false, false
	if len(was) > 0 && len(is) > 0 {
		for k := range merge(was, is) {
			if was[k] != is[k] {
				nesting, other = nesting || k == "nesting", other || k != "nesting"
			}
		}
	} else {
		one := merge(was, is)
		nesting = len(one) == 1 && one["nesting"] == "1"
		other = !nesting && len(one) > 0
	}
	if other {
		return deniedText(" (changing feature flags (except nesting) is only allowed for root@pam)")
	}
	if nesting {
		return q.check(at, "VM.Allocate")
	}
	return nil
}
