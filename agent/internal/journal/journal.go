// Package journal keeps on disk what turns meant to do and did: each turn's plan
// before its first step, each event before what follows from it.
//
// It is memory and never truth: what is live decides what happens next. Losing
// the journal costs one more run of each playbook, and the knowledge of tasks
// that an earlier life of the agent left running; nothing else.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Version is the newest form of the journal's files that this package reads and
// the one that it writes.
const Version = 1

// Options are what a journal is opened with.
type Options struct {
	// Dir is the journal's own directory; it is made if it is not there.
	Dir string
	// Bounds are how much is kept, until [Journal.Keep] says otherwise.
	Bounds Bounds
	// Log is told what was damaged; nothing is logged unless set.
	Log *slog.Logger
	// Now is [time.Now] unless set.
	Now func() time.Time
	// Sync makes what was written to a file, or the names in a directory, outlive a
	// power failure; it is (*os.File).Sync unless set.
	Sync func(*os.File) error
}

// Journal is an open journal. Its methods may be called at the same time.
type Journal struct {
	dir  string
	log  *slog.Logger
	now  func() time.Time
	sync func(*os.File) error
	lock *os.File

	mu      sync.Mutex
	bounds  Bounds          // how much is kept
	last    time.Time       // the newest id given away
	writing map[string]bool // turns that are being written
	bad     map[string]bool // which turns did not go well, as far as that was asked for

	logging atomic.Pointer[TurnLog] // of the turn that is made

	memory sync.Mutex // guards known and the file that holds it
	known  memory
}

// A turn's file is <id>.open until nothing of it is left to be picked up, and
// <id>.jsonl from then on, so that only few files are read at a start.
//
// A turn that could not be made, or did nothing since a commit was refused, is
// <id>.failed: it is no memory of what was done, and older agents pass it over.
const (
	openSuffix   = ".open"
	sealedSuffix = ".jsonl"
	failedSuffix = ".failed"
	asideSuffix  = ".damaged-" // before when it was put aside
	idLayout     = "20060102T150405.000Z"
)

// Open opens the journal for the one agent that writes it. A second one gets an
// error that says who has it. A journal of a newer version is refused.
func Open(o Options) (*Journal, error) {
	j := &Journal{
		dir: o.Dir, bounds: o.Bounds.orDefaults(), log: o.Log, now: o.Now,
		sync: o.Sync, writing: make(map[string]bool), bad: make(map[string]bool),
	}
	if j.sync == nil {
		j.sync = (*os.File).Sync
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.now == nil {
		j.now = time.Now
	}
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", advise(j.dir, err))
	}
	lock, err := lockDir(j.dir, j.now())
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", advise(j.dir, err))
	}
	j.lock = lock
	if err := j.recover(); err != nil {
		_ = j.Close()
		return nil, fmt.Errorf("open journal: %w", advise(j.dir, err))
	}
	return j, nil
}

