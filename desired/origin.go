package desired

import (
	"regexp"
	"slices"
	"strings"
)

var (
	regexpUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// regexpPool is what Proxmox takes as a pool's name; pools may stand in pools.
	regexpPool       = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){0,2}$`)
	regexpHookscript = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*:snippets/[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
)

// checkOrigin checks where a guest comes from: a foreign guest, a template, a
// guest of another name.
func (l *loader) checkOrigin(g *guest) {
	if g.n == 0 {
		l.checkAdopt(g.item, &g.Adopt, g.State)
	}
	l.checkClone(g)
	if g.Pool != "" && !regexpPool.MatchString(g.Pool) {
		l.wrong(g.item, g.at("pool"), "pool: %q is no pool's name: write letters, digits and . _ -", g.Pool)
	}
	if g.Hookscript != "" && !regexpHookscript.MatchString(g.Hookscript) {
		l.wrong(g.item, g.at("hookscript"), "hookscript: %q: write a snippet on a storage, as in local:snippets/hook.sh", g.Hookscript)
	}
	if g.Pin && g.Node == "" && g.site != nil && !g.bad["node"] && !g.site.bad["node"] && !g.explained("", "node") {
		l.wrong(g.item, g.at("pin"), "pin: to what is not said: write node, or give site %s one", g.site.name)
	}
}

// checkAdopt checks what proves that a foreign guest is the one meant. A
// container has no SMBIOS, so only a MAC tells it; a data VM has no NIC.
func (l *loader) checkAdopt(it *item, a *Adopt, state State) {
	uuid, mac := it.has("adopt.uuid"), it.has("adopt.mac")
	if it.bad["adopt"] || it.bad["adopt.uuid"] || it.bad["adopt.mac"] || it.merged.get("adopt") == nil {
		return
	}
	proofs := "{uuid: …} or {mac: …}"
	switch it.kind.short {
	case KindContainer:
		proofs = "{mac: …}"
	case KindData:
		proofs = "{uuid: …}"
	}
	switch {
	case !uuid && !mac && (it.explained("adopt", "uuid") || it.explained("adopt", "mac")):
		return
	case !uuid && !mac:
		l.wrong(it, it.at("adopt"), "adopt: nothing says which guest is meant: write %s", proofs)
		return
	case uuid && mac:
		l.wrong(it, it.at("adopt", "mac"), "adopt.mac: uuid is there as well: keep one")
		return
	case mac && it.kind.short == KindData:
		l.wrong(it, it.at("adopt", "mac"), "adopt.mac: a data VM has no NIC: write its SMBIOS uuid, as in {uuid: …}")
		return
	case uuid && it.kind.short == KindContainer:
		l.wrong(it, it.at("adopt", "uuid"), "adopt.uuid: a container has none: write the MAC of one of its NICs, as in {mac: …}")
		return
	case state == Absent:
		l.wrong(it, it.at("adopt"), "adopt: the guest shall be absent (%s): take it over first, delete it after, with adopt taken out", it.at("state").place())
	}
	if a.UUID = strings.ToLower(a.UUID); uuid && !regexpUUID.MatchString(a.UUID) {
		l.wrong(it, it.at("adopt", "uuid"), "adopt.uuid: %q is no UUID: read it in the guest's SMBIOS settings, as in d6466886-1f0c-4b3a-9d57-2f6a3f1f0c11", a.UUID)
	}
	if a.MAC = strings.ToLower(a.MAC); mac && !regexpMAC.MatchString(a.MAC) {
		l.wrong(it, it.at("adopt", "mac"), "adopt.mac: %q is no MAC: write six bytes, as in bc:24:11:00:00:01", a.MAC)
	}
}

// checkAdoptData checks the data VMs that somebody else made.
func (l *loader) checkAdoptData() {
	for _, d := range l.datas {
		l.checkAdopt(d.item, &d.spec.Adopt, Stopped)
		d.machine.Adopt = d.spec.Adopt
	}
}

// checkAdoptID refuses to take over a guest whose VMID nobody wrote.
func (l *loader) checkAdoptID(g *guest) {
	if g.Adopt == (Adopt{}) || g.site == nil || g.VMID == 0 || whole(g.Plan) {
		return
	}
	if p := l.planOf(g); p != nil && p.Plus == "" {
		l.wrong(g.item, g.at("adopt"), "adopt: the guest's VMID must be known: write id: and its number")
	}
}

// checkClone checks the template that a guest is made from.
func (l *loader) checkClone(g *guest) {
	name := g.Clone.Template
	switch {
	case g.merged.get("clone") == nil || g.bad["clone"] || g.bad["clone.template"]:
	case name == "" && g.explained("clone", "template"):
	case name == "":
		l.wrong(g.item, g.at("clone"), "clone: template is missing: write the name of a Template")
	case !l.exists(MakeID(KindTemplate, name)):
		l.wrong(g.item, g.at("clone", "template"), "clone: %s", l.missing("template", name, l.documents(KindTemplate)))
	}
}

// renames checks the names that documents had before: who bears one now can't
// have lost it, and only one can have had it.
func (l *loader) renames() {
	had := map[string]taken{}
	for _, g := range l.guests {
		l.checkRename(g.item, g.RenamedFrom, had, KindVM, KindContainer, KindHost)
	}
	hadData := map[string]taken{}
	for _, d := range l.datas {
		l.checkRename(d.item, d.spec.RenamedFrom, hadData, KindData)
	}
	if spec := &l.fleet.Spec; l.fleetDoc != nil && spec.RenamedFrom != "" {
		switch {
		case spec.RenamedFrom == l.fleetDoc.name:
			l.wrong(l.fleetDoc, l.fleetDoc.at("renamedFrom"), "renamedFrom: this is the fleet's own name: write the one that it had before, or take it out")
		case !isName(spec.RenamedFrom):
			l.wrong(l.fleetDoc, l.fleetDoc.at("renamedFrom"), "renamedFrom: %q was no fleet's name: write a-z, 0-9 and - inside", spec.RenamedFrom)
		}
	}
}

// checkRename checks one former name. had holds those of the documents before;
// short are the kinds that share a name space.
func (l *loader) checkRename(it *item, former string, had map[string]taken, short ...string) {
	if former == "" {
		return
	}
	src := it.at("renamedFrom")
	if !isName(former) {
		better := former
		if _, name, ok := strings.Cut(former, "/"); ok {
			better = name
		}
		if isName(better) {
			l.wrong(it, src, "renamedFrom: %q: write the name alone, %s", former, better)
		} else {
			l.wrong(it, src, "renamedFrom: %q can't have been a name: write the one before, of a-z, 0-9 and - inside", former)
		}
		return
	}
	if former == it.name {
		l.wrong(it, src, "renamedFrom: this is its own name: write the one that it had before, or take it out")
		return
	}
	for _, kind := range short {
		if doc := l.named[MakeID(kind, former)]; doc != nil {
			l.wrong(it, src, "renamedFrom: %s is still here (%s): take that document out, or renamedFrom", doc.id, doc.nameSrc.place())
			return
		}
	}
	if has, ok := had[former]; ok {
		l.wrong(it, src, "renamedFrom: %s was %s already (%s): only one can have been it", has.id, former, has.src.place())
		return
	}
	had[former] = taken{it.id, src}
}

// checkFlags checks a processor's flags: each with a sign, none with both.
func (l *loader) checkFlags(g *guest) {
	signs := map[string]string{}
	for _, node := range g.items("cpu", "flags") {
		if node.form != scalarForm {
			continue
		}
		name := unsigned(node.text)
		switch {
		case g.ct != nil:
			l.wrong(g.item, node.src(), "cpu.flags: a container has none: take it out")
			g.set.drop("cpu.flags")
			return
		case !regexpFlag.MatchString(name) || len(node.text) > len(name)+1:
			l.wrong(g.item, node.src(), "cpu.flags: %q is no flag: write it as in +aes or -pcid", node.text)
		case name == node.text:
			l.wrong(g.item, node.src(), "cpu.flags: %q lacks its sign: write +%s to add it or -%s to take it from the type", node.text, name, name)
		case signs[name] != "" && name != signs[name] && signs[name] != node.text:
			l.wrong(g.item, node.src(), "cpu.flags: %s stands here as well: keep one", signs[name])
		}
		signs[name] = node.text
	}
}

var regexpFlag = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// checkNative checks that Proxmox's own cloud-init drive can do what is asked.
func (l *loader) checkNative(g *guest) {
	c, native := g.vm.CloudInit, g.at("cloudInit", "native")
	for _, e := range g.merged.find("cloudInit").entries {
		switch empty := e.value.form == listForm && len(e.value.items) == 0; {
		case empty, slices.Contains([]string{"native", "users", "upgrade"}, e.key):
		case e.value.src().Layer != native.Layer:
			// The layer is right for guests with a seed; the mistake is this guest's.
			l.wrong(g.item, native, "cloudInit.native: cloudInit.%s (%s) is more than Proxmox's own cloud-init drive can do: write %s: null beside native, or take native out", e.key, e.value.src().place(), e.key)
		default:
			l.wrong(g.item, e.value.src(), "cloudInit.%s: Proxmox's own cloud-init drive can't do this: take it out, or native", e.key)
		}
	}
	if len(c.Users) > 1 {
		l.wrong(g.item, g.at("cloudInit", "users"), "cloudInit.users: Proxmox's own cloud-init drive makes one user: keep one, or take native out")
	}
	for _, u := range c.Users {
		if u.User != nil {
			if word := nativeLacks(u.User); word != "" {
				l.wrong(g.item, g.at("cloudInit", "users"), "cloudInit.users: %s has %s (%s), which Proxmox's own cloud-init drive can't give: take it out there, or native", u.Name, word, u.User.Source.place())
			}
		}
	}
	for _, key := range sortedKeys(g.Networks) {
		if src, set := g.set.lookup(Path("networks").Sub(key).Sub("name")); set {
			l.wrong(g.item, src, "networks.%s.name: Proxmox's own cloud-init drive can't name it: take it out, or cloudInit.native", key)
		}
		if nic := g.Networks[key]; nic.Address == "none" && nic.Address6 == "" {
			l.wrong(g.item, g.at("networks", key, "address"), "networks.%s.address: Proxmox's own cloud-init drive asks DHCP where there is no address at all: add address6, or take address or cloudInit.native out", key)
		}
	}
	c.Slot = nativeSlot
	if _, used := g.Disks[c.Slot]; used {
		l.wrong(g.item, g.key("disks", c.Slot), "disks.%s: Proxmox's own cloud-init drive goes there: choose another slot", c.Slot)
	}
}

// nativeSlot is where Proxmox's own cloud-init drive goes.
const nativeSlot = "ide2"

// nativeLacks names what Proxmox's own cloud-init drive can't give a User.
func nativeLacks(u *User) string {
	switch {
	case len(u.ImportKeys) > 0:
		return "importKeys"
	case len(u.Groups) > 0:
		return "groups"
	case u.Sudo != "" && u.Sudo != "true":
		return "sudo: " + u.Sudo
	case u.Shell != "/bin/bash":
		return "shell: " + u.Shell
	}
	return ""
}
