package importer

import (
	"cmp"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox"
	"berth/desired"
)

// regexpProxmox is what Proxmox takes as the name of a storage or a bridge.
var regexpProxmox = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// words are what the site calls what guests stand on.
type words struct {
	networks map[wire]string
	classes  map[string]string // by Proxmox's storage
	phases   map[string]string // by Proxmox's startup order
}

// wire is what makes a network: a bridge, and a VLAN on it.
type wire struct {
	bridge string
	vlan   int
}

// recognise finds the networks, storage classes and phases of the site: those that
// it has, or else those that its guests use.
func (m *maker) recognise() {
	m.words = &words{networks: make(map[wire]string), classes: make(map[string]string), phases: make(map[string]string)}
	if m.before == nil {
		site := m.Site
		m.site, m.siteKeep = &site, make(map[desired.Path]bool)
		m.newNetworks()
		m.newClasses()
		m.newPhases()
		m.newTemplates()
		m.newSite()
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.site.Networks)) {
		n := m.site.Networks[name]
		if w := (wire{n.Bridge, n.VLAN}); m.words.networks[w] == "" {
			m.words.networks[w] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.site.Storage)) {
		if store := m.site.Storage[name].Store; m.words.classes[store] == "" {
			m.words.classes[store] = name
		}
	}
}

// plug is one interface of a guest on a network.
type plug struct {
	*doc
	slot  string
	nic   desired.NIC
	at    proxmox.Attachment
	first bool
}

// newNetworks makes a network of each bridge and VLAN that guests are on.
func (m *maker) newNetworks() {
	plugs := make(map[wire][]plug)
	for _, d := range m.docs {
		if d.guest == nil {
			continue
		}
		for i, slot := range slots(d.guest.Networks) {
			at := d.live.NICs[slot]
			if regexpProxmox.MatchString(at.Bridge) {
				w := wire{at.Bridge, at.VLAN}
				plugs[w] = append(plugs[w], plug{doc: d, slot: slot, nic: d.guest.Networks[slot], at: at, first: i == 0})
			}
		}
	}
	order := slices.SortedFunc(maps.Keys(plugs), func(a, b wire) int {
		return cmp.Or(len(plugs[b])-len(plugs[a]), strings.Compare(a.bridge, b.bridge), a.vlan-b.vlan)
	})
	m.site.Networks = make(map[string]desired.Network)
	taken := make(map[string]bool)
	for _, w := range order {
		name := w.bridge
		switch {
		case w.vlan != 0:
			name = "vlan" + strconv.Itoa(w.vlan)
		case !taken["lan"]:
			name = "lan"
		}
		name = within(taken, name, w.bridge+"-"+strconv.Itoa(w.vlan))
		m.words.networks[w] = name
		m.site.Networks[name] = m.newNetwork(desired.Path("networks").Sub(name), w, plugs[w])
		m.out.Networks = append(m.out.Networks, name)
	}
}

func (m *maker) newNetwork(at desired.Path, w wire, plugs []plug) desired.Network {
	n := desired.Network{Bridge: w.bridge, VLAN: w.vlan}
	keep := func(word string) { m.siteKeep[at.Sub(word)] = true }
	keep("bridge")
	if w.vlan != 0 {
		keep("vlan")
	}
	subnets, gateways := make(map[netip.Prefix]int), make(map[netip.Addr]int)
	mtus, firewalls := make(map[int]int), make(map[bool]int)
	for _, p := range plugs {
		if prefix, err := netip.ParsePrefix(p.at.Address); err == nil && prefix.Addr().Is4() {
			subnets[prefix.Masked()]++
		}
		mtus[p.nic.MTU]++
		firewalls[p.nic.Firewall]++
	}
	if subnet, count := most(subnets, netip.Prefix.String); count > 0 {
		n.Subnet = subnet
	} else if w.vlan == 0 {
		n.Subnet = m.bridgeSubnet(w.bridge)
	}
	for _, p := range plugs {
		if gw, err := netip.ParseAddr(p.at.Gateway); err == nil && n.Subnet.IsValid() && n.Subnet.Contains(gw) {
			gateways[gw]++
		}
	}
	if n.Subnet.IsValid() {
		keep("subnet")
	}
	if gateway, count := most(gateways, netip.Addr.String); count > 0 {
		n.Gateway = gateway
		keep("gateway")
	}
	// A default is worth its line where nobody has to take it back.
	if mtu, count := most(mtus, strconv.Itoa); mtu != 0 && count == len(plugs) {
		n.MTU = mtu
		keep("mtu")
	}
	if 2*firewalls[true] > len(plugs) {
		n.Firewall = true
		keep("firewall")
	}
	if dns, ok := sharedList(plugs, func(g *desired.Guest) desired.List { return g.DNS }); ok {
		n.DNS = dns
		keep("dns")
	}
	if search, ok := sharedList(plugs, func(g *desired.Guest) desired.List { return g.Search }); ok {
		n.Search = search
		keep("search")
	}
	return n
}

// bridgeSubnet is the subnet of the nodes' own addresses on a bridge.
func (m *maker) bridgeSubnet(bridge string) netip.Prefix {
	for _, b := range m.survey.Bridges {
		if b.Name == bridge && b.CIDR.IsValid() && b.CIDR.Addr().Is4() {
			return b.CIDR.Masked()
		}
	}
	return netip.Prefix{}
}

