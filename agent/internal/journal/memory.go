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
	// Parts is what each part of it is known by, for people.
	Parts map[string]string `json:"parts,omitempty"`
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
	// Gone is since when the manifests have a host, or its playbook, no more.
	Gone byHost[time.Time] `json:"gone,omitempty"`
}

func (m memory) clone() memory {
	return memory{Runs: m.Runs.clone(), Asked: m.Asked.clone(), Begun: m.Begun.clone(), Seen: m.Seen.clone(), Failed: m.Failed.clone(), Mended: m.Mended.clone(), Gone: m.Gone.clone()}
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
		err = ErrDamaged
	}
	if err != nil {
		if err := j.putAside(path); err != nil {
			return err
		}
		j.log.Warn("which playbooks have run is no longer known: each runs once more, no harm is done", slog.Any("error", err))
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

// Parts is what each part of the last run that came to a good end is known by; nil where
// that was not noted. Nobody writes to it.
func (j *Journal) Parts(play desired.ID, host string) map[string]string {
	j.memory.Lock()
	defer j.memory.Unlock()
	return j.known.Runs[play][host].Parts
}

// RememberParts notes of runs that were remembered what their parts are known by.
func (j *Journal) RememberParts(play desired.ID, parts map[string]map[string]string) error {
	return j.change(fmt.Sprintf("remember the parts of %s", play), func(m *memory) {
		for host, known := range parts {
			if run, ok := m.Runs[play][host]; ok {
				run.Parts = known
				m.Runs.put(play, host, run)
			}
		}
	})
}
