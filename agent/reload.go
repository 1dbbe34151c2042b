package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/web"
)

// reread reads the settings anew, between two turns, and answers the service that goes on
// from here: another by the new ones, or the same where these are wrong or what they name
// can't be opened. The journal, the unlocked identity, who waits for a turn, the socket,
// and the door if its address is the same, stay in any case.
func (s *service) reread(ctx context.Context, fail func(error), read func() (*config.Settings, error)) *service {
	next, err := s.renewed(ctx, fail, read)
	if ctx.Err() != nil {
		return s
	}
	if err != nil {
		s.log.ErrorContext(ctx, "settings refused, the former ones hold", slog.Any("error", err))
		s.loop.Work = s.work("signal")
		s.standing.Set(func(status *web.Status) {
			since := time.Now()
			if status.Settings != nil {
				since = status.Settings.Since
			}
			status.Settings = &web.RefusedSettings{Since: since, Reason: err.Error()}
		})
		return s
	}
	s.release()
	next.journal.Keep(bounds(next.settings.Journal))
	next.loop.Work = next.work("settings")
	next.standing.Set(func(status *web.Status) { status.Settings = nil })
	next.log.InfoContext(ctx, "settings read", slog.String("repository", next.repository.Source().String()))
	return next
}

// renewed is a service by the settings as they are now. Where there is an error, s goes on.
func (s *service) renewed(ctx context.Context, fail func(error), read func() (*config.Settings, error)) (*service, error) {
	settings, err := read()
	if err != nil {
		return nil, err
	}
	if err := settings.Check(); err != nil {
		return nil, err
	}
	if err := checkNamed(settings, s.env); err != nil {
		return nil, err
	}
	later := s.pin(settings)
	// What works on the clones ends before others open them.
	s.end()
	back := func(err error) error {
		if again := s.start(ctx, fail); again != nil && ctx.Err() == nil {
			return errors.Join(err, fmt.Errorf("and by the former settings not all could be begun again: %w: mend the file and reload, or restart the agent", again))
		}
		return err
	}
	w, err := s.wiring.renewed(settings)
	if err != nil {
		return nil, back(err)
	}
	next := &service{wiring: w, lasting: s.lasting}
	if err := next.start(ctx, fail); err != nil {
		w.release()
		return nil, back(err)
	}
	for _, setting := range later {
		next.log.LogAttrs(ctx, slog.LevelWarn, "setting takes effect at the next start", setting...)
	}
	return next, nil
}

// pin keeps what can't change while the process lasts, and answers what to say of each of
// these once the settings hold.
func (s *service) pin(settings *config.Settings) (later [][]slog.Attr) {
	for _, p := range []struct {
		field      string
		now, wants *string
	}{
		{"state", &s.settings.State, &settings.State},
		{"socket", &s.settings.Socket, &settings.Socket},
		{"socketGroup", &s.settings.SocketGroup, &settings.SocketGroup},
	} {
		if *p.now != *p.wants {
			later = append(later, []slog.Attr{slog.String("setting", p.field), slog.String("now", *p.now), slog.String("then", *p.wants)})
			*p.wants = *p.now
		}
	}
	return later
}
