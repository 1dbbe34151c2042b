package nginx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/applyers"
	"berth/applyers/nginx/probe"
	"berth/desired"
)

// proofFor bounds how long names are asked, before a change and after it each: with
// a hundred thousand names that changed, the first of them stand for all.
const proofFor = 20 * time.Second

// proofBatch is how many are asked between two looks at the clock.
const proofBatch = 64

// proof asks the names that a change is about, and a sample of all others, before the
// change and after it.
type proof struct {
	*changing
	asked []asked
	// late is how many were not asked for lack of time.
	late int
}

// asked is a name that is asked.
type asked struct {
	// label is the name for people, path is its route.
	label string
	path  desired.Path
	// was and is are the questions before and after the change: what is listened on
	// may change, too.
	was, is probe.Question
	// moved tells that the name leads elsewhere now, former that it was routed before.
	moved, former bool
	to            desired.Target
	before, now   probe.Answer
	done          bool
}

// questions are what is to be asked about a change: every name that moves, and of the
// others a sample, the same ones each time.
func (c *changing) questions() *proof {
	p := &proof{changing: c}
	for side := range c.files {
		if !c.touch[side] || !wants(c.Edge, side) {
			continue
		}
		is, _ := c.sideDoors(c.Edge, side)
		var was []probe.Question
		if c.state.base != nil {
			was, _ = c.sideDoors(c.state.base, side)
		}
		if len(is) == 0 {
			continue
		}
		door := asked{is: is[0]}
		if len(was) > 0 {
			door.was = was[0]
		}
		p.side(side, door)
	}
	return p
}

// side adds the questions of one side, of which door is one without a name.
func (p *proof) side(side int, door asked) {
	at, routes, def := desired.Path("tls"), p.TLS.Routes, p.TLS.Default
	old, oldDef := map[string]desired.Target{}, desired.Target{}
	if side == httpSide {
		at, routes, def = "http", p.HTTP.Routes, p.HTTP.Default
	}
	if base := p.state.base; base != nil {
		old, oldDef = base.TLS.Routes, base.TLS.Default
		if side == httpSide {
			old, oldDef = base.HTTP.Routes, base.HTTP.Default
		}
	}
	ask := func(label, name string, path desired.Path, to, from desired.Target, former bool) asked {
		q := door
		q.label, q.path, q.to, q.former = label, path, to, former && door.was.Address != ""
		q.was.Name, q.is.Name = name, name
		q.moved = !former || to != from || p.rebuilt(to.Text)
		if side == httpSide {
			q.label += " by http"
		}
		return q
	}
	byTarget := make(map[string][]asked)
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		name := example(route, routes)
		to := routes[route]
		if name == "" || to.Text == desired.RejectTarget {
			continue
		}
		from, former := covering(name, old)
		q := ask(name, name, (at + ".routes").Sub(route), to, from, former)
		if q.moved {
			p.asked = append(p.asked, q)
		} else if len(byTarget[to.Text]) < p.spec.Probe.Sample {
			byTarget[to.Text] = append(byTarget[to.Text], q)
		}
	}
	if def.Text != "" && def.Text != desired.RejectTarget {
		q := ask("what no route names", "", at+".default", def, oldDef, oldDef.Text != "")
		if q.moved {
			p.asked = append(p.asked, q)
		} else {
			byTarget[def.Text] = append(byTarget[def.Text], q)
		}
	}
	p.asked = append(p.asked, sample(byTarget, p.spec.Probe.Sample)...)
}

// sample takes some of what does not change, in turn from what leads to each target.
func sample(byTarget map[string][]asked, n int) []asked {
	var all []asked
	targets := slices.Sorted(maps.Keys(byTarget))
	for round := 0; len(all) < n; round++ {
		some := false
		for _, to := range targets {
			if round < len(byTarget[to]) && len(all) < n {
				all = append(all, byTarget[to][round])
				some = true
			}
		}
		if !some {
			break
		}
	}
	return all
}

// rebuilt tells whether an upstream is another than before.
func (p *proof) rebuilt(name string) bool {
	is, named := p.Upstreams[name]
	if !named || p.state.base == nil {
		return named
	}
	was, there := p.state.base.Upstreams[name]
	return !there || !is.Servers.Equal(was.Servers) || is.ProxyProtocol != was.ProxyProtocol ||
		is.Keepalive != was.Keepalive || is.Connect != was.Connect || is.Idle != was.Idle
}

// example is a name that a route is for: for .apex the apex itself unless that has a
// route of its own, else one below it. It is "" for what was written by hand and is no
// name.
func example(route string, routes map[string]desired.Target) string {
	below, wildcard := strings.CutPrefix(route, "*.")
	if !wildcard {
		below, wildcard = strings.CutPrefix(route, ".")
		if _, own := routes[below]; wildcard && !own {
			return below
		}
	}
	switch {
	case wildcard:
		return "berth-probe." + below
	case strings.HasPrefix(route, "~"):
		return ""
	default:
		return route
	}
}

// covering is the target that routes have for a name, as nginx chooses it: the name
// itself, or else the longest that it is below.
func covering(name string, routes map[string]desired.Target) (desired.Target, bool) {
	for _, route := range []string{name, "." + name} {
		if t, ok := routes[route]; ok {
			return t, true
		}
	}
	for rest := name; ; {
		_, above, more := strings.Cut(rest, ".")
		if !more {
			return desired.Target{}, false
		}
		for _, route := range []string{"*." + above, "." + above} {
			if t, ok := routes[route]; ok {
				return t, true
			}
		}
		rest = above
	}
}

