package checkout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/renameio/v2"
)

const (
	recordFile    = "accepted.json"
	recordVersion = 1
)

// record is the last accepted commit, as it is kept beside the clone. The
// commit's particulars are in it so that they outlive the clone.
type record struct {
	Version int    `json:"version"`
	Source  ID     `json:"source"`
	Commit  Commit `json:"commit"`
}

// readRecord returns nil if nothing was accepted yet. A record that cannot be
// understood is an error: taking it for none would take back the refusal of rollbacks.
func readRecord(dir string) (*record, error) {
	name := filepath.Join(dir, recordFile)
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // No record is a record's absence.
	}
	if err != nil {
		return nil, fmt.Errorf("read accepted commit: %w", err)
	}
	const remedy = "; if you remove the file, the branch's next commit is accepted whatever its history"
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("read accepted commit: %s: %w%s", name, err, remedy)
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("read accepted commit: %s: version %d, and this agent knows %d; use the newer agent%s", name, r.Version, recordVersion, remedy)
	}
	if !plumbing.IsHash(r.Commit.Hash) || r.Source.URL == "" {
		return nil, fmt.Errorf("read accepted commit: %s: no commit or no source in it%s", name, remedy)
	}
	return &r, nil
}

// write replaces the record in one step, and returns when it would survive a power failure.
func (r *record) write(dir string) error {
	raw, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write accepted commit: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, recordFile), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("write accepted commit: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write accepted commit: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write accepted commit: %w", err)
	}
	return nil
}
