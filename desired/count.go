package desired

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What count may make at most: of one document, and of all.
const (
	maxCount    = 1000
	maxProducts = 50_000
)

// regexpNumber finds where a guest's number goes: {n}, or {n:02} for one of two
// digits at least.
var regexpNumber = regexp.MustCompile(`\{n(?::0([1-9]))?\}`)

// numbered puts a guest's number into a text.
func numbered(text string, n int) string {
	return regexpNumber.ReplaceAllStringFunc(text, func(found string) string {
		width := 0
		if digits := regexpNumber.FindStringSubmatch(found)[1]; digits != "" {
			width = int(digits[0] - '0')
		}
		return fmt.Sprintf("%0*d", width, n)
	})
}

// counted tells whether a document says count.
func (doc *document) counted() bool {
	count := doc.tree.get("count")
	return doc.kind.guest() && count != nil && count.form != nullForm
}

// products are the documents that a document stands for: so many guests as count
// says, numbered from 1, or itself. Whatever makes documents of guests lets them
// pass here.
func (l *loader) products(doc *document) []*document {
	if !doc.counted() {
		return []*document{doc}
	}
	node := doc.tree.get("count")
	count, err := parseInt(node.text)
	switch {
	case node.form != scalarForm || err != nil:
		// The decoder tells.
		count = 1
	case count < 1:
		l.report(node.src(), doc.id, fmt.Sprintf("count: %d makes no guest: write 1 or more, or take the document out", count))
		count = 1
	case count > maxCount:
		l.report(node.src(), doc.id, fmt.Sprintf("count: %d is more than %d: write several documents", count, maxCount))
		count = 1
	}
	if l.made += count; l.made > maxProducts {
		l.report(node.src(), doc.id, fmt.Sprintf("count: with this one, more than %d guests are made: make fewer", maxProducts))
		count = 1
	}
	if stray := regexpPlaceholder.FindString(doc.name); stray != "" && !hasNumber(doc.name) {
		l.report(doc.nameSrc, doc.id, fmt.Sprintf("name: %s is no number: write {n}, or {n:02} for two digits", stray))
		l.lost[doc.id] = true
		l.lostAny = true
		return nil
	}
	if count > 1 && !hasNumber(doc.name) {
		l.report(doc.nameSrc, doc.id, fmt.Sprintf("name: %q would be the name of all %d: write %q", doc.name, count, doc.name+"-{n}"))
		for n := 1; n <= count; n++ {
			l.lost[MakeID(doc.kind.short, doc.name+"-"+strconv.Itoa(n))] = true
		}
		count = 1
	}
	out := make([]*document, 0, count)
	told := false
	for n := 1; n <= count; n++ {
		one := *doc
		one.n, one.name = n, numbered(doc.name, n)
		one.id = MakeID(doc.kind.short, one.name)
		if complaint := badName(doc.kind, one.name); complaint != "" {
			if !told {
				l.report(doc.nameSrc, one.id, "name: "+complaint)
			}
			told = true
			l.lost[one.id] = true
		}
		out = append(out, &one)
	}
	return out
}

