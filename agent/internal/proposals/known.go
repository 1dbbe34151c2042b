package proposals

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"berth/agent/internal/durable"
	"berth/agent/internal/forge"
)

// known is what was written on a pull request.
type known struct {
	// Head and Base are what was planned, Comment is where that was written.
	Head    string `json:"head,omitempty"`
	Base    string `json:"base,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Stale tells that the comment says that it is of an earlier base.
	Stale bool `json:"stale,omitempty"`
	// Trying is what is being planned.
	Trying string `json:"trying,omitempty"`
}

func attempt(head, base string) string { return head + " onto " + base }

// book is how they are written down.
type book struct {
	Version int            `json:"version"`
	Place   string         `json:"place,omitempty"`
	Pulls   map[int]*known `json:"pulls"`
}

const bookVersion = 1

// recall reads what was written down.
func (w *Watcher) recall() error {
	raw, err := os.ReadFile(w.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var b book
	if err := json.Unmarshal(raw, &b); err != nil {
		return fmt.Errorf("%s: %w", w.o.File, err)
	}
	if b.Version != bookVersion {
		return fmt.Errorf("%s: version %d, and this agent knows %d", w.o.File, b.Version, bookVersion)
	}
	for number, k := range b.Pulls {
		// Former versions did not say where.
		if k != nil && (b.Place == "" || b.Place == w.o.Place) {
			w.known[number] = k
		}
	}
	if b.Place != w.o.Place {
		return w.keep()
	}
	return nil
}

// keep writes it down.
func (w *Watcher) keep() error {
	raw, err := json.MarshalIndent(book{Version: bookVersion, Place: w.o.Place, Pulls: w.known}, "", "\t")
	if err != nil {
		return fmt.Errorf("note what was written on pull requests: %w", err)
	}
	if err := durable.Replace(w.o.File, raw, 0o600); err != nil {
		return fmt.Errorf("note what was written on pull requests: %w", err)
	}
	return nil
}

// forget lets go of pull requests that are not open any more: their comments stay as
// they are.
func (w *Watcher) forget(open []forge.PullRequest) {
	for number := range w.known {
		if !slices.ContainsFunc(open, func(pr forge.PullRequest) bool { return pr.Number == number }) {
			delete(w.known, number)
			delete(w.bodies, number)
		}
	}
}
