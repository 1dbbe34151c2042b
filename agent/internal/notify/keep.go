package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// keptVersion is the version of the file that holds what people were told.
const keptVersion = 1

// kept is that file.
type kept struct {
	Version int             `json:"version"`
	Targets map[string]Told `json:"targets"`
}

// mostKept bounds the file, in bytes.
const mostKept = 64 << 20

// recall reads what the targets have been told. What can't be read is forgotten, which
// the error says: it does no more than that people are told again.
func recall(file string) (map[string]Told, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // Nobody has been told anything.
	}
	if err == nil && info.Size() > mostKept {
		err = fmt.Errorf("%s: larger than %d bytes", file, mostKept)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if k.Version != keptVersion {
		return nil, fmt.Errorf("read %s: it is of version %d, and this agent knows %d", file, k.Version, keptVersion)
	}
	for name, told := range k.Targets {
		for key, t := range told.Troubles {
			if t.Kind == "" {
				delete(told.Troubles, key)
			}
		}
		k.Targets[name] = told
	}
	return k.Targets, nil
}

// text is what the targets have been told as it is kept.
func text(targets map[string]Told) ([]byte, error) {
	text, err := json.Marshal(kept{Version: keptVersion, Targets: targets})
	if err != nil {
		return nil, fmt.Errorf("write what people were told: %w", err)
	}
	return append(text, '\n'), nil
}
