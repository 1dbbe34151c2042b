package turn

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift/report"
)

// watch is what is looked at between turns: what the last one saw, and by whom.
type watch struct {
	fleet    *desired.Fleet
	watchers []applyers.Watcher
	counted  func() map[string]int
	// dark are the sites that the turn could not read.
	dark map[string]bool
}

// darkWait is how soon a turn may follow one that was started for a site which seemed
// to be back, and found it dark again; it doubles each time, up to an hour.
const darkWait = time.Minute

// keep makes the turn that a report is about what [Turner.Look] compares with.
func (t *Turner) keep(fleet *desired.Fleet, all []applyers.Applyer, counted func() map[string]int, rep *report.Report) {
	w := &watch{fleet: fleet, counted: counted, dark: make(map[string]bool)}
	for _, a := range all {
		if watcher, ok := a.(applyers.Watcher); ok {
			w.watchers = append(w.watchers, watcher)
		}
	}
	vain := false
	for _, b := range rep.Plan.Blind {
		if b.ID == "" && b.Site != "" {
			w.dark[b.Site] = true
			vain = vain || t.knocked[b.Site]
		}
	}
	switch {
	case vain:
		t.dark.delay = min(max(2*t.dark.delay, darkWait), longestWait)
		t.dark.at = t.Now().Add(t.dark.delay)
	case len(w.dark) == 0 || len(t.knocked) > 0:
		t.dark = again{}
	}
	t.knocked = nil
	t.watched = w
}

// Look asks whether something has changed behind the agent's back since the last turn
// that was not a dry run, and tells what, for the log; "" is nothing. It costs a few
// requests and writes nothing. What it says stays so until a turn is made.
//
// Where a turn is due by itself, as after one that failed, there is nothing to ask.
func (t *Turner) Look(ctx context.Context) string {
	if t.watched == nil || !t.broken.at.IsZero() {
		return ""
	}
	began := t.Now()
	var news []applyers.News
	for _, w := range t.watched.watchers {
		news = append(news, w.Watch(ctx, t.watched.fleet)...)
	}
	requests := total(t.watched.counted())
	if ctx.Err() != nil {
		return ""
	}
	if t.Now().Before(t.dark.at) {
		// It has seemed to be back before, and was not.
		news = slices.DeleteFunc(news, func(n applyers.News) bool { return n.ID == "" && t.watched.dark[n.Site] })
	}
	t.Log.DebugContext(ctx, "polled", slog.Int("requests", requests), slog.Duration("duration", t.Now().Sub(began)), slog.Int("news", len(news)))
	if len(news) == 0 {
		return ""
	}
	t.knocked = make(map[string]bool)
	for _, n := range news {
		if n.ID == "" && t.watched.dark[n.Site] {
			t.knocked[n.Site] = true
		}
		t.Log.DebugContext(ctx, "news", slog.String("news", n.String()))
	}
	return "changed: " + news[0].String()
}
