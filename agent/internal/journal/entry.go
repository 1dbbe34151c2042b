package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/applyers"
	"berth/drift"
)

// Turn is what a turn is about to do.
type Turn struct {
	// ID is from [Journal.NextID]; Begin makes one if it is "".
	ID string `json:"id"`
	// Started is when; now unless set.
	Started time.Time `json:"started"`
	Commit  string    `json:"commit,omitempty"`
	// Mode says what kind of turn it is, Why what it is made for, in the caller's words.
	Mode string      `json:"mode,omitempty"`
	Why  string      `json:"why,omitempty"`
	Plan *drift.Plan `json:"plan,omitempty"`
}

// Entry is a turn that is being written. Its methods may be called at the same
// time. After an error it takes nothing more: the turn has to stop.
type Entry struct {
	Turn
	journal *Journal

	mu     sync.Mutex
	file   *os.File
	size   int64 // of what was written whole
	err    error // the first error
	record Record
}

var errOver = errors.New("the turn is over")

// Begin writes a turn down before its first step, and returns once it would
// outlive a power failure. A turn that has nothing to do needs no entry.
func (j *Journal) Begin(t Turn) (*Entry, error) {
	if t.ID == "" {
		t.ID = j.NextID()
	}
	if _, err := time.Parse(idLayout, t.ID); err != nil {
		return nil, fmt.Errorf("begin turn %q: not an id of this journal", t.ID)
	}
	if t.Started.IsZero() {
		t.Started = j.now()
	}
	if _, err := os.Lstat(filepath.Join(j.dir, t.ID+sealedSuffix)); err == nil {
		return nil, fmt.Errorf("begin turn %s: %w", t.ID, fs.ErrExist)
	}
	j.prune()
	path := filepath.Join(j.dir, t.ID+openSuffix)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin turn %s: %w", t.ID, advise(j.dir, err))
	}
	e := &Entry{Turn: t, journal: j, file: f}
	err = e.write(header{Version: Version}, false)
	if err == nil {
		err = e.write(line{At: t.Started, Begin: &t}, true)
	}
	if err == nil {
		err = j.syncDir()
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("begin turn %s: %w", t.ID, advise(j.dir, err))
	}
	j.mu.Lock()
	j.writing[t.ID] = true
	j.mu.Unlock()
	j.keepLog(t.ID)
	return e, nil
}

// Event writes down what happened in an execution: it is made to be
// [applyers.Execution.Events]. All but lines for people are on the disk when it
// returns.
func (e *Entry) Event(event applyers.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := line{
		At: e.journal.now(), Key: &event.Key,
		Started: event.Started, Task: event.Task, Line: event.Line, Outcome: event.Outcome,
	}
	durable := event.Started || event.Task != "" || event.Outcome != nil
	if err := e.append(l, durable); err != nil {
		return fmt.Errorf("write %s to turn %s: %w", event.Key, e.ID, advise(e.journal.dir, err))
	}
	return nil
}

// End writes the turn's report and closes the entry. Where steps were left with
// tasks running, the turn stays among the unfinished ones.
func (e *Entry) End(report json.RawMessage) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return fmt.Errorf("end turn %s: %w", e.ID, errOver)
	}
	err := e.append(line{At: e.journal.now(), End: &ending{Report: report}}, true)
	if closing := e.file.Close(); err == nil {
		err = closing
	}
	e.file = nil
	if err == nil && len(e.record.left()) == 0 {
		err = e.journal.seal(e.ID)
	}
	e.journal.mu.Lock()
	delete(e.journal.writing, e.ID)
	e.journal.mu.Unlock()
	if err != nil {
		return fmt.Errorf("end turn %s: %w", e.ID, advise(e.journal.dir, err))
	}
	return nil
}

// append writes one line and remembers what it says, save for people.
func (e *Entry) append(l line, durable bool) error {
	if e.err == nil && e.file == nil {
		e.err = errOver
	}
	if e.err == nil {
		if e.err = e.write(l, durable); e.err == nil && durable {
			e.record.add(l)
		}
	}
	return e.err
}

// write writes one line. What was written of a line that did not fit is taken
// back, as far as that is possible; a reader bears with it where it is not.
func (e *Entry) write(value any, durable bool) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	n, err := e.file.Write(append(text, '\n'))
	if err == nil && durable {
		err = e.journal.sync(e.file)
	}
	if err != nil {
		_ = e.file.Truncate(e.size)
		return err
	}
	e.size += int64(n)
	return nil
}

// Settle notes that everything unfinished of a turn, all its steps that
// [Journal.Unfinished] lists, has been picked up and seen to its end. Settling
// what is settled changes nothing.
func (j *Journal) Settle(id string) error {
	path := filepath.Join(j.dir, id+openSuffix)
	if _, err := os.Lstat(filepath.Join(j.dir, id+sealedSuffix)); err == nil {
		return nil
	}
	whole, err := wholeLines(path)
	if err != nil {
		return fmt.Errorf("settle turn %s: %w", id, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("settle turn %s: %w", id, err)
	}
	defer f.Close()
	e := &Entry{journal: j, file: f, size: whole}
	if err = f.Truncate(whole); err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err == nil {
		err = e.write(line{At: j.now(), Settled: true}, true)
	}
	if err == nil {
		err = j.seal(id)
	}
	if err != nil {
		return fmt.Errorf("settle turn %s: %w", id, advise(j.dir, err))
	}
	return nil
}
