package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"berth/drift"
)

// Record is a turn as the journal holds it.
type Record struct {
	Turn
	// Steps that were begun, in that order, and those that ended without.
	Steps []Step
	// Ended is when the report was written; zero if it never was.
	Ended  time.Time
	Report json.RawMessage
	// Settled tells that what was unfinished has been picked up.
	Settled bool
	// Torn tells that the last line was cut off; Damaged counts lines that
	// make no sense.
	Torn    bool
	Damaged int

	index map[drift.Key]int // into Steps
}

// Step is what became of one change.
type Step struct {
	drift.Key
	Started time.Time
	Tasks   []string
	Lines   []string
	// Outcome is nil while there is none.
	Outcome *drift.Outcome
}

// Left is a step that was begun and not seen to its end. Tasks are the outside
// tasks that it started, in order; there may be none.
type Left struct {
	Turn string
	drift.Key
	Tasks []string
}

// header is a file's first line, alone so that it can be read alone.
type header struct {
	Version int `json:"version"`
}

// headerStart is how every header begins.
const headerStart = `{"version":`

// line is every other one. Exactly one of the fields but At and Key is set.
type line struct {
	At      time.Time      `json:"at"`
	Begin   *Turn          `json:"begin,omitempty"`
	Key     *drift.Key     `json:"key,omitempty"`
	Started bool           `json:"started,omitempty"`
	Task    string         `json:"task,omitempty"`
	Line    string         `json:"line,omitempty"`
	Outcome *drift.Outcome `json:"outcome,omitempty"`
	End     *ending        `json:"end,omitempty"`
	Settled bool           `json:"settled,omitempty"`
}

type ending struct {
	Report json.RawMessage `json:"report,omitempty"`
}

// add takes one line in.
func (r *Record) add(l line) {
	switch {
	case l.Begin != nil:
		r.Turn = *l.Begin
	case l.End != nil:
		r.Ended, r.Report = l.At, l.End.Report
	case l.Settled:
		r.Settled = true
	case l.Key != nil:
		r.step(*l.Key).add(l)
	default:
		r.Damaged++
	}
}

func (r *Record) step(k drift.Key) *Step {
	i, begun := r.index[k]
	if !begun {
		i = len(r.Steps)
		r.Steps = append(r.Steps, Step{Key: k})
		if r.index == nil {
			r.index = make(map[drift.Key]int)
		}
		r.index[k] = i
	}
	return &r.Steps[i]
}

func (s *Step) add(l line) {
	switch {
	case l.Started:
		s.Started = l.At
	case l.Task != "":
		s.Tasks = append(s.Tasks, l.Task)
	case l.Outcome != nil:
		s.Outcome = l.Outcome
	default:
		s.Lines = append(s.Lines, l.Line)
	}
}

// left lists what has to be picked up. A step that was left on purpose without
// any task has nothing running; the next turn plans it again.
func (r *Record) left() []Left {
	if r.Settled {
		return nil
	}
	var all []Left
	for _, s := range r.Steps {
		cut := s.Outcome == nil
		gone := s.Outcome != nil && s.Outcome.Status == drift.Left && len(s.Tasks) > 0
		if cut || gone {
			all = append(all, Left{Turn: r.ID, Key: s.Key, Tasks: s.Tasks})
		}
	}
	return all
}

// ErrDamaged is the error of a file that is not a turn's at all.
var ErrDamaged = errors.New("its first line makes no sense")

// readTurn reads a turn's file as far as it makes sense. A file that was cut off
// within its first lines is a turn that did nothing.
func readTurn(path, id string) (*Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Record{Turn: Turn{ID: id}}
	lines := bytes.Split(text, []byte{'\n'})
	r.Torn = len(lines[len(lines)-1]) > 0 || len(lines) < 3
	if first := lines[0]; len(lines) == 1 && !bytes.HasPrefix(first, []byte(headerStart)) && !strings.HasPrefix(headerStart, string(first)) {
		// No header was cut off here: a disk that lost power leaves zeros.
		return nil, fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	lines = lines[:len(lines)-1]
	for i, l := range lines {
		if i == 0 {
			if err := parseHeader(path, l); err != nil {
				return nil, err
			}
			continue
		}
		var parsed line
		if json.Unmarshal(l, &parsed) != nil {
			r.Damaged++
			continue
		}
		r.add(parsed)
	}
	r.ID = id
	return r, nil
}

// checkHeader reads only whether a file can be read.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	start := make([]byte, 256)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read %s: %w", path, err)
	}
	first, _, _ := bytes.Cut(start[:n], []byte{'\n'})
	return parseHeader(path, first)
}

func parseHeader(path string, text []byte) error {
	var h header
	if err := json.Unmarshal(text, &h); err != nil || h.Version < 1 {
		return fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	return checkVersion(path, h.Version)
}

func checkVersion(path string, version int) error {
	if version <= Version {
		return nil
	}
	return fmt.Errorf("%s is of version %d and this agent knows %d: run the newer agent, or move the directory away; it then learns anew which playbooks have run",
		path, version, Version)
}

// wholeLines is how many bytes of a file are whole lines.
func wholeLines(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return int64(bytes.LastIndexByte(text, '\n') + 1), nil
}
