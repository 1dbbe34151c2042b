package main

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"

	"berth/agent/internal/config"
	"berth/agent/internal/health"
	"berth/agent/internal/metrics"
	"berth/agent/internal/systemd"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/applyers/proxmox"
	"berth/drift/report"
)

// observed is what watches an agent that runs: what is counted, whether it lives, and
// what systemd is told. It hears of each turn, and outlives a change of the settings.
type observed struct {
	metrics *metrics.Metrics
	health  *health.Health
	manager *systemd.Manager
	// status tells how the agent stands: that of the newest settings. A turn that a
	// listener has held up may still read it when these change.
	status atomic.Pointer[func() web.Status]
}

func newObserved(state string, log *slog.Logger) *observed {
	return &observed{
		metrics: metrics.New(version(), filepath.Join(state, "journal"), nil),
		health:  health.New(nil), manager: systemd.New(log),
	}
}

// watch has all that a service does watched, from before its first turn on.
func (o *observed) watch(s *service) {
	status := s.status
	o.status.Store(&status)
	o.metrics.Watch(s.status)
	s.asked = o.asked
	s.turner.Alive = o.health.Beat
}

// Began hears that a turn begins.
func (o *observed) Began(req turn.Request) {
	o.metrics.Began(req)
	o.health.Began(req)
	o.manager.Status(o.headline())
}

// Planned hears what a turn is about to do.
func (o *observed) Planned(req turn.Request, rep *report.Report) {
	o.metrics.Planned(req, rep)
	o.health.Planned(req, rep)
}

// Ended hears what came of a turn.
func (o *observed) Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait) {
	o.metrics.Ended(req, rep, err, waits)
	o.health.Ended(req, rep, err, waits)
	o.manager.Status(o.headline())
}

// headline says in a line how the agent stands.
func (o *observed) headline() string {
	status := o.status.Load()
	if status == nil {
		return headline(web.Status{})
	}
	return headline((*status)())
}

// proposed hears that a plan of a proposal begins, which may take as long as a turn; it
// is over once ended is called.
func (o *observed) proposed(req turn.Request) (ended func()) {
	o.health.Began(req)
	return func() { o.health.Ended(req, nil, nil, nil) }
}

// poll asks for the newest commit, and has it heard whether the repository answered.
func (s *service) poll(ctx context.Context) (string, error) {
	tip, err := s.tip(ctx)
	s.observed.polled(ctx, err)
	return tip, err
}

// polled hears whether the repository answered.
func (o *observed) polled(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // Told to stop: it was not asked to the end.
	}
	o.metrics.Polled(err)
	o.health.Polled(err)
}

// asked hears of a request to Proxmox.
func (o *observed) asked(r proxmox.Request) {
	o.metrics.Request(r.Site, r.Method, r.Path, r.Status, r.Took)
	o.health.Beat()
}

// live keeps systemd informed until the agent has ended; it is over once ended is called.
func (o *observed) live(ctx context.Context) (ended func()) {
	o.manager.Ready()
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	go o.manager.Watch(watching, o.health.Alive)
	var once sync.Once
	stopping := func() {
		once.Do(func() {
			o.health.Stop()
			o.manager.Stopping()
		})
	}
	forget := context.AfterFunc(ctx, stopping)
	return func() {
		forget()
		stopping()
		unwatch()
		o.manager.Close()
	}
}

// onSocket serves what there is to watch beside the API, to whoever may use the socket.
func (o *observed) onSocket(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("/metrics", o.metrics.Handler())
	o.handleHealth(mux)
	return mux
}

// toOthers serves it to other machines, as far as the settings open it.
func (o *observed) toOthers(mux *http.ServeMux, settings config.HTTP, gate *web.Gate) {
	switch {
	case settings.Metrics == config.MetricsOpen:
		mux.Handle("/metrics", o.metrics.Handler())
	case len(settings.Tokens) > 0:
		mux.Handle("/metrics", gate.Require(web.ScopeRead, o.metrics.Handler()))
	}
	o.handleHealth(mux)
}

func (o *observed) handleHealth(mux *http.ServeMux) {
	mux.Handle("/healthz", o.health.Live())
	mux.Handle("/readyz", o.health.Readiness())
}
