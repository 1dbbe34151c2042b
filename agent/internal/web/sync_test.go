package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/pause"
	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift/report"
)

// looped is an API over a loop whose turns take a minute.
func looped(t *testing.T, paused func() (time.Time, error)) (http.Handler, func() []turn.Request) {
	t.Helper()
	made := make(chan turn.Request, 100)
	loop := trigger.New(trigger.Work{
		Turn: func(_ context.Context, req turn.Request) (*report.Report, error) {
			made <- req
			<-time.After(time.Minute)
			if req.Plan == "old" {
				return &report.Report{}, &turn.PlanChangedError{Asked: "old", Now: "new"}
			}
			if slices.Contains(req.Only, "vm/wbe") {
				return nil, fmt.Errorf("sync: %w", &turn.UnknownResourceError{Word: "vm/wbe", Near: []string{"vm/web"}})
			}
			return &report.Report{Turn: req.ID, Mode: req.Mode}, nil
		},
		Tip: func(context.Context) (string, error) { return "", nil }, Poll: time.Hour, Sweep: 24 * time.Hour, Log: slog.New(slog.DiscardHandler),
		NextID: func() string { return "turn-1" }, Paused: paused,
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); loop.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	<-made
	pass(time.Minute + time.Second)
	turns := func() (all []turn.Request) {
		for {
			select {
			case req := <-made:
				all = append(all, req)
			default:
				return all
			}
		}
	}
	return web.API{Ask: loop.Ask, Order: loop.Order, Log: slog.New(slog.DiscardHandler)}.Handler(), turns
}

func pass(d time.Duration) { <-time.After(d) }

func ask(ctx context.Context, h http.Handler, path, body string) (int, map[string]any, time.Duration) {
	began := time.Now()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body)))
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w.Code, out, time.Since(began)
}

func TestSyncWaitsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, turns := looped(t, nil)
		for _, row := range []struct {
			body   string
			status int
			has    string
			takes  time.Duration
		}{
			{``, 200, "report", time.Minute},
			{`{"wait": true, "only": ["vm/web-1"]}`, 200, "report", time.Minute},
			{`{"wait": false}`, 202, "turn", 0},
			{`{"waitFor": "5m"}`, 200, "report", time.Minute},
			{`{"waitFor": "30s"}`, 202, "turn", 30 * time.Second},
			{`{"plan": "old"}`, 409, "planChanged", time.Minute},
			{`{"only": ["vm/wbe"]}`, 404, "error", time.Minute},
			{`{"waitFor": "soon"}`, 400, "error", 0},
			{`{"waitFor": "-1s"}`, 400, "error", 0},
			{`{"waitFor": "1s", "wait": false}`, 400, "error", 0},
			{`{"weight": false}`, 400, "error", 0},
		} {
			status, out, took := ask(t.Context(), h, "/v1/sync", row.body)
			if status != row.status || out[row.has] == nil || took != row.takes {
				t.Errorf("%s: %d after %s: %v, want %d with %s after %s", row.body, status, took, out, row.status, row.has, row.takes)
			}
			pass(10 * time.Minute)
			if n := len(turns()); n != 1 && row.status != 400 || row.status == 400 && n > 0 {
				t.Errorf("%s: %d turns are made", row.body, n)
			}
		}
	})
}

// Who goes away before the turn has begun takes it with him, unless he said that he
// would not wait for its end.
func TestSyncThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, turns := looped(t, nil)
		ask(t.Context(), h, "/v1/sync", `{"wait": false, "only": ["vm/db-1"]}`)
		synctest.Wait()
		given, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		ask(given, h, "/v1/sync", `{}`)
		ask(given, h, "/v1/sync", `{"waitFor": "2h", "only": ["vm/web-1"]}`)
		pass(10 * time.Minute)
		if all := turns(); len(all) != 2 || all[1].Only[0] != "vm/web-1" {
			t.Errorf("made: %+v", all)
		}
	})
}

func TestSyncWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pause.Pause{Since: time.Now(), By: "ann", Reason: "the switch is replaced"}
		h, turns := looped(t, func() (time.Time, error) { return time.Time{}, &pause.Error{Pause: p} })
		for _, body := range []string{`{}`, `{"wait": false}`, `{"waitFor": "1m"}`} {
			status, out, took := ask(t.Context(), h, "/v1/sync", body)
			told, _ := out["paused"].(map[string]any)
			if status != 409 || told["by"] != "ann" || told["reason"] != "the switch is replaced" || took > 0 {
				t.Errorf("%s: %d, %v after %s", body, status, out, took)
			}
		}
		pass(time.Minute)
		if all := turns(); len(all) > 0 {
			t.Errorf("made: %+v", all)
		}
	})
}

func TestPauseIsReadWithCare(t *testing.T) {
	var got web.PauseRequest
	h := web.API{
		Pause: func(_ context.Context, req web.PauseRequest) (web.Paused, error) {
			got = req
			return web.Paused{Pause: pause.Pause{By: req.By}, Busy: true}, nil
		},
		Resume: func(context.Context) (web.Resumed, error) { return web.Resumed{}, errors.New("the disk is gone") },
		Log:    slog.New(slog.DiscardHandler),
	}.Handler()
	for body, want := range map[string]int{
		``: 200, `{"reason": "the switch", "by": "ann"}`: 200,
		`{"until": "2001-01-01T00:00:00Z"}`: 400, `{"until": "soon"}`: 400, `{"untl": "x"}`: 400,
		`{"reason": "a\nb"}`: 400, `{"by": "` + strings.Repeat("x", 501) + `"}`: 400,
	} {
		if status, out, _ := ask(t.Context(), h, "/v1/pause", body); status != want {
			t.Errorf("%.50s: %d, %v, want %d", body, status, out, want)
		}
	}
	if status, _, _ := ask(t.Context(), h, "/v1/pause", `{"by": "ann"}`); status != 200 || got.By != "ann (192.0.2.1:1234)" {
		t.Errorf("%d: paused by %q", status, got.By)
	}
	if status, out, _ := ask(t.Context(), h, "/v1/resume", ``); status != 500 || out["error"] != "the disk is gone" {
		t.Errorf("resume: %d, %v", status, out)
	}
}
