package main

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/turn"
	"berth/drift/report"
)

// hanging is a listener that may hang.
type hanging struct {
	hang  chan struct{}
	heard atomic.Int32
}

func (h *hanging) Began(turn.Request)                   { h.heard.Add(1); <-h.hang }
func (h *hanging) Planned(turn.Request, *report.Report) { h.heard.Add(1) }
func (h *hanging) Ended(turn.Request, *report.Report, error, []turn.Wait) {
	h.heard.Add(1)
}

// A listener that hangs delays one turn by seconds, none after it, and does not fill the
// log.
func TestListenerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, well := &hanging{hang: make(chan struct{})}, &hanging{hang: make(chan struct{})}
		close(well.hang)
		var log syncWriter
		a := audience{h, well}.patiently(slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		for range 100 {
			a.Began(turn.Request{})
			a.Ended(turn.Request{}, nil, nil, nil)
		}
		if took := time.Since(began); took != listenFor {
			t.Errorf("a hundred turns take %s longer", took)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "listener=*main.hanging") {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		if h.heard.Load() != 1 || well.heard.Load() != 200 {
			t.Errorf("the one that hangs was told %d times, the other %d", h.heard.Load(), well.heard.Load())
		}
		close(h.hang)
		synctest.Wait()
		a.Began(turn.Request{})
		a.Ended(turn.Request{}, nil, nil, nil)
		if h.heard.Load() != 3 || !strings.Contains(log.String(), "is told again") {
			t.Errorf("once it is back it was told %d times:\n%s", h.heard.Load(), log.String())
		}
	})
}
