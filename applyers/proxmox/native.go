package proxmox

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// nativeSlot is where Proxmox's own cloud-init drive is looked for by habit.
const nativeSlot = "ide2"

// nativeSeed stands for a seed's digest where a guest has Proxmox's own drive.
const nativeSeed = "native"

// native tells whether a guest has Proxmox's own cloud-init drive.
func native(g *found) bool {
	if g.kind != desired.KindVM {
		return false
	}
	for key, value := range g.conf.Values {
		if driveSlot(g.kind, key) && nativeDrive(value) {
			return true
		}
	}
	return false
}

// wantsNative tells whether a virtual machine is to have it.
func wantsNative(vm *desired.VM) bool { return vm.CloudInit != nil && vm.CloudInit.Native }

// native words what Proxmox's own cloud-init drive says. Where there is none, and
// the manifest asks for one, nothing of it is compared: the choice is settled when
// the guest is made.
func (w *wording) native(vm, ask *desired.VM, g *found) {
	v := g.conf.Values
	switch {
	case native(g):
		vm.Seed = nativeSeed
		vm.CloudInit = &desired.CloudInit{Native: true}
		vm.Drive = &desired.CloudDrive{User: v["ciuser"], Keys: parseKeys(v["sshkeys"]), Upgrade: notation.Flag(v["ciupgrade"], true)}
		vm.DNS, vm.Search = words(v["nameserver"]), words(v["searchdomain"])
		if ask.Drive != nil && sameKeys(vm.Drive.Keys, ask.Drive.Keys) {
			vm.Drive.Keys = ask.Drive.Keys
		}
	case wantsNative(ask):
		vm.Drive, vm.DNS, vm.Search = ask.Drive, ask.DNS, ask.Search
		for slot, n := range vm.Networks {
			a := ask.Networks[slot]
			n.Address, n.Gateway, n.Address6, n.Gateway6 = a.Address, a.Gateway, a.Address6, a.Gateway6
			vm.Networks[slot] = n
		}
	}
}

// ipconfig is what the drive says of an interface; without a word Proxmox takes
// DHCP.
func (w *wording) ipconfig(slot string, g *found) notation.Props {
	p := notation.Parse("", g.conf.Values["ipconfig"+strings.TrimPrefix(slot, "net")])
	if p.Value("ip") == "" && p.Value("ip6") == "" {
		p.Set("ip", "dhcp")
	}
	return p
}

// words splits a list of names as Proxmox does.
func words(text string) desired.List {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\t\n", r) })
}

// parseKeys reads the keys of the drive, whose text is url-encoded (FACTS 4).
func parseKeys(text string) desired.Words {
	plain, err := url.PathUnescape(text)
	if err != nil || !utf8.ValidString(plain) {
		plain = text
	}
	var keys desired.Words
	for line := range strings.Lines(plain) {
		if line = strings.TrimSpace(line); line != "" {
			keys = append(keys, line)
		}
	}
	return keys
}

// sameKeys tells whether both hold the same keys, whatever blanks part them.
func sameKeys(a, b desired.Words) bool {
	plain := func(keys desired.Words) []string {
		out := make([]string, 0, len(keys))
		for _, k := range keys {
			out = append(out, strings.Join(strings.Fields(k), " "))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(plain(a), plain(b))
}

// formatKeys writes keys as the drive's option takes them: url-encoded, blanks
// with a number.
func formatKeys(keys desired.Words) string {
	return strings.ReplaceAll(url.QueryEscape(strings.Join(keys, "\n")), "+", "%20")
}

// ipconfigPart writes one of the manifest's words for an address into the drive's
// line for an interface.
func ipconfigPart(p *notation.Props, word string, nic desired.NIC) {
	switch word {
	case "address":
		p.Set("ip", strings.TrimPrefix(nic.Address, "none"))
		if nic.Address == "" {
			p.Set("ip", "dhcp")
		}
		if p.Value("ip") == "" || p.Value("ip") == "dhcp" {
			p.Set("gw", "")
		}
	case "gateway":
		p.Set("gw", strings.TrimPrefix(nic.Gateway, "none"))
	case "address6":
		p.Set("ip6", nic.Address6)
		if nic.Address6 == "" || nic.Address6 == "dhcp" || nic.Address6 == "auto" {
			p.Set("gw6", "")
		}
	case "gateway6":
		p.Set("gw6", strings.TrimPrefix(nic.Gateway6, "none"))
	}
}

// addressWord tells whether a path is one of an interface's words for addresses,
// and which.
func addressWord(keys []string) (word string, ok bool) {
	if len(keys) != 3 || keys[0] != "networks" {
		return "", false
	}
	return keys[2], slices.Contains(addressWords(), keys[2])
}

func addressWords() []string { return []string{"address", "gateway", "address6", "gateway6"} }

// newNative adds Proxmox's own cloud-init drive, and what it shall say, to a
// creation.
func (j *job) newNative(vm *desired.VM, options pve.Params) {
	slot := nativeSlot
	if vm.CloudInit.Slot != "" && vm.CloudInit.Slot != seedUsual {
		slot = vm.CloudInit.Slot
	}
	options[slot] = j.besideBoot(vm) + ":cloudinit"
	if vm.Drive != nil {
		options["ciuser"], options["ciupgrade"] = vm.Drive.User, notation.Bit(vm.Drive.Upgrade)
		if len(vm.Drive.Keys) > 0 {
			options["sshkeys"] = formatKeys(vm.Drive.Keys)
		}
	}
	options["nameserver"], options["searchdomain"] = strings.Join(vm.DNS, " "), strings.Join(vm.Search, " ")
	for net, nic := range vm.Networks {
		var p notation.Props
		for _, word := range addressWords() {
			ipconfigPart(&p, word, nic)
		}
		options["ipconfig"+strings.TrimPrefix(net, "net")] = p.String()
	}
}

// cloudOption tells whether an option stands on the drive. It goes straight to the
// configuration and to the guest at its next start (FACTS 5).
func cloudOption(option string) bool {
	switch option {
	case "ciuser", "sshkeys", "ciupgrade", "nameserver", "searchdomain":
		return true
	}
	return strings.HasPrefix(option, "ipconfig")
}

// renewDrive makes the drive of a guest that runs anew, so that a reboot from
// within finds what was written.
func (j *job) renewDrive(ctx context.Context, wrote pve.Params) error {
	h, ok := handleOf(j.Have)
	if !ok || !h.native || !h.running || j.Step != drift.Pending {
		return nil
	}
	for option := range wrote {
		if cloudOption(option) {
			return j.Write(ctx, http.MethodPut, j.path()+"/cloudinit", pve.Params{}, nil)
		}
	}
	return nil
}
