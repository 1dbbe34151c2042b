package metrics

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/drift"
	"berth/drift/report"
)

// past is what turns and polls have left, for the scrapes after them.
type past struct {
	// began is when the turn under way began, or the agent.
	began time.Time
	// success and full are when the last turn that went well, and the last one that
	// looked at everything, ended; zero before.
	success, full time.Time
	// contact is when the repository answered last, silent whether it does not now.
	contact time.Time
	silent  bool
	// refused is the newest commit that is not taken, since when it is known.
	refused string
	since   time.Time
	// sites are when each was read last; zero for one that never was.
	sites map[string]time.Time
	blind map[string]int
	drift map[place]int
	// guests are how many each site has, of those that were read.
	guests map[string]drift.Count
}

// place is what differences are counted by.
type place struct{ kind, site string }

func (p *past) polled(silent bool, now time.Time) {
	if p.silent = silent; !silent {
		p.contact = now
	}
}

// Began notes when a turn begins.
func (m *Metrics) Began(turn.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past.began = m.now()
}

// Planned has nothing to count.
func (m *Metrics) Planned(turn.Request, *report.Report) {}

// Ended counts a turn, and what it did.
func (m *Metrics) Ended(req turn.Request, rep *report.Report, err error, _ []turn.Wait) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.turns.WithLabelValues(string(req.Mode), came(rep, err)).Inc()
	m.durations.WithLabelValues(whyOf(req)).Observe(now.Sub(m.past.began).Seconds())
	if rep == nil {
		return
	}
	for _, o := range rep.Outcomes {
		m.changes.WithLabelValues(o.ID.Kind(), string(o.Status)).Inc()
	}
	// A turn about a part of the fleet says nothing of the rest.
	if err != nil || rep.Plan == nil || len(req.Only) > 0 {
		return
	}
	m.past.polled(rep.Refused.Unreachable(), now)
	for _, site := range m.past.look(rep, now) {
		m.requestTimes.Delete(prometheus.Labels{"site": site})
	}
	own := req.Mode == report.Run
	if (own || req.Paused) && !req.Quick {
		m.past.full = now
	}
	if own && came(rep, nil) == "ok" {
		m.past.success = now
	}
}

// came is what came of a turn.
func came(rep *report.Report, err error) string {
	switch {
	case errors.Is(err, applyers.ErrLeft):
		return "left"
	case turn.Mistaken(err):
		return "mistaken"
	case err != nil || rep.Error != "":
		return "broken"
	case rep.Summary.Failed > 0:
		return "failed"
	}
	return "ok"
}

// whys are what turns are made for, as far as they are told apart.
var whys = []string{
	"changed", "commit", "drift", "hook", "resumed", "retry", "schedule", "settings", "signal", "start", "sweep", "sync", "unlocked", "webhook",
}

// whyOf is the first of what a turn is made for, in one of a few words.
func whyOf(req turn.Request) string {
	first, _, _ := strings.Cut(req.Why, ",")
	first, _, _ = strings.Cut(first, ":")
	first, _, _ = strings.Cut(first, " ")
	switch {
	case slices.Contains(whys, first):
		return first
	case first == "provision" || first == "secrets":
		return "hook"
	case req.Why == "" && req.Mode == report.Drift:
		return "drift"
	case req.Why == "":
		return "sync"
	}
	return "other"
}

// look takes what a report says of the fleet, and tells which sites are gone from it.
func (p *past) look(rep *report.Report, now time.Time) (gone []string) {
	if rep.Refused == nil || rep.Refused.Unreachable() {
		p.refused, p.since = "", time.Time{}
	} else if p.refused != rep.Refused.Commit.Hash {
		if p.refused == "" {
			p.since = now
		}
		p.refused = rep.Refused.Commit.Hash
	}
	sites := make(map[string]time.Time)
	p.blind = make(map[string]int)
	whole := make(map[string]bool)
	for _, b := range turn.LeftBy(rep, nil).Unknown {
		p.blind[b.Site]++
	}
	for _, b := range rep.Plan.Blind {
		whole[b.Site] = whole[b.Site] || b.ID == "" && b.Site != ""
	}
	for _, site := range rep.Contents.Sites {
		sites[site] = now
		if whole[site] {
			sites[site] = p.sites[site]
		}
		p.blind[site] += 0
	}
	for _, site := range slices.Sorted(maps.Keys(p.sites)) {
		if _, there := sites[site]; !there {
			gone = append(gone, site)
		}
	}
	p.sites = sites
	p.guests = maps.Clone(rep.Plan.Counts)
	p.differ(rep)
	return gone
}

// differ counts the resources that a turn left otherwise than Git says, be it in part.
func (p *past) differ(rep *report.Report) {
	p.drift = make(map[place]int)
	for _, b := range rep.Briefs() {
		if b.Pending {
			p.drift[place{b.ID.Kind(), b.Site}]++
		}
	}
}
