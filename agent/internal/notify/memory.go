package notify

import (
	"maps"
	"slices"
	"time"

	"berth/desired"
)

const (
	// often is how many times within the interval of reminders people are told that one
	// thing has begun, or is so for another reason. After that it comes and goes, and they
	// are told when it has stayed for as long.
	often = 3
	// remembered is how many conditions are kept for each target. What is more is not
	// told.
	remembered = 5000
)

// Told is what one target has been told.
type Told struct {
	// Troubles are by kind, id and field.
	Troubles map[string]Trouble `json:"troubles,omitempty"`
	// Beat is when the last heartbeat was due.
	Beat time.Time `json:"beat,omitzero"`
}

// Trouble is something that holds, or held lately.
type Trouble struct {
	Kind   Kind       `json:"kind"`
	ID     desired.ID `json:"id,omitempty"`
	Site   string     `json:"site,omitempty"`
	Hosts  []string   `json:"hosts,omitempty"`
	Reason string     `json:"reason,omitempty"`
	Began  time.Time  `json:"began"`
	// Over is when it was seen to be over; zero while it holds.
	Over time.Time `json:"over,omitzero"`
	// Open tells that people were told of it, and not that it is over.
	Open bool `json:"open,omitempty"`
	// Tells are what was told of it lately, the oldest first.
	Tells []Tell `json:"tells,omitempty"`
}

// Tell is one time that people were told: by which words, and when.
type Tell struct {
	Mark string    `json:"mark"`
	At   time.Time `json:"at"`
}

// Next tells what one target is to be told, and what it has been told then. It is pure:
// told is left as it is.
func Next(told Told, s *Seen, p Policy, now time.Time) ([]Event, Told) {
	n := &next{told: Told{Troubles: maps.Clone(told.Troubles), Beat: told.Beat}, seen: s, policy: p, now: now}
	if n.told.Troubles == nil {
		n.told.Troubles = make(map[string]Trouble)
	}
	if n.policy.Remind <= 0 {
		n.policy.Remind = Remind
	}
	n.rewind()
	here := make(map[string]bool, len(s.Conditions))
	for i := range s.Conditions {
		c := &s.Conditions[i]
		here[c.key()] = true
		switch {
		case c.Unsure:
		case p.wants(c.Kind, c.ID, c.Site):
			n.holds(c)
		default:
			// It was wanted before the settings changed.
			delete(n.told.Troubles, c.key())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.told.Troubles)) {
		if !here[key] {
			n.gone(key)
		}
	}
	n.applied()
	n.beat()
	return n.events(), n.told
}

// next is one derivation.
type next struct {
	told   Told
	seen   *Seen
	policy Policy
	now    time.Time
	// said are the items by kind, those that are told again apart.
	said map[saying][]Item
	// lines are what there is to say of a kind beside its items.
	lines map[Kind][]string
}

type saying struct {
	kind  Kind
	again bool
}

func (n *next) say(kind Kind, again bool, item Item) {
	if n.said == nil {
		n.said = make(map[saying][]Item)
	}
	n.said[saying{kind, again}] = append(n.said[saying{kind, again}], item)
}

// rewind lets nothing have been told in the future: a clock that was set back must not
// keep anything silent for longer than the interval of reminders.
func (n *next) rewind() {
	back := func(at time.Time) time.Time {
		if at.After(n.now) {
			return n.now
		}
		return at
	}
	n.told.Beat = back(n.told.Beat)
	for key, t := range n.told.Troubles {
		t.Began, t.Over = back(t.Began), back(t.Over)
		recent := make([]Tell, 0, len(t.Tells))
		for i, tell := range t.Tells {
			tell.At = back(tell.At)
			// The last one stays: by it reminders are due.
			if i == len(t.Tells)-1 || n.now.Sub(tell.At) < n.remind(t.Kind) {
				recent = append(recent, tell)
			}
		}
		t.Tells = recent
		n.told.Troubles[key] = t
	}
}

// remind is after how long people are told again of a kind. What ends in a fortnight is
// no matter of hours.
func (n *next) remind(kind Kind) time.Duration {
	if kind == Expiry {
		return max(n.policy.Remind, 24*time.Hour)
	}
	return n.policy.Remind
}

// lately is how often people were told within the interval of reminders.
func (n *next) lately(t *Trouble) int {
	count := 0
	for _, tell := range t.Tells {
		if n.now.Sub(tell.At) < n.remind(t.Kind) {
			count++
		}
	}
	return count
}