// Close lets another agent have the journal.
func (j *Journal) Close() error {
	if err := j.lock.Close(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// recover looks at what an earlier life left: it refuses what is too new, puts
// aside what makes no sense, and seals what has nothing left to be picked up.
func (j *Journal) recover() error {
	names, err := j.files()
	if err != nil {
		return err
	}
	for _, t := range names {
		if at, err := time.Parse(idLayout, t.id); err == nil && at.After(j.last) {
			j.last = at
		}
		if t.strange {
			if err := j.putAside(filepath.Join(j.dir, t.name)); err != nil {
				return err
			}
			continue
		}
		record, err := j.look(t)
		switch {
		case errors.Is(err, ErrDamaged):
			if err := j.putAside(filepath.Join(j.dir, t.name)); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if !t.open {
			continue
		}
		if record.Started.IsZero() && len(record.Steps) == 0 {
			// Begin had not returned, so nothing followed from it.
			if err := os.Remove(filepath.Join(j.dir, t.name)); err != nil {
				return fmt.Errorf("remove a turn that never began: %w", err)
			}
			continue
		}
		if record.Torn {
			j.log.Warn("the journal's last line was cut off when the agent died", slog.String("turn", t.id))
		}
		if record.Damaged > 0 {
			j.log.Warn("lines of the journal make no sense and are passed over", slog.String("turn", t.id), slog.Int("lines", record.Damaged))
		}
		if len(record.left()) == 0 {
			if err := j.seal(t.id); err != nil {
				return err
			}
		}
	}
	return j.recall()
}

// look reads an open turn whole, and of a sealed one only that it can be read.
func (j *Journal) look(t turnFile) (*Record, error) {
	path := filepath.Join(j.dir, t.name)
	if t.open {
		return readTurn(path, t.id)
	}
	return &Record{}, checkHeader(path)
}

// putAside keeps a file that makes no sense out of the way, for people.
func (j *Journal) putAside(path string) error {
	aside := path + asideSuffix + j.now().UTC().Format(idLayout)
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("put a damaged file aside: %w", err)
	}
	j.log.Warn("a file of the journal makes no sense and was put aside", slog.String("file", aside))
	return j.syncDir()
}

// NextID makes the id of a turn that is to come: later than all before it in the
// alphabet as in time, even where the clock was set back.
func (j *Journal) NextID() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.now().UTC().Truncate(time.Millisecond)
	if !at.After(j.last) {
		at = j.last.Add(time.Millisecond)
	}
	j.last = at
	return at.Format(idLayout)
}

// Unfinished lists the steps that were begun and have no outcome, and those that
// were left with outside tasks running: by an earlier life of the agent, or by a
// turn of this one that is over. [Journal.Settle] takes a turn off the list.
func (j *Journal) Unfinished() ([]Left, error) {
	names, err := j.turns()
	if err != nil {
		return nil, fmt.Errorf("list unfinished turns: %w", err)
	}
	var all []Left
	for _, t := range names {
		j.mu.Lock()
		busy := j.writing[t.id]
		j.mu.Unlock()
		if !t.open || busy || t.strange {
			continue
		}
		record, err := readTurn(filepath.Join(j.dir, t.name), t.id)
		if errors.Is(err, ErrDamaged) {
			if err := j.putAside(filepath.Join(j.dir, t.name)); err != nil {
				return nil, fmt.Errorf("list unfinished turns: %w", advise(j.dir, err))
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list unfinished turns: %w", advise(j.dir, err))
		}
		all = append(all, record.left()...)
	}
	return all, nil
}

// Last reads the newest turns, at most n of them, the newest first.
func (j *Journal) Last(n int) ([]*Record, error) {
	var all []*Record
	for record, err := range j.Newest(n) {
		if err != nil {
			return nil, err
		}
		all = append(all, record)
	}
	return all, nil
}

// Newest reads the turns that Last does, each when it is wanted: who looks for something
// need not read them all. An error is the end.
func (j *Journal) Newest(n int) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		names, err := j.turns()
		if err != nil {
			yield(nil, fmt.Errorf("read the last turns: %w", err))
			return
		}
		slices.Reverse(names)
		for _, t := range names[:min(n, len(names))] {
			if t.strange {
				continue
			}
			record, err := j.Read(t.id)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
				continue // Pruned just now, or put aside at the next start.
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Read reads one turn, be it over or not. The error is [fs.ErrNotExist] for one
// that the journal does not hold.
func (j *Journal) Read(id string) (*Record, error) {
	if !isID(id) {
		return nil, fmt.Errorf("read turn %q: %w", id, fs.ErrNotExist)
	}
	// A turn may be sealed between two looks: then it has the second name.
	var record *Record
	var err error
	for _, suffix := range []string{openSuffix, sealedSuffix, failedSuffix} {
		record, err = readTurn(filepath.Join(j.dir, id+suffix), id)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read turn %s: %w", id, err)
	}
	return record, nil
}

type turnFile struct {
	id, name string
	open     bool
	// failed tells that it is the trace of a turn that did nothing.
	failed bool
	// strange tells that it is no file at all.
	strange bool
}

// turns lists the files of turns that did something, oldest first.
func (j *Journal) turns() ([]turnFile, error) {
	all, err := j.files()
	return slices.DeleteFunc(all, func(t turnFile) bool { return t.failed }), err
}

// files lists the files of all turns, oldest first.
func (j *Journal) files() ([]turnFile, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", j.dir, err)
	}
	var all []turnFile
	for _, e := range entries {
		for _, suffix := range []string{openSuffix, sealedSuffix, failedSuffix} {
			if id, is := strings.CutSuffix(e.Name(), suffix); is && isID(id) {
				all = append(all, turnFile{id: id, name: e.Name(), open: suffix == openSuffix, failed: suffix == failedSuffix, strange: !e.Type().IsRegular()})
			}
		}
	}
	slices.SortFunc(all, func(a, b turnFile) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// seal marks a turn as one of which nothing is left to be picked up.
func (j *Journal) seal(id string) error {
	path := filepath.Join(j.dir, id)
	if err := os.Rename(path+openSuffix, path+sealedSuffix); err != nil {
		return fmt.Errorf("seal turn %s: %w", id, err)
	}
	return j.syncDir()
}

func isID(text string) bool {
	_, err := time.Parse(idLayout, text)
	return err == nil
}

// syncDir makes names in the directory outlive a power failure.
func (j *Journal) syncDir() error {
	dir, err := os.Open(j.dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", j.dir, err)
	}
	defer dir.Close()
	if err := j.sync(dir); err != nil {
		return fmt.Errorf("sync %s: %w", j.dir, err)
	}
	return nil
}
