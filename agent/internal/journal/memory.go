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
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
}

// runs by playbook and host.
type runs map[desired.ID]map[string]Run

const runsName = "runs.json"

type runsFile struct {
	Version int  `json:"version"`
	Runs    runs `json:"runs"`
}

// recall reads what Ansible has done. What can't be read is put aside and
// taken for nothing: then each playbook runs once more.
func (j *Journal) recall() error {
	j.runs = make(runs)
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
	if file.Runs != nil {
		j.runs = file.Runs
	}
	return nil
}

// Ran tells the digest of the last run of a playbook on a host that came to a
// good end, and when.
func (j *Journal) Ran(play desired.ID, host string) (digest string, at time.Time, ok bool) {
	j.memory.Lock()
	defer j.memory.Unlock()
	run, ok := j.runs[play][host]
	return run.Digest, run.At, ok
}

// Remember notes that a playbook has come to a good end on a host. It returns
// when that would outlive a power failure.
func (j *Journal) Remember(play desired.ID, host, digest string) error {
	j.memory.Lock()
	defer j.memory.Unlock()
	next := maps.Clone(j.runs)
	next[play] = maps.Clone(next[play])
	if next[play] == nil {
		next[play] = make(map[string]Run)
	}
	next[play][host] = Run{Digest: digest, At: j.now().UTC()}
	text, err := json.Marshal(runsFile{Version: Version, Runs: next})
	if err == nil {
		err = renameio.WriteFile(filepath.Join(j.dir, runsName), append(text, '\n'), 0o600)
	}
	if err == nil {
		err = j.syncDir()
	}
	if err != nil {
		return fmt.Errorf("remember the run of %s on %s: %w", play, host, err)
	}
	j.runs = next
	return nil
}
