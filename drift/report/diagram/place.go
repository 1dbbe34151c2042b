package diagram

import (
	"cmp"
	"slices"

	"berth/drift/report"
)

// The measures, in pixels.
const (
	font       = 13
	smallFont  = 12
	pad        = 10
	margin     = 20
	boxHeight  = 46
	pitch      = 28 // between arrows that arrive at one box
	gap        = 16 // between boxes
	laneHeight = 14
	bandHead   = 26
	bandGap    = 14
	bends      = 64 // where arrows find their way, between two columns
	lineHeight = 19
	headHeight = 30
	top        = 58 // the title's place
	bottom     = 44 // the legend's
)

// width is how wide so many places of a monospaced font are, with a little to spare.
func width(places, size int) int { return (places*size*62 + 99) / 100 }

// band is what belongs to one site, across all columns.
type band struct {
	name    string
	columns [][]*node // by level; lanes among them
	y, h    int
}

// column is where the boxes of a level stand.
type column struct{ labels, x, w int }

// layout is a drawing.
type layout struct {
	*graph
	bands   []*band
	columns []column
	w, h    int
}

func place(g *graph) *layout {
	l := &layout{graph: g}
	g.fold()
	l.sizes()
	l.lanes()
	l.fill()
	l.across()
	y := top
	for _, b := range l.bands {
		b.y = y
		l.down(b)
		y += b.h + bandGap
	}
	l.h = max(y+bottom-bandGap, top+boxHeight+bottom)
	l.outside()
	l.ports()
	return l
}

// sizes measures the boxes.
func (l *layout) sizes() {
	for _, n := range l.nodes {
		if n.sort == panel {
			n.w, n.h, _ = n.panelSize()
			continue
		}
		n.title, n.subtitle = short(n.title, 28), short(n.subtitle, 40)
		n.w = max(width(report.Cells(n.title), font), width(report.Cells(n.subtitle), smallFont)) + 2*pad + 6
		n.h = boxHeight
		if n.subtitle == "" {
			n.h = boxHeight - 14
		}
		n.h = max(n.h, len(n.in)*pitch+6)
	}
}

// lanes leads arrows through the columns between their ends.
func (l *layout) lanes() {
	for _, a := range l.order {
		for level := a.from.level + 1; level < a.to.level; level++ {
			lane := &node{sort: -1, level: level, band: a.to.band, h: laneHeight, in: []*arrow{a}}
			a.lanes = append(a.lanes, lane)
		}
	}
}

// fill puts boxes into bands, in the order in which one meets them on the way from
// outside.
func (l *layout) fill() {
	byName := make(map[string]*band)
	levels := 1
	for _, n := range l.nodes {
		levels = max(levels, n.level+1)
	}
	put := func(n *node) {
		b := byName[n.band]
		if b == nil {
			b = &band{name: n.band, columns: make([][]*node, levels)}
			byName[n.band] = b
			l.bands = append(l.bands, b)
		}
		b.columns[n.level] = append(b.columns[n.level], n)
	}
	seen := make(map[*node]bool)
	var meet func(n *node)
	meet = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if n.sort != internet {
			put(n)
		}
		for _, a := range n.out {
			for _, lane := range a.lanes {
				put(lane)
			}
			meet(a.to)
		}
	}
	for _, n := range l.nodes {
		slices.SortStableFunc(n.out, func(a, b *arrow) int {
			if c := cmp.Compare(b.to.level, a.to.level); c != 0 && (a.to.sort == proxy || b.to.sort == proxy) {
				return -c
			}
			return cmp.Or(cmp.Compare(rank(a), rank(b)), natural(a.to.title, b.to.title))
		})
	}
	for _, n := range l.nodes {
		meet(n)
	}
	l.columns = make([]column, levels)
}

// rank puts what gets all others, and what gets nothing, last.
func rank(a *arrow) int {
	switch {
	case a.to.sort == end:
		return 2
	case a.all && len(a.rules) == 0:
		return 1
	}
	return 0
}

