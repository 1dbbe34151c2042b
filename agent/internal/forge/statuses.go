package forge

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"berth/agent/internal/durable"
	"berth/agent/internal/retryafter"
	"berth/agent/internal/trouble"
)

const (
	// maxWanted bounds the statuses that wait to be set, maxKept those that are known to
	// be set: for others the forge is told once more.
	maxWanted, maxKept = 32, 64
	// maxSameState is how often a status is set that differs only in its words: forges
	// take a thousand of one commit.
	maxSameState = 20
	// firstPause is waited after the forge could not be told, and twice as long each
	// time, up to lastPause.
	firstPause, lastPause = 5 * time.Second, 10 * time.Minute
)

// Setter sets the status of a commit, as a [Client] does.
type Setter interface {
	SetStatus(ctx context.Context, s Status) error
}

// Statuses tells a forge how commits fare, one after the other. Nobody who tells it
// anything waits: while the forge can't be told the newest of each commit is kept. What
// a forge knows already it is not told again, not even after a restart.
type Statuses struct {
	to   Setter
	file string
	log  *slog.Logger
	// ready has something in it while there is something to tell.
	ready chan struct{}
	// mute is that the forge can't be told.
	mute trouble.Ongoing

	mu     sync.Mutex // guards what follows
	wanted []Status   // the oldest first, one for each commit and context
	kept   []kept     // the newest last
}

// kept is what a forge was told of a commit.
type kept struct {
	Commit      string `json:"commit"`
	Context     string `json:"context"`
	State       State  `json:"state"`
	Description string `json:"description"`
	// Times is how often it was told the same with other words.
	Times int `json:"times,omitempty"`
}

// statusesFile is how they are written down.
type statusesFile struct {
	Version  int    `json:"version"`
	Statuses []kept `json:"statuses"`
}

const statusesVersion = 1

// NewStatuses reads what the forge was told from file. It is worth little: where it
// can't be read the forge is told once more.
func NewStatuses(to Setter, file string, log *slog.Logger) *Statuses {
	s := &Statuses{to: to, file: file, log: log, ready: make(chan struct{}, 1)}
	raw, err := os.ReadFile(file)
	var was statusesFile
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		log.Warn("what the forge was told can't be read: it is told once more", slog.Any("error", err))
	case json.Unmarshal(raw, &was) != nil || was.Version != statusesVersion:
		log.Warn("what the forge was told can't be understood: it is told once more", slog.String("file", file))
	default:
		s.kept = was.Statuses[:min(len(was.Statuses), maxKept)]
	}
	return s
}

// Tell has a status set, unless it is so already. It returns at once.
func (s *Statuses) Tell(status Status) { s.tell(status, false) }

// TellFirst does so for a commit of which nothing was told before.
func (s *Statuses) TellFirst(status Status) { s.tell(status, true) }

func (s *Statuses) tell(status Status, first bool) {
	if status.Commit == "" {
		return
	}
	status.Description = clip(plain(status.Description, nil), maxDescription)
	s.mu.Lock()
	defer s.mu.Unlock()
	same := func(w Status) bool { return w.Commit == status.Commit && w.Context == status.Context }
	i := slices.IndexFunc(s.wanted, same)
	if first && (i >= 0 || s.known(status) != nil) {
		return
	}
	switch {
	case s.known(status).says(status):
		// What waits to be told meanwhile is no longer so.
		s.wanted = slices.DeleteFunc(s.wanted, same)
		return
	case i >= 0:
		s.wanted[i] = status
	default:
		s.wanted = append(s.wanted, status)
		if len(s.wanted) > maxWanted {
			s.wanted = s.wanted[1:]
		}
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// known is what the forge was told of a commit; nil is nothing. The caller holds mu.
func (s *Statuses) known(status Status) *kept {
	for i := range s.kept {
		if k := &s.kept[i]; k.Commit == status.Commit && k.Context == status.Context {
			return k
		}
	}
	return nil
}

// says tells whether the forge need not be told: the state is the same, and either its
// words are, or they say little that is new.
func (k *kept) says(s Status) bool {
	return k != nil && k.State == s.State && (k.Description == s.Description || k.State == Success || k.Times >= maxSameState)
}

// Run tells the forge until ctx is done.
func (s *Statuses) Run(ctx context.Context) {
	pause := firstPause
	for {
		status, ok := s.oldest()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-s.ready:
				continue
			}
		}
		err := s.to.SetStatus(ctx, status)
		if ctx.Err() != nil {
			return
		}
		failed, _ := errors.AsType[*Error](err)
		switch {
		case err == nil:
			if told, news := s.mute.Over(); news {
				s.log.InfoContext(ctx, "the forge takes the status of commits again", slog.Time("since", told.Since), slog.Int("failed", told.Times))
			}
			pause = firstPause
			s.done(ctx, status)
			continue
		case failed != nil && hopeless(failed.Status):
			s.log.WarnContext(ctx, "the forge refuses the status of a commit", slog.String("commit", status.Commit), slog.Any("error", err))
			s.done(ctx, status)
			continue
		}
		if told, due := s.mute.Due(time.Now(), err.Error()); due {
			s.log.WarnContext(ctx, "the status of a commit can't be set, it is tried again", slog.String("commit", status.Commit), slog.Any("error", err),
				slog.Time("since", told.Since), slog.Int("times", told.Times))
		}
		wait := pause
		if failed != nil {
			wait = max(pause, failed.RetryAfter)
		}
		if retryafter.Wait(ctx, wait) != nil {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// hopeless tells that the same is refused again whenever it is asked.
func hopeless(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false // The token, or the settings, may be mended.
	}
	return status >= 400 && status < 500
}

func (s *Statuses) oldest() (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wanted) == 0 {
		return Status{}, false
	}
	return s.wanted[0], true
}

// done notes what the forge was told.
func (s *Statuses) done(ctx context.Context, status Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Another may have taken its place meanwhile.
	s.wanted = slices.DeleteFunc(s.wanted, func(w Status) bool { return w == status })
	now := kept{Commit: status.Commit, Context: status.Context, State: status.State, Description: status.Description}
	if was := s.known(status); was != nil && was.State == status.State {
		now.Times = was.Times + 1
	}
	s.kept = slices.DeleteFunc(s.kept, func(k kept) bool { return k.Commit == status.Commit && k.Context == status.Context })
	s.kept = append(s.kept, now)
	s.kept = s.kept[max(0, len(s.kept)-maxKept):]
	raw, err := json.MarshalIndent(statusesFile{Version: statusesVersion, Statuses: s.kept}, "", "\t")
	if err == nil {
		err = durable.Replace(s.file, raw, 0o600)
	}
	if err != nil {
		s.log.WarnContext(ctx, "what the forge was told can't be written down", slog.Any("error", err))
	}
}
