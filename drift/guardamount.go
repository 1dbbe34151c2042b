package drift

import (
	"fmt"
	"slices"
	"strings"

	"berth/desired"
)

// Amount holds all destructive steps of a turn where they are on more resources
// than the fleet's limits allow: then something larger has gone wrong than one
// edit. What an approval lets go is not counted, and none is held where one lets
// the fleet shrink. A restore is never held by it. What has been in the archive until its time
// was up was decided long ago: of that, as many as the limit may go in a turn, and
// the rest waits for the next.
func Amount(limits desired.Guards) Guard {
	return func(w *World, p *Plan) {
		limit := limitOf(limits, w)
		var fresh, due []desired.ID
		for i := range p.Changes {
			c := &p.Changes[i]
			if !c.Step.Destructive() || c.Held != "" {
				continue
			}
			if approvals := w.Allowed(c.ID); approvals != nil {
				c.allow(approvals...)
				continue
			}
			ids := &fresh
			if live := w.Live(c.ID); live != nil && live.Archived {
				ids = &due
			}
			if !slices.Contains(*ids, c.ID) {
				*ids = append(*ids, c.ID)
			}
		}
		held := make(map[desired.ID]string)
		if len(fresh) > limit.guests {
			reason := fmt.Sprintf("%s would go in one turn (%s), %s: remove fewer in one commit, raise %s of the Fleet, or write an Approval (allow: shrink-fleet)",
				guestsOf(len(fresh)), some(fresh), limit.says(), limit.word)
			for _, id := range fresh {
				held[id] = reason
			}
		}
		for i, id := range due {
			if i >= limit.guests {
				held[id] = fmt.Sprintf("%s due to be deleted, and %d may go in one turn (%s of the Fleet): it waits for the next", areGuests(len(due)), limit.guests, limit.word)
			}
		}
		shrink := w.Fleet.Approved(desired.AllowShrinkFleet, "", "", w.Now)
		if shrink != nil && len(fresh) > limit.guests {
			// Of what the approval does not let go there may be few enough.
			later := slices.DeleteFunc(slices.Clone(fresh), func(id desired.ID) bool { return shrink.Spent[id] == "" })
			if len(later) <= limit.guests {
				for _, id := range later {
					delete(held, id)
				}
			}
		}
		for i := range p.Changes {
			c := &p.Changes[i]
			switch {
			case !c.Step.Destructive() || held[c.ID] == "" || c.Held != "":
			case shrink != nil && shrink.Spent[c.ID] == "":
				c.allow(shrink)
			default:
				c.hold(joined(held[c.ID], w.Fleet.Spent(c.ID, w.Now)))
			}
		}
	}
}

// guestsOf is "1 guest" or "3 guests", areGuests the same with its verb.
func guestsOf(n int) string {
	if n == 1 {
		return "1 guest"
	}
	return fmt.Sprintf("%d guests", n)
}

func areGuests(n int) string {
	if n == 1 {
		return "1 guest is"
	}
	return guestsOf(n) + " are"
}

// joined are two sentences as one, where the second may be none.
func joined(first, second string) string {
	if second == "" {
		return first
	}
	return first + "; " + second
}

// limit is how many guests may go in a turn.
type limit struct {
	guests int
	// word is the field of the manifest that says so. Where it is a share, percent
	// is that, and of the number of guests that it is a share of.
	word        string
	percent, of int
}

// limitOf is the tighter of the limits. A share is asked for from
// [desired.PercentFrom] guests on, and is one guest at least: with less nothing
// could ever go. What is in the archive is gone already, and is none of them.
func limitOf(g desired.Guards, w *World) limit {
	absolute := limit{guests: g.Deletes, word: "guards.deletes"}
	guests := 0
	for _, live := range w.Lives() {
		if live.ID.Machine() && !live.Archived {
			guests++
		}
	}
	if guests < desired.PercentFrom {
		return absolute
	}
	share := limit{guests: guests * g.Percent / 100, word: "guards.percent", percent: g.Percent, of: guests}
	if g.Percent > 0 {
		share.guests = max(share.guests, 1)
	}
	if share.guests < absolute.guests {
		return share
	}
	return absolute
}

// says is "the limit is 3".
func (l limit) says() string {
	if l.of == 0 {
		return fmt.Sprintf("the limit is %d", l.guests)
	}
	return fmt.Sprintf("the limit is %d (%d %% of %d)", l.guests, l.percent, l.of)
}

// some names a few of many: the reason stands at each of them.
func some(ids []desired.ID) string {
	const few = 5
	var names []string
	for _, id := range ids[:min(len(ids), few)] {
		names = append(names, string(id))
	}
	text := strings.Join(names, ", ")
	if more := len(ids) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
