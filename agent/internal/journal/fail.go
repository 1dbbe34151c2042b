package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Fail writes down a turn that did nothing and yet is to leave a trace: one that could
// not be made, or that found a commit refused. The file is there whole or not at all.
// It is no memory of what was done.
func (j *Journal) Fail(t Turn, report json.RawMessage) error {
	if !isID(t.ID) {
		return fmt.Errorf("write turn %q down: not an id of this journal", t.ID)
	}
	j.prune()
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, l := range []any{
		header{Version: Version},
		line{At: t.Started, Begin: &t},
		line{At: j.now(), End: &ending{Report: report}},
	} {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("write turn %s down: %w", t.ID, err)
		}
	}
	if err := renameio.WriteFile(filepath.Join(j.dir, t.ID+failedSuffix), text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write turn %s down: %w", t.ID, advise(j.dir, err))
	}
	j.keepLog(t.ID)
	return nil
}
