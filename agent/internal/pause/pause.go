// Package pause is a person's word that the agent changes nothing for a while. It
// outlives a restart.
package pause

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/agent/internal/durable"
)

// File is its name in the state directory.
const File = "pause.json"

// Version is the newest version of [Pause] that is read, and the one that is written.
const Version = 1

// Pause tells who let the agent rest, when and why.
type Pause struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
	// Until is when it ends by itself; zero is when somebody ends it.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// Error is that something is not done since the agent is paused.
type Error struct{ Pause }

// Error tells who, when, why, and what to do.
func (e *Error) Error() string {
	return "the agent is paused " + e.String() + ": nothing is changed before `agent resume`"
}

// String is "since 22 Nov 14:02 UTC until 22 Nov 18:00 UTC by ann: the switch is replaced".
func (p Pause) String() string {
	text := "since " + moment(p.Since)
	if p.Since.IsZero() {
		text = "since nobody knows when"
	}
	if !p.Until.IsZero() {
		text += " until " + moment(p.Until)
	}
	if p.By != "" {
		text += " by " + p.By
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

func moment(t time.Time) string { return t.Local().Format("2 Jan 15:04 MST") }

// Switch keeps whether the agent of a state directory is paused. It may be used by many
// at once.
type Switch struct {
	file string
	now  func() time.Time

	mu sync.Mutex
	// current is nil while the agent is not paused. It was seen first, or asked for, at
	// from, and lasts no longer than length; no clock that is set moves from.
	current *Pause
	from    time.Time
	length  time.Duration
}

// Open reads what the state directory says. What can't be read or understood is a pause
// that nobody knows anything of: the agent rests, rather than to do what it may have been
// told not to. now is [time.Now] if nil.
func Open(dir string, now func() time.Time) *Switch {
	if now == nil {
		now = time.Now
	}
	s := &Switch{file: filepath.Join(dir, File), now: now, from: time.Now()}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	var p Pause
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	switch {
	case err != nil:
	case p.Version > Version:
		err = fmt.Errorf("it is of version %d, and this agent knows %d", p.Version, Version)
	case p.Version < 1 || p.Since.IsZero():
		err = errors.New("it is no pause")
	}
	if err != nil {
		p = Pause{Version: Version, Reason: fmt.Sprintf("%s can't be read, so that nobody knows whether it should be: %v", s.file, err)}
	}
	s.current, s.length = &p, p.Until.Sub(p.Since)
	return s
}

// Paused tells whether the agent is paused, and ends a pause whose time has come.
//
// `until` is a time of the host's clock. A clock that is set back meanwhile makes no
// pause longer than it was asked for, as long as the process lasts.
func (s *Switch) Paused() (Pause, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return Pause{}, false
	}
	p := *s.current
	if p.Until.IsZero() {
		return p, true
	}
	if s.now().Before(p.Until) && time.Since(s.from) < s.length {
		return p, true
	}
	// If the file stays, it says itself that it is over.
	_ = os.Remove(s.file)
	s.current = nil
	return p, false
}

// Err is an [*Error] while the agent is paused.
func (s *Switch) Err() error {
	if p, paused := s.Paused(); paused {
		return &Error{p}
	}
	return nil
}

// Pause lets the agent rest from now on, in the place of a pause that there may be.
// Where it can't be kept, the agent is not paused.
func (s *Switch) Pause(p Pause) (Pause, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	p.Version, p.Since = Version, now.Round(0).UTC()
	if s.current != nil && !s.current.Since.IsZero() {
		p.Since = s.current.Since // It has been paused all along.
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = durable.Replace(s.file, append(text, '\n'), 0o600)
	}
	if err != nil {
		return Pause{}, fmt.Errorf("keep the pause: %w", err)
	}
	s.current, s.from, s.length = &p, time.Now(), p.Until.Sub(now.Round(0))
	return p, nil
}

// Resume ends the pause, and tells which there was. Where the file can't be removed, the
// agent stays paused: the next start would find it.
func (s *Switch) Resume() (was Pause, paused bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return Pause{}, false, nil
	}
	was = *s.current
	if err := os.Remove(s.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return was, true, fmt.Errorf("end the pause: %w", err)
	}
	s.current = nil
	return was, true, nil
}
