package journal

import (
	"fmt"
	"time"

	"berth/desired"
)

// ForgetAfter is how long it is remembered what ran on a host after the manifests have
// given the host up: who comes back before is as if never gone. It is longer than
// guests are kept in the archive.
const ForgetAfter = 180 * 24 * time.Hour

// Tend forgets of playbooks and hosts that the manifests have given up long ago. stands
// tells whether they have a playbook for a host. Nothing is written unless one has just
// gone, come back, or been gone for [ForgetAfter].
func (j *Journal) Tend(stands func(play desired.ID, host string) bool) error {
	now := j.now().UTC()
	type one struct {
		play desired.ID
		host string
	}
	var left, back, over []one
	j.memory.Lock()
	j.known.each(func(play desired.ID, host string) {
		since, gone := j.known.Gone[play][host]
		at := one{play, host}
		switch stand := stands(play, host); {
		case stand && gone:
			back = append(back, at)
		case stand:
		case !gone || since.After(now): // The clock may have been set back.
			left = append(left, at)
		case now.Sub(since) > ForgetAfter:
			over = append(over, at)
		}
	})
	j.memory.Unlock()
	if len(left)+len(back)+len(over) == 0 {
		return nil
	}
	return j.change(fmt.Sprintf("forget hosts that are gone (%d)", len(over)), func(m *memory) {
		for _, at := range left {
			m.Gone.put(at.play, at.host, now)
		}
		for _, at := range back {
			m.Gone.drop(at.play, at.host)
		}
		for _, at := range over {
			m.forget(at.play, at.host)
		}
	})
}

// each calls a function with all hosts of playbooks of which anything is remembered,
// once.
func (m *memory) each(call func(play desired.ID, host string)) {
	seen := make(byHost[bool])
	visit := func(play desired.ID, host string) {
		if !seen[play][host] {
			seen.put(play, host, true)
			call(play, host)
		}
	}
	m.Runs.each(visit)
	m.Asked.each(visit)
	m.Begun.each(visit)
	m.Seen.each(visit)
	m.Failed.each(visit)
	m.Mended.each(visit)
	m.Gone.each(visit)
}

// forget drops all that is remembered of a playbook on a host.
func (m *memory) forget(play desired.ID, host string) {
	m.Runs.drop(play, host)
	m.Asked.drop(play, host)
	m.Begun.drop(play, host)
	m.Seen.drop(play, host)
	m.Failed.drop(play, host)
	m.Mended.drop(play, host)
	m.Gone.drop(play, host)
}

func (m byHost[V]) each(call func(play desired.ID, host string)) {
	for play, hosts := range m {
		for host := range hosts {
			call(play, host)
		}
	}
}
