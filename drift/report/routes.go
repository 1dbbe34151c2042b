package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"berth/drift/routes"
)

// RoutesText writes the routes of a report for people at a terminal.
func RoutesText(w io.Writer, r *Report, o TextOptions) error {
	p := &routePrinter{printer: printer{TextOptions: o}}
	if r.Refused != nil {
		p.refusal(r)
	}
	if title := r.title(p.Now); len(title) > 0 {
		p.line(p.paint(bold, strings.Join(title, " · ")))
	}
	if r.Routes != nil {
		p.table(r.Routes)
	}
	if _, err := p.out.WriteTo(w); err != nil {
		return fmt.Errorf("write routes: %w", err)
	}
	return nil
}

// RoutesJSON writes the routes of a report for machines.
func RoutesJSON(w io.Writer, r *Report) error {
	out := struct {
		Version int      `json:"version"`
		Fleet   string   `json:"fleet,omitempty"`
		Commit  Commit   `json:"commit,omitzero"`
		Refused *Refusal `json:"refused,omitempty"`
		*routes.Table
	}{Version, r.Fleet, r.Commit, r.Refused, r.Routes}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&out); err != nil {
		return fmt.Errorf("write routes: %w", err)
	}
	return nil
}

// routePrinter writes a table of routes.
type routePrinter struct {
	printer
	name, way int // the columns' widths
}

func (p *routePrinter) table(t *routes.Table) {
	if len(t.Edges) == 0 {
		p.line("there is no Edge, so nothing is routed")
		return
	}
	for i := range t.Edges {
		p.edge(&t.Edges[i])
	}
	for i := range t.Routes {
		r := &t.Routes[i]
		p.name = max(p.name, min(cells(routeTitle(r)), 36))
		for _, c := range chains(r, p.Verbose) {
			p.way = max(p.way, min(cells(c), 44))
		}
	}
	heading := ""
	for i := range t.Routes {
		r := &t.Routes[i]
		if h := routeHeading(r); h != heading {
			heading = h
			p.line("")
			p.line(p.paint(bold, heading))
		}
		p.route(r)
	}
	p.line("")
	for _, line := range wrap(routeSummary(t), p.Width) {
		p.line(p.paint(bold, line))
	}
}

// edge is a line about one proxy.
func (p *routePrinter) edge(e *routes.Edge) {
	sign, words := Sign(" "), neutral(string(e.ID))+" at "+neutral(e.At)
	if e.At == "local" {
		words = neutral(string(e.ID)) + " at the agent's own host"
	}
	if e.Address != "" {
		words += ", " + neutral(e.Address)
	}
	remedy := func() string {
		if e.Remedy == "" {
			return ""
		}
		return "; " + neutral(e.Remedy)
	}
	switch e.State {
	case routes.Unknown:
		sign, words = Unknown, words+" · unknown: "+neutral(e.Reason)+remedy()
	case routes.Foreign:
		sign, words = Foreign, words+" · not ours: "+neutral(e.Reason)+remedy()
	case routes.New:
		sign, words = Comes, words+" · not set up yet"
	case routes.Live, routes.Moves, routes.Goes:
	}
	if e.Others > 0 {
		words += " · " + count(e.Others, "other difference") + ": agent drift shows them"
	}
	p.wrapped(p.paint(colorOf(sign), string(sign))+" ", 2, 2, words)
}

// routeHeading is what routes stand below: where they arrive, and what tells them
// apart.
func routeHeading(r *routes.Route) string {
	words := neutral(string(r.Edge)) + " · "
	switch r.Way {
	case routes.TLS:
		words += ports(r.Listen) + ", by SNI"
	case routes.HTTP:
		words += ports(r.Listen) + ", by Host"
	default:
		return words + "by port"
	}
	if r.PROXY {
		words += ", after a PROXY header"
	}
	return words
}

func ports(listen []string) string { return neutral(strings.Join(listen, " ")) }

// routeTitle is the first column: the name, or the port.
func routeTitle(r *routes.Route) string {
	switch {
	case r.Name != "":
		return neutral(r.Name)
	case r.Way == routes.TLS || r.Way == routes.HTTP:
		return "all other names"
	}
	return string(r.Way) + " " + ports(r.Listen)
}

// chains are the ways of a route in words: "passthrough → lab → vm/web-1:443".
func chains(r *routes.Route, verbose bool) []string {
	var all []string
	for _, c := range r.Chains {
		var words []string
		for _, h := range c.Through {
			word := neutral(routes.Short(h.Edge))
			if h.Backup {
				word += " (backup)"
			}
			words = append(words, word)
		}
		all = append(all, strings.Join(append(words, legs(c.To, verbose)), " → "))
	}
	if len(all) > 0 && r.State == routes.Goes {
		all[0] = "was " + all[0]
	}
	return all
}

// fewLegs is how many servers of an upstream are named.
const fewLegs = 3

