// Package health tells whether an agent lives, and whether it can do its work. How well
// the fleet is, is another question: see `agent status`.
package health

import (
	"io"
	"net/http"
	"sync"
	"time"

	"berth/agent/internal/turn"
	"berth/drift/report"
)

const (
	// idleFor is how long a loop that has nothing to do may give no sign of life, and
	// silentFor a turn. What a turn waits for gives one each time something happens, and
	// so do the steps of a plan while they run. What is left is bounded: check mode, the
	// longest, is given up after 15 minutes.
	idleFor   = 2 * time.Minute
	silentFor = 20 * time.Minute
)

// Reasons are constant: a stranger may read them.
const (
	stuck    = "the loop gives no sign of life"
	young    = "no turn has been made yet"
	deaf     = "the repository can't be asked"
	stopping = "the agent is stopping"
)

// Health hears how turns go. It may be used by many at once, and nobody waits.
type Health struct {
	now func() time.Time

	mu sync.Mutex
	// beat is the last sign of life, turns how many turns are under way.
	beat  time.Time
	turns int
	// planned tells that a turn has come as far as a plan, silent that the repository did
	// not answer when it was asked last.
	planned, silent, stopping bool
}

// New makes the health of an agent that has just started. now is [time.Now] unless set.
func New(now func() time.Time) *Health {
	if now == nil {
		now = time.Now
	}
	return &Health{now: now, beat: now()}
}

// Beat is a sign of life.
func (h *Health) Beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = h.now()
}

// Began notes that a turn begins.
func (h *Health) Began(turn.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = h.now()
	h.turns++
}

// Planned is a sign of life.
func (h *Health) Planned(turn.Request, *report.Report) { h.Beat() }

// Ended notes what came of a turn.
func (h *Health) Ended(_ turn.Request, rep *report.Report, err error, _ []turn.Wait) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = h.now()
	h.turns = max(h.turns-1, 0)
	if err == nil && rep != nil && rep.Plan != nil {
		h.planned = true
		h.silent = rep.Refused.Unreachable()
	}
}

// Polled notes whether the repository answered.
func (h *Health) Polled(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = h.now()
	h.silent = err != nil
}

// Stop notes that the agent is told to end.
func (h *Health) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
}

// Alive tells why the agent is taken for dead; "" if it lives.
func (h *Health) Alive() (why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	bound := idleFor
	if h.turns > 0 {
		bound = silentFor
	}
	if h.now().Sub(h.beat) > bound {
		return stuck
	}
	return ""
}

// Ready tells why the agent can't do its work; "" if it can.
func (h *Health) Ready() (why string) {
	if why := h.Alive(); why != "" {
		return why
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopping:
		return stopping
	case !h.planned:
		return young
	case h.silent:
		return deaf
	}
	return ""
}

// Live answers whether the agent lives.
func (h *Health) Live() http.Handler { return answer(h.Alive) }

// Readiness answers whether the agent can do its work.
func (h *Health) Readiness() http.Handler { return answer(h.Ready) }

// answer tells 200, or 503 with the reason.
func answer(ask func() (why string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "write GET", http.StatusMethodNotAllowed)
			return
		}
		text, status := ask(), http.StatusServiceUnavailable
		if text == "" {
			text, status = "ok", http.StatusOK
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text+"\n") // Who has gone away asks again.
	})
}
