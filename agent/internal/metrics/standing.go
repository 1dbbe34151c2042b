package metrics

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"berth/agent/internal/web"
	"berth/drift"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// described are what [standing] tells.
func described() map[string]*prometheus.Desc {
	all := make(map[string]*prometheus.Desc)
	for _, d := range []struct {
		name, help string
		labels     []string
	}{
		{"berth_up_to_date", "1 where the newest commit is enforced, 0 where a newer one is refused.", nil},
		{"berth_commit_behind_seconds", "For how long a newer commit has been refused; 0 where none is.", nil},
		{"berth_commit_info", "The commit that is enforced, and the newest one; always 1.", []string{"state", "commit"}},
		{"berth_commit_timestamp_seconds", "When the commit that is enforced was made.", nil},
		{"berth_repository_reachable", "1 where the repository answered when it was asked last.", nil},
		{"berth_repository_last_contact_timestamp_seconds", "When the repository answered last; 0 before.", nil},
		{"berth_locked", "1 while the agent's identity is locked.", nil},
		{"berth_paused", "1 while the agent is paused, and applies nothing.", nil},
		{"berth_expiry_timestamp_seconds", "When a site's token expires, or the first certificate of its endpoints.", []string{"what", "site"}},
		{"berth_waiting_resources", "Resources that wait for somebody to unlock the agent.", nil},
		{"berth_failing_resources", "Resources and fields that went wrong and are tried again.", nil},
		{"berth_held_resources", "Resources and fields that are held for another reason.", nil},
		{"berth_unknown_scopes", "What could not be read: sites, kinds and resources.", []string{"site"}},
		{"berth_site_last_read_timestamp_seconds", "When a site was read last; 0 before.", []string{"site"}},
		{"berth_drift_resources", "Resources that are not as Git says, as the last turn left them.", []string{"kind", "site"}},
		{"berth_guests", "Guests of a site, as the last turn saw them.", []string{"site", "owner"}},
		{"berth_turn_underway", "1 while a turn is made.", nil},
		{"berth_turn_underway_seconds", "For how long the turn under way is made; 0 where none is.", nil},
		{"berth_last_turn_timestamp_seconds", "When the last turn that was not a dry run ended; 0 before.", nil},
		{"berth_last_success_timestamp_seconds", "When the last turn ended of which nothing failed; 0 before.", nil},
		{"berth_last_full_look_timestamp_seconds", "When the last turn ended that looked at everything; 0 before.", nil},
		{"berth_next_turn_timestamp_seconds", "When the next turn comes if nothing happens before; 0 while nobody knows.", nil},
	} {
		all[d.name] = desc(d.name, d.help, d.labels...)
	}
	return all
}

// standing shows how the agent stands at each scrape: what is gone has no series left.
type standing struct{ *Metrics }

// Describe tells what there is.
func (s standing) Describe(out chan<- *prometheus.Desc) {
	for _, d := range described() {
		out <- d
	}
}

// Collect tells how the agent stands.
func (s standing) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	ask := s.status
	s.mu.Unlock()
	var status web.Status
	if ask != nil {
		status = ask()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := telling{out: out, descs: described(), now: s.now()}
	t.past(&s.past)
	t.status(&status)
}

// telling is a scrape under way.
type telling struct {
	out   chan<- prometheus.Metric
	descs map[string]*prometheus.Desc
	now   time.Time
}

func (t *telling) tell(name string, value float64, labels ...string) {
	t.out <- prometheus.MustNewConstMetric(t.descs[name], prometheus.GaugeValue, value, labels...)
}

func (t *telling) past(p *past) {
	behind := time.Duration(0)
	if p.refused != "" {
		behind = t.now.Sub(p.since)
	}
	t.tell("berth_commit_behind_seconds", behind.Seconds())
	t.tell("berth_up_to_date", number(p.refused == ""))
	t.tell("berth_repository_reachable", number(!p.silent && !p.contact.IsZero()))
	t.tell("berth_repository_last_contact_timestamp_seconds", stamp(p.contact))
	t.tell("berth_last_success_timestamp_seconds", stamp(p.success))
	t.tell("berth_last_full_look_timestamp_seconds", stamp(p.full))
	for _, site := range slices.Sorted(maps.Keys(p.sites)) {
		t.tell("berth_site_last_read_timestamp_seconds", stamp(p.sites[site]), site)
	}
	for _, site := range slices.Sorted(maps.Keys(p.blind)) {
		t.tell("berth_unknown_scopes", float64(p.blind[site]), site)
	}
	for at, n := range p.drift {
		t.tell("berth_drift_resources", float64(n), at.kind, at.site)
	}
	for site, n := range p.guests {
		t.tell("berth_guests", float64(n.Ours), site, "ours")
		t.tell("berth_guests", float64(n.Others), site, "foreign")
		t.tell("berth_guests", float64(n.Unread), site, "unread")
	}
}

func (t *telling) status(s *web.Status) {
	if hash := s.Commit.Hash; hash != "" {
		t.tell("berth_commit_info", 1, "enforced", hash)
		seen := hash
		if s.Refused != nil && !s.Refused.Unreachable() {
			seen = s.Refused.Commit.Hash
		}
		t.tell("berth_commit_info", 1, "seen", seen)
		t.tell("berth_commit_timestamp_seconds", stamp(s.Commit.Time))
	}
	t.tell("berth_locked", number(s.Lock.State == web.LockLocked))
	t.tell("berth_paused", number(s.Paused != nil))
	t.expiries(s.Expiries)
	t.tell("berth_waiting_resources", float64(len(s.Waiting)))
	t.tell("berth_failing_resources", float64(len(s.Failing)))
	t.tell("berth_held_resources", float64(len(s.Held)))
	var underway time.Duration
	if s.Now != nil {
		underway = t.now.Sub(s.Now.Since)
	}
	t.tell("berth_turn_underway", number(s.Now != nil))
	t.tell("berth_turn_underway_seconds", underway.Seconds())
	var last, next time.Time
	if s.Last != nil {
		last = s.Last.Ended
	}
	if s.Next != nil {
		next = s.Next.At
	}
	t.tell("berth_last_turn_timestamp_seconds", stamp(last))
	t.tell("berth_next_turn_timestamp_seconds", stamp(next))
}

// expiries tells of each site what is over first.
func (t *telling) expiries(all []drift.Expiry) {
	first := make(map[place]time.Time)
	for _, e := range all {
		if at := (place{e.Kind, e.ID.Name()}); e.Kind != drift.ApprovalExpiry && !e.At.IsZero() && (first[at].IsZero() || e.At.Before(first[at])) {
			first[at] = e.At
		}
	}
	for at, when := range first {
		t.tell("berth_expiry_timestamp_seconds", stamp(when), at.kind, at.site)
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// stamp is a time as Prometheus writes it; 0 for the zero time.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
