package proxmox

import (
	"cmp"
	"slices"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// vm fills in what only virtual machines have. Where an option is not written,
// Proxmox's default stands (FACTS 3: none is ever filled in).
func (w *wording) vm(guest desired.Guest, g *found) *desired.VM {
	v := g.conf.Values
	ask := &desired.VM{}
	if w.want != nil {
		if spec, ok := w.want.Spec.(*desired.VM); ok {
			ask = spec
		}
	}
	guest.Hostname = v["name"]
	agent, cpu := notation.Parse("enabled", v["agent"]), notation.Parse("cputype", v["cpu"])
	vm := &desired.VM{
		Guest: guest,
		CPU: desired.CPU{
			Cores: notation.Whole(v["cores"], 1), Sockets: notation.Whole(v["sockets"], 1),
			Type: cpu.Or("cputype", "kvm64"), Units: notation.Whole(v["cpuunits"], 100),
			Limit: notation.ParseNumber(v["cpulimit"]), NUMA: notation.Flag(v["numa"], false), Flags: sameFlags(cpu.Value("flags"), ask.CPU.Flags),
		},
		Memory: vmMemory(v),
		Agent: desired.Agent{
			Enabled: notation.Flag(agent.Value("enabled"), false), FSTrim: notation.Flag(agent.Value("fstrim_cloned_disks"), false),
			Type: agent.Or("type", "virtio"),
		},
		BIOS: cmp.Or(v["bios"], "seabios"), SCSIHW: cmp.Or(v["scsihw"], "lsi"), OSType: cmp.Or(v["ostype"], "other"),
		Serial0: v["serial0"], Tablet: notation.Flag(v["tablet"], true), Keyboard: v["keyboard"],
		Seed: g.seedDigest(),
	}
	// What has no seed of ours can't be told apart from what is asked for.
	rerun := ask.CloudInit != nil && ask.CloudInit.Reruns()
	if sameSeed(vm.Seed, ask.Seed) || vm.Seed == "" && rerun {
		vm.Seed = ask.Seed
	}
	vm.VGA = sameProps("type", cmp.Or(v["vga"], "std"), ask.VGA)
	vm.Machine = sameProps("type", cmp.Or(v["machine"], "pc"), ask.Machine)
	vm.Hotplug = sameHotplug(v["hotplug"], ask.Hotplug)
	w.native(vm, ask, g)
	if order, ok := strings.CutPrefix(strings.TrimSpace(v["boot"]), "order="); ok && order != "" {
		vm.Boot = strings.Split(order, ";")
	}
	return vm
}

// sameFlags are ask where both are the same set; a flag without a sign is added.
func sameFlags(have string, ask desired.Words) desired.Words {
	flags := desired.Words(strings.FieldsFunc(have, func(r rune) bool { return r == ';' }))
	if signed(flags).Equal(signed(ask)) {
		return ask
	}
	return flags
}

// signed writes every flag with its sign, in order.
func signed(flags desired.Words) desired.Words {
	out := make(desired.Words, 0, len(flags))
	for _, f := range flags {
		if f != "" && f[0] != '-' && f[0] != '+' {
			f = "+" + f
		}
		out = append(out, f)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// vmMemory reads size and ballooning. Without a word on ballooning the device is
// there and gives nothing back.
func vmMemory(v map[string]string) desired.Memory {
	size := desired.Size(notation.Whole(notation.Lookup("current", v["memory"], "current"), 512)) * desired.MiB
	m := desired.Memory{Size: size, Min: size, Balloon: true}
	if v["balloon"] != "" {
		m.Min = desired.Size(notation.Whole(v["balloon"], 0)) * desired.MiB
		m.Balloon = m.Min > 0
	}
	return m
}

// sameProps is ask where both property strings say the same.
func sameProps(first, have, ask string) string {
	if have == ask || notation.Parse(first, have).Equal(notation.Parse(first, ask)) {
		return ask
	}
	return have
}

// sameHotplug compares sets; "1" stands for the default.
func sameHotplug(have, ask string) string {
	const usual = "network,disk,usb"
	if have == "" || have == "1" {
		have = usual
	}
	set := func(text string) []string {
		if text == "1" {
			text = usual
		}
		return slices.Sorted(slices.Values(strings.Split(text, ",")))
	}
	if have == ask || slices.Equal(set(have), set(ask)) {
		return ask
	}
	return have
}
