package desired

import (
	"net/netip"
	"slices"
	"strings"
)

// A guest is a VM or Container being loaded.
type guest struct {
	*item
	*Guest
	vm   *VM
	ct   *Container
	site *site
	// data tells that it is a data VM as the virtual machine that it is.
	data bool
	// addressWrong tells that an address was refused, so that nothing which
	// follows from it is worth telling.
	addressWrong bool
	// settled is what an earlier load has made of it; nil for one that was read in
	// this load, and is looked at.
	settled  *settled
	resource *Resource
	// claims are a looked-at guest's; a settled one has its own.
	*claims
}

// guestDocuments reads virtual machines and containers. Each is opened and looked at
// before the next is: what it says is not kept any longer than needed.
func (l *loader) guestDocuments() {
	l.listGuests()
	slices.SortFunc(l.guests, func(a, b *guest) int { return strings.Compare(string(a.id), string(b.id)) })
	l.reserveHosts()
	for _, g := range l.guests {
		if g.settled != nil {
			l.claim(g)
			continue
		}
		if g.merged == nil {
			l.openGuest(g)
		}
		l.lookAt(g, l.checkGuest)
		g.shed()
		l.settler.settle(&g.set)
		if l.remembers {
			g.Disks = l.diskSets.shared(g.Disks)
		}
	}
	l.allot()
	l.numberGuests()
	l.renames()
	l.oneWriter()
	l.checkAdoptData()
	for _, g := range l.machines() {
		l.uniqueNames(g)
		if g.settled == nil {
			l.checkAdoptID(g)
		}
	}
	for _, g := range l.guests {
		if g.settled != nil {
			l.claimNeeds(g)
			continue
		}
		l.needsOf(g)
		l.lookAt(g, func(g *guest) {
			l.mounts(g)
			if g.vm != nil {
				l.seed(g)
			}
		})
	}
}

// lookAt notes what is remarked about a guest while it is looked at by itself.
func (l *loader) lookAt(g *guest, look func(*guest)) {
	before := l.guesses
	l.looking = g
	look(g)
	l.looking = nil
	g.guesses += l.guesses - before
}

// listGuests finds the guests' documents. Those that were made of one document are
// opened in their order, so that what is wrong with it is told of the first.
func (l *loader) listGuests() {
	guests := 0
	if l.known != nil {
		guests = l.known.guests
	}
	l.guests = make([]*guest, 0, guests)
	same, items := make([]guest, guests), make([]item, guests)
	for _, doc := range l.docs {
		if !doc.kind.guest() {
			continue
		}
		if doc.settled != nil {
			g := &same[0]
			g.item = &items[0]
			same, items = same[1:], items[1:]
			l.resettle(g, doc.settled)
			l.guests = append(l.guests, g)
			continue
		}
		g := &guest{item: &item{document: doc}, claims: &claims{}}
		doc.guest = g
		if doc.n > 0 || doc.layers != nil {
			l.openGuest(g)
		}
		l.guests = append(l.guests, g)
	}
}

// openGuest reads a guest's document.
func (l *loader) openGuest(g *guest) {
	merged, layers := l.layersOf(g.document)
	if g.kind.short == KindVM {
		g.vm = &VM{}
		g.Guest = &g.vm.Guest
		g.item = l.openOver(g.document, g.vm, merged, layers)
	} else {
		g.ct = &Container{Unprivileged: true}
		g.Guest = &g.ct.Guest
		g.item = l.openOver(g.document, g.ct, merged, layers)
	}
}

func (l *loader) checkGuest(g *guest) {
	g.Name = g.name
	l.number(g)
	g.site = l.siteOf(g.item, g.Site)
	if g.site != nil {
		g.Site = g.site.name
		if g.Node == "" {
			g.Node = g.site.Node
		}
	}
	if g.Node != "" && !isStore(g.Node) && g.has("node") {
		l.wrong(g.item, g.at("node"), "node: %q is no node's name", g.Node)
	}
	switch _, set := g.set.lookup("node"); {
	case !g.Pin:
		// A migrated guest is followed.
		g.set.drop("node")
	case !set && g.site != nil && g.Node != "":
		src := g.site.at("node")
		src.Layer = KindSite + "/" + g.site.name
		g.set.put("node", src)
	}
	l.checkNames(g)
	l.checkOrigin(g)
	l.checkOptions(g)
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
		g.set.put("hostname", g.nameSrc)
	} else if complaint := badHostname(g.Hostname); complaint != "" {
		l.wrong(g.item, g.at("hostname"), "hostname: %s", complaint)
	}
	if g.State == "" {
		g.State = Running
		if !g.bad["state"] {
			g.set.put("state", g.src)
		}
	}
	l.checkTags(g.item)
	l.checkDescription(g.item, g.Description)
	for _, node := range g.items("groups") {
		if node.form == scalarForm {
			l.checkGroup(g.item, node)
		}
	}
	for _, field := range []struct{ word, value string }{{"project", g.Project}, {"environment", g.Environment}} {
		if field.value != "" && !isDotted(field.value) {
			l.wrong(g.item, g.at(field.word), "%s: %q: write a-z, 0-9 and . _ - inside", field.word, field.value)
		}
	}
	l.checkHostName(g.item)
}

