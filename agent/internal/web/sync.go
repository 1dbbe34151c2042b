package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"berth/agent/internal/pause"
	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// Order has a turn made whether anybody waits for it or not.
type Order func(req turn.Request) (*trigger.Order, error)

// SyncRequest is the body of a sync.
type SyncRequest struct {
	// Plan, if set, is the digest of the only plan to apply.
	Plan string `json:"plan,omitempty"`
	// Only are the resources that it is about; see [turn.Request].
	Only         []string `json:"only,omitempty"`
	AcceptSource bool     `json:"acceptSource,omitempty"`
	// Run are playbooks to run whether they are due or not.
	Run []turn.Asking `json:"run,omitempty"`
	// Wait is whether the answer comes with the report, once the turn is over: true
	// unless it says otherwise. A turn that nobody waits for any more is not made if it
	// has not begun.
	Wait *bool `json:"wait,omitempty"`
	// WaitFor is how long, as in "5m", the answer waits for the report at most. The turn
	// is made in any case.
	WaitFor string `json:"waitFor,omitempty"`
}

// request is the turn that is asked for.
func (s *SyncRequest) request() turn.Request {
	return turn.Request{
		Mode: report.Run, Plan: s.Plan, AcceptSource: s.AcceptSource, Only: s.Only, Afresh: s.Plan == "", Run: s.Run,
	}
}

func (s *SyncRequest) read(w http.ResponseWriter, r *http.Request) (waitFor time.Duration, err error) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("the request is no sync: %w", err)
	}
	if s.WaitFor == "" {
		return 0, nil
	}
	if waitFor, err = time.ParseDuration(s.WaitFor); err != nil || waitFor <= 0 {
		return 0, fmt.Errorf("the request is no sync: waitFor: %q is no length of time: write 90s or 5m", s.WaitFor)
	}
	if s.Wait != nil && !*s.Wait {
		return 0, errors.New("the request is no sync: waitFor says how long to wait, and wait not to: leave one out")
	}
	return waitFor, nil
}

func (a API) handleSync(routes *routes) {
	routes.HandleFunc("POST /v1/sync", func(w http.ResponseWriter, r *http.Request) {
		var body SyncRequest
		waitFor, err := body.read(w, r)
		if err != nil {
			fail(w, r, a.Log, http.StatusBadRequest, err.Error())
			return
		}
		if body.AcceptSource && !mayAsk(r.Context(), scopeHere) {
			fail(w, r, a.Log, http.StatusForbidden, "acceptSource goes by the agent's socket alone, on its own host: no token has it follow another repository")
			return
		}
		if waitFor == 0 && (body.Wait == nil || *body.Wait) {
			rep, err := a.Ask(r.Context(), body.request())
			a.came(w, r, rep, err)
			return
		}
		order, err := a.Order(body.request())
		if err != nil {
			a.came(w, r, nil, err)
			return
		}
		if waitFor > 0 {
			ctx, stop := context.WithTimeout(r.Context(), waitFor)
			defer stop()
			if rep, err := order.Wait(ctx); ctx.Err() == nil || rep != nil {
				a.came(w, r, rep, err)
				return
			}
		}
		answer(w, r, a.Log, http.StatusAccepted, reply{Turn: order.Turn})
	})
}

// came answers with what came of a turn.
func (a API) came(w http.ResponseWriter, r *http.Request, rep *report.Report, err error) {
	out, status := reply{Report: rep}, http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
		out.Error = err.Error()
		plan, isPlan := errors.AsType[*turn.PlanChangedError](err)
		rests, isPaused := errors.AsType[*pause.Error](err)
		switch {
		case isPlan:
			status = http.StatusConflict
			out.Changed = &changed{Asked: plan.Asked, Now: plan.Now}
		case isPaused:
			status = http.StatusConflict
			out.Paused = &rests.Pause
		case turn.Mistaken(err):
			status = http.StatusNotFound
		case errors.Is(err, trigger.ErrBusy), errors.Is(err, trigger.ErrStopping):
			status = http.StatusServiceUnavailable
		}
	}
	answer(w, r, a.Log, status, out)
}

// Sync asks for a turn at once and waits for its report. It fails with
// [ErrNoAgent] where no agent runs, with a [turn.PlanChangedError] where the plan is
// another, and with a [pause.Error] where the agent is paused.
func (c *Client) Sync(ctx context.Context, req SyncRequest) (*report.Report, error) {
	out, err := c.sync(ctx, req)
	if err != nil {
		return nil, err
	}
	return out.result()
}

// Order is [Client.Sync] for a request that does not wait for the end: where there is no
// report there is the id of the turn.
func (c *Client) Order(ctx context.Context, req SyncRequest) (rep *report.Report, id string, err error) {
	out, err := c.sync(ctx, req)
	if err != nil {
		return nil, "", err
	}
	if out.Error == "" && out.Turn != "" {
		return nil, out.Turn, nil
	}
	rep, err = out.result()
	return rep, "", err
}

func (c *Client) sync(ctx context.Context, req SyncRequest) (*reply, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return c.reply(ctx, "/v1/sync", bytes.NewReader(body))
}
