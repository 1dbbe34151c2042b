package turn_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// The journal is memory and never truth: whatever becomes of it while the agent is
// down and Proxmox goes on with what was begun, nothing is made twice, and what is
// lost is told.
func TestJournalIsUnreadable(t *testing.T) {
	open := func(l *land) string {
		l.t.Helper()
		found, err := filepath.Glob(l.path("journal/*.open"))
		if err != nil || len(found) != 1 {
			l.t.Fatalf("open turns: %v %v", found, err)
		}
		return found[0]
	}
	edit := func(l *land, change func([]byte) []byte) {
		l.t.Helper()
		text, err := os.ReadFile(open(l))
		if err == nil {
			err = os.WriteFile(open(l), change(text), 0o600)
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	directory := func(l *land, name string) {
		l.t.Helper()
		if err := os.RemoveAll(name); err != nil {
			l.t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(name, "x"), 0o700); err != nil {
			l.t.Fatal(err)
		}
	}
	for name, spoil := range map[string]func(l *land){
		"the line of a task is garbage": func(l *land) {
			edit(l, func(text []byte) []byte {
				return regexp.MustCompile(`(?m)^.*"task":.*$`).ReplaceAll(text, []byte(`{"key":\x00garbage`))
			})
		},
		"its first line is garbage": func(l *land) {
			edit(l, func(text []byte) []byte { return append([]byte("garbage"), text...) })
		},
		"cut off in the middle": func(l *land) { edit(l, func(text []byte) []byte { return text[:len(text)/2] }) },
		"all zeros":             func(l *land) { edit(l, func(text []byte) []byte { return make([]byte, len(text)) }) },
		"gone": func(l *land) {
			if err := os.RemoveAll(l.path("journal")); err != nil {
				l.t.Fatal(err)
			}
		},
		"a directory in a turn's place":   func(l *land) { directory(l, open(l)) },
		"a directory in the runs' place":  func(l *land) { directory(l, l.path("journal/runs.json")) },
		"a directory in the lock's place": func(l *land) { directory(l, l.path("journal/lock")) },
		"a file in its place": func(l *land) {
			if err := os.RemoveAll(l.path("journal")); err != nil {
				l.t.Fatal(err)
			}
			l.write("journal", "")
		},
		"of a newer version": func(l *land) {
			edit(l, func(text []byte) []byte { return bytes.Replace(text, []byte(`"version":1`), []byte(`"version":2`), 1) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, pvesim.Options{TaskTime: func(string) time.Duration { return time.Minute }}, func(l *land) {
				s := l.tells("faults/journal-" + strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "'", ""))
				prepared(l)
				l.push("aaaa", ct("cache", 4002, ""))
				ctx, kill := context.WithCancel(l.t.Context())
				time.AfterFunc(30*time.Second, kill)
				agent, stop := l.agent("journal")
				if _, err := agent.Run(ctx, turn.Request{Mode: report.Run}); err != nil {
					l.t.Fatal(err)
				}
				stop()
				spoil(l)
				var log bytes.Buffer
				said := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return a
				}}))
				j, err := journal.Open(journal.Options{Dir: l.path("journal"), Now: l.now, Log: said})
				if err != nil {
					s.fails("the agent starts", err)
					return
				}
				if err := j.Close(); err != nil {
					l.t.Fatal(err)
				}
				s.say("the agent starts, and logs", log.String())
				s.report("the next turn, while what was begun goes on", l.turn())
				pass(2 * time.Minute)
				s.report("two minutes later", l.turn())
				l.madeOnce(4002)
				l.settled()
			})
		})
	}
}
