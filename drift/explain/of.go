package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
	"berth/drift/routes"
)

// Input is what was read, and planned.
type Input struct {
	Fleet *desired.Fleet
	World *drift.World
	Plan  *drift.Plan
	Waits map[desired.ID][]Wait
	Now   time.Time
}

// Of explains a resource, or a Host; nil where neither the manifests nor what was found
// tell of it.
func Of(id desired.ID, in Input) *Explanation {
	e := &Explanation{Version: Version, ID: id, Commit: in.Plan.Commit, Fields: []Field{}, Waits: in.Waits[id]}
	m := &maker{Input: in, Explanation: e, want: in.Fleet.Resource(id), have: in.World.Live(id)}
	var host *desired.Host
	if id.Kind() == desired.KindHost {
		host = in.Fleet.Hosts[id.Name()]
	}
	switch {
	case m.want != nil:
		e.Site, e.Source, e.Needs = m.want.Site, m.want.Source, m.want.Needs
	case m.have != nil:
		e.Site = m.have.Site
	case host != nil:
		e.Source = host.Source
	}
	m.blind = m.unread()
	if m.want == nil && m.have == nil && host == nil {
		return m.stranger()
	}
	for i := range in.Plan.Changes {
		if c := &in.Plan.Changes[i]; c.ID == id {
			m.changes = append(m.changes, c)
		}
	}
	m.stand(host)
	m.traits()
	m.fields()
	m.steps()
	m.plays()
	m.names()
	m.permissions()
	for _, n := range in.Plan.Notes {
		if n.ID == id {
			e.Notes = append(e.Notes, n.Text)
		}
	}
	return e
}

// maker makes one explanation.
type maker struct {
	Input
	*Explanation

	want    *desired.Resource
	have    *drift.Live
	blind   *drift.Blind
	changes []*drift.Change
}

// unread is why nothing is known of it; nil if something is.
func (m *maker) unread() *drift.Blind {
	for i := range m.Plan.Blind {
		if b := &m.Plan.Blind[i]; b.Covers(m.ID, m.Site) {
			return b
		}
	}
	return nil
}

// stranger explains what is not ours; nil if nobody has seen such a thing.
func (m *maker) stranger() *Explanation {
	quoted := fmt.Sprintf("%q", m.ID.Name())
	for _, f := range m.Plan.Foreign {
		if f.ID == m.ID || strings.Contains(f.What, quoted) {
			m.Site, m.Standing, m.Remedy = f.Site, "not ours, and never touched: "+f.What+": "+f.Reason, f.Remedy
			return m.Explanation
		}
	}
	return nil
}

// stand says how it stands.
func (m *maker) stand(host *desired.Host) {
	for _, f := range m.Plan.Foreign {
		if f.ID == m.ID {
			m.Notes = append(m.Notes, strings.TrimSuffix(f.What+": "+f.Reason+": "+f.Remedy, ": "))
		}
	}
	switch {
	case host != nil:
		m.Standing = "a Host: it is named and routed to, playbooks run on it, and it is not ours to make or change"
	case m.blind != nil:
		m.Standing, m.Remedy = "unknown: "+m.blind.Reason+"; nothing is planned for it", m.blind.Remedy
	case m.want == nil && m.have.Archived:
		m.Standing = "gone from Git, ours, and in the archive: its manifest coming back restores it"
	case m.want == nil:
		m.Standing = "gone from Git, and ours: it is taken away as the steps below say"
	case m.have == nil && m.ID.Kind() == desired.KindPlaybook:
		m.Standing = "it has not run on any host"
	case m.have == nil:
		m.Standing = "in Git, and not there yet"
	case m.have.Archived:
		m.Standing = "in Git again, and in the archive: it is restored"
	case m.differs() == 0:
		m.Standing = "as Git says"
	default:
		m.Standing = fmt.Sprintf("there, and not as Git says: %d to change", m.differs())
		if m.differs() == 0 {
			m.Standing = "there, with something left to do"
		}
	}
}

// differs counts the fields that are to change; a step without any counts as one.
func (m *maker) differs() int {
	n := 0
	for _, c := range m.changes {
		n += max(len(c.Fields), 1)
	}
	return n
}

