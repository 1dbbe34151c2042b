package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/notify"
	"berth/agent/internal/pause"
	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift/report"
)

// service is an agent that runs as one reading of its settings says: turns, and whoever
// asks for them or about them.
type service struct {
	*wiring
	*lasting
	audience audience
	teller   *notify.Teller
	watching sync.WaitGroup // what is done at the forge
	// cease ends what start began.
	cease context.CancelFunc
}

// lasting is what outlives a change of settings.
type lasting struct {
	loop     *trigger.Loop
	standing web.Standing
	// unlocked tells that somebody has unlocked it, and nobody locked it since.
	unlocked atomic.Bool
	// rest is whether somebody has paused it.
	rest *pause.Switch
	// socket is what commands reach, door what other machines do; nil if nobody may.
	socket front
	door   *door
	// observed is what watches the agent.
	observed *observed
}

func newService(w *wiring) *service {
	return &service{wiring: w, lasting: &lasting{observed: newObserved(w.settings.State, w.log)}}
}

// betweenStarts is how far apart turns begin that others start: what comes in a burst is done
// in one.
const betweenStarts = 2 * time.Second

// serve runs the loop, its socket and what other machines may ask until ctx is done. read
// reads the settings anew. It closes the wiring.
func (s *service) serve(ctx context.Context, asks func(*trigger.Loop) (forget func()), read func() (*config.Settings, error)) error {
	defer func() {
		// Of the service that is left in the end.
		if err := s.close(); err != nil {
			s.log.WarnContext(context.WithoutCancel(ctx), "not closed well", slog.Any("error", err))
		}
	}()
	listener, err := web.Listen(ctx, s.settings.Socket, s.settings.SocketGroup)
	if err != nil {
		return err
	}
	defer os.Remove(s.settings.Socket)
	now := time.Now()
	s.standing.Set(func(status *web.Status) {
		status.Version = web.StatusVersion
		status.Agent = &web.Agent{Process: os.Getpid(), Version: version(), Started: now}
		status.Lock.Since = now
	})
	s.rest = pause.Open(s.settings.State, nil)
	s.loop = trigger.New(s.work(""))
	told := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := s.start(ctx, stop); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.log.InfoContext(ctx, "agent started",
		slog.String("version", version()), slog.String("repository", s.repository.Source().String()), slog.String("socket", s.settings.Socket),
		slog.String("lock", s.lockStatus().State))
	ended := s.observed.live(ctx)
	defer ended()
	forget := asks(s.loop)
	defer forget()
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := web.Serve(ctx, listener, &s.socket, s.log); err != nil {
			stop(err)
		}
	})
	for s.loop.Run(ctx) {
		s.observed.manager.Reloading()
		s = s.reread(ctx, stop, read)
		s.observed.manager.Ready()
	}
	var broken error
	if told.Err() == nil {
		broken = context.Cause(ctx) // Nobody has told it to stop.
	}
	stop(nil)
	serving.Wait()
	s.end()
	s.door.close()
	s.lock.Lock()
	s.log.InfoContext(context.WithoutCancel(ctx), "agent stopped")
	return broken
}

// work is what the loop does by these settings.
func (s *service) work(why string) trigger.Work {
	work := trigger.Work{
		Turn: s.turn, Look: s.turner.Look, Retry: s.turner.Retry, Why: why, NextID: s.journal.NextID, Log: s.log,
		Tip: s.poll, Poll: time.Duration(s.settings.Poll), Sweep: time.Duration(s.settings.Sweep), Settle: betweenStarts,
		Paused: s.paused, Alive: s.observed.health.Beat,
	}
	for _, at := range s.settings.Sweeps() {
		work.SweepAt = append(work.SweepAt, at)
	}
	return work
}

// start begins all that these settings ask for beside the turns, until end. It may be
// called again afterwards. What goes wrong for good later is told to fail.
func (s *service) start(ctx context.Context, fail func(error)) error {
	from := s.repository.Source()
	s.standing.Set(func(status *web.Status) {
		status.Repository = web.Repository{URL: from.URL, Branch: from.Branch, Path: strings.TrimPrefix(from.Path, ".")}
		if c, taken := s.repository.Accepted(); taken && status.Commit.Hash == "" {
			status.Commit = report.Commit{Hash: c.Hash, Subject: c.Subject, Author: c.Author, Time: c.Time}
		}
	})
	within, cease := context.WithCancel(ctx)
	s.cease = cease
	var err error
	if s.teller, err = s.newTeller(within); err != nil {
		cease()
		return err
	}
	s.audience = audience{&s.standing, s.observed, telling{s.teller}}
	watch, err := s.newForge()
	if err != nil {
		s.end()
		return err
	}
	if watch != nil {
		s.audience = append(s.audience, watch)
	}
	s.audience = s.audience.patiently(s.log)
	s.turner.Planned, s.turner.Paused = s.audience.Planned, s.rest.Err
	s.observed.watch(s)
	// What may go wrong comes last.
	if err := s.openDoor(ctx, fail); err != nil {
		s.end()
		return err
	}
	if watch != nil {
		s.watching.Go(func() { watch.run(within) })
	}
	s.socket.answerBy(s.observed.onSocket(s.api().Handler()))
	return nil
}

// end ends what start began. The socket and the door are answered as before, until another
// service takes them over.
func (s *service) end() {
	s.cease()
	s.teller.Wait()
	s.watching.Wait()
}

// turn makes a turn, of which all hear who want to.
func (s *service) turn(ctx context.Context, req turn.Request) (*report.Report, error) {
	if req.ID == "" {
		req.ID = s.journal.NextID()
	}
	if req.Commit != "" {
		// What somebody proposes is no news of what is. But the loop lives.
		defer s.observed.proposed(req)()
		return s.turner.Run(ctx, req)
	}
	s.notePause(ctx)
	s.audience.Began(req)
	rep, err := s.turner.Run(ctx, req)
	s.audience.Ended(req, rep, err, s.turner.Waits())
	return rep, err
}

func (s *service) api() web.API {
	return web.API{
		Ask: s.loop.Ask, Order: s.loop.Order, Pause: s.pause, Resume: s.resume, Status: s.status, Known: s.turner.Known, Unlock: s.unlock, Lock: s.relock, Archive: archive(s.settings), Log: s.log,
	}
}

// status is how the agent stands now. Nobody waits for a turn.
func (s *service) status() web.Status {
	status := s.standing.Status()
	since := status.Lock.Since
	status.Lock = s.lockStatus()
	status.Lock.Since = since
	if made := s.lock.Written(); status.Lock.State == web.LockLocked && made.After(since) {
		status.Lock.Since = made // There was nothing to lock before.
	}
	status.Asked = nil
	for _, a := range s.journal.AllAsked() {
		status.Asked = append(status.Asked, web.Asked{Playbook: a.Playbook, Hosts: a.Hosts, Why: a.Why})
	}
	if own, shown := s.ownCertificate(); shown {
		status.Expiries = append(slices.Clip(status.Expiries), own)
	}
	status.Paused = s.restNow()
	if since, reason := s.loop.Deaf(); status.Refused == nil && !since.IsZero() {
		status.Refused = &report.Refusal{Reason: reason, Since: since}
	}
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
	switch s.lockStatus().State {
	case web.LockOpen:
		return web.Locked{}, errOpen
	case web.LockNew:
		return web.Locked{}, lock.ErrNew
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
