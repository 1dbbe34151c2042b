package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/notify"
	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift/report"
)

// service is an agent that runs: turns, and whoever asks for them or about them.
type service struct {
	*wiring
	loop     *trigger.Loop
	standing web.Standing
	audience audience
	notifier *notify.Notifier
	waiting  notify.Once
	// unlocked tells that somebody has unlocked it, and nobody locked it since.
	unlocked atomic.Bool
}

func newService(w *wiring) *service { return &service{wiring: w} }

// betweenStarts is how far apart turns begin that others start: what comes in a burst is done
// in one.
const betweenStarts = 2 * time.Second

// serve runs the loop, its socket and the hooks until ctx is done.
func (s *service) serve(ctx context.Context, nudge <-chan struct{}) error {
	listener, err := web.Listen(ctx, s.settings.Socket, s.settings.SocketGroup)
	if err != nil {
		return err
	}
	defer os.Remove(s.settings.Socket)
	s.loop = trigger.New(trigger.Loop{
		Turn: s.turn, Look: s.turner.Look, Retry: s.turner.Retry, Nudge: nudge, NextID: s.journal.NextID, Log: s.log,
		Tip: func(ctx context.Context) (string, error) {
			commit, err := s.repository.Fetch(ctx)
			return commit.Hash, err
		},
		Poll: time.Duration(s.settings.Poll), Sweep: time.Duration(s.settings.Sweep), Settle: betweenStarts,
	})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.begin()
	others, err := s.listenHTTP(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s.log.InfoContext(ctx, "agent started",
		slog.String("version", version()), slog.String("repository", s.repository.Source().String()), slog.String("socket", s.settings.Socket),
		slog.String("lock", s.lockStatus().State))
	s.notifier = notify.New(ctx, s.log, s.targets()...)
	s.audience = audience{&s.standing, waitingNotifier{s}}
	s.turner.Planned = s.audience.Planned
	var serving sync.WaitGroup
	var served [2]error
	serving.Go(func() {
		if served[0] = web.Serve(ctx, listener, s.api().Handler(), s.log); served[0] != nil {
			stop()
		}
	})
	if others != nil {
		serving.Go(func() {
			if served[1] = web.ServeHTTP(ctx, others, s.http(), s.log); served[1] != nil {
				stop()
			}
		})
	}
	s.loop.Run(ctx)
	stop()
	serving.Wait()
	s.notifier.Wait()
	s.lock.Lock()
	s.log.InfoContext(ctx, "agent stopped")
	return errors.Join(served[:]...)
}

// begin says what holds before the first turn.
func (s *service) begin() {
	from := s.repository.Source()
	now := time.Now()
	s.standing.Set(func(status *web.Status) {
		status.Version = web.StatusVersion
		status.Agent = &web.Agent{Process: os.Getpid(), Version: version(), Started: now}
		status.Repository = web.Repository{URL: from.URL, Branch: from.Branch, Path: strings.TrimPrefix(from.Path, ".")}
		status.Lock.Since = now
	})
}

// turn makes a turn, of which all hear who want to.
func (s *service) turn(ctx context.Context, req turn.Request) (*report.Report, error) {
	if req.ID == "" {
		req.ID = s.journal.NextID()
	}
	if req.Commit != "" {
		// What somebody proposes is no news of what is.
		return s.turner.Run(ctx, req)
	}
	s.audience.Began(req)
	rep, err := s.turner.Run(ctx, req)
	s.audience.Ended(req, rep, err, s.turner.Waits())
	return rep, err
}

func (s *service) api() web.API {
	return web.API{Ask: s.loop.Ask, Status: s.status, Known: s.turner.Known, Unlock: s.unlock, Lock: s.relock, Archive: archive(s.settings), Log: s.log}
}

// status is how the agent stands now. Nobody waits for a turn.
func (s *service) status() web.Status {
	status := s.standing.Status()
	since := status.Lock.Since
	status.Lock = s.lockStatus()
	status.Lock.Since = since
	if at, why := s.loop.Next(); status.Now == nil && !at.IsZero() {
		status.Next = &web.Next{At: at, Why: why}
	}
	return status
}

// lockStatus tells whether secrets can be read.
func (k keeping) lockStatus() web.LockStatus {
	status := web.LockStatus{State: web.LockOpen, Recipient: k.secrets.Recipient()}
	if k.secrets.Settings.Identity != (config.Credential{}) {
		return status
	}
	switch k.lock.State() {
	case lock.New:
		status.State = web.LockNew
	case lock.Locked:
		status.State = web.LockLocked
	case lock.Unlocked:
		status.State = web.LockUnlocked
	}
	return status
}

// errOpen is that there is no lock to work on.
var errOpen = errors.New("this agent's identity is the one that `identity` of agent.yaml names, which is never locked")

// unlock opens the identity, and starts the turn that makes good what waited.
func (s *service) unlock(ctx context.Context, passphrase []byte) (web.Unlocked, error) {
	defer clear(passphrase)
	if s.lockStatus().State == web.LockOpen {
		return web.Unlocked{}, errOpen
	}
	if err := s.lock.Unlock(ctx, passphrase); err != nil {
		// Of passphrases nothing is logged, not even that one was wrong; of what else
		// keeps the identity shut all is.
		if _, wrong := errors.AsType[*lock.WrongPassphraseError](err); !wrong && ctx.Err() == nil {
			s.log.WarnContext(ctx, "unlock refused", slog.Any("error", err))
		}
		return web.Unlocked{}, err
	}
	// Of many who unlock at once one is told what it lets go on.
	if !s.unlocked.CompareAndSwap(false, true) {
		return web.Unlocked{Already: true}, nil
	}
	s.waiting.Over()
	var out web.Unlocked
	s.standing.Set(func(status *web.Status) {
		out.Waiting, status.Waiting = status.Waiting, nil
		status.Lock.Since = time.Now()
	})
	out.Turn = s.loop.StartWhole("unlocked")
	s.log.InfoContext(ctx, "unlocked", slog.Int("waiting", len(out.Waiting)), slog.String("turn", out.Turn), slog.String("by", web.Peer(ctx)))
	return out, nil
}

// relock forgets the identity. A turn that is under way ends with what it has read.
func (s *service) relock(ctx context.Context) (web.Locked, error) {
	if s.lockStatus().State == web.LockOpen {
		return web.Locked{}, errOpen
	}
	s.lock.Lock()
	if !s.unlocked.CompareAndSwap(true, false) {
		return web.Locked{Already: true}, nil
	}
	s.standing.Set(func(status *web.Status) { status.Lock.Since = time.Now() })
	busy := s.standing.Status().Now != nil
	s.log.InfoContext(ctx, "locked", slog.Bool("busy", busy), slog.String("by", web.Peer(ctx)))
	return web.Locked{Busy: busy}, nil
}
