package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Newest reads the newest turn of a journal that may be another process's; nil if
// there is none. It writes nothing, and has nobody wait.
func Newest(dir string) (*Record, error) {
	j := &Journal{dir: dir}
	names, err := j.turns()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // A journal without turns is no error.
	}
	if err != nil {
		return nil, fmt.Errorf("read the newest turn: %w", advise(dir, err))
	}
	slices.Reverse(names)
	for _, t := range names {
		record, err := j.Read(t.id)
		switch {
		case t.strange, errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged):
			continue
		case err != nil:
			return nil, advise(dir, err)
		}
		return record, nil
	}
	return nil, nil //nolint:nilnil // As above.
}
