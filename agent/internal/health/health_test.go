package health_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/health"
	"berth/agent/internal/turn"
	"berth/drift"
	"berth/drift/report"
)

// TestHealth goes through the life of an agent.
func TestHealth(t *testing.T) {
	now := time.Unix(1e9, 0)
	h := health.New(func() time.Time { return now })
	want := func(what, live, ready string) {
		t.Helper()
		for text, handler := range map[string]http.Handler{"live " + live: h.Live(), "ready " + ready: h.Readiness()} {
			_, text, _ := strings.Cut(text, " ")
			out := httptest.NewRecorder()
			handler.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			status := http.StatusServiceUnavailable
			if text == "ok" {
				status = http.StatusOK
			}
			if out.Code != status || out.Body.String() != text+"\n" {
				t.Errorf("%s: got %d %q, want %d %q", what, out.Code, out.Body, status, text)
			}
		}
	}
	const (
		stuck = "the loop gives no sign of life"
		young = "no turn has been made yet"
		deaf  = "the repository can't be asked"
	)
	ran, dry := turn.Request{Mode: report.Run}, turn.Request{Mode: report.Drift}
	whole := &report.Report{Plan: &drift.Plan{}}
	want("just started", "ok", young)
	h.Began(ran)
	h.Ended(ran, nil, errors.New("the manifests do not load"), nil)
	want("a turn without a plan", "ok", young)
	h.Began(ran)
	now = now.Add(19 * time.Minute)
	want("a turn that is silent for long", "ok", young)
	h.Beat()
	now = now.Add(19 * time.Minute)
	want("a turn that gives a sign now and then", "ok", young)
	now = now.Add(2 * time.Minute)
	want("a turn that gives none", stuck, stuck)
	h.Ended(ran, whole, nil, nil)
	want("it ended after all", "ok", "ok")
	now = now.Add(time.Minute)
	h.Beat()
	now = now.Add(2 * time.Minute)
	want("a loop with nothing to do", "ok", "ok")
	now = now.Add(time.Second)
	want("a loop that is stuck", stuck, stuck)
	h.Polled(errors.New("no route to host"))
	want("a poll that failed", "ok", deaf)
	h.Polled(nil)
	want("a poll that went well", "ok", "ok")
	h.Began(dry)
	h.Ended(dry, &report.Report{Plan: &drift.Plan{}, Refused: &report.Refusal{}}, nil, nil)
	want("a turn by the last good commit", "ok", deaf)
	h.Ended(ran, &report.Report{Plan: &drift.Plan{}, Refused: &report.Refusal{Commit: report.Commit{Hash: "bad"}}}, nil, nil)
	want("a refused commit is a matter of the fleet", "ok", "ok")
	h.Stop()
	want("it is told to stop", "ok", "the agent is stopping")
	out := httptest.NewRecorder()
	h.Live().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if out.Code != http.StatusMethodNotAllowed || out.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", out.Code)
	}
}
