package proxmox

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// sets tells whether the manifest sets a path.
func (j *job) sets(path desired.Path) bool { return j.Want.Set.Has(path) }

// setsWithin tells whether the manifest sets a path or anything below it.
func (j *job) setsWithin(path desired.Path) bool {
	for p := range j.Want.Set.Paths() {
		if p.Within(path) {
			return true
		}
	}
	return false
}

// setsAndHolds tells whether the manifest sets a path and does not ignore it.
func (j *job) setsAndHolds(path desired.Path) bool { return j.sets(path) && !j.Want.Ignores(path) }

// stampOf is a guest's stamp with what the manifest asks of it now.
func (j *job) stampOf(g *found) stamp.Stamp {
	s := g.stamp
	s.Remove = removal(j.guest())
	s.Disks = s.Named(j.Want)
	return s
}

// tags are the wanted tags and Berth's own, in order. Unmanaged tags stay, in the
// case that somebody gave them: on some clusters that counts (FACTS 4).
func (j *job) tags(have []string, archived bool) []string {
	tags := []string{strings.ToLower(stamp.FleetTag(j.Fleet.Spec.Name))}
	if archived {
		tags = append(tags, stamp.ArchivedTag)
	}
	managed := j.Want != nil && (have == nil || j.setsAndHolds("tags"))
	if managed {
		tags = append(tags, j.guest().Tags...)
	}
	former := j.Fleet.Spec.RenamedFrom
	for _, tag := range have {
		if former != "" && strings.EqualFold(tag, stamp.FleetTag(former)) {
			continue
		}
		if !strings.EqualFold(tag, tags[0]) && tag != stamp.ArchivedTag && (stamp.OwnTag(tag) || !managed) {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// startupOptions are the options that a phase stands for.
func (j *job) startupOptions() pve.Params {
	g := j.guest()
	if !j.sets("startup") && g.Startup == "" {
		return nil
	}
	switch g.Startup {
	case "never", "":
		return pve.Params{"onboot": "0"}
	case "yes":
		return pve.Params{"onboot": "1", "startup": ""}
	}
	return pve.Params{"onboot": "1", "startup": phaseProps(j.site.Phases[g.Startup]).String()}
}

// option is what the manifest asks for in one option of Proxmox. Parts that the
// manifest does not set are carried over from what is. "" takes the option away.
func (j *job) option(path desired.Path, g *found) (option, value string) {
	option = optionOf(j.kind, path)
	guest := j.guest()
	switch option {
	case "description":
		return option, stamp.Join(guest.Description, j.stampOf(g))
	case "name", "hostname":
		return option, guest.Hostname
	case "tags":
		return option, strings.Join(j.tags(g.tags, !g.stamp.Archived.IsZero()), ";")
	case "protection":
		return option, notation.Bit(guest.Protection)
	case "nameserver":
		return option, strings.Join(guest.DNS, " ")
	case "searchdomain":
		return option, strings.Join(guest.Search, " ")
	case "hookscript":
		return option, guest.Hookscript
	}
	if path.Within("options") {
		return option, guest.Options[option]
	}
	switch spec := j.Want.Spec.(type) {
	case *desired.VM:
		return option, j.vmOption(option, spec, g)
	case *desired.Container:
		return option, ctOption(option, spec)
	}
	return option, ""
}

// cpuOption is what both kinds of guest say of processors.
func cpuOption(option string, cpu desired.CPU) (value string, ok bool) {
	switch option {
	case "cores":
		return positive(cpu.Cores), true
	case "cpuunits":
		return strconv.Itoa(cpu.Units), true // A container's may be 0.
	case "cpulimit":
		return notation.FormatNumber(cpu.Limit), true
	}
	return "", false
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func ctOption(option string, ct *desired.Container) string {
	if value, ok := cpuOption(option, ct.CPU); ok {
		return value
	}
	switch option {
	case "memory":
		return notation.Mebibytes(ct.Memory)
	case "swap":
		return notation.Mebibytes(ct.Swap)
	case "features":
		features := slices.Sorted(slices.Values(ct.Features))
		for i, f := range features {
			if !strings.Contains(f, "=") {
				features[i] = f + "=1"
			}
		}
		return strings.Join(features, ",")
	}
	return ""
}

func (j *job) vmOption(option string, vm *desired.VM, g *found) string {
	if value, ok := cpuOption(option, vm.CPU); ok {
		return value
	}
	switch option {
	case "sockets":
		return positive(vm.CPU.Sockets)
	case "numa":
		return notation.Bit(vm.CPU.NUMA)
	case "cpu":
		p := notation.Parse("cputype", g.conf.Values["cpu"])
		if j.sets("cpu.type") {
			p.Set("cputype", vm.CPU.Type)
		}
		if j.sets("cpu.flags") {
			p.Set("flags", strings.Join(signed(vm.CPU.Flags), ";"))
		}
		return p.String()
	case "memory":
		return notation.Mebibytes(vm.Memory.Size)
	case "balloon":
		return j.balloon(vm)
	case "agent":
		return j.agent(vm, g)
	case "tablet":
		return notation.Bit(vm.Tablet)
	case "ciuser", "sshkeys", "ciupgrade":
		return driveOption(option, vm.Drive)
	case "boot":
		return "order=" + strings.Join(vm.Boot, ";")
	}
	return map[string]string{
		"bios": vm.BIOS, "machine": vm.Machine, "scsihw": vm.SCSIHW, "ostype": vm.OSType, "vga": vm.VGA,
		"serial0": vm.Serial0, "keyboard": vm.Keyboard, "hotplug": vm.Hotplug,
	}[option]
}

// balloon is what ballooning may go down to; 0 takes the device away.
func (j *job) balloon(vm *desired.VM) string {
	switch {
	case j.sets("memory.balloon") && !vm.Memory.Balloon:
		return "0"
	case j.sets("memory.min"):
		return notation.Mebibytes(vm.Memory.Min)
	}
	return ""
}

func (j *job) agent(vm *desired.VM, g *found) string {
	p := notation.Parse("enabled", g.conf.Values["agent"])
	for word, part := range map[string][2]string{
		"enabled": {"enabled", notation.Bit(vm.Agent.Enabled)}, "fstrim": {"fstrim_cloned_disks", notation.Bit(vm.Agent.FSTrim)}, "type": {"type", vm.Agent.Type},
	} {
		if j.sets(desired.Path("agent." + word)) {
			p.Set(part[0], part[1])
		}
	}
	if p.Value("enabled") == "" {
		p.Set("enabled", notation.Bit(vm.Agent.Enabled))
	}
	slices.SortStableFunc(p.Parts, func(a, b notation.Part) int { return strings.Compare(a.Key, b.Key) })
	return p.String()
}

// compact takes away what is equal to what is, and parts what is set from what
// is taken away.
func compact(set pve.Params, have map[string]string) (write pve.Params, remove []string) {
	write = make(pve.Params)
	for _, option := range slices.Sorted(maps.Keys(set)) {
		switch value := set[option]; value {
		case have[option]:
		case "":
			remove = append(remove, option)
		default:
			write[option] = value
		}
	}
	return write, remove
}

// driveOption is what Proxmox's own cloud-init drive is asked for.
func driveOption(option string, drive *desired.CloudDrive) string {
	switch {
	case drive == nil:
		return ""
	case option == "ciuser":
		return drive.User
	case option == "sshkeys" && len(drive.Keys) > 0:
		return formatKeys(drive.Keys)
	case option == "ciupgrade":
		return notation.Bit(drive.Upgrade)
	}
	return ""
}
