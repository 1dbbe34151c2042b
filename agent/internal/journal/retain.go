package journal

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// atLeast is how many of the newest turns stay, whatever their age and size: what was
// changed last is looked up in them.
const atLeast = 20

// DefaultKeep is how many turns are kept unless Bounds say; DefaultKeepFor and
// DefaultKeepFailures is how long, DefaultMaxSize how many bytes in all.
const (
	DefaultKeep         = 200
	DefaultKeepFor      = 90 * 24 * time.Hour
	DefaultKeepFailures = 365 * 24 * time.Hour
	DefaultMaxSize      = 1 << 30
)

// Bounds are how much a journal keeps.
type Bounds struct {
	// Keep is how many turns are kept of those that went well, and how many of those that
	// did not, those that are not settled on top; [DefaultKeep] unless set.
	Keep int
	// KeepFor is how long a turn that went well is kept, KeepFailures any other, MaxSize
	// how many bytes all of them may take; the defaults unless set.
	KeepFor, KeepFailures time.Duration
	MaxSize               int64
}

func (b Bounds) orDefaults() Bounds {
	return Bounds{
		Keep: orDefault(b.Keep, DefaultKeep), KeepFor: orDefault(b.KeepFor, DefaultKeepFor),
		KeepFailures: orDefault(b.KeepFailures, DefaultKeepFailures), MaxSize: orDefault(b.MaxSize, DefaultMaxSize),
	}
}

func orDefault[N int | int64 | time.Duration](n, other N) N {
	if n <= 0 {
		return other
	}
	return n
}

// Keep has other bounds hold, and removes at once what is beyond them. It must not be
// called while a turn is made.
func (j *Journal) Keep(b Bounds) {
	b = b.orDefaults()
	j.mu.Lock()
	same := j.bounds == b
	j.bounds = b
	j.mu.Unlock()
	if !same {
		j.prune()
	}
}

// kept is a turn with all its files.
type kept struct {
	turnFile
	// beside are its log and the outputs of its steps.
	beside []string
	size   int64
	gone   bool
}

// prune makes room for one more turn. What can't be removed is told, and is
// no reason to stop.
func (j *Journal) prune() {
	j.mu.Lock()
	bounds := j.bounds
	j.mu.Unlock()
	all, total, err := j.survey(bounds)
	if err != nil {
		j.log.Warn("old turns can't be listed", slog.Any("error", err))
		return
	}
	// Those that may go, the oldest first; one more is about to come.
	var old []*kept
	for _, t := range all[:max(0, len(all)+1-min(atLeast, bounds.Keep))] {
		if !t.open && !t.strange {
			old = append(old, t)
		}
	}
	settled := 0
	for _, t := range all {
		if !t.open {
			settled++
		}
	}
	now := j.now()
	drop := func(t *kept) {
		j.remove(t)
		total -= t.size
	}
	for _, t := range old {
		age := now.Sub(Began(t.id))
		if age > bounds.KeepFailures || age > bounds.KeepFor && !j.wentWrong(t.turnFile) {
			drop(t)
		}
	}
	if settled >= bounds.Keep {
		j.pruneCount(all, old, bounds.Keep, drop)
	}
	for _, wrong := range []bool{false, true} {
		for _, t := range old {
			if total > bounds.MaxSize && !t.gone && j.wentWrong(t.turnFile) == wrong {
				drop(t)
			}
		}
	}
	// What is left is needed, but for what its steps put out.
	for _, t := range all {
		if total > bounds.MaxSize && !t.gone && !t.open {
			total -= j.removeAll(t.beside)
		}
	}
}

// pruneCount removes the oldest of too many: of those that went well, and of the others.
func (j *Journal) pruneCount(all, old []*kept, keep int, drop func(*kept)) {
	left := map[bool]int{}
	for _, t := range all {
		if !t.gone && !t.open && !t.strange {
			left[j.wentWrong(t.turnFile)]++
		}
	}
	for _, t := range old {
		if wrong := j.wentWrong(t.turnFile); !t.gone && left[wrong] >= keep {
			left[wrong]--
			drop(t)
		}
	}
}

// survey lists all turns with their files, oldest first, and removes what belongs to
// none, and what was put aside long ago.
func (j *Journal) survey(bounds Bounds) (all []*kept, total int64, err error) {
	names, err := j.files()
	if err != nil {
		return nil, 0, err
	}
	of := make(map[string]*kept, len(names))
	for _, t := range names {
		k := &kept{turnFile: t}
		all = append(all, k)
		of[t.id] = k
	}
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(j.dir, e.Name())
		if _, at, aside := strings.Cut(name, asideSuffix); aside && isID(at) {
			if j.now().Sub(Began(at)) > bounds.KeepFailures {
				j.removeAll([]string{path})
			}
			continue
		}
		if len(name) <= len(idLayout) || !isID(name[:len(idLayout)]) {
			continue
		}
		t := of[name[:len(idLayout)]]
		output := strings.HasSuffix(name, outputSuffix)
		switch {
		case t == nil && output:
			j.removeAll([]string{path})
			continue
		case t == nil:
			continue
		case output:
			t.beside = append(t.beside, path)
		}
		if info, err := e.Info(); err == nil {
			t.size += info.Size()
			total += info.Size()
		}
	}
	return all, total, nil
}

// remove removes a turn with all that belongs to it.
func (j *Journal) remove(t *kept) {
	t.gone = true
	j.removeAll(append(t.beside, filepath.Join(j.dir, t.name)))
	j.mu.Lock()
	delete(j.bad, t.id)
	j.mu.Unlock()
}

// removeAll removes files, and tells how much that freed.
func (j *Journal) removeAll(paths []string) (freed int64) {
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() {
			err = os.Remove(path)
		}
		switch {
		case err == nil:
			freed += info.Size()
		case !os.IsNotExist(err):
			j.log.Warn("an old file of the journal can't be removed", slog.Any("error", err))
		}
	}
	return freed
}

// wentWrong tells whether a turn is one to be kept longer: of which something failed,
// or whose end nobody has seen.
func (j *Journal) wentWrong(t turnFile) bool {
	if t.failed {
		return true
	}
	j.mu.Lock()
	wrong, known := j.bad[t.id]
	j.mu.Unlock()
	if known {
		return wrong
	}
	wrong = readWrong(filepath.Join(j.dir, t.name))
	j.mu.Lock()
	j.bad[t.id] = wrong
	j.mu.Unlock()
	return wrong
}

// verdict is of a report what tells how the turn went.
type verdict struct {
	Error   string `json:"error"`
	Summary struct {
		Failed int `json:"failed"`
	} `json:"summary"`
}

// readWrong reads from a turn's file how it went.
func readWrong(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return true
	}
	// The end is the last line, but for that it was settled later.
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		var l struct {
			End *struct {
				Report verdict `json:"report"`
			} `json:"end"`
		}
		if !bytes.Contains(line, []byte(`"end":`)) || json.Unmarshal(line, &l) != nil || l.End == nil {
			continue
		}
		return l.End.Report.Error != "" || l.End.Report.Summary.Failed > 0
	}
	return true
}

// Began is when the turn of an id began, or was to; zero for what is none.
func Began(id string) time.Time {
	at, _ := time.Parse(idLayout, id)
	return at
}
