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
	// Waiting are events that no target has taken yet, by its name.
	Waiting map[string][]Event `json:"waiting,omitempty"`
}

// mostKept bounds the file, in bytes.
const mostKept = 64 << 20

// recall reads what the targets have been told. What can't be read is forgotten, which
// the error says: it does no more than that people are told again.
func recall(file string) (*kept, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &kept{}, nil
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
	return &k, nil
}

// text is the file's.
func (k kept) text() ([]byte, error) {
	k.Version = keptVersion
	text, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("write what people were told: %w", err)
	}
	return append(text, '\n'), nil
}
