package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/agent/internal/trouble"
)

// DefaultFor is how long lines are kept unless Options say.
const DefaultFor = 5 * 365 * 24 * time.Hour

const (
	// fileLimit is about how many bytes one file holds, mostFiles how many files are kept.
	fileLimit = 4 << 20
	mostFiles = 32
	suffix    = ".jsonl"
	// nameLayout names a file by when it was begun, so that names sort by time.
	nameLayout = "20060102T150405.000Z"
)

// Options are what a history is written with.
type Options struct {
	// Dir is its own directory; it is made when there is something to write.
	Dir string
	// For is how long lines are kept; [DefaultFor] unless set.
	For time.Duration
	// Log is told what can't be written; nothing is logged unless set.
	Log *slog.Logger
	// Sync makes what was written to a file, or the names in a directory, outlive a power
	// failure; it is (*os.File).Sync unless set.
	Sync func(*os.File) error
}

// History is written by the one agent that has the journal. Its methods may be called
// at the same time. The nil History remembers nothing.
type History struct {
	Options

	mu       sync.Mutex
	name     string // of the file that is written; "" before the first line
	standing *standing
	limit    int64
	broken   trouble.Ongoing // lines can't be written
}

// New is the history of a directory. Nothing is read or written before the first turn
// that has something to tell.
func New(o Options) *History {
	if o.For <= 0 {
		o.For = DefaultFor
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sync == nil {
		o.Sync = (*os.File).Sync
	}
	return &History{Options: o, limit: fileLimit}
}

// Tell writes down what happened in a turn that was no dry run, if anything did, and
// gives what it wrote. What can't be written is told in the log, and harms nobody.
func (h *History) Tell(e Ended) []Line {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.standing == nil {
		h.open()
	}
	e.At = e.At.UTC()
	before := h.standing.clone()
	lines := h.standing.lines(e)
	if len(lines) == 0 {
		return nil
	}
	err := h.write(e.At, lines)
	if err == nil {
		h.broken.Over()
		return lines
	}
	h.standing = before // What begins now is told when there is room.
	if _, due := h.broken.Due(time.Now(), err.Error()); due {
		h.Log.Warn("what happened can't be written to the history; the turn goes on", slog.String("directory", h.Dir), slog.Any("error", err))
	}
	return nil
}

// open finds the file to go on with, and learns from it what stands. What can't be read
// is left as it is, and a new one is begun: then what still stands is told once more.
func (h *History) open() {
	h.standing = &standing{}
	names, err := files(h.Dir)
	if err != nil || len(names) == 0 {
		return
	}
	name := names[len(names)-1]
	seen := &standing{}
	err = readFile(filepath.Join(h.Dir, name), func(l Line) { seen.fold(l) }, nil)
	if err != nil {
		h.Log.Warn("the newest file of the history can't be read and is left as it is; a new one is begun", slog.String("file", filepath.Join(h.Dir, name)), slog.Any("error", err))
		return
	}
	h.name, h.standing = name, seen
}

// write appends lines, whole or not at all as far as the disk allows. It returns when they
// would outlive a power failure: one sync for all that a turn tells.
func (h *History) write(now time.Time, lines []Line) error {
	var text bytes.Buffer
	for _, l := range lines {
		if err := put(&text, l); err != nil {
			return err
		}
	}
	if h.name != "" {
		full, err := h.append(text.Bytes())
		if err == nil && full {
			h.name = "" // The next line begins another.
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return h.begin(now, text.Bytes())
}

// append adds to the newest file, and tells whether that is full now.
func (h *History) append(text []byte) (full bool, err error) {
	f, err := os.OpenFile(filepath.Join(h.Dir, h.name), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	size := info.Size()
	last := []byte{'\n'}
	if size > 0 {
		if _, err := f.ReadAt(last, size-1); err != nil {
			return false, err
		}
	}
	if last[0] != '\n' {
		// The agent died, or the disk was full, in the middle of a line.
		text = append([]byte{'\n'}, text...)
	}
	_, err = f.WriteAt(text, size)
	if err == nil {
		err = h.Sync(f)
	}
	if err != nil {
		_ = f.Truncate(size) // What is told again once there is room is told once.
		return false, err
	}
	return size+int64(len(text)) >= h.limit, nil
}

// begin writes a new file, which says first what stands, and removes old ones.
func (h *History) begin(now time.Time, text []byte) error {
	if err := os.MkdirAll(h.Dir, 0o700); err != nil {
		return err
	}
	names, err := files(h.Dir)
	if err != nil {
		return err
	}
	h.prune(now, names)
	at := now.Truncate(time.Millisecond)
	name := at.Format(nameLayout) + suffix
	for len(names) > 0 && name <= names[len(names)-1] {
		// The clock was set back, or two were begun at once: names go on in time.
		last, err := time.Parse(nameLayout, strings.TrimSuffix(names[len(names)-1], suffix))
		if err != nil {
			return err
		}
		name = last.Add(time.Millisecond).Format(nameLayout) + suffix
	}
	var whole bytes.Buffer
	if err := put(&whole, header{Version: Version}); err != nil {
		return err
	}
	// What this turn's own lines say is taken in once more by who reads them.
	if err := put(&whole, Line{At: now, Standing: h.standing}); err != nil {
		return err
	}
	whole.Write(text)
	path := filepath.Join(h.Dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(whole.Bytes())
	if err == nil {
		err = h.Sync(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = h.syncDir()
	}
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	h.name = name
	return nil
}

// syncDir makes the name of a new file outlive a power failure.
func (h *History) syncDir() error {
	dir, err := os.Open(h.Dir)
	if err != nil {
		return err
	}
	return errors.Join(h.Sync(dir), dir.Close())
}

// prune removes files whose last line is older than lines are kept, which is before the
// next one was begun, and the oldest of too many.
func (h *History) prune(now time.Time, names []string) {
	for i, name := range names {
		end := now
		if i+1 < len(names) {
			end, _ = time.Parse(nameLayout, strings.TrimSuffix(names[i+1], suffix))
		}
		if len(names)-i < mostFiles && now.Sub(end) <= h.For {
			return
		}
		path := filepath.Join(h.Dir, name)
		if tooNew(path) {
			continue // An agent that was newer wrote it, and may come back.
		}
		if err := os.Remove(path); err != nil {
			h.Log.Warn("an old file of the history can't be removed", slog.Any("error", err))
		}
	}
}

func put(text *bytes.Buffer, value any) error {
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return nil
}

// files lists a history's files, the oldest first; none where there is no directory.
func files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		at, ours := strings.CutSuffix(e.Name(), suffix)
		if _, err := time.Parse(nameLayout, at); ours && err == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
