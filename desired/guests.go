package desired

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A guest is a VM or Container being loaded.
type guest struct {
	*item
	*Guest
	vm   *VM
	ct   *Container
	site *site
	// addressWrong tells that an address was refused, so that nothing which
	// follows from it is worth telling.
	addressWrong bool
}

// guestDocuments reads virtual machines and containers.
func (l *loader) guestDocuments() {
	for _, doc := range l.docs {
		if !doc.kind.guest() {
			continue
		}
		g := &guest{}
		if doc.kind.short == KindVM {
			g.vm = &VM{}
			g.Guest = &g.vm.Guest
			g.item = l.open(doc, g.vm, l.layersOf(doc)...)
		} else {
			g.ct = &Container{Unprivileged: true}
			g.Guest = &g.ct.Guest
			g.item = l.open(doc, g.ct, l.layersOf(doc)...)
		}
		l.guests = append(l.guests, g)
	}
	slices.SortFunc(l.guests, func(a, b *guest) int { return strings.Compare(string(a.id), string(b.id)) })
	l.reserveHosts()
	for _, g := range l.guests {
		l.checkGuest(g)
	}
	l.allot()
	l.numberGuests()
	for _, g := range l.guests {
		l.uniqueNames(g)
		l.needsOf(g)
		if g.vm != nil {
			l.seed(g)
		}
	}
}

func (l *loader) checkGuest(g *guest) {
	g.Name = g.name
	g.site = l.siteOf(g.item, g.Site)
	if g.site != nil {
		g.Site = g.site.name
		if g.Node == "" {
			g.Node = g.site.Node
		}
	}
	if g.Node != "" && !regexpStore.MatchString(g.Node) && g.has("node") {
		l.wrong(g.item, g.at("node"), "node: %q is no node's name", g.Node)
	}
	l.checkNames(g)
	if g.vm != nil {
		l.checkVM(g)
	} else {
		l.checkContainer(g)
	}
	l.checkDisks(g)
	l.checkNICs(g)
	l.checkResolver(g.item, "dns", g.items("dns"), "")
	l.checkResolver(g.item, "search", g.items("search"), "")
	l.checkStartup(g)
	l.checkLifecycle(g)
	l.checkReady(g)
	l.checkVars(g.item)
	l.checkIgnore(g.item, g.kind)
	l.checkSSH(g.item, g.SSH)
	g.SSH = g.SSH.over(l.fleet.Spec.SSH)
}

// checkNames checks host name, state, tags, groups and the like.
func (l *loader) checkNames(g *guest) {
	if g.Hostname == "" {
		g.Hostname = g.name
		g.set["hostname"] = g.nameSrc
	} else if complaint := badHostname(g.Hostname); complaint != "" {
		l.wrong(g.item, g.at("hostname"), "hostname: %s", complaint)
	}
	if g.State == "" {
		g.State = Running
		if !g.bad["state"] {
			g.set["state"] = g.src
		}
	}
	for _, node := range g.items("tags") {
		switch {
		case node.form != scalarForm:
		case strings.HasPrefix(node.text, "berth"):
			l.wrong(g.item, node.src, "tags: %q: tags that begin with berth are Berth's own: choose another", node.text)
		case !regexpTag.MatchString(node.text):
			l.wrong(g.item, node.src, "tags: %q: write a-z, 0-9, _ and inside also . + -", node.text)
		}
	}
	for _, node := range g.items("groups") {
		if node.form == scalarForm {
			l.checkGroup(g.item, node)
		}
	}
	for _, field := range []struct{ word, value string }{{"project", g.Project}, {"environment", g.Environment}} {
		if field.value != "" && !regexpDotted.MatchString(field.value) {
			l.wrong(g.item, g.at(field.word), "%s: %q: write a-z, 0-9 and . _ - inside", field.word, field.value)
		}
	}
	if slices.Contains([]string{"all", "ungrouped", "vm", "ct", "localhost"}, g.name) {
		l.wrong(g.item, g.nameSrc, "name: %q means something else to Ansible: choose another", g.name)
	}
}

func (l *loader) checkGroup(it *item, node *tree) {
	switch {
	case regexpGroup.MatchString(node.text):
	case strings.Contains(node.text, "{"):
		l.wrong(it, node.src, "groups: %q: placeholders are not built yet: write the group out", node.text)
	default:
		l.wrong(it, node.src, "groups: %q: write %s: a-z, 0-9 and _ only", node.text, groupWord(strings.ToLower(node.text)))
	}
}

// checkStartup checks that startup is a phase.
func (l *loader) checkStartup(g *guest) {
	if g.Startup == "" || g.Startup == "never" || g.Startup == "yes" || g.site == nil {
		return
	}
	if _, ok := g.site.Phases[g.Startup]; ok || g.site.bad["phases"] || g.site.has(Path("phases").Sub(g.Startup)) {
		return
	}
	candidates := []candidate{{name: "never"}, {name: "yes"}}
	for _, name := range sortedKeys(g.site.Phases) {
		candidates = append(candidates, candidate{name, g.site.key("phases", name)})
	}
	l.wrong(g.item, g.at("startup"), "startup: %s", missing("phase", g.Startup, candidates))
}

