package diagram

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"berth/drift/report"
	"berth/drift/routes"
)

// SVG draws a table of routes. It needs nothing but the browser that shows it, in
// light and in dark mode; the same table gives the same drawing, byte by byte.
func SVG(w io.Writer, fleet string, t *routes.Table) error {
	g := gather(t)
	hosts := make(map[string]bool)
	for _, n := range g.nodes {
		if n.sort == guest || n.sort == host || n.sort == plain {
			hosts[n.key] = true
		}
	}
	d := &drawing{layout: place(g), machines: len(hosts)}
	d.write(fleet)
	if _, err := d.out.WriteTo(w); err != nil {
		return fmt.Errorf("write the diagram: %w", err)
	}
	return nil
}

// drawing writes a layout.
type drawing struct {
	*layout
	out      bytes.Buffer
	machines int
}

func (d *drawing) line(format string, args ...any) {
	fmt.Fprintf(&d.out, format+"\n", args...)
}

// style is how it looks: GitHub's colors, since that is where it is looked at most.
const style = `text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;font-size:13px;fill:#1f2328}
.title{font-size:16px;font-weight:600}
.small{font-size:12px}
.muted{fill:#59636e}
.strong{font-weight:600}
.paper{fill:#ffffff;stroke:#d1d9e0}
.band{fill:#f6f8fa;stroke:#d1d9e0}
.box{stroke-width:1.5}
.internet{fill:#25292e;stroke:#25292e}
.oninternet{fill:#ffffff;font-weight:600}
.proxy{fill:#ddf4ff;stroke:#0969da}
.guest,.panel{fill:#ffffff;stroke:#59636e}
.host,.plain{fill:#ffffff;stroke:#59636e;stroke-dasharray:5 3}
.end{fill:#fff1e5;stroke:#bc4c00}
.wire{fill:none;stroke:#818b98;stroke-width:1.5}
.http{stroke-dasharray:6 4}
.tcp,.udp{stroke-dasharray:2 3}
.head{fill:#818b98}
.halo{paint-order:stroke;stroke:#f6f8fa;stroke-width:3px;stroke-linejoin:round}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}
.muted{fill:#9198a1}
.paper{fill:#0d1117;stroke:#3d444d}
.band{fill:#151b23;stroke:#3d444d}
.internet{fill:#f0f6fc;stroke:#f0f6fc}
.oninternet{fill:#0d1117}
.proxy{fill:#121d2f;stroke:#4493f8}
.guest,.panel{fill:#0d1117;stroke:#9198a1}
.host,.plain{fill:#0d1117;stroke:#9198a1}
.end{fill:#221a0f;stroke:#db6d28}
.wire{stroke:#656c76}
.head{fill:#656c76}
.halo{stroke:#151b23}
}`

func (d *drawing) write(fleet string) {
	title := "Network"
	if fleet != "" {
		title = "Network of " + report.Neutral(fleet)
	}
	about := fmt.Sprintf("%s through %s to %s", count(len(d.named), "name", "names"), count(len(d.edges), "edge", "edges"), count(d.machines, "machine", "machines"))
	d.line(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="berth-title berth-about">`, d.w, d.h, d.w, d.h)
	d.line(`<title id="berth-title">%s</title>`, esc(title))
	d.line(`<desc id="berth-about">%s, from left to right: the Internet, the edges, and the machines that names lead to.</desc>`, esc(about))
	d.line("<style>\n%s\n</style>", style)
	d.line(`<rect class="paper" x="0.5" y="0.5" width="%d" height="%d" rx="10"/>`, d.w-1, d.h-1)
	d.line(`<text class="title" x="%d" y="32">%s</text>`, margin, esc(short(title, 44)))
	d.line(`<text class="small muted" x="%d" y="48">%s</text>`, margin, esc(about))
	for _, b := range d.bands {
		d.band(b)
	}
	for _, a := range d.order {
		d.arrow(a)
	}
	for _, n := range d.nodes {
		d.node(n)
	}
	d.legend()
	d.line("</svg>")
}

// band frames a site. The Internet stands before all of them.
func (d *drawing) band(b *band) {
	x := d.columns[0].x + d.columns[0].w + bends/2
	d.line(`<rect class="band" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, x, b.y, d.w-margin-x, b.h)
	d.line(`<text class="small muted" x="%d" y="%d">%s</text>`, x+pad, b.y+18, esc(short(b.name, 40)))
}