func legs(to []routes.Leg, verbose bool) string {
	var words []string
	for i, leg := range to {
		if i == fewLegs && !verbose && len(to) > fewLegs+1 {
			words = append(words, grouped(len(to)-i)+" more")
			break
		}
		word := neutral(leg.Target)
		if leg.Target == "redirect" {
			word = "redirect to https"
		}
		if verbose && leg.Address != "" && leg.Address != leg.Target {
			word += " " + neutral(leg.Address)
		}
		if verbose && leg.ID != "" && leg.Address == leg.Target {
			word += " " + neutral(string(leg.ID))
		}
		if leg.Weight > 1 {
			word += fmt.Sprintf(" ×%d", leg.Weight)
		}
		if leg.Backup {
			word += " (backup)"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// verdict is the last column, its sign and its color.
func verdict(r *routes.Route) (sign Sign, words, color string) {
	problem := r.Problem()
	switch {
	case r.State == routes.New:
		sign, words, color = Comes, "not live yet", green
	case r.State == routes.Goes:
		sign, words, color = Goes, "gone from Git", red
	case problem != "":
		return Held, "not routed", yellow
	case r.State == routes.Moves:
		sign, color = Differs, yellow
	case r.State == routes.Unknown:
		sign, color = Unknown, boldRed
	default:
		sign = " "
	}
	switch a := r.Answer; {
	case a == nil:
	case words != "":
	case a.Good:
		words, color = neutral(a.Text), green
	case a.Outcome == routes.Skipped:
		words, color = neutral(a.Text), dim
	default:
		words, color = neutral(a.Text), red
		if sign == " " {
			sign = Failed
		}
	}
	if words == "" && r.State == routes.Unknown {
		words = "unknown"
	}
	return sign, words, color
}

func (p *routePrinter) route(r *routes.Route) {
	sign, words, color := verdict(r)
	ways := chains(r, p.Verbose)
	if len(ways) == 0 {
		ways = []string{""}
	}
	head := p.paint(colorOf(sign), string(sign)) + " "
	title := routeTitle(r)
	line, used := head+pad(title, p.name), 2+max(p.name, cells(title))
	width := used + 2 + max(p.way, cells(ways[0]))
	rest := []string{}
	switch {
	case words == "" && p.room(used+2+cells(ways[0])):
		p.line(line + "  " + ways[0])
	case p.room(width + 2 + cells(words)):
		p.line(line + "  " + pad(ways[0], p.way) + "  " + p.paint(color, words))
	default:
		p.line(line + "  " + ways[0])
		if words != "" {
			rest = append(rest, words)
		}
	}
	indent := 4 + p.name
	for _, way := range ways[1:] {
		p.wrapped(strings.Repeat(" ", indent), indent, 6, way)
	}
	for _, text := range rest {
		p.wrapped("      ", 6, 6, text)
	}
	for _, text := range p.remarks(r) {
		p.wrapped("      ", 6, 6, text)
	}
}

func (p *routePrinter) room(used int) bool { return p.Width == 0 || used <= p.Width }

// remarks are the lines below a route.
func (p *routePrinter) remarks(r *routes.Route) []string {
	var all []string
	if problem := r.Problem(); problem != "" {
		all = append(all, neutral(problem))
	}
	switch r.By {
	case "":
	case routes.ByDefault:
		all = append(all, "no route has it: it goes where all other names go")
	default:
		all = append(all, "by "+neutral(r.By))
	}
	for _, text := range r.Remarks {
		all = append(all, neutral(text))
	}
	if r.Unreached {
		all = append(all, "only by asking "+neutral(string(r.Edge))+" itself: no edge before it sends the name there")
	}
	if p.Verbose {
		if r.Source.File != "" {
			all = append(all, neutral(r.Source.String()))
		}
		if a := r.Answer; a != nil && a.Fingerprint != "" {
			all = append(all, "SHA-256 "+neutral(a.Fingerprint)+" at "+neutral(a.Address))
		}
	}
	return all
}

// routeSummary counts.
func routeSummary(t *routes.Table) string {
	var asked, good, unasked, unrouted int
	states := make(map[routes.State]int)
	for i := range t.Routes {
		r := &t.Routes[i]
		states[r.State]++
		if r.Problem() != "" {
			unrouted++
		}
		switch {
		case r.Answer == nil:
		case r.Answer.Outcome == routes.Skipped:
			unasked++
		default:
			asked++
			if r.Answer.Good {
				good++
			}
		}
	}
	words := []string{count(len(t.Routes), "route")}
	if asked > 0 {
		words = append(words, fmt.Sprintf("%s of %s asked %s", grouped(good), grouped(asked), map[bool]string{true: "answer", false: "answers"}[good != 1]))
	}
	add := func(n int, text string) {
		if n > 0 {
			words = append(words, grouped(n)+" "+text)
		}
	}
	add(unasked, "not asked")
	add(states[routes.New], "not live yet")
	add(states[routes.Moves], "live elsewhere")
	add(states[routes.Goes], "gone from Git")
	add(states[routes.Unknown], "unknown")
	add(unrouted, "not routed")
	if states[""] == len(t.Routes) && asked == 0 {
		words = append(words, "as Git has them; nothing was asked")
	}
	return strings.Join(words, " · ")
}