// number makes a guest the n-th of those that count makes: what only one can
// have goes up with its number.
func (l *loader) number(g *guest) {
	l.spread(g)
	if g.n == 0 {
		if hasNumber(g.Hostname) {
			l.wrong(g.item, g.at("hostname"), "hostname: {n} goes with count: add count, or write the name out")
			g.Hostname = numbered(g.Hostname, 1)
		}
		return
	}
	g.Number = g.n
	l.strayNumbers(g)
	if g.Hostname != "" && g.Count > 1 && !hasNumber(g.Hostname) {
		label, domain, dotted := strings.Cut(g.Hostname, ".")
		if dotted {
			domain = "." + domain
		}
		l.wrong(g.item, g.at("hostname"), "hostname: %q would be that of all %d: write %q", g.Hostname, g.Count, label+"-{n}"+domain)
		g.Hostname = ""
	}
	g.Hostname = numbered(g.Hostname, g.n)
	if g.RenamedFrom != "" && g.Count > 1 && !hasNumber(g.RenamedFrom) {
		l.wrong(g.item, g.at("renamedFrom"), "renamedFrom: only one of the %d can have been %s: write it with {n}", g.Count, g.RenamedFrom)
		g.RenamedFrom = ""
	}
	g.RenamedFrom = numbered(g.RenamedFrom, g.n)
	if g.has("adopt") || g.has("adopt.uuid") || g.has("adopt.mac") {
		l.wrong(g.item, g.at("adopt"), "adopt: goes with one guest, not with count: write the guest that is taken over by itself")
		g.Adopt = Adopt{}
	}
	if id, err := parseInt(g.Plan); err == nil {
		g.Plan = strconv.Itoa(id + g.n - 1)
	}
	for _, key := range sortedKeys(g.Networks) {
		nic := g.Networks[key]
		if nic.MAC != "" {
			l.wrong(g.item, g.at("networks", key, "mac"), "networks.%s.mac: with count all would have it: take it out, each gets its own", key)
			nic.MAC = ""
		}
		if _, set := g.set.lookup(Path("networks").Sub(key).Sub("hostnum")); set {
			nic.Hostnum += g.n - 1
		}
		for _, text := range []*string{&nic.Address, &nic.Reservation, &nic.Address6} {
			*text = nthAfter(*text, g.n-1)
		}
		g.Networks[key] = nic
	}
	g.Count = 0
}

// spread finds the node of a guest whose nodes are listed.
func (l *loader) spread(g *guest) {
	nodes := g.items("nodes")
	if len(nodes) == 0 || g.bad["nodes"] {
		if g.has("nodes") && !g.bad["nodes"] {
			l.wrong(g.item, g.at("nodes"), "nodes: an empty list names no node: take it out")
		}
		return
	}
	for _, node := range nodes {
		if node.form == scalarForm && !isStore(node.text) {
			l.wrong(g.item, node.src(), "nodes: %q is no node's name", node.text)
		}
	}
	if src, set := g.set.lookup("node"); set {
		// Of two layers the higher one's has taken the other's place.
		l.wrong(g.item, src, "node: nodes says where the guests are made: keep one of them")
		return
	}
	if g.n == 0 && len(nodes) > 1 {
		l.wrong(g.item, g.at("nodes"), "nodes: goes with count, one guest is made on one: write node: %s, or add count", nodes[0].text)
	}
	at := nodes[max(g.n-1, 0)%len(nodes)]
	g.Node = at.text
	g.set.put("node", at.src())
	g.Nodes = nil
}

// strayNumbers refuses the placeholder where it means nothing. In vars and in
// what cloud-init gets, braces are somebody else's.
func (l *loader) strayNumbers(g *guest) {
	var walk func(at Path, t *tree)
	walk = func(at Path, t *tree) {
		switch t.form {
		case scalarForm:
			if found := regexpNumber.FindString(t.text); found != "" {
				l.wrong(g.item, t.src(), "%s: %s means nothing here, only in name, hostname and renamedFrom: take it out", at, found)
			}
		case listForm:
			for _, item := range t.items {
				walk(at, item)
			}
		case mapForm:
			for _, e := range t.entries {
				walk(at.Sub(e.key), e.value)
			}
		default:
		}
	}
	elsewhere := []string{"name", "hostname", "renamedFrom", "vars", "cloudInit"}
	for _, e := range g.merged.entries {
		if !slices.Contains(elsewhere, e.key) {
			walk(Path(e.key), e.value)
		}
	}
}

// nthAfter is the n-th address after one, with the same prefix length; whatever is
// no address stays as it is.
func nthAfter(text string, n int) string {
	if n == 0 {
		return text
	}
	bare, bits, prefixed := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Zone() != "" {
		return text
	}
	for range n {
		if next := addr.Next(); next.IsValid() {
			addr = next
		}
	}
	if prefixed {
		return addr.String() + "/" + bits
	}
	return addr.String()
}
