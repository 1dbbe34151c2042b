package main

import (
	"context"
	"log/slog"
	"time"

	"berth/agent/internal/pause"
	"berth/agent/internal/web"
)

// paused tells the loop whether anything may be changed.
func (s *service) paused() (until time.Time, err error) {
	if p, paused := s.rest.Paused(); paused {
		return p.Until, &pause.Error{Pause: p}
	}
	return time.Time{}, nil
}

// restNow is the pause; nil if there is none.
func (s *service) restNow() *pause.Pause {
	if s.rest == nil {
		return nil
	}
	if p, paused := s.rest.Paused(); paused {
		return &p
	}
	return nil
}

// notePause keeps for those who hear of turns whether the agent is paused, and says when a
// pause has ended by itself.
func (s *service) notePause(ctx context.Context) {
	p := s.restNow()
	ended := false
	s.standing.Set(func(status *web.Status) {
		ended = p == nil && status.Paused != nil
		status.Paused = p
	})
	if ended {
		s.log.InfoContext(ctx, "the pause is over")
	}
}

// pause has the agent change nothing: a turn that is under way begins no more steps.
func (s *service) pause(ctx context.Context, req web.PauseRequest) (web.Paused, error) {
	_, already := s.rest.Paused()
	p, err := s.rest.Pause(pause.Pause{Until: req.Until, Reason: req.Reason, By: req.By})
	if err != nil {
		return web.Paused{}, err
	}
	busy := s.standing.Status().Now != nil
	s.standing.Set(func(status *web.Status) { status.Paused = &p })
	attrs := []slog.Attr{slog.String("by", p.By), slog.String("reason", p.Reason), slog.Bool("busy", busy)}
	if !p.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", p.Until))
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "paused", attrs...)
	return web.Paused{Pause: p, Already: already, Busy: busy}, nil
}

// resume ends a pause, and starts the turn that makes good what was left.
func (s *service) resume(ctx context.Context) (web.Resumed, error) {
	was, paused, err := s.rest.Resume()
	if err != nil || !paused {
		return web.Resumed{}, err
	}
	s.standing.Set(func(status *web.Status) { status.Paused = nil })
	out := web.Resumed{Was: &was, Turn: s.loop.StartWhole("resumed")}
	s.log.InfoContext(ctx, "resumed", slog.String("by", web.Peer(ctx)), slog.String("turn", out.Turn))
	return out, nil
}