// timeout is how long one answer may take.
func (p *proof) timeout() time.Duration {
	if t := time.Duration(p.spec.Probe.Timeout); t > 0 {
		return t
	}
	return 3 * time.Second
}

// ask asks some of the names, and gives the answers of those for whom there was time.
func (p *proof) ask(ctx context.Context, which []int, question func(asked) probe.Question, answer func(i int, a probe.Answer)) (late int) {
	end := time.Now().Add(proofFor)
	for batch := range slices.Chunk(which, proofBatch) {
		if time.Now().After(end) || ctx.Err() != nil {
			late += len(batch)
			continue
		}
		questions := make([]probe.Question, len(batch))
		for j, i := range batch {
			questions[j] = question(p.asked[i])
		}
		for j, a := range probe.All(ctx, p.on.Dial, questions, p.timeout()) {
			answer(batch[j], a)
		}
	}
	return late
}

// before asks the names that were routed before.
func (p *proof) before(ctx context.Context) {
	var which []int
	for i, q := range p.asked {
		if q.former {
			which = append(which, i)
		}
	}
	p.ask(ctx, which, func(q asked) probe.Question { return q.was }, func(i int, a probe.Answer) { p.asked[i].before = a })
}

// again is how long a name that fails is given before it is asked once more.
const again = 300 * time.Millisecond

// after asks all names. Its error is a [lostError] if one that was served is not served
// any more.
func (p *proof) after(ctx context.Context) error {
	which := make([]int, len(p.asked))
	for i := range which {
		which[i] = i
	}
	is := func(q asked) probe.Question { return q.is }
	answer := func(i int, a probe.Answer) { p.asked[i].now, p.asked[i].done = a, true }
	p.late = p.ask(ctx, which, is, answer)
	if len(p.lost()) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
		p.ask(ctx, p.lost(), is, answer)
	}
	lost := p.lost()
	if len(lost) == 0 {
		return nil
	}
	e := &lostError{paths: make(map[desired.Path]string)}
	for n, i := range lost {
		q := p.asked[i]
		text := fmt.Sprintf("%s: %s before, and now %s", q.label, strings.Replace(q.before.String(), "answers", "answered", 1), q.now)
		if why := ""; n < 3 {
			if why = p.why(ctx, q); why != "" {
				text += ": " + why
			}
		}
		e.texts = append(e.texts, text)
		if q.moved {
			e.paths[q.path] = text
		} else {
			e.others = true
		}
	}
	return e
}

// lost are the names that were served and are not any more.
func (p *proof) lost() []int {
	var lost []int
	for i, q := range p.asked {
		if q.done && q.before.Works() && !q.now.Works() && q.now.Outcome != probe.Unasked {
			lost = append(lost, i)
		}
	}
	return lost
}

// why asks where a name leads to itself, and says what answers there.
func (p *proof) why(ctx context.Context, q asked) string {
	servers, proxy := []string{q.to.Text}, false
	if up, named := p.Upstreams[q.to.Text]; named {
		servers, proxy = nil, up.ProxyProtocol
		for _, server := range up.Servers {
			servers = append(servers, server.To.Text)
		}
	} else if named := q.to.Text == desired.RedirectTarget; named {
		return ""
	}
	var words []string
	for _, address := range servers[:min(len(servers), 3)] {
		a := probe.Ask(ctx, p.on.Dial, probe.Question{Address: address, Name: q.is.Name, HTTP: q.is.HTTP, Proxy: proxy && !q.is.HTTP}, p.timeout())
		words = append(words, address+" "+a.String())
	}
	return strings.Join(words, ", ")
}

// lostError is the error of names that a change took out of service.
type lostError struct {
	texts []string
	// paths are the routes that the change was about.
	paths map[desired.Path]string
	// others tells that a name is among them that the change was not about.
	others bool
}

func (e *lostError) Error() string {
	text := strings.Join(e.texts[:min(len(e.texts), 3)], "; ")
	if more := len(e.texts) - 3; more > 0 {
		text += fmt.Sprintf("; and %d more names", more)
	}
	return text
}

// lostOf is what a failed change says of one field.
func lostOf(err error, path desired.Path) error {
	if lost, ok := errors.AsType[*lostError](err); ok && lost.paths[path] != "" {
		return errors.New(lost.paths[path] + "; the former file is back")
	}
	return err
}

// tell says what the names answered, in a few lines.
func (p *proof) tell(say applyers.Progress) {
	answered, unasked := 0, 0
	var silent []string
	for _, q := range p.asked {
		switch {
		case !q.done:
		case q.now.Outcome == probe.Unasked:
			unasked++
		case q.now.Works():
			answered++
		case q.moved:
			silent = append(silent, q.label+" "+q.now.String())
		}
	}
	total := len(p.asked) - p.late
	switch {
	case total == 0:
		return
	case unasked == total:
		say.Say("no name was asked: " + p.asked[0].now.Detail)
		return
	}
	say.Say(fmt.Sprintf("names asked: %d, of which %d are served", total, answered))
	for i, text := range silent {
		if i == silentMax {
			say.Warn(fmt.Sprintf("and %d more names that are new or moved are not served", len(silent)-i))
			break
		}
		say.Warn("not served yet: " + text)
	}
	if p.late > 0 {
		say.Say(fmt.Sprintf("%d more names were not asked within %s", p.late, proofFor))
	}
}

// silentMax bounds how many names are told that are not served.
const silentMax = 10
