package runner

import (
	"bytes"
	"io"
	"strings"
)

// ring keeps of the program's output what says why it ended: what follows its last
// error, else its last lines.
type ring struct {
	lines, failed []string
	failing       bool
}

const (
	ringLines   = 40
	lineLimit   = 500
	failedLines = 6
)

func (r *ring) line(text []byte) {
	line := clean(string(text), lineLimit)
	if line == "" {
		return
	}
	if begins(line) {
		if len(r.failed) >= failedLines && !strings.Contains(line, "--ignore-errors") {
			r.failed = nil
		}
		r.failing = true
	}
	if r.failing && len(r.failed) < failedLines {
		r.failed = append(r.failed, line)
	}
	if len(r.lines) == ringLines {
		r.lines = append(r.lines[:0], r.lines[1:]...)
	}
	r.lines = append(r.lines, line)
}

// begins tells whether an error begins with a line; it is one, too, if our callback
// can't be loaded, or dies.
func begins(line string) bool {
	for _, word := range []string{"ERROR!", "[ERROR]", "[WARNING]: Skipping plugin", "[WARNING]: Failure using method"} {
		if strings.HasPrefix(line, word) {
			return true
		}
	}
	return strings.Contains(line, "was NOT installed successfully")
}

// reason is why the program ended, in its own words.
func (r *ring) reason() string {
	text := r.failed
	if len(text) > 0 && strings.Contains(text[0], "No inventory was parsed") {
		// Why is told before, among warnings.
		text = r.lines[max(0, len(r.lines)-8):]
	}
	if text == nil {
		text = r.lines[max(0, len(r.lines)-3):]
	}
	if len(text) == 0 {
		return "it said nothing"
	}
	return strings.Join(text, " ")
}

// lineWriter calls take for each line, of which it keeps the beginning alone if it
// is long.
type lineWriter struct {
	take func([]byte)
	line []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		w.line = append(w.line, part[:min(len(part), max(0, 8*lineLimit-len(w.line)))]...)
		if ended {
			w.take(w.line)
			w.line = w.line[:0]
		}
		rest = after
	}
	return len(p), nil
}

// end takes the last line, if nothing ended it.
func (w *lineWriter) end() {
	if len(w.line) > 0 {
		w.take(w.line)
	}
}

// lenient is a writer that never fails: once the one behind it does, all else is
// lost.
type lenient struct {
	out io.Writer
	log func(error)
}

func (w *lenient) Write(p []byte) (int, error) {
	if w.out == nil {
		return len(p), nil
	}
	if _, err := w.out.Write(p); err != nil {
		w.log(err)
		w.out = nil
	}
	return len(p), nil
}

// last is the program's last line.
func (r *ring) last() string {
	if len(r.lines) == 0 {
		return "its beginning"
	}
	return r.lines[len(r.lines)-1]
}