// arrow draws a way, and what it carries.
func (d *drawing) arrow(a *arrow) {
	d.line(`<g><title>%s</title>`, esc(a.tells()))
	x, y := a.from.x+a.from.w, a.from.y+a.from.h/2
	var path strings.Builder
	fmt.Fprintf(&path, "M%d %d", x, y)
	to := func(level, y2 int) {
		c := d.columns[level]
		start := c.x - c.labels
		bend := start - bends
		if x < bend {
			fmt.Fprintf(&path, "H%d", bend)
		}
		if y != y2 {
			fmt.Fprintf(&path, "C%d %d %d %d %d %d", bend+bends/2, y, bend+bends/2, y2, start, y2)
		}
		y = y2
	}
	for _, lane := range a.lanes {
		to(lane.level, lane.y+lane.h/2)
		x = d.columns[lane.level].x + d.columns[lane.level].w
		fmt.Fprintf(&path, "H%d", x)
	}
	to(a.to.level, a.y)
	end := a.to.x
	d.line(`<path class="wire %s" d="%sH%d"/>`, a.class(), path.String(), end-7)
	d.line(`<path class="head" d="M%d %dl-9 -4v8z"/>`, end-1, a.y)
	text, small := a.label()
	start := end - d.columns[a.to.level].labels + 4
	if small != "" {
		small = fmt.Sprintf(`<tspan class="muted"> %s</tspan>`, esc(small))
	}
	d.line(`<text class="small halo" x="%d" y="%d">%s%s</text>`, start, a.y-6, esc(text), small)
	d.line("</g>")
}

func (a *arrow) class() string {
	switch a.way {
	case string(routes.TLS), string(routes.HTTP), string(routes.TCP), string(routes.UDP):
		return a.way
	}
	return string(routes.TLS)
}

// classes are the boxes' looks.
func (n *node) class() string {
	return [...]string{internet: "internet", proxy: "proxy", guest: "guest", host: "host", plain: "plain", end: "end", panel: "panel"}[n.sort]
}

func (d *drawing) node(n *node) {
	radius := 6
	if n.sort == end || n.sort == internet {
		radius = min(n.h/2, 22)
	}
	d.line(`<rect class="box %s" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`, n.class(), n.x, n.y, n.w, n.h, radius)
	middle := n.x + n.w/2
	switch {
	case n.sort == panel:
		d.panel(n)
	case n.sort == internet:
		d.line(`<text class="oninternet" x="%d" y="%d" text-anchor="middle">%s</text>`, middle, n.y+n.h/2+5, esc(n.title))
	case n.subtitle == "":
		d.line(`<text class="strong" x="%d" y="%d">%s</text>`, n.x+pad, n.y+n.h/2+5, esc(n.title))
	default:
		d.line(`<text class="strong" x="%d" y="%d">%s</text>`, n.x+pad, n.y+n.h/2-4, esc(n.title))
		d.line(`<text class="small muted" x="%d" y="%d">%s</text>`, n.x+pad, n.y+n.h/2+14, esc(n.subtitle))
	}
}

// panel lists guests.
func (d *drawing) panel(n *node) {
	d.line(`<text class="strong" x="%d" y="%d">%s</text>`, n.x+pad, n.y+20, esc(n.title))
	_, _, rows := n.panelSize()
	name, _ := n.lineWidths()
	for i, l := range n.lines {
		x, y := n.x+pad+i/rows*n.columnWidth(), n.y+headHeight+i%rows*lineHeight+14
		d.line(`<text class="small" x="%d" y="%d">%s</text>`, x, y, esc(l.name))
		d.line(`<text class="small muted" x="%d" y="%d">%s</text>`, x+name+pad, y, esc(l.text))
	}
	if n.more > 0 {
		d.line(`<text class="small muted" x="%d" y="%d">and %d more</text>`, n.x+pad, n.y+n.h-pad, n.more)
	}
}

// legend says what the lines mean, as far as there are such.
func (d *drawing) legend() {
	drawn := make(map[string]bool)
	for _, a := range d.order {
		if a.from.sort != internet {
			drawn[a.class()] = true
		}
	}
	x, y := margin, d.h-20
	drawn["tcp"] = drawn["tcp"] || drawn["udp"]
	for _, one := range []struct{ class, words string }{{"tls", "TLS, by name"}, {"http", "HTTP, by name"}, {"tcp", "by port"}} {
		if !drawn[one.class] {
			continue
		}
		d.line(`<path class="wire %s" d="M%d %dh30"/>`, one.class, x, y-4)
		d.line(`<text class="small muted" x="%d" y="%d">%s</text>`, x+38, y, one.words)
		x += 38 + width(len(one.words), smallFont) + 24
	}
}
