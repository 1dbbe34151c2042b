// Package systemd tells the service manager how the agent stands, as sd_notify(3) says.
package systemd

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"berth/drift/report"
)

const (
	// longest is the most that a status says, in bytes.
	longest = 300
	// extendEvery is how often more time is asked for while the agent stops, extendBy how
	// much, extendFor how long at most.
	extendEvery = 2 * time.Second
	extendBy    = "10000000" // microseconds
	extendFor   = time.Minute
	// patience is how long the last words may take to be taken.
	patience = time.Second
)

// Manager is who started the agent. Where that was nobody who wants to know, nothing is
// told. No method waits.
type Manager struct {
	log  *slog.Logger
	send func(state string) (told bool, err error)
	// watchdog is how often a sign of life is due; zero for never.
	watchdog time.Duration

	states chan string
	over   chan struct{}

	mu     sync.Mutex
	closed bool
	status string
}

// New finds the manager in the environment, where [daemon] looks for it.
func New(log *slog.Logger) *Manager {
	m := &Manager{
		log: log, states: make(chan string, 64), over: make(chan struct{}),
		send: func(state string) (bool, error) { return daemon.SdNotify(false, state) },
	}
	var err error
	if m.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("watchdog of systemd can't be used", slog.Any("error", err))
	}
	go m.deliver()
	return m
}

// deliver hands over what is told, one after the other: the manager may be busy.
func (m *Manager) deliver() {
	defer close(m.over)
	failed := false
	for state := range m.states {
		_, err := m.send(state)
		if err != nil && !failed {
			m.log.Warn("systemd can't be told how the agent stands", slog.Any("error", err))
		}
		failed = err != nil
	}
}

// tell hands over, and drops what a manager that takes nothing can't be told.
func (m *Manager) tell(state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	select {
	case m.states <- state:
	default:
	}
}

// Ready tells that the agent does its work, after a start or a reload.
func (m *Manager) Ready() { m.tell(daemon.SdNotifyReady) }

// Reloading tells that the settings are read anew; [Manager.Ready] is the end of that.
func (m *Manager) Reloading() {
	m.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Status tells in a line how the agent stands, where that is another than before.
func (m *Manager) Status(text string) {
	text = report.Clip(strings.Join(strings.Fields(text), " "), longest)
	m.mu.Lock()
	former := m.status
	m.status = text
	m.mu.Unlock()
	if text != former {
		m.tell("STATUS=" + text)
	}
}

// Watch gives the manager signs of life until ctx is done, as long as alive has nothing
// to say against it. Without a watchdog it comes back at once.
func (m *Manager) Watch(ctx context.Context, alive func() (why string)) {
	if m.watchdog <= 0 {
		return
	}
	every := time.NewTicker(m.watchdog / 2)
	defer every.Stop()
	silent := false
	for {
		why := alive()
		if why == "" {
			m.tell(daemon.SdNotifyWatchdog)
		} else if !silent {
			m.log.ErrorContext(ctx, "systemd gets no sign of life any more", slog.String("reason", why))
		}
		silent = why != ""
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// Stopping tells that the agent ends, and asks for the time that this takes, until
// [Manager.Close].
func (m *Manager) Stopping() {
	const extend = "EXTEND_TIMEOUT_USEC=" + extendBy
	m.tell(daemon.SdNotifyStopping + "\nSTATUS=stopping: what has begun comes to its end\n" + extend)
	go func() {
		more := time.NewTicker(extendEvery)
		defer more.Stop()
		for end := time.Now().Add(extendFor); time.Now().Before(end); {
			select {
			case <-more.C:
				m.tell(extend)
			case <-m.over:
				return
			}
		}
	}()
}

// Close has said what there was to say.
func (m *Manager) Close() {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		close(m.states)
	}
	m.mu.Unlock()
	select {
	case <-m.over:
	case <-time.After(patience):
	}
}