func (m *maker) traits() {
	if m.have == nil {
		return
	}
	if t, ok := m.have.Handle.(drift.Traited); ok {
		m.Traits = append(m.Traits, t.Traits()...)
	}
	add := func(name, text string) { m.Traits = append(m.Traits, drift.Trait{Name: name, Text: text}) }
	if m.ID.Guest() {
		running := "no"
		if m.have.Running {
			running = "yes"
		}
		add("running", running)
	}
	if m.have.Protected {
		add("protected", "yes: it is never taken away")
	}
	if address, ok := m.World.Fact(m.ID, desired.FactAddress); ok {
		add("address", address)
	}
	for _, fact := range []string{desired.FactInstance, desired.FactUUID} {
		if text := m.have.Facts[fact]; text != "" {
			add(fact, text)
		}
	}
}

// fields tells of each value.
func (m *maker) fields() {
	all := make(map[desired.Path]*Field)
	at := func(path desired.Path) *Field {
		if all[path] == nil {
			all[path] = &Field{Path: path}
		}
		return all[path]
	}
	if m.want != nil {
		for _, leaf := range desired.Leaves(m.ID.Kind(), m.want.Spec) {
			source, set := m.want.Set.Lookup(leaf.Path)
			if !set && desired.Zero(leaf.Value) {
				continue
			}
			f := at(leaf.Path)
			f.Desired, f.From = m.text(leaf.Value)
			f.Effect, f.Source, f.Rule = leaf.Effect, source, Enforced
			switch {
			case m.want.Ignores(leaf.Path):
				f.Rule = Ignored
			case !set:
				f.Rule = Default
			case leaf.Effect == desired.Create:
				f.Rule = Settled
			}
		}
	}
	if m.have != nil && m.have.Spec != nil {
		m.lives(at)
	}
	for _, c := range m.changes {
		for i := range c.Fields {
			m.difference(at(c.Fields[i].Path), c, &c.Fields[i])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		f := all[path]
		if f.Rule == "" {
			if f.Live == "" {
				continue // Nobody sets it, and it is not there.
			}
			f.Rule = Unmanaged
		}
		m.Fields = append(m.Fields, *f)
	}
}

// text writes a value with what is known by now, and says what it waits for.
func (m *maker) text(value any) (text, from string) {
	if d, ok := value.(desired.Deferred); ok {
		value, from = d.Resolve(m.World.Fact)
	}
	return desired.Text(value), from
}

// lives puts what was found beside what is wanted.
func (m *maker) lives(at func(desired.Path) *Field) {
	if m.want != nil && m.have.Spec == m.want.Spec {
		// Nothing that is set differs, and so nobody has kept the rest.
		for path := range m.want.Set.Paths() {
			if f := at(path); f.Rule == Enforced || f.Rule == Settled {
				f.Live, f.Seen = f.Desired, true
			}
		}
		return
	}
	for _, leaf := range desired.Leaves(m.ID.Kind(), m.have.Spec) {
		// A fact of its creation that live can't tell is none.
		if desired.Zero(leaf.Value) && (m.want == nil || leaf.Effect == desired.Create || !m.want.Set.Has(leaf.Path)) {
			continue
		}
		f := at(leaf.Path)
		f.Live, f.Seen = desired.Text(leaf.Value), true
		f.By = m.have.By[leaf.Path]
		if f.Rule == "" && leaf.Exact && m.want != nil {
			f.Rule = Unwanted
		}
	}
}

// difference takes in what the plan says of a value.
func (m *maker) difference(f *Field, c *drift.Change, of *drift.Field) {
	f.Differs, f.Origin, f.By, f.Reason = true, of.Origin, cmp.Or(of.By, f.By), of.Reason
	f.Held = cmp.Or(of.Held, c.Held)
	if f.Desired == "" {
		f.Desired, f.From = of.After.Text, of.After.From
	}
	if !f.Seen && of.Before != (drift.Value{}) {
		f.Live, f.Seen = of.Before.Text, true
	}
	if of.Before.Secret || of.After.Secret {
		f.Desired, f.Live, f.From = desired.Hidden, desired.Hidden, ""
	}
	if f.Source == (desired.Source{}) {
		f.Source = of.Source
	}
	if f.Rule == "" || f.Rule == Unmanaged {
		f.Rule = Enforced
	}
}

func (m *maker) steps() {
	for _, c := range m.changes {
		s := Step{Step: c.Step, Reason: c.Reason, Held: c.Held}
		for _, k := range c.Wait {
			s.After = append(s.After, k.String())
		}
		for _, k := range c.WaitFields {
			s.After = append(s.After, k.String())
		}
		m.Steps = append(m.Steps, s)
	}
}

// plays are the playbooks that are for it.
func (m *maker) plays() {
	for _, r := range m.Fleet.Resources {
		play, ok := r.Spec.(*desired.Playbook)
		if !ok || !slices.Contains(play.Targets, m.ID) {
			continue
		}
		p := Play{ID: r.ID, Source: r.Source}
		for i := range m.Plan.Blind {
			if b := &m.Plan.Blind[i]; b.Covers(r.ID, r.Site) {
				p.Unknown = b.Reason
			}
		}
		path := desired.Path("hosts").Sub(m.ID.Name())
		for i := range m.Plan.Changes {
			c := &m.Plan.Changes[i]
			for _, f := range c.Fields {
				if c.ID == r.ID && f.Path == path {
					p.Due, p.Held = true, cmp.Or(f.Held, c.Held)
					p.Reason = due(&f)
				}
			}
		}
		for _, w := range m.waitsOf(r.ID, path) {
			p.Held = cmp.Or(p.Held, w.Reason)
		}
		m.Playbooks = append(m.Playbooks, p)
	}
}

// waitsOf are the waits of a resource that concern a path, or all of it.
func (m *maker) waitsOf(id desired.ID, path desired.Path) []Wait {
	return slices.DeleteFunc(slices.Clone(m.Input.Waits[id]), func(w Wait) bool { return w.Path != "" && w.Path != path })
}

// due says why a playbook is to run on a host.
func due(f *drift.Field) string {
	switch {
	case f.Reason != "":
		return f.Reason
	case f.After.From != "":
		return "after " + f.After.From + " is known"
	case f.Before == (drift.Value{}):
		return "it has not run here"
	}
	return "something of what it depends on is new since its last run"
}

// names are those that lead to it.
func (m *maker) names() {
	if !m.ID.Guest() && m.ID.Kind() != desired.KindHost {
		return
	}
	table := routes.Of(m.Fleet, m.World, m.Plan).Of(m.ID)
	for _, r := range table.Routes {
		name := r.Name
		if name == "" {
			name = "every other name"
			if r.Way == routes.TCP || r.Way == routes.UDP {
				name = strings.Join(r.Listen, ", ")
			}
		}
		m.Names = append(m.Names, Name{Name: name, Edge: r.Edge, Way: string(r.Way), State: string(r.State), From: r.Source})
	}
}

// permissions are approvals and windows.
func (m *maker) permissions() {
	for _, a := range m.Fleet.Approvals {
		if a.Target != m.ID && (a.Verb != desired.AllowShrinkFleet || m.want != nil) {
			continue
		}
		one := Approval{Allow: a.Allow, Until: a.Until, Why: a.Why, Source: a.Source}
		switch {
		case a.Expired(m.Now):
			one.Void = "it is over"
		case a.TooFar(m.Now):
			one.Void = fmt.Sprintf("it ends more than %d days ahead", desired.MaxApprovalDays)
		default:
			one.Void = cmp.Or(a.Spent[m.ID], a.Spent[""])
		}
		m.Approvals = append(m.Approvals, one)
	}
	if len(m.Fleet.Spec.Windows) == 0 || !m.ID.Machine() {
		return
	}
	if m.Fleet.Spec.WindowOpen(m.Now) {
		m.Windows = "a maintenance window is open"
	} else if _, at := m.Fleet.Spec.NextWindow(m.Now); !at.IsZero() {
		m.Windows = "the next maintenance window opens " + at.Format("Mon 2 Jan 2006 15:04 MST")
	} else {
		m.Windows = "no maintenance window opens any more"
	}
	if g := m.Fleet.Machine(m.ID); g != nil && g.Lifecycle.Reboot != "window" {
		m.Windows += "; only deleting it would wait for one (lifecycle.reboot: " + cmp.Or(string(g.Lifecycle.Reboot), "never") + ")"
	}
}
