package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"berth/desired"
)

// Run is the last run of a playbook on a host that came to a good end.
type Run struct {
	Digest string `json:"digest"`
	// At is when it was known to have come to a good end, Began when it began: what
	// became due in between, it may have missed.
	At    time.Time `json:"at"`
	Began time.Time `json:"began,omitzero"`
}

// asking is that somebody wants a playbook to run on a host.
type asking struct {
	Why string `json:"why"`
	// Late tells that it came after a run had begun there, which does not answer it.
	Late bool `json:"late,omitempty"`
}

// sight is when a playbook was first found to have a schedule on a host.
type sight struct {
	Schedule string    `json:"schedule"`
	At       time.Time `json:"at"`
}

// failing is a run that came to a bad end, the last on its host.
type failing struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
}

// mending is that check mode found tasks which would change something, and that a run
// followed.
type mending struct {
	Tasks string    `json:"tasks"`
	At    time.Time `json:"at"`
	Times int       `json:"times"`
}

// byHost holds something for each playbook and host.
type byHost[V any] map[desired.ID]map[string]V

func (m byHost[V]) put(play desired.ID, host string, v V) {
	if m[play] == nil {
		m[play] = make(map[string]V)
	}
	m[play][host] = v
}

func (m byHost[V]) drop(play desired.ID, host string) {
	delete(m[play], host)
	if len(m[play]) == 0 {
		delete(m, play)
	}
}

func (m byHost[V]) clone() byHost[V] {
	next := make(byHost[V], len(m))
	for play, hosts := range m {
		next[play] = maps.Clone(hosts)
	}
	return next
}

// memory is what is known of playbooks.
type memory struct {
	Runs byHost[Run] `json:"runs"`
	// Asked are the runs that somebody wants, Begun those that began and have not
	// been seen to end, Seen those that a schedule counts from.
	Asked byHost[asking]    `json:"asked,omitempty"`
	Begun byHost[time.Time] `json:"begun,omitempty"`
	Seen  byHost[sight]     `json:"seen,omitempty"`
	// Failed are last runs that came to a bad end, Mended those that check mode had
	// asked for.
	Failed byHost[failing] `json:"failed,omitempty"`
	Mended byHost[mending] `json:"mended,omitempty"`
}

func (m memory) clone() memory {
	return memory{Runs: m.Runs.clone(), Asked: m.Asked.clone(), Begun: m.Begun.clone(), Seen: m.Seen.clone(), Failed: m.Failed.clone(), Mended: m.Mended.clone()}
}

const runsName = "runs.json"

// runsFile is of version 1 as long as an older agent may read it: what it does not
// know of, it forgets.
type runsFile struct {
	Version int `json:"version"`
	memory
}

// recall reads what Ansible has done. What can't be read is put aside and
// taken for nothing: then each playbook runs once more.
func (j *Journal) recall() error {
	j.known = memory{}.clone()
	path := filepath.Join(j.dir, runsName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var file runsFile
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err == nil && file.Version < 1 {
		err = errDamaged
	}
	if err != nil {
		if err := j.putAside(path); err != nil {
			return err
		}
		j.log.Warn("which playbooks have run is no longer known: each runs once more, no harm is done", slog.Any("err", err))
		return nil
	}
	if err := checkVersion(path, file.Version); err != nil {
		return err
	}
	j.known = file.clone()
	return nil
}

// Ran tells the digest of the last run of a playbook on a host that came to a
// good end, and when.
func (j *Journal) Ran(play desired.ID, host string) (digest string, at time.Time, ok bool) {
	j.memory.Lock()
	defer j.memory.Unlock()
	run, ok := j.known.Runs[play][host]
	return run.Digest, run.At, ok
}

// Remember notes that a playbook has come to a good end on some hosts, by name, and
// what the run is known by. Nothing cuts these runs off any more, and they answer who
// had asked for them before they began. It returns when that would outlive a power
// failure.
func (j *Journal) Remember(play desired.ID, runs map[string]string) error {
	return j.change(fmt.Sprintf("remember the run of %s", play), func(m *memory) {
		for host, digest := range runs {
			began := m.Begun[play][host]
			m.Runs.put(play, host, Run{Digest: digest, At: j.now().UTC(), Began: began})
			m.Begun.drop(play, host)
			m.Failed.drop(play, host)
			if asked, ok := m.Asked[play][host]; ok && asked.Late {
				asked.Late = false
				m.Asked.put(play, host, asked)
			} else {
				m.Asked.drop(play, host)
			}
		}
	})
}

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
			switch {
			case what == "":
				m.Mended.drop(play, host)
			case what == before.Tasks:
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

// change writes what is known anew. Where that fails, nothing has changed.
func (j *Journal) change(what string, edit func(*memory)) error {
	j.memory.Lock()
	defer j.memory.Unlock()
	next := j.known.clone()
	edit(&next)
	text, err := json.Marshal(runsFile{Version: Version, memory: next})
	if err == nil {
		err = renameio.WriteFile(filepath.Join(j.dir, runsName), append(text, '\n'), 0o600)
	}
	if err == nil {
		err = j.syncDir()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, advise(j.dir, err))
	}
	j.known = next
	return nil
}