// checkHostName refuses names that are not a host's to Ansible.
func (l *loader) checkHostName(it *item) {
	if slices.Contains([]string{"all", "ungrouped", KindVM, KindContainer, KindHost, "localhost"}, it.name) {
		l.wrong(it, it.nameSrc, "name: %q means something else to Ansible: choose another", it.name)
	}
}

func (l *loader) checkTags(it *item) {
	for _, node := range it.items("tags") {
		switch {
		case node.form != scalarForm || it.n > 0 && hasNumber(node.text):
		case strings.HasPrefix(node.text, "berth"):
			l.wrong(it, node.src(), "tags: %q: tags that begin with berth are Berth's own: choose another", node.text)
		case !isTag(node.text):
			l.wrong(it, node.src(), "tags: %q: write a-z, 0-9, _ and inside also . + -", node.text)
		}
	}
}

func (l *loader) checkGroup(it *item, node *tree) {
	switch {
	case isGroup(node.text), it.n > 0 && hasNumber(node.text):
	case strings.Contains(node.text, "{"):
		l.wrong(it, node.src(), "groups: %q: {project} and {env} are for the guests of a Project: write the group out", node.text)
	default:
		l.wrong(it, node.src(), "groups: %q: write %s: a-z, 0-9 and _ only", node.text, groupWord(strings.ToLower(node.text)))
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
	switch strings.ToLower(g.Startup) {
	case "true", "on", "1":
		l.wrong(g.item, g.at("startup"), "startup: %q: write yes (with the host) or a phase of the site", g.Startup)
		return
	case "false", "off", "no", "0":
		l.wrong(g.item, g.at("startup"), "startup: %q: write never", g.Startup)
		return
	}
	if strings.ContainsAny(g.Startup, "=,") {
		l.wrong(g.item, g.at("startup"), "startup: %q: write a phase, and at the site what it is, as in phases: {NAME: {order: 100, up: 30s}}", g.Startup)
		return
	}
	candidates := []candidate{{name: "never"}, {name: "yes"}}
	for _, name := range sortedKeys(g.site.Phases) {
		candidates = append(candidates, candidate{name, g.site.key("phases", name)})
	}
	l.wrong(g.item, g.at("startup"), "startup: %s", l.missing("phase", g.Startup, candidates))
}

// checkLifecycle fills in the defaults and refuses what is not built.
func (l *loader) checkLifecycle(g *guest) {
	if g.Lifecycle.Reboot == "window" && len(l.fleet.Spec.Windows) == 0 && (l.fleetDoc == nil || !l.fleetDoc.explained("", "windows")) {
		l.wrong(g.item, g.at("lifecycle", "reboot"), "lifecycle.reboot: window, and the Fleet has no windows: give it some, as in windows: [{cron: \"0 3 * * *\", for: 2h}], or write never or now")
	}
	if g.Lifecycle.Replace == "allow" {
		l.wrong(g.item, g.at("lifecycle", "replace"), "lifecycle.replace: making a guest anew is not built yet: write refuse, and make it under another name")
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

// machines lists what has a VMID: the data VMs, then the guests.
func (l *loader) machines() []*guest {
	out := make([]*guest, 0, len(l.datas)+len(l.guests))
	for _, d := range l.datas {
		out = append(out, d.machine)
	}
	return append(out, l.guests...)
}

// uniqueNames refuses two machines of one name on a site.
func (l *loader) uniqueNames(g *guest) {
	if g.site == nil {
		return
	}
	name := strings.ToLower(g.Hostname)
	if other := g.site.hosts[name]; other != nil {
		has := taken{other.id, other.set.at("hostname")}
		if g.data {
			l.wrong(g.item, g.nameSrc, "name: %q is %s's on Proxmox (%s): choose another", g.Hostname, has.id, has.src.place())
		} else {
			l.wrong(g.item, g.at("hostname"), "hostname: %q %s", g.Hostname, has.whose(g.at("hostname")))
		}
		return
	}
	g.site.hosts[name] = g
}

// first is the address under which the guest is known beforehand, and its
// network; the network is nil if there is none.
func (g *guest) first() (netip.Addr, *network) {
	if g.site == nil || firstNIC(g.Networks) == "" {
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