// checkLifecycle fills in the defaults and refuses what is not built.
func (l *loader) checkLifecycle(g *guest) {
	if g.Lifecycle.Reboot == "window" {
		l.wrong(g.item, g.at("lifecycle", "reboot"), "lifecycle.reboot: maintenance windows are not built yet: write never or now")
	}
	if g.Lifecycle.Remove == "release" {
		l.wrong(g.item, g.at("lifecycle", "remove"), "lifecycle.remove: releasing is not built yet: write archive or destroy")
	}
	for _, d := range []struct {
		to  *string
		def string
	}{
		{&g.Lifecycle.Reboot, "never"},
		{&g.Lifecycle.Replace, "refuse"},
		{&g.Lifecycle.Remove, "archive"},
		{&g.Lifecycle.Stop, "graceful"},
	} {
		if *d.to == "" {
			*d.to = d.def
		}
	}
}

// checkReady refuses what a guest could never be.
func (l *loader) checkReady(g *guest) {
	r := &g.Ready
	if r.Port != 0 && (r.Port < 1 || r.Port > 65535) {
		l.wrong(g.item, g.at("ready", "port"), "ready.port: %d is no port: write 1 to 65535", r.Port)
	}
	switch {
	case g.ct != nil && r.Agent:
		l.wrong(g.item, g.at("ready", "agent"), "ready.agent: a container has no guest agent: take it out")
	case g.ct != nil && r.CloudInit:
		l.wrong(g.item, g.at("ready", "cloudInit"), "ready.cloudInit: a container has no cloud-init of Berth's: take it out")
	case g.vm != nil && r.Agent && !g.vm.Agent.Enabled && !g.bad["agent.enabled"] && !g.bad["agent"]:
		l.wrong(g.item, g.at("ready", "agent"), "ready.agent: the guest agent's channel is off: add agent: true")
	case g.vm != nil && r.CloudInit && g.vm.CloudInit == nil && !g.bad["cloudInit"]:
		l.wrong(g.item, g.at("ready", "cloudInit"), "ready.cloudInit: there is no cloudInit to wait for: take it out")
	}
	if r.Timeout == 0 && g.site != nil {
		r.Timeout = g.site.Timeouts.Ready
	}
}

// checkVM checks what only virtual machines have.
func (l *loader) checkVM(g *guest) {
	vm := g.vm
	l.checkCPU(g, vm.CPU)
	if vm.Memory.Size != 0 || g.has("memory.size") {
		l.wholeMiB(g, "memory.size", vm.Memory.Size, 16*MiB)
	}
	if vm.Memory.Min != 0 {
		l.wholeMiB(g, "memory.min", vm.Memory.Min, 16*MiB)
		if _, sized := g.set["memory.size"]; sized && vm.Memory.Min > vm.Memory.Size {
			l.wrong(g.item, g.at("memory", "min"), "memory.min: %s is more than the size, %s", vm.Memory.Min, vm.Memory.Size)
		}
		if _, set := g.set["memory.balloon"]; set && !vm.Memory.Balloon {
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
		g.set["unprivileged"] = g.src
	}
	l.checkCPU(g, ct.CPU)
	for _, field := range []struct{ word, value string }{{"sockets", strconv.Itoa(ct.CPU.Sockets)}, {"type", ct.CPU.Type}, {"numa", ""}} {
		if _, set := g.set[Path("cpu").Sub(field.word)]; set {
			l.wrong(g.item, g.key("cpu", field.word), "cpu.%s: a container has none: take it out", field.word)
			delete(g.set, Path("cpu").Sub(field.word))
		}
	}
	if ct.Memory != 0 || g.has("memory") {
		l.wholeMiB(g, "memory", ct.Memory, 16*MiB)
	}
	l.wholeMiB(g, "swap", ct.Swap, 0)
	for _, node := range g.items("features") {
		if node.form == scalarForm && node.text != "nesting" {
			l.wrong(g.item, node.src, "features: %s: root@pam only, a token can't: give the site a root@pam credential, or leave it out", node.text)
		}
		if node.form == scalarForm && node.text == "nesting" && !ct.Unprivileged && g.has("unprivileged") {
			l.wrong(g.item, node.src, "features: %s: on a privileged container root@pam only, a token can't: make it unprivileged, or leave it out", node.text)
		}
	}
	ct.Keys = l.resolveKeys(g.item, "keys", g.items("keys"))
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
		if _, set := g.set[path]; set && !n.in.Contains(n.value) {
			l.wrong(g.item, g.at("cpu", n.word), "%s: %d is not between %d and %d", path, n.value, n.in.From, n.in.To)
		}
	}
	if cpu.Type != "" && !regexpStore.MatchString(cpu.Type) {
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

// uniqueNames refuses two guests of one host name on a site.
func (l *loader) uniqueNames(g *guest) {
	if g.site == nil {
		return
	}
	name := strings.ToLower(g.Hostname)
	if has, ok := g.site.hosts[name]; ok {
		l.wrong(g.item, g.at("hostname"), "hostname: %q is %s's (%s): choose another", g.Hostname, has.id, has.src.place())
		return
	}
	g.site.hosts[name] = taken{g.id, g.set["hostname"]}
}

// first is the address under which the guest is known beforehand, and its
// network; the network is nil if there is none.
func (g *guest) first() (netip.Addr, *network) {
	if g.site == nil || len(g.Networks) == 0 {
		return netip.Addr{}, nil
	}
	nic := g.Networks[firstNIC(g.Networks)]
	text := nic.Reservation
	if text == "" {
		text, _ = trimPrefix(nic.Address)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, nil
	}
	return addr, g.site.networks[nic.Network]
}
