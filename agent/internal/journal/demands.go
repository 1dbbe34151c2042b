package journal

import (
	"fmt"
	"time"

	"berth/desired"
)

// Ask notes that a playbook is to run on some hosts once more, and why, until it has
// come to a good end there. A run that is under way does not answer it.
func (j *Journal) Ask(play desired.ID, hosts []string, why string) error {
	return j.change(fmt.Sprintf("ask for %s", play), func(m *memory) {
		for _, host := range hosts {
			_, begun := m.Begun[play][host]
			m.Asked.put(play, host, asking{Why: why, Late: begun})
		}
	})
}

// Asked tells why a playbook was asked for on a host.
func (j *Journal) Asked(play desired.ID, host string) (why string, ok bool) {
	j.memory.Lock()
	defer j.memory.Unlock()
	asked, ok := j.known.Asked[play][host]
	return asked.Why, ok
}

// Begins notes that a playbook begins to run on some hosts. Until [Journal.Remember]
// or [Journal.Ends] it counts as cut off.
func (j *Journal) Begins(play desired.ID, hosts []string) error {
	return j.change(fmt.Sprintf("note the run of %s", play), func(m *memory) {
		for _, host := range hosts {
			m.Begun.put(play, host, j.now().UTC())
			if asked, ok := m.Asked[play][host]; ok {
				asked.Late = false
				m.Asked.put(play, host, asked)
			}
		}
	})
}

// Ends notes that runs of a playbook were seen to their end, a bad one, by host and by
// what they would have been known by. Unless again is set, nobody asks for them any more.
func (j *Journal) Ends(play desired.ID, runs map[string]string, again bool) error {
	return j.change(fmt.Sprintf("note the end of %s", play), func(m *memory) {
		for host, digest := range runs {
			m.Begun.drop(play, host)
			m.Failed.put(play, host, failing{Digest: digest, At: j.now().UTC()})
			switch asked, ok := m.Asked[play][host]; {
			case ok && (again || asked.Late):
				asked.Late = false
				m.Asked.put(play, host, asked)
			case ok:
				m.Asked.drop(play, host)
			}
		}
	})
}

// Failed tells of the last run of a playbook on a host, if that came to a bad end, what
// it would have been known by, and when that was.
func (j *Journal) Failed(play desired.ID, host string) (digest string, at time.Time, ok bool) {
	j.memory.Lock()
	defer j.memory.Unlock()
	last, ok := j.known.Failed[play][host]
	return last.Digest, last.At, ok
}

// Mend notes that a playbook has run since check mode had found tasks which would
// change something, by host; "" notes that it found none.
func (j *Journal) Mend(play desired.ID, tasks map[string]string) error {
	j.memory.Lock()
	same := true
	for host, what := range tasks {
		same = same && what == "" && j.known.Mended[play][host].Tasks == ""
	}
	j.memory.Unlock()
	if same {
		return nil
	}
	return j.change(fmt.Sprintf("note what %s mends", play), func(m *memory) {
		for host, what := range tasks {
			before := m.Mended[play][host]
			switch what {
			case "":
				m.Mended.drop(play, host)
			case before.Tasks:
				m.Mended.put(play, host, mending{what, j.now().UTC(), before.Times + 1})
			default:
				m.Mended.put(play, host, mending{what, j.now().UTC(), 1})
			}
		}
	})
}

// Mended tells of the last run on a host that followed since check mode had found
// something: which tasks, when, and how many times in a row it was these.
func (j *Journal) Mended(play desired.ID, host string) (tasks string, at time.Time, times int) {
	j.memory.Lock()
	defer j.memory.Unlock()
	last := j.known.Mended[play][host]
	return last.Tasks, last.At, last.Times
}

// CutOff tells when a run began of which nobody has seen the end; ok is false where
// there is none.
func (j *Journal) CutOff(play desired.ID, host string) (began time.Time, ok bool) {
	j.memory.Lock()
	defer j.memory.Unlock()
	began, ok = j.known.Begun[play][host]
	return began, ok
}

// Since tells from when on a schedule counts for each host: from the beginning of the
// last good run, or from when the playbook was first found to have this schedule,
// which is now if it never was.
func (j *Journal) Since(play desired.ID, schedule string, hosts []string) (map[string]time.Time, error) {
	since := make(map[string]time.Time, len(hosts))
	fresh := false
	j.memory.Lock()
	for _, host := range hosts {
		run, seen := j.known.Runs[play][host], j.known.Seen[play][host]
		from := run.Began
		if from.IsZero() {
			from = run.At
		}
		if seen.Schedule != schedule || seen.At.IsZero() {
			seen.At, fresh = j.now().UTC(), true
		}
		if from.Before(seen.At) {
			from = seen.At
		}
		since[host] = from
	}
	j.memory.Unlock()
	if !fresh {
		return since, nil
	}
	return since, j.change(fmt.Sprintf("note the schedule of %s", play), func(m *memory) {
		for _, host := range hosts {
			if m.Seen[play][host].Schedule != schedule {
				m.Seen.put(play, host, sight{Schedule: schedule, At: since[host]})
			}
		}
	})
}
