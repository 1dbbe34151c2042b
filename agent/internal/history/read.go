package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"berth/desired"
)

// Query says which lines are wanted.
type Query struct {
	// ID, if set, is the resource that they are about.
	ID desired.ID
	// Since, if set, is the oldest wanted.
	Since time.Time
	// Limit, if positive, is how many are wanted, the newest.
	Limit int
	// Before, if set, is a turn, as [CheckBefore] takes it: only what came before it is
	// wanted.
	Before string
	// Failed wants of all lines those that tell of something that went wrong.
	Failed bool

	// turns wants what tells of turns as a whole alone.
	turns bool
}

// turnBegun is how the id of a turn may begin.
var turnBegun = regexp.MustCompile(`^([0-9]{1,8}|[0-9]{8}T[0-9]{0,6}|[0-9]{8}T[0-9]{6}\.[0-9]{0,3}|[0-9]{8}T[0-9]{6}\.[0-9]{3}Z)$`)

// CheckBefore tells that a text is no turn, nor how one begins: all would come before it, or
// nothing. The turn need not be kept.
func CheckBefore(turn string) error {
	if turnBegun.MatchString(turn) {
		return nil
	}
	return errors.New("write a turn's id as the list has it, 20261121T140000.000Z, or how it begins")
}

// Story is what a history tells, the newest first.
type Story struct {
	Lines []Line `json:"lines"`
	// More tells that there are older lines than the limit let through.
	More bool `json:"more,omitempty"`
	// Near are resources that may be meant, where nothing is told of one.
	Near []string `json:"near,omitempty"`
	// Passed says which files could not be read, and why: what they hold is missing.
	Passed []string `json:"passed,omitempty"`
}

// Read tells what happened, from a history that may be another process's, and may be
// written at the same time. One that is not there has nothing to tell.
func Read(dir string, q Query) (*Story, error) {
	story := &Story{Lines: []Line{}}
	names, err := files(dir)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	slices.Reverse(names)
	names = slices.DeleteFunc(names, func(name string) bool { return q.Before != "" && name > q.Before })
	wanted := map[desired.ID]bool{q.ID: true}
	others := make(map[string]bool)
	for _, name := range names {
		var lines []Line
		damaged := 0
		err := readFile(filepath.Join(dir, name), func(l Line) { lines = append(lines, l) }, &damaged)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // It was too old, just now.
		case err != nil:
			story.Passed = append(story.Passed, err.Error())
			continue
		case damaged > 0:
			story.Passed = append(story.Passed, fmt.Sprintf("%s: lines that make no sense: %d", filepath.Join(dir, name), damaged))
		}
		for _, l := range slices.Backward(lines) {
			others[string(l.ID)] = true
			if !q.Since.IsZero() && l.At.Before(q.Since) {
				return story, nil
			}
			l, of := q.takes(l, wanted)
			if !of {
				continue
			}
			if q.Limit > 0 && len(story.Lines) == q.Limit {
				story.More = true
				return story, nil
			}
			story.Lines = append(story.Lines, l)
		}
	}
	if q.ID != "" && len(story.Lines) == 0 && !others[string(q.ID)] {
		story.Near = desired.Nearest(string(q.ID), slices.Sorted(maps.Keys(others)))
	}
	return story, nil
}

// takes tells whether a line is wanted, and leaves of what concerns many what concerns
// the one. From the line of a renaming back, the former name is wanted.
func (q Query) takes(l Line, wanted map[desired.ID]bool) (Line, bool) {
	if l.What == "" || q.Before != "" && l.Turn >= q.Before || q.turns && l.ID != "" {
		return l, false
	}
	if q.Failed && !l.Bad() {
		return l, false
	}
	if q.ID == "" {
		return l, true
	}
	if wanted[l.ID] {
		if l.Former != "" {
			// What bears the former name from now on is another.
			delete(wanted, l.ID)
			wanted[l.Former] = true
		}
		return l, true
	}
	about := func(f Field) bool {
		return slices.ContainsFunc(f.About, func(id desired.ID) bool { return wanted[id] })
	}
	l.Fields = slices.DeleteFunc(slices.Clone(l.Fields), func(f Field) bool { return !about(f) })
	l.More = 0
	return l, len(l.Fields) > 0
}

// Bad tells whether a line tells of something that went wrong.
func (l Line) Bad() bool {
	switch l.What {
	case Failed, TurnFailed, Refused, Unknown:
		return true
	case TurnEnded:
		return l.Result == "failed"
	case Held, Free, Known, Renamed, Recovered:
	}
	return false
}

// mostLine bounds a line that is read, in bytes.
const mostLine = 4 << 20

// readFile hands on the lines of a file, and counts those that make no sense. A last
// one that is not whole is being written, or was never whole.
func readFile(path string, each func(Line), damaged *int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	first, err := in.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", path, err)
	}
	var head header
	if json.Unmarshal(first, &head) != nil || head.Version < 1 {
		return fmt.Errorf("%s: its first line makes no sense", path)
	}
	if head.Version > Version {
		return fmt.Errorf("%s is of version %d and this agent knows %d: the newer one reads it", path, head.Version, Version)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, mostLine)
	lines.Split(wholeLines)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			if damaged != nil {
				*damaged++
			}
			continue
		}
		each(l)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// wholeLines splits at line ends, and leaves out what has none.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// tooNew tells whether a newer agent wrote a file.
func tooNew(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, 256)
	n, _ := io.ReadFull(f, start)
	first, _, _ := bytes.Cut(start[:n], []byte{'\n'})
	var head header
	return json.Unmarshal(first, &head) == nil && head.Version > Version
}
