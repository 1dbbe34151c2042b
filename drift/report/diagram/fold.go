package diagram

import (
	"fmt"
	"slices"
	"strings"

	"berth/drift/report"
)

// From how many boxes in the last column on guests that are reached in the same way
// are put together, how many that must be, and how many get a line.
const (
	manyBoxes   = 20
	foldsFrom   = 6
	mostLines   = 240
	threeFrom   = 60 // lines from which on there are three columns of them
	foldColumns = 2
)

// line is one guest of a panel.
type line struct{ name, text string }

// fold puts guests together that the same proxies lead to, where there are too many
// to give each a box of its own.
func (g *graph) fold() {
	groups := make(map[string][]*node)
	var keys []string
	boxes := 0
	for _, n := range g.nodes {
		if n.sort != guest && n.sort != host && n.sort != plain {
			continue
		}
		boxes++
		from := []string{n.band}
		for _, a := range n.in {
			from = append(from, a.from.key)
		}
		slices.Sort(from[1:])
		key := strings.Join(slices.Compact(from), "\x00")
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], n)
	}
	if boxes <= manyBoxes {
		return
	}
	for i, key := range keys {
		if len(groups[key]) >= foldsFrom {
			g.panel(fmt.Sprintf("panel %d", i), groups[key])
		}
	}
}

// panel makes one box of many.
func (g *graph) panel(key string, of []*node) {
	p := g.node(panel, key, of[0].band, fmt.Sprintf("%d guests", len(of)), "")
	if slices.ContainsFunc(of, func(n *node) bool { return n.sort != guest }) {
		p.title = fmt.Sprintf("%d machines", len(of))
	}
	p.level = of[0].level
	gone := make(map[*node]bool, len(of))
	slices.SortStableFunc(of, func(a, b *node) int { return natural(a.title, b.title) })
	carried := make(map[*node]*arrow)
	for i, n := range of {
		gone[n] = true
		var rules, ports []string
		all := false
		for _, a := range n.in {
			rules, ports, all = append(rules, a.rules...), append(ports, a.ports...), all || a.all
			to := carried[a.from]
			if to == nil {
				to = &arrow{from: a.from, to: p, way: a.way}
				carried[a.from] = to
				p.in = append(p.in, to)
			}
			to.rules = append(to.rules, a.rules...)
			to.all, to.proxy, to.backup = to.all || a.all, to.proxy || a.proxy, to.backup || a.backup
			if a.way == "tls" {
				to.way = a.way
			}
		}
		if i >= mostLines {
			p.more++
			continue
		}
		slices.SortFunc(rules, byName)
		slices.SortFunc(ports, natural)
		p.lines = append(p.lines, line{short(n.title, 20), strings.TrimSpace(inPanel(slices.Compact(rules), all) + " " + few(slices.Compact(ports)))})
	}
	g.order = slices.DeleteFunc(g.order, func(a *arrow) bool { return gone[a.to] })
	g.nodes = slices.DeleteFunc(g.nodes, func(n *node) bool { return gone[n] })
	for _, a := range p.in {
		slices.SortFunc(a.rules, byName)
		a.rules = slices.Compact(a.rules)
		a.text = count(len(a.rules), "name", "names")
		if a.all {
			a.text += " and others"
		}
		a.from.out = append(slices.DeleteFunc(a.from.out, func(o *arrow) bool { return gone[o.to] }), a)
		g.order = append(g.order, a)
	}
}

// inPanel is the names of one line.
func inPanel(rules []string, all bool) string {
	switch {
	case len(rules) == 0:
		return "all others"
	case len(rules) == 1 && !all:
		return short(rules[0], 26)
	}
	more := len(rules) - 1
	if all {
		more++
	}
	return fmt.Sprintf("%s +%d", short(rules[0], 22), more)
}

// panelSize tells how large a panel is, and how many lines a column of it has.
func (n *node) panelSize() (w, h, rows int) {
	columns := foldColumns
	if len(n.lines) >= threeFrom {
		columns++
	}
	rows = (len(n.lines) + columns - 1) / columns
	w = columns*n.columnWidth() + 2*pad
	h = headHeight + rows*lineHeight + pad
	if n.more > 0 {
		h += lineHeight
	}
	return w, h, rows
}

// columnWidth is how wide one column of a panel is.
func (n *node) columnWidth() int {
	name, text := n.lineWidths()
	return name + text + 3*pad
}

func (n *node) lineWidths() (name, text int) {
	for _, l := range n.lines {
		name, text = max(name, width(report.Cells(l.name), smallFont)), max(text, width(report.Cells(l.text), smallFont))
	}
	return name, text
}
