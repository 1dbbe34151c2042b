package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/slogtest"

	"berth/agent/internal/logs"
	"berth/applyers"
)

// TestEachLineBelongs has lines say what their context says, beside the message
// whatever groups there are, and no line say it twice.
func TestEachLineBelongs(t *testing.T) {
	ctx := applyers.ForResource(applyers.InTurn(t.Context(), "t1"), "vm/web")
	for _, row := range []struct {
		what string
		log  func(*slog.Logger)
		want string
	}{
		{"outside of a turn", func(l *slog.Logger) { l.InfoContext(t.Context(), "polled", slog.Int("n", 1)) }, `msg=polled n=1`},
		{"in a turn", func(l *slog.Logger) {
			l.InfoContext(applyers.InTurn(t.Context(), "t1"), "turn ended", slog.Int("n", 1))
		}, `msg="turn ended" turn=t1 n=1`},
		{"of a resource", func(l *slog.Logger) { l.InfoContext(ctx, "step done") }, `msg="step done" turn=t1 resource=vm/web`},
		{"the next turn has no resource", func(l *slog.Logger) { l.InfoContext(applyers.InTurn(ctx, "t2"), "done") }, `msg=done turn=t2`},
		{"of another resource", func(l *slog.Logger) { l.InfoContext(ctx, "done", slog.String("resource", "play/base")) }, `msg=done turn=t1 resource=play/base`},
		{"of another turn, always", func(l *slog.Logger) { l.With(slog.String("turn", "t0")).InfoContext(ctx, "done") }, `msg=done turn=t0 resource=vm/web`},
		{"with more", func(l *slog.Logger) {
			l.With(slog.String("target", "x")).InfoContext(ctx, "done", slog.Int("n", 1))
		}, `msg=done target=x turn=t1 resource=vm/web n=1`},
		{"within a group", func(l *slog.Logger) {
			l.With(slog.Int("a", 1)).WithGroup("g").With(slog.String("turn", "x")).InfoContext(ctx, "done", slog.String("resource", "y"))
		}, `msg=done a=1 turn=t1 resource=vm/web g.turn=x g.resource=y`},
	} {
		var out bytes.Buffer
		row.log(logs.New(&out, logs.Options{Format: "text"}))
		_, got, _ := strings.Cut(strings.TrimSpace(out.String()), "level=INFO ")
		if got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.what, got, row.want)
		}
	}
}

// TestHandlerRules asks for all that log/slog wants of a handler, with and without a
// context that lines belong to.
func TestHandlerRules(t *testing.T) {
	for _, wrap := range []func(slog.Handler) slog.Handler{logs.Belonging, func(h slog.Handler) slog.Handler { return inTurn{logs.Belonging(h)} }} {
		var out bytes.Buffer
		err := slogtest.TestHandler(wrap(slog.NewJSONHandler(&out, nil)), func() []map[string]any {
			var all []map[string]any
			for dec := json.NewDecoder(&out); ; {
				line := make(map[string]any)
				if err := dec.Decode(&line); errors.Is(err, io.EOF) {
					return all
				} else if err != nil {
					t.Fatal(err)
				}
				delete(line, logs.TurnKey)
				all = append(all, line)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// inTurn gives each line a turn.
type inTurn struct{ slog.Handler }

func (h inTurn) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(applyers.InTurn(ctx, "t1"), r)
}
func (h inTurn) WithAttrs(a []slog.Attr) slog.Handler { return inTurn{h.Handler.WithAttrs(a)} }
func (h inTurn) WithGroup(n string) slog.Handler      { return inTurn{h.Handler.WithGroup(n)} }

// TestFormatByItself writes to journald where the error stream is journald's, and
// nowhere else, whatever a parent has left in the environment.
func TestFormatByItself(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var is syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &is); err != nil {
		t.Fatal(err)
	}
	this := fmt.Sprintf("%d:%d", is.Dev, is.Ino)
	for _, row := range []struct {
		what, stream, format string
		want                 bool
	}{
		{"a service", this, "auto", true},
		{"a service that shall write text", this, "text", false},
		{"a service that shall write JSON", this, "json", false},
		{"another's stream", fmt.Sprintf("%d:%d", is.Dev, is.Ino+1), "auto", false},
		{"no service", "", "auto", false},
		{"asked for", "", "journal", true},
	} {
		d := newDaemon(t)
		log := logs.New(file, logs.Options{Format: row.format, Socket: d.path, Env: func(name string) string {
			return map[string]string{"JOURNAL_STREAM": row.stream}[name]
		}})
		log.InfoContext(t.Context(), "hello")
		if got := d.waiting() > 0; got != row.want {
			t.Errorf("%s: written to journald is %v", row.what, got)
		}
	}
}
