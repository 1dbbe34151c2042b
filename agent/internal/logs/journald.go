package logs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// JournalSocket is where journald takes lines in its own form
// (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const JournalSocket = "/run/systemd/journal/socket"

const (
	// identifier is by what `journalctl -t` finds the agent's lines.
	identifier = "berth"
	// maxField bounds one field of a line, in bytes: a datagram holds all of them, and
	// takes a little over 200 KB where nobody has changed net.core.wmem_default.
	maxField = 16 << 10
	// maxFields bounds how many attributes of a line are fields of their own.
	maxFields = 64
	// patience is how long a line waits for a journald whose queue is full, deaf how
	// long none does after that.
	patience = 100 * time.Millisecond
	deaf     = time.Second
)

// Journald is a handler that writes to journald: the priority, the message, and each
// attribute as a field of its own, BERTH_TURN and BERTH_RESOURCE among them.
//
// A journald that is not there costs no line: it is written to the next handler. One
// that hangs costs some, for nothing waits for it longer than a blink; how many is said
// once it takes lines again. go-systemd's Send has no such bound: it waits for ever.
type Journald struct {
	out   *journalSocket
	level slog.Leveler
	next  slog.Handler
	// text is what makes the attributes readable, fields what keeps them apart.
	text   func(slog.Handler) slog.Handler
	fields []field
	group  string
}

type field struct{ name, value string }

// NewJournald makes a handler for journald's socket; next takes the lines while there
// is no journald.
func NewJournald(socket string, level slog.Leveler, next slog.Handler) *Journald {
	return &Journald{
		out: &journalSocket{path: socket}, level: level, next: next,
		text: func(h slog.Handler) slog.Handler { return h },
	}
}

// Close lets go of the socket.
func (j *Journald) Close() error { return j.out.close() }

// Enabled is as the level says.
func (j *Journald) Enabled(_ context.Context, level slog.Level) bool { return level >= j.level.Level() }

// Handle writes one line.
func (j *Journald) Handle(ctx context.Context, r slog.Record) error {
	var attrs bytes.Buffer
	// No handler that writes into memory fails.
	_ = j.text(slog.NewTextHandler(&attrs, &slog.HandlerOptions{Level: slog.LevelDebug - 4, ReplaceAttr: bare})).Handle(ctx, r)
	message := r.Message
	if text := strings.TrimSpace(attrs.String()); text != "" {
		message += " " + text
	}
	all := []field{{"MESSAGE", message}, {"PRIORITY", priority(r.Level)}, {"SYSLOG_IDENTIFIER", identifier}}
	all = append(all, j.fields...)
	r.Attrs(func(a slog.Attr) bool { all = fieldsOf(all, j.group, a); return true })
	if err := j.out.send(all); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil // It is counted.
		}
		return j.next.Handle(ctx, r)
	}
	return nil
}

// WithAttrs keeps what all lines say.
func (j *Journald) WithAttrs(attrs []slog.Attr) slog.Handler {
	out, former := *j, j.text
	out.next = j.next.WithAttrs(attrs)
	out.text = func(h slog.Handler) slog.Handler { return former(h).WithAttrs(attrs) }
	out.fields = slices.Clip(j.fields)
	for _, a := range attrs {
		out.fields = fieldsOf(out.fields, j.group, a)
	}
	return &out
}

// WithGroup has later attributes stand in a group.
func (j *Journald) WithGroup(name string) slog.Handler {
	if name == "" {
		return j
	}
	out, former := *j, j.text
	out.next = j.next.WithGroup(name)
	out.text = func(h slog.Handler) slog.Handler { return former(h).WithGroup(name) }
	out.group = j.group + name + "_"
	return &out
}

// bare leaves out what journald keeps by itself, and the message, which stands before
// the attributes.
func bare(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// priority is syslog's word for a level.
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}

// fieldsOf adds an attribute to the fields; those of a group each for itself.
func fieldsOf(all []field, group string, a slog.Attr) []field {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "_"
		}
		for _, inner := range value.Group() {
			all = fieldsOf(all, group, inner)
		}
		return all
	}
	if a.Key == "" || len(all) >= maxFields {
		return all
	}
	return append(all, field{name: fieldName(group + a.Key), value: value.String()})
}

// fieldName makes the name of an attribute one that journald takes: capitals, digits
// and underscores, 64 at most (systemd.journal-fields(7)).
func fieldName(key string) string {
	name := "BERTH_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), 64)]
}

// encode writes the fields as journald reads them: text of several lines with its
// length before it.
func encode(all []field) []byte {
	var b bytes.Buffer
	for _, f := range all {
		value := f.value
		if len(value) > maxField {
			cut := maxField
			for cut > 0 && !utf8.RuneStart(value[cut]) {
				cut--
			}
			value = value[:cut] + "…"
		}
		if !strings.Contains(value, "\n") {
			fmt.Fprintf(&b, "%s=%s\n", f.name, value)
			continue
		}
		fmt.Fprintf(&b, "%s\n", f.name)
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
		fmt.Fprintf(&b, "%s\n", value)
	}
	return b.Bytes()
}

// journalSocket is the way to journald.
type journalSocket struct {
	path string

	mu   sync.Mutex
	conn *net.UnixConn
	// lost is how many lines journald has not taken, deaf until when it is not asked.
	lost int
	deaf time.Time
}

// send hands a line over. Its error is [os.ErrDeadlineExceeded] for one that is lost.
func (s *journalSocket) send(all []field) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.deaf) {
		s.lost++
		return os.ErrDeadlineExceeded
	}
	if s.lost > 0 {
		told := []field{
			{"MESSAGE", fmt.Sprintf("journald did not take lines of the log lost=%d", s.lost)},
			{"PRIORITY", priority(slog.LevelWarn)},
			{"SYSLOG_IDENTIFIER", identifier},
		}
		if err := s.write(encode(told)); err == nil {
			s.lost = 0
		}
	}
	err := s.write(encode(all))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.lost++
		s.deaf = time.Now().Add(deaf)
	}
	return err
}

// write sends one datagram. A journald that has been started anew has another socket
// under the same name: unconnected, each line finds the one that is there.
func (s *journalSocket) write(datagram []byte) error {
	if s.conn == nil {
		// An address of its own, which the kernel makes up, as journald wants to see one.
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
		if err != nil {
			return fmt.Errorf("write to journald: %w", err)
		}
		s.conn = conn
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("write to journald: %w", err)
	}
	if _, err := s.conn.WriteToUnix(datagram, &net.UnixAddr{Name: s.path, Net: "unixgram"}); err != nil {
		return fmt.Errorf("write to journald: %w", err)
	}
	return nil
}

func (s *journalSocket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
