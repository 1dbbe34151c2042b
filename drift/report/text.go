package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// TextOptions is how a report is shown to people.
type TextOptions struct {
	// Color draws signs in color, with ANSI sequences.
	Color bool
	// Width is the columns that there are; 0 does not wrap.
	Width int
	// Now is what ages are told from; the zero time shows dates.
	Now time.Time
	// Verbose leaves nothing out: every field, wait and line, however many.
	Verbose bool
}

// Text writes the report for people at a terminal. Control characters in what
// it tells are written as escapes.
func Text(w io.Writer, r *Report, o TextOptions) error {
	p := &printer{TextOptions: o}
	p.heading(r)
	p.blocks(blocks(r, o.Verbose))
	p.ending(r)
	if _, err := p.out.WriteTo(w); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type printer struct {
	TextOptions
	out bytes.Buffer
}

// The colors, as ANSI has them.
const (
	red     = "31"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	dim     = "2"
	bold    = "1"
	boldRed = "1;31"
)

func (p *printer) paint(color, s string) string {
	if !p.Color || s == "" || color == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (p *printer) line(s string) {
	p.out.WriteString(strings.TrimRight(s, " "))
	p.out.WriteByte('\n')
}

// colorOf is the color of each sign.
func colorOf(s Sign) string {
	switch s {
	case Comes:
		return green
	case Differs, Held:
		return yellow
	case Goes, Failed:
		return red
	case Unknown:
		return boldRed
	case Runs, Waits:
		return cyan
	default:
		return dim
	}
}

// heading says what is enforced, loudly what is not, and how much there is.
func (p *printer) heading(r *Report) {
	if r.Refused != nil {
		p.refusal(r)
	}
	if r.Paused != "" {
		p.wrapped(p.paint(yellow, "!! "), 3, 3, neutral(r.Paused))
		p.line("")
	}
	title, extent := r.title(p.Now), r.extent()
	if len(title) > 0 {
		p.line(p.paint(bold, strings.Join(title, " · ")))
	}
	for _, line := range extent {
		p.line(line)
	}
	if len(title)+len(extent) > 0 {
		p.line("")
	}
}

// refusal stands on top: whoever pushed has to see it first.
func (p *printer) refusal(r *Report) {
	words := refusalWords(r)
	p.wrapped(p.paint(boldRed, "!! "), 3, 3, words)
	problems := r.Refused.Problems
	rest := 0
	if limit := 30; !p.Verbose && len(problems) > limit {
		rest, problems = len(problems)-limit, problems[:limit]
	}
	for _, one := range problems {
		p.line("   " + neutral(one))
	}
	if rest > 0 {
		p.line(fmt.Sprintf("   … %s more mistakes; --verbose lists them", grouped(rest)))
	}
	p.line("")
}

// refusalWords says what is refused and what holds instead.
func refusalWords(r *Report) string {
	words := "commit " + r.Refused.Commit.Text() + " is refused"
	if r.Refused.Unreachable() {
		words = "no newer commit can be had"
		if since := r.Refused.Since; !since.IsZero() && since.Before(r.Started) {
			words += " since " + since.UTC().Format("2 Jan 15:04 UTC")
		}
	}
	if r.Refused.Reason != "" {
		words += ": " + neutral(r.Refused.Reason)
	}
	switch {
	case r.Proposal != nil:
		words = strings.Replace(words, " is refused", " can't be planned", 1)
	case r.Commit.Hash != "":
		words += "; " + ShortHash(r.Commit.Hash) + " goes on being enforced"
	}
	return words
}

// title is the fleet, the commit and its age.
func (r *Report) title(now time.Time) []string {
	parts := []string{neutral(r.Fleet), r.Commit.Text(), age(r.Commit.Time, now)}
	if r.Turn != "" && len(r.Outcomes) > 0 {
		parts = append(parts, "turn "+neutral(r.Turn))
	}
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

// extent tells of each site how many guests there are, then of all else.
func (r *Report) extent() []string {
	var lines, more []string
	sites := slices.Clone(r.Contents.Sites)
	if r.Plan != nil {
		for site := range r.Plan.Counts {
			if !slices.Contains(sites, site) {
				sites = append(sites, site)
			}
		}
	}
	slices.Sort(sites)
	for _, site := range sites {
		text := "site " + neutral(site) + ": "
		if n, known := r.count(site); known {
			text += count(n.Ours, "guest") + " ours, " + grouped(n.Others) + " foreign"
			if n.Unread > 0 {
				text += ", " + grouped(n.Unread) + " unread"
			}
		} else {
			text += "not read"
		}
		lines = append(lines, text)
	}
	var edges []string
	for edge, names := range r.Contents.Edges {
		edges = append(edges, "edge "+neutral(edge)+": "+count(names, "name"))
	}
	slices.Sort(edges)
	more = append(more, edges...)
	if r.Contents.Playbooks > 0 {
		more = append(more, count(r.Contents.Playbooks, "playbook"))
	}
	switch {
	case len(lines) == 1 && len(more) > 0:
		lines = []string{lines[0] + " · " + strings.Join(more, " · ")}
	case len(more) > 0:
		lines = append(lines, strings.Join(more, " · "))
	}
	if r.Proposal != nil {
		lines = append(lines, r.Proposal.words())
	}
	return lines
}

func (p *printer) blocks(all []block) {
	columns := columnsOf(all)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].class == all[0].class {
			n++
		}
		group := all[:n]
		all = all[n:]
		rest := 0
		if limit := group[0].class.listed(); !p.Verbose && limit > 0 && n > limit+5 {
			rest, group = n-limit, group[:limit]
		}
		for _, b := range group {
			p.block(b, columns)
		}
		if rest > 0 {
			p.line(p.paint(dim, fmt.Sprintf("  … %s more %s; --verbose lists them", grouped(rest), group[0].class.name())))
		}
		if len(all) == 0 {
			p.line("")
		}
	}
}

// columns are where the parts of all heads begin.
type columns struct{ id, source int }

func columnsOf(all []block) columns {
	var c columns
	for _, b := range all {
		if len(b.remarks) == 1 && len(b.rows) == 0 && (b.class == foreign || b.class == notes) {
			continue
		}
		c.id = max(c.id, min(cells(b.id), 32))
		c.source = max(c.source, min(cells(b.sourceWords()), 36))
	}
	return c
}

// goneFromGit stands where others have their place in the manifests; that a
// resource is newInGit is what the sign of a creation says.
const (
	goneFromGit = "gone from Git"
	newInGit    = "new in Git"
)

// sourceWords is the manifest's place, where a block has any.
func (b *block) sourceWords() string {
	if b.source == "" && b.class != unknown && b.class != foreign && b.class != notes {
		return goneFromGit
	}
	return b.source
}

func (p *printer) block(b block, c columns) {
	head := p.paint(colorOf(b.sign), string(b.sign)) + " "
	used := 2
	add := func(color, text string, width int) {
		if text != "" || width > 0 {
			head += p.paint(color, text) + strings.Repeat(" ", max(0, width-cells(text))+2)
			used += max(cells(text), width) + 2
		}
	}
	inline := len(b.remarks) == 1 && len(b.rows) == 0
	switch b.class {
	case notes, foreign:
		text := b.remarks[0].words()
		if b.id != "" {
			text = ": " + text
		}
		if b.source != "" {
			text += " (" + b.source + ")"
		}
		p.wrapped(head, used, 4, b.id+text)
		return
	case unknown:
		add("", b.id, c.id)
	default:
		add("", b.id, c.id)
		add(dim, b.sourceWords(), c.source)
	}
	words := b.words
	if inline && words == "" {
		words = b.remarks[0].words()
		b.remarks = nil
	}
	p.wrapped(head, used, 4, words)
	p.rows(b.rows)
	for _, m := range b.remarks {
		sign := " "
		if m.sign != "" {
			sign = p.paint(colorOf(m.sign), string(m.sign))
		}
		p.wrapped("  "+sign+" ", 4, 6, m.words())
	}
}

func (m remark) words() string {
	switch {
	case m.word == "":
		return m.text
	case m.text == "" || m.word == "│":
		return m.word + " " + m.text
	default:
		return m.word + ": " + m.text
	}
}

// rows writes fields in columns; what does not fit gives up its columns, then
// goes onto a line of its own.
func (p *printer) rows(rows []row) {
	var path, value, origin int
	for _, r := range rows {
		path = max(path, min(cells(r.path), 36))
		value = max(value, min(cells(r.value), 52))
		origin = max(origin, min(cells(r.origin), 40))
	}
	for _, r := range rows {
		p.row(r, path, value, origin)
		for _, line := range r.lines {
			p.line("      " + p.paint(dim, "│") + " " + line)
		}
	}
}

// row writes one field.
func (p *printer) row(r row, path, value, origin int) {
	sign := " "
	if r.sign != "" {
		sign = p.paint(colorOf(r.sign), string(r.sign))
	}
	words := r.effect
	if r.remark.word != "" {
		words = r.remark.words()
	}
	start := "  " + sign + " " + pad(r.path, path)
	used := 4 + max(path, cells(r.path))
	columns := func(value, origin int) (line string, width int) {
		line, width = start+"   "+pad(r.value, value), used+3+max(value, cells(r.value))
		if origin > 0 || r.origin != "" {
			line += "   " + p.paint(dim, r.origin) + strings.Repeat(" ", max(0, origin-cells(r.origin)))
			width += 3 + max(origin, cells(r.origin))
		}
		return line, width
	}
	line, width := columns(value, origin)
	if words == "" {
		p.line(line)
		return
	}
	if !p.fits(width, words) {
		line, width = columns(0, 0)
	}
	if p.fits(width, words) {
		p.line(line + "   " + words)
		return
	}
	line, _ = columns(value, origin)
	p.line(line)
	p.wrapped("        ", 8, 8, words)
}

// fits tells whether words go onto a line of which used columns are taken.
func (p *printer) fits(used int, words string) bool {
	n := cells(words)
	return n <= 100 && (p.Width == 0 || used+3+n <= p.Width)
}

// wrapped writes words after a head that takes used columns, and breaks them at
// the width with an indent.
func (p *printer) wrapped(head string, used, indent int, words string) {
	if p.Width == 0 || used+cells(words) <= p.Width {
		p.line(head + words)
		return
	}
	if used > p.Width/2 {
		// The head is long: the words begin below it.
		p.line(head)
		head = strings.Repeat(" ", indent)
		used = indent
	}
	for _, line := range wrap(words, p.Width-used) {
		p.line(head + line)
		head = strings.Repeat(" ", used)
	}
}

// ending is what went wrong as a whole, the summary and the cost.
func (p *printer) ending(r *Report) {
	if r.Error != "" {
		p.wrapped(p.paint(boldRed, "error: "), 7, 7, neutral(r.Error))
		p.line("")
	}
	summary := wrap(r.line(), p.Width)
	for _, line := range summary {
		p.line(p.paint(bold, line))
	}
	if cost := r.cost(); cost != "" {
		p.line(p.paint(dim, cost))
	}
}
