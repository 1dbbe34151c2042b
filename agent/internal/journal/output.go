package journal

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"berth/drift"
)

const (
	// OutputLimit is how many bytes of a step's output are kept.
	OutputLimit  = 16 << 20
	outputSuffix = ".log"
)

// Output is the full log of a step as a file beside its turn. What was written is
// there although the agent is killed at once, and goes when the turn does. Its methods
// may be called at the same time.
type Output struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	file *os.File // nil before the first byte
	size int
	// over tells that no more is taken: it is closed, there was too much, or the disk
	// refused it.
	over, closed bool
}

// Output opens the log of a step of a turn. The file is made by the first byte; that it
// can't be written is told, and keeps no step from going on.
func (j *Journal) Output(turn string, k drift.Key) *Output {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '.'
	}, k.ID.Kind()+"."+k.ID.Name()+"."+string(k.Step))
	return &Output{path: filepath.Join(j.dir, turn+"."+plain+outputSuffix), log: j.log}
}

// Path is the file; "" as long as nothing was written.
func (o *Output) Path() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return ""
	}
	return o.path
}

// Write adds to the file. It never fails: what is too much, or can't be written, is
// left out, and the file says so where it can.
func (o *Output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || len(text) == 0 {
		return len(text), nil
	}
	if o.file == nil {
		f, err := os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			o.refuse(err)
			return len(text), nil
		}
		o.file = f
	}
	taken := text[:min(len(text), OutputLimit-o.size)]
	n, err := o.file.Write(taken)
	o.size += n
	switch {
	case err != nil:
		o.refuse(err)
	case len(taken) < len(text):
		o.over = true
		_, _ = fmt.Fprintf(o.file, "\n… cut off here: the log of a step is kept up to %d MiB\n", OutputLimit>>20)
	}
	return len(text), nil
}

func (o *Output) refuse(err error) {
	o.over = true
	o.log.Warn("the full log of a step can't be kept", slog.String("file", o.path), slog.Any("error", advise(filepath.Dir(o.path), err)))
}

// Close ends the file.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	if o.file == nil || o.closed {
		return nil
	}
	o.closed = true
	if err := o.file.Close(); err != nil {
		return fmt.Errorf("close the log of a step: %w", err)
	}
	return nil
}

var _ io.WriteCloser = (*Output)(nil)
