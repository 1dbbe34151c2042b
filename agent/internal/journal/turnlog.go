package journal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"berth/applyers"
)

const (
	// logBuffer is how many bytes of a turn's log wait for the turn to do something.
	logBuffer = 256 << 10
	logSuffix = ".turn" + outputSuffix
)

// TurnLog is what is logged while a turn is made. It is on disk as soon as the turn is,
// and not at all if that has nothing to do. Nothing waits or fails because a line can't
// be written.
type TurnLog struct {
	journal *Journal
	id      string

	mu   sync.Mutex
	held []byte // before it is kept
	kept bool   // the turn is, and so is this
	file *os.File
	size int
	over bool
}

// StartLog begins the log of a turn: what [Journal.Handler] sees from now on belongs to it.
func (j *Journal) StartLog(id string) *TurnLog {
	l := &TurnLog{journal: j, id: id}
	j.logging.Store(l)
	return l
}

// Close ends the log.
func (l *TurnLog) Close() error {
	l.journal.logging.CompareAndSwap(l, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over, l.held = true, nil
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if err != nil {
		return fmt.Errorf("close the log of turn %s: %w", l.id, err)
	}
	return nil
}

// keepLog writes down the log of a turn that is written down itself.
func (j *Journal) keepLog(id string) {
	l := j.logging.Load()
	if l == nil || l.id != id {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.kept {
		return
	}
	held := l.held
	l.kept, l.held = true, nil
	l.write(held)
}

// Write takes a line.
func (l *TurnLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
	case l.kept:
		l.write(line)
	case len(l.held)+len(line) <= logBuffer:
		l.held = append(l.held, line...)
	}
	return len(line), nil
}

// write adds to the file, whole lines alone as far as the disk allows.
func (l *TurnLog) write(text []byte) {
	if len(text) == 0 {
		return
	}
	if l.size+len(text) > OutputLimit {
		l.over = true
		return
	}
	if l.file == nil {
		f, err := os.OpenFile(filepath.Join(l.journal.dir, l.id+logSuffix), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			l.over = true
			return
		}
		l.file = f
	}
	n, err := l.file.Write(text)
	if err != nil {
		// What else the agent has to say goes on being logged where it always is.
		l.over = true
		_ = l.file.Truncate(int64(l.size))
		return
	}
	l.size += n
}

// Handler keeps, of what is logged, what belongs to the turn that is made (see
// [applyers.InTurn]), from info on. It stands beside the handler that writes the log.
func (j *Journal) Handler() slog.Handler {
	return &turnHandler{Handler: slog.NewJSONHandler(logWriter{j}, nil), journal: j}
}

type turnHandler struct {
	slog.Handler

	journal *Journal
}

// Enabled tells whether a turn is made whose line it is.
func (h *turnHandler) Enabled(ctx context.Context, level slog.Level) bool {
	l := h.journal.logging.Load()
	return l != nil && level >= slog.LevelInfo && applyers.BelongsTo(ctx).Turn == l.id
}

// WithAttrs keeps it what it is.
func (h *turnHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &turnHandler{Handler: h.Handler.WithAttrs(attrs), journal: h.journal}
}

// WithGroup keeps it what it is.
func (h *turnHandler) WithGroup(name string) slog.Handler {
	return &turnHandler{Handler: h.Handler.WithGroup(name), journal: h.journal}
}

// logWriter writes to the log of the turn that is made.
type logWriter struct{ *Journal }

func (w logWriter) Write(line []byte) (int, error) {
	if l := w.logging.Load(); l != nil {
		return l.Write(line)
	}
	return len(line), nil
}

var _ io.Writer = logWriter{}
