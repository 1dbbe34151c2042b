package turn_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"berth/agent/internal/turn"
	"berth/drift/report"
)

// cuts are what may have become of the end of a file that was being written. The
// first that a turn writes are its first lines.
var cuts = []cut{
	{name: "killed after a line", at: func(int) bool { return true }, of: func(text string) string { return text }},
	{name: "killed within a line", at: func(n int) bool { return (n-1)/sparse%3 == 0 }, of: func(text string) string { return text[:(len(text)+lastLine(text))/2] }},
	{name: "killed within the first line", at: first, of: func(text string) string { return text[:7] }},
	{name: "killed before the first line", at: first, of: func(string) string { return "" }},
}

func first(n int) bool { return n == 1 }

type cut struct {
	name string
	// at tells after which writes of a stage it is tried.
	at func(n int) bool
	of func(text string) string
}

// lastLine is where the last line of a file begins.
func lastLine(text string) int {
	return strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n') + 1
}

func (s *toldStage) cut(t *testing.T, n int, what cut, shown map[string]bool) {
	s.dies(t, shown, func(l *land, b *breaker) {
		syncs := 0
		l.sync = func(f *os.File) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if syncs++; syncs != n || b.dead {
				return nil
			}
			b.die()
			l.cutOff(filepath.Join("left", filepath.Base(f.Name())), what.of)
			return errBroken
		}
	})
}

// dies lets an agent make a turn in which it dies where arm has it do so, and a new life
// go on.
func (s *toldStage) dies(t *testing.T, shown map[string]bool, arm func(l *land, b *breaker)) {
	synctest.Test(t, func(t *testing.T) {
		l := s.begin.land(t)
		from := len(l.sim.Requests())
		ctx, cancel := context.WithCancel(t.Context())
		b := &breaker{l: l, what: killed, left: -1, kill: cancel, gone: make(chan struct{})}
		l.plays.alive = b.alive
		l.over = func(below http.RoundTripper) http.RoundTripper {
			b.below = below
			return b
		}
		arm(l, b)
		agent, stop := l.agent("journal")
		_, _ = agent.Run(ctx, turn.Request{Mode: report.Run}) // Of the dead no word is heard.
		stop()
		l.over, l.sync = nil, unsynced
		l.revive(b)
		s.goesOn(l, from, shown)
	})
}

// cutOff leaves a part of a file, if it is one.
func (l *land) cutOff(name string, cut func(string) string) {
	text, err := os.ReadFile(l.path(name))
	if err != nil {
		return // It is a directory, or has been renamed.
	}
	if err := os.WriteFile(l.path(name), []byte(cut(string(text))), 0o600); err != nil {
		l.t.Error(err)
	}
}