// sharedList is what all containers whose first interface is on a network have.
func sharedList(plugs []plug, of func(*desired.Guest) desired.List) (desired.List, bool) {
	var list desired.List
	any := false
	for _, p := range plugs {
		if p.kind != "Container" || !p.first {
			continue
		}
		if has := of(p.guest); any && !has.Equal(list) || len(has) == 0 {
			return nil, false
		} else {
			list, any = has, true
		}
	}
	return list, any
}

// most is what occurs most often; of several the first by its text.
func most[K comparable](counts map[K]int, text func(K) string) (K, int) {
	var best K
	n := 0
	for key, count := range counts {
		if count > n || count == n && text(key) < text(best) {
			best, n = key, count
		}
	}
	return best, n
}

// newClasses makes a class of each storage that guests' disks are on.
func (m *maker) newClasses() {
	type votes struct{ disks, ssd, discard, iothread int }
	stores := make(map[string]*votes)
	for _, d := range m.docs {
		for _, slot := range slots(d.disks()) {
			disk, volume := d.disks()[slot], d.live.Volumes[slot]
			if !ownDisk(d, volume) || d.seed(disk) || !regexpProxmox.MatchString(disk.Storage) {
				continue
			}
			v := stores[disk.Storage]
			if v == nil {
				v = &votes{}
				stores[disk.Storage] = v
			}
			// Only where a drive may have all of them is a default told by it.
			if d.live.Kind == desired.KindVM && strings.HasPrefix(slot, "scsi") {
				v.disks++
				v.ssd += count(disk.SSD)
				v.discard += count(disk.Discard)
				v.iothread += count(disk.IOThread)
			}
		}
	}
	m.site.Storage = make(map[string]desired.StorageClass)
	taken := make(map[string]bool)
	for _, store := range slices.Sorted(maps.Keys(stores)) {
		short, _ := strings.CutPrefix(store, "local-")
		name := within(taken, short, store)
		class := desired.StorageClass{Store: store}
		at := desired.Path("storage").Sub(name)
		m.siteKeep[at.Sub("store")] = true
		v := stores[store]
		for word, given := range map[string]struct {
			n  int
			to *bool
		}{"ssd": {v.ssd, &class.SSD}, "discard": {v.discard, &class.Discard}, "iothread": {v.iothread, &class.IOThread}} {
			if v.disks > 1 && 2*given.n > v.disks {
				*given.to = true
				m.siteKeep[at.Sub(word)] = true
			}
		}
		m.site.Storage[name] = class
		m.words.classes[store] = name
		m.out.Classes = append(m.out.Classes, name)
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// newPhases makes a phase of each startup order that guests have.
func (m *maker) newPhases() {
	tags := make(map[string][]string)
	for _, d := range m.docs {
		if d.guest == nil {
			continue
		}
		text := d.guest.Startup
		if _, ok := parsePhase(text); !ok {
			continue
		}
		if had, seen := tags[text]; seen {
			tags[text] = slices.DeleteFunc(had, func(t string) bool { return !slices.Contains(d.guest.Tags, t) })
		} else {
			tags[text] = slices.Sorted(slices.Values(d.guest.Tags))
		}
	}
	order := slices.SortedFunc(maps.Keys(tags), func(a, b string) int {
		pa, _ := parsePhase(a)
		pb, _ := parsePhase(b)
		return cmp.Or(pa.Order-pb.Order, strings.Compare(a, b))
	})
	m.site.Phases = make(map[string]desired.Phase)
	taken := map[string]bool{"never": true, "yes": true}
	for _, text := range order {
		phase, _ := parsePhase(text)
		word := ""
		if len(tags[text]) > 0 {
			word = valid(tags[text][0])
		}
		name := within(taken, word, "order-"+strconv.Itoa(phase.Order))
		at := desired.Path("phases").Sub(name)
		m.siteKeep[at] = true
		for key, set := range map[string]bool{"order": phase.Order != 0, "up": phase.Up != 0, "down": phase.Down != 0} {
			if set {
				m.siteKeep[at.Sub(key)] = true
			}
		}
		m.site.Phases[name] = phase
		m.words.phases[text] = name
		m.out.Phases = append(m.out.Phases, name)
	}
}

// parsePhase reads a startup order as Proxmox writes it.
func parsePhase(text string) (desired.Phase, bool) {
	var p desired.Phase
	ordered := false
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			key, value = "order", part
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return p, false
		}
		switch key {
		case "order":
			p.Order, ordered = n, true
		case "up":
			p.Up = seconds(n)
		case "down":
			p.Down = seconds(n)
		default:
			return p, false
		}
	}
	return p, ordered
}

// newSite fills in what is left of the site.
func (m *maker) newSite() {
	keep := func(paths ...desired.Path) {
		for _, p := range paths {
			m.siteKeep[p] = true
		}
	}
	keep("endpoints", "token.secret")
	if m.site.TLS.Fingerprint != "" {
		keep("tls.fingerprint")
	}
	if m.site.TLS.CA != "" {
		keep("tls.ca")
	}
	nodes := make(map[string]int)
	for _, d := range m.docs {
		nodes[d.live.Node]++
	}
	if m.site.Node, _ = most(nodes, strings.Clone); m.site.Node != "" {
		keep("node")
	}
	for _, s := range m.survey.Stores {
		if slices.Contains(s.Content, "import") {
			m.site.Images = s.Name
			keep("images")
			break
		}
	}
}
