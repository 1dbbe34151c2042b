package desired

import (
	"strconv"
	"strings"
)

// checkVM checks what only virtual machines have.
func (l *loader) checkVM(g *guest) {
	vm := g.vm
	l.checkCPU(g, vm.CPU)
	l.checkFlags(g)
	if vm.Memory.Size != 0 || g.has("memory.size") {
		l.wholeMiB(g, "memory.size", vm.Memory.Size, 16*MiB)
	}
	if vm.Memory.Min != 0 {
		l.wholeMiB(g, "memory.min", vm.Memory.Min, 16*MiB)
		if _, sized := g.set.lookup("memory.size"); sized && vm.Memory.Min > vm.Memory.Size {
			l.wrong(g.item, g.at("memory", "min"), "memory.min: %s is more than the size, %s", vm.Memory.Min, vm.Memory.Size)
		}
		if _, set := g.set.lookup("memory.balloon"); set && !vm.Memory.Balloon {
			l.wrong(g.item, g.at("memory", "min"), "memory.min: needs the balloon device: take min or balloon: false out")
		}
	}
	if vm.CloudInit != nil {
		l.checkCloudInit(g)
	}
}

// checkContainer checks what only containers have.
func (l *loader) checkContainer(g *guest) {
	ct := g.ct
	if !g.has("unprivileged") {
		g.set.put("unprivileged", g.src)
	}
	l.checkCPU(g, ct.CPU)
	for _, field := range []struct{ word, value string }{{"sockets", strconv.Itoa(ct.CPU.Sockets)}, {"type", ct.CPU.Type}, {"numa", ""}} {
		if _, set := g.set.lookup(Path("cpu").Sub(field.word)); set {
			l.wrong(g.item, g.key("cpu", field.word), "cpu.%s: a container has none: take it out", field.word)
			g.set.drop(Path("cpu").Sub(field.word))
		}
	}
	l.checkFlags(g)
	if ct.Memory != 0 || g.has("memory") {
		l.wholeMiB(g, "memory", ct.Memory, 16*MiB)
	}
	l.wholeMiB(g, "swap", ct.Swap, 0)
	for _, node := range g.items("features") {
		if word, ok := strings.CutPrefix(node.text, "nesting="); ok && node.form == scalarForm {
			remedy := "write nesting"
			if word == "0" {
				remedy = "leave it out"
			}
			l.wrong(g.item, node.src(), "features: %q: %s", node.text, remedy)
			continue
		}
		if near := nearest(node.text, containerFeatures()); node.form == scalarForm && len(near) > 0 && !strings.Contains(node.text, "=") {
			l.wrong(g.item, node.src(), "features: no feature %q; did you mean %s?", node.text, near[0])
			continue
		}
		if node.form == scalarForm && node.text != "nesting" {
			l.wrong(g.item, node.src(), "features: %s: root@pam only, a token can't: give the site a root@pam credential, or leave it out", node.text)
		}
		if node.form == scalarForm && node.text == "nesting" && !ct.Unprivileged && g.has("unprivileged") {
			l.wrong(g.item, node.src(), "features: %s: on a privileged container root@pam only, a token can't: make it unprivileged, or leave it out", node.text)
		}
	}
	l.checkSecret(g.item, ct.Password, "password")
	for _, word := range []string{"password", "keys"} {
		if t := g.merged.get(word); t != nil && g.Clone.Template != "" {
			l.note(t.src(), g.id, "%s: a clone has its template's: it is not set", word)
		}
	}
	ct.Keys = l.resolveKeys(g.item, "keys", g.items("keys"))
}

// containerFeatures are the words of Proxmox's features (ATTRIBUTES B2), to
// tell a slip of the pen from what only root@pam may set.
func containerFeatures() []string {
	return []string{"force_rw_sys", "fuse", "keyctl", "mknod", "mount", "nesting"}
}

func (l *loader) checkCPU(g *guest, cpu CPU) {
	most := IDRange{1, 8192}
	units := IDRange{1, 262_144}
	if g.ct != nil {
		units = IDRange{0, 500_000}
	}
	for _, n := range []struct {
		word  string
		value int
		in    IDRange
	}{{"cores", cpu.Cores, most}, {"sockets", cpu.Sockets, IDRange{1, 4}}, {"units", cpu.Units, units}} {
		path := Path("cpu").Sub(n.word)
		if _, set := g.set.lookup(path); set && !n.in.Contains(n.value) {
			l.wrong(g.item, g.at("cpu", n.word), "%s: %d is not between %d and %d", path, n.value, n.in.From, n.in.To)
		}
	}
	if cpu.Type != "" && !isStore(cpu.Type) {
		l.wrong(g.item, g.at("cpu", "type"), "cpu.type: %q is no CPU type: write it as in host or x86-64-v2-AES", cpu.Type)
	}
	if cpu.Limit < 0 || cpu.Limit > 128 {
		l.wrong(g.item, g.at("cpu", "limit"), "cpu.limit: %g is not between 0 and 128", cpu.Limit)
	}
}

// wholeMiB checks a size that Proxmox takes in MiB.
func (l *loader) wholeMiB(g *guest, path Path, size, least Size) {
	if g.bad[path] {
		return
	}
	src := g.at(path.Keys()...)
	switch {
	case size%MiB != 0:
		l.wrong(g.item, src, "%s: Proxmox takes whole MiB: write %s", path, (size/MiB+1)*MiB)
	case size < least:
		l.wrong(g.item, src, "%s: %s is less than Proxmox takes: write %s or more", path, size, least)
	}
}