// across finds where the columns are.
func (l *layout) across() {
	for _, n := range l.nodes {
		c := &l.columns[n.level]
		c.w = max(c.w, n.w)
		for _, a := range n.in {
			text, small := a.label()
			places := report.Cells(text)
			if small != "" {
				places += 1 + report.Cells(small)
			}
			c.labels = max(c.labels, width(places, smallFont)+2*pad)
		}
	}
	x := margin + pad
	for i := range l.columns {
		c := &l.columns[i]
		if i > 0 {
			x += bends + c.labels
		}
		c.x = x
		x += c.w
	}
	l.w = max(x+pad+margin, 560)
	even := make([]int, len(l.columns))
	for _, n := range l.nodes {
		n.x = l.columns[n.level].x
		if n.sort != panel && n.sort != end {
			even[n.level] = max(even[n.level], n.w)
		}
	}
	for _, n := range l.nodes {
		if n.sort != panel && n.sort != end {
			n.w = even[n.level]
		}
	}
}

// down finds where the boxes of a band are: those of the last column one below the
// other, those before it beside what they lead to.
func (l *layout) down(b *band) {
	b.h = 0
	for _, column := range b.columns {
		b.h = max(b.h, stacked(column))
	}
	b.h += bandHead + pad
	from, to := b.y+bandHead, b.y+b.h-pad
	for _, column := range slices.Backward(b.columns) {
		if len(column) == 0 {
			continue
		}
		wish := make(map[*node]int)
		for i, n := range column {
			wish[n] = i // In the last column: as they were met.
			if n.sort == proxy || n.sort == -1 {
				wish[n] = l.middle(n, from) - n.h/2
			}
		}
		slices.SortStableFunc(column, func(a, b *node) int { return cmp.Compare(wish[a], wish[b]) })
		y := from
		for _, n := range column {
			if n.sort == proxy || n.sort == -1 {
				y = max(y, wish[n])
			}
			n.y = y
			y += n.h + gap
		}
		// What has run over the end is pushed back up.
		y = to
		for _, n := range slices.Backward(column) {
			n.y = min(n.y, y-n.h)
			y = n.y - gap
		}
	}
}

func stacked(column []*node) int {
	h := -gap
	for _, n := range column {
		h += n.h + gap
	}
	return max(h, 0)
}

// middle is the middle of what a box leads to.
func (l *layout) middle(n *node, otherwise int) int {
	if n.sort == -1 {
		return n.in[0].to.y + n.in[0].to.h/2
	}
	low, high := -1, -1
	for _, a := range n.out {
		next := a.to
		if len(a.lanes) > 0 {
			next = a.lanes[0]
		}
		if next.band != n.band {
			continue
		}
		at := next.y + next.h/2
		if low < 0 || at < low {
			low = at
		}
		high = max(high, at)
	}
	if low < 0 {
		return otherwise
	}
	return (low + high) / 2
}

// outside places the Internet beside where it leads in.
func (l *layout) outside() {
	out := l.byKey["internet"]
	low, high := l.h, 0
	for _, a := range out.out {
		low, high = min(low, a.to.y), max(high, a.to.y+a.to.h)
	}
	if high == 0 {
		low, high = top, l.h-bottom
	}
	out.y = (low + high - out.h) / 2
}

// ports finds at what height each arrow arrives: in the order of where they come from.
func (l *layout) ports() {
	for _, n := range l.nodes {
		slices.SortStableFunc(n.in, func(a, b *arrow) int { return cmp.Compare(a.last().y, b.last().y) })
		for i, a := range n.in {
			a.y = n.y + n.h*(2*i+1)/(2*len(n.in))
		}
	}
}

// last is where an arrow comes from right before it arrives.
func (a *arrow) last() *node {
	if n := len(a.lanes); n > 0 {
		return a.lanes[n-1]
	}
	return a.from
}
