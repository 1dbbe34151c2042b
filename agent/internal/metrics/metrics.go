// Package metrics is what Prometheus is told of an agent. No label holds the name or the
// number of a guest: there are as many series as there are kinds and sites.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth/agent/internal/web"
	"berth/drift/report"
)

// Metrics counts what happens, and shows how the agent stands. It may be used by many at
// once, and outlives a change of the settings. Who calls it never waits.
type Metrics struct {
	now      func() time.Time
	registry *prometheus.Registry

	turns         *prometheus.CounterVec
	durations     *prometheus.HistogramVec
	changes       *prometheus.CounterVec
	requests      *prometheus.CounterVec
	requestTimes  *prometheus.HistogramVec
	polls         *prometheus.CounterVec
	deliveries    *prometheus.CounterVec
	notifications *prometheus.CounterVec
	forge         *prometheus.CounterVec

	mu sync.Mutex
	// status tells how the agent stands; nil before it runs.
	status func() web.Status
	past   past
}

// New makes the metrics of an agent of a version. dir is its journal's directory; now is
// [time.Now] unless set.
func New(version, dir string, now func() time.Time) *Metrics {
	if now == nil {
		now = time.Now
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
		now: now, registry: prometheus.NewRegistry(),
		turns:         counter("berth_turns_total", "Turns that have ended.", "mode", "result"),
		durations:     histogram("berth_turn_duration_seconds", "How long turns have taken.", []float64{.1, .3, 1, 3, 10, 30, 100, 300, 1000, 3600}, "why"),
		changes:       counter("berth_changes_total", "Changes that a turn meant to make.", "kind", "outcome"),
		requests:      counter("berth_proxmox_requests_total", "Requests that were sent to Proxmox.", "method", "path", "status"),
		requestTimes:  histogram("berth_proxmox_request_duration_seconds", "How long requests to Proxmox have taken.", []float64{.01, .03, .1, .3, 1, 3, 10, 30}, "site"),
		polls:         counter("berth_polls_total", "Polls of the repository.", "result"),
		deliveries:    counter("berth_webhook_deliveries_total", "Webhooks that have come in.", "forge", "result"),
		notifications: counter("berth_notifications_total", "Notifications.", "target", "result"),
		forge:         counter("berth_forge_requests_total", "Requests to the API of the forge.", "result"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: buildInfo, Help: "The version that runs; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.past.began = now()
	m.registry.MustRegister(append(m.counters(), build, standing{m}, newSize(dir, now),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))...)
	// What alerts look at begins at zero, so that the first is an increase.
	for _, result := range []string{"ok", "failed", "broken"} {
		m.turns.WithLabelValues(string(report.Run), result)
	}
	for _, result := range []string{"ok", "failed"} {
		m.polls.WithLabelValues(result)
		m.forge.WithLabelValues(result)
	}
	return m
}

func (m *Metrics) counters() []prometheus.Collector {
	return []prometheus.Collector{m.turns, m.durations, m.changes, m.requests, m.requestTimes, m.polls, m.deliveries, m.notifications, m.forge}
}

// atOnce is how many scrapes are answered at once: more is somebody's mistake.
const atOnce = 4

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: atOnce, Timeout: 10 * time.Second,
	})
}

// Watch has scrapes ask how the agent stands.
func (m *Metrics) Watch(status func() web.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

// Request counts one that was sent to a site. path is its kind, which is one of a few;
// status 0 is that none was answered.
func (m *Metrics) Request(site, method, path string, status int, took time.Duration) {
	code := "none"
	if status > 0 {
		code = strconv.Itoa(status)
	}
	if status < 0 || status > 599 {
		code = "other"
	}
	m.requests.WithLabelValues(method, path, code).Inc()
	m.requestTimes.WithLabelValues(site).Observe(took.Seconds())
}

// Polled counts a poll of the repository, by the error with which it ended.
func (m *Metrics) Polled(err error) {
	m.polls.WithLabelValues(result(err)).Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past.polled(err != nil, m.now())
}

// Delivery counts a webhook, by the forge that sends such and what came of it.
func (m *Metrics) Delivery(forge, result string) { m.deliveries.WithLabelValues(forge, result).Inc() }

// Notified counts a notification, by who was to be told and what came of it.
func (m *Metrics) Notified(target, result string) {
	m.notifications.WithLabelValues(target, strings.ReplaceAll(result, " ", "_")).Inc()
}

// Target begins to count for one who is to be told: what alerts look at begins at zero, so
// that the first is an increase.
func (m *Metrics) Target(name string) {
	for _, result := range []string{"sent", "failed", "given_up", "dropped"} {
		m.notifications.WithLabelValues(name, result)
	}
}

// ForgeAsked counts a request to the forge's API.
func (m *Metrics) ForgeAsked(err error) { m.forge.WithLabelValues(result(err)).Inc() }

func result(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// Names are those of all metrics of the agent's own, sorted, whether there is a value yet
// or not.
func (m *Metrics) Names() []string {
	names := []string{buildInfo, journalSize}
	for name := range described() {
		names = append(names, name)
	}
	for _, c := range m.counters() {
		out := make(chan *prometheus.Desc, 1)
		c.Describe(out)
		// A description tells its name but to people: Desc{fqName: "berth_x", help: …
		_, rest, _ := strings.Cut((<-out).String(), `"`)
		name, _, _ := strings.Cut(rest, `"`)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The names of what stands by itself.
const (
	buildInfo   = "berth_build_info"
	journalSize = "berth_journal_size_bytes"
)
