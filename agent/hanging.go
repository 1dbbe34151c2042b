package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"berth/agent/internal/trouble"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// listenFor is how long a turn waits for a listener that should have come back at once.
const listenFor = 5 * time.Second

// patient keeps turns from waiting for a listener that hangs: it is told no more before it
// has come back, which the log says.
type patient struct {
	listener
	log   *slog.Logger
	busy  atomic.Bool
	hangs trouble.Ongoing
}

// patiently has no listener keep a turn waiting for good.
func (a audience) patiently(log *slog.Logger) audience {
	all := make(audience, len(a))
	for i, l := range a {
		all[i] = &patient{listener: l, log: log}
	}
	return all
}

// Began tells of a turn that begins.
func (p *patient) Began(req turn.Request) { p.tell(func() { p.listener.Began(req) }) }

// Planned tells what a turn is about to do.
func (p *patient) Planned(req turn.Request, rep *report.Report) {
	p.tell(func() { p.listener.Planned(req, rep) })
}

// Ended tells what came of a turn.
func (p *patient) Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait) {
	p.tell(func() { p.listener.Ended(req, rep, err, waits) })
}

func (p *patient) tell(what func()) {
	ctx, who := context.Background(), slog.String("listener", fmt.Sprintf("%T", p.listener))
	if p.busy.CompareAndSwap(false, true) {
		back := make(chan struct{})
		go func() {
			defer close(back)
			defer p.busy.Store(false)
			what()
		}()
		timer := time.NewTimer(listenFor)
		defer timer.Stop()
		select {
		case <-back:
			if told, news := p.hangs.Over(); news {
				p.log.InfoContext(ctx, "a listener of turns is told again", who, slog.Time("since", told.Since), slog.Int("untold", told.Times))
			}
			return
		case <-timer.C:
		}
	}
	if told, due := p.hangs.Due(time.Now(), "hangs"); due {
		p.log.ErrorContext(ctx, "a listener of turns hangs, and is told no more before it comes back", who, slog.Time("since", told.Since), slog.Int("untold", told.Times))
	}
}
