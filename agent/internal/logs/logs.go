package logs

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"

	"github.com/lmittmann/tint"
)

// Options say what a log looks like.
type Options struct {
	// Format is text, json, journal, or auto: journal where w is journald's, else text.
	Format string
	Level  slog.Level
	// Terminal tells that w shows colours.
	Terminal bool
	// Env is the environment, of which JOURNAL_STREAM counts.
	Env func(string) string
	// Socket is journald's; "" is [JournalSocket].
	Socket string
}

// New makes the log that is written to w. More handlers can be put beside it, by
// [slog.NewMultiHandler]: each finds by itself, from [applyers.BelongsTo], what a line
// belongs to.
func New(w io.Writer, o Options) *slog.Logger {
	options := &slog.HandlerOptions{Level: o.Level}
	var h slog.Handler
	switch {
	case o.Format == "json":
		h = slog.NewJSONHandler(w, options)
	case o.Terminal:
		h = tint.NewTextHandler(w, &tint.Options{Level: o.Level, TimeFormat: "15:04:05"})
	default:
		h = slog.NewTextHandler(w, options)
	}
	if o.Format == "journal" || o.Format == "auto" && isJournal(w, o.Env) {
		socket := o.Socket
		if socket == "" {
			socket = JournalSocket
		}
		h = NewJournald(socket, o.Level, h)
	}
	return slog.New(Belonging(h))
}

// isJournal tells whether what is written to w goes to journald anyway: by the file's
// device and inode, since whoever starts another program with an error stream of its
// own leaves JOURNAL_STREAM as it was (systemd.exec(5)).
func isJournal(w io.Writer, env func(string) string) bool {
	f, ok := w.(*os.File)
	if !ok || env == nil {
		return false
	}
	var is syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &is); err != nil {
		return false
	}
	return env("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", is.Dev, is.Ino)
}