// holds notes a condition that holds, and tells of it if it is time to.
func (n *next) holds(c *Condition) {
	key := c.key()
	t, known := n.told.Troubles[key]
	if !known && len(n.told.Troubles) >= remembered {
		return
	}
	began := !known || !t.Over.IsZero()
	if began {
		t.Began, t.Over = n.now, time.Time{}
		if !c.Since.IsZero() && c.Since.Before(n.now) {
			t.Began = c.Since
		}
	}
	quiet := func() {
		// What is not told changes nothing that is kept, but for that it holds anew.
		if began {
			n.told.Troubles[key] = t
		}
	}
	if began {
		t.Kind, t.ID, t.Site, t.Hosts, t.Reason = c.Kind, c.ID, c.Site, c.Hosts, clip(c.Reason)
	}
	remind := n.remind(c.Kind)
	mark := fingerprint(c.Mark, c.Reason)
	if c.Kind == CommitRefused {
		mark = fingerprint(c.Reason) + c.Mark
	}
	lately := n.lately(&t)
	same := slices.ContainsFunc(t.Tells, func(tell Tell) bool { return tell.Mark == mark && n.now.Sub(tell.At) < remind })
	due := len(t.Tells) == 0 || n.now.Sub(t.Tells[len(t.Tells)-1].At) >= remind
	again := t.Open
	switch {
	case c.Kind == PausedReminder:
		// Whoever paused it knows: people are reminded when it has lasted.
		due = due && n.now.Sub(t.Began) >= remind
		again = false
		if !due {
			quiet()
			return
		}
	case due:
	case lately >= often:
		quiet()
		return
	case began && !t.Open:
	case same:
		quiet()
		return
	default:
		// It holds on, and for another reason.
		again = false
	}
	t.Hosts, t.Reason = c.Hosts, clip(c.Reason)
	reason := t.Reason
	if lately == often-1 && !due {
		reason += " (it comes and goes: if it goes on so, nothing more is told for " + words(remind) + ")"
	}
	item := Item{ID: c.ID, Hosts: c.Hosts, Field: string(c.Field), Reason: reason, site: c.Site}
	if again || !c.Since.IsZero() || c.Kind == PausedReminder {
		item.Since = t.Began
	}
	if len(c.Hosts) > 0 {
		item.Field = ""
	}
	n.say(c.Kind, again, item)
	if len(c.Lines) > 0 {
		n.more(c.Kind, c.Lines)
	}
	t.Open = true
	t.Tells = append(slices.Clip(t.Tells), Tell{Mark: mark, At: n.now})
	n.told.Troubles[key] = t
}

func (n *next) more(kind Kind, lines []string) {
	if n.lines == nil {
		n.lines = make(map[Kind][]string)
	}
	n.lines[kind] = append(n.lines[kind], lines...)
}

// gone looks at what was told and is not seen: whether it is over.
func (n *next) gone(key string) {
	t := n.told.Troubles[key]
	if t.Over.IsZero() {
		if !n.seen.over(&t) {
			return
		}
		t.Over = n.now
	}
	if t.Open && (n.lately(&t) < often || n.now.Sub(t.Over) >= n.remind(t.Kind)) {
		t.Open = false
		if n.policy.wants(Recovery, t.ID, t.Site) {
			n.say(Recovery, false, Item{ID: t.ID, Hosts: t.Hosts, Was: t.Kind, Reason: t.Reason, Since: t.Began, site: t.Site})
		}
	}
	if !t.Open && n.lately(&t) == 0 {
		delete(n.told.Troubles, key)
		return
	}
	n.told.Troubles[key] = t
}

// applied tells what the turn did.
func (n *next) applied() {
	for _, item := range n.seen.Applied {
		if n.policy.wants(ChangeApplied, item.ID, item.site) {
			n.say(ChangeApplied, false, item)
		}
	}
}

// beat tells that the agent is alive, once a day.
func (n *next) beat() {
	b := n.policy.Beat
	if b == nil {
		return
	}
	if n.told.Beat.IsZero() {
		n.told.Beat = n.now // The first comes when its time does.
		return
	}
	at := b.After(n.told.Beat)
	if at.After(n.now) {
		return
	}
	n.told.Beat = n.now
	n.say(Heartbeat, false, Item{})
}
