package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift/explain"
	"berth/drift/report"
)

// ExplainRequest is the body of a request for all that is known of a resource.
type ExplainRequest struct {
	Resource desired.ID `json:"resource"`
}

// Explained is one resource, and the commit by which it is judged.
type Explained struct {
	Fleet  string        `json:"fleet,omitempty"`
	Commit report.Commit `json:"commit,omitzero"`
	// Refused is a newer commit that is not enforced; nil if there is none.
	Refused *report.Refusal `json:"refused,omitempty"`
	// Paused says why nothing is changed for now; "" if the agent is not paused.
	Paused      string               `json:"paused,omitempty"`
	Explanation *explain.Explanation `json:"explanation"`
}

// ExplainedBy is what a report tells of the resource that was asked for.
func ExplainedBy(rep *report.Report) *Explained {
	return &Explained{Fleet: rep.Fleet, Commit: rep.Commit, Refused: rep.Refused, Paused: rep.Paused, Explanation: rep.Explained}
}

// handleExplain serves what is known of a resource.
func (a API) handleExplain(routes *routes) {
	routes.HandleFunc("POST /v1/explain", func(w http.ResponseWriter, r *http.Request) {
		var body ExplainRequest
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		err := dec.Decode(&body)
		if errors.Is(err, io.EOF) || err == nil && (body.Resource.Kind() == "" || body.Resource.Name() == "") {
			err = errors.New(`write {"resource": "vm/web-1"}`)
		}
		if err != nil {
			fail(w, r, a.Log, http.StatusBadRequest, "the request names no resource: "+err.Error())
			return
		}
		rep, err := a.Ask(r.Context(), turn.Request{Mode: report.Drift, Explain: body.Resource})
		if err != nil {
			status := http.StatusInternalServerError
			if _, unknown := errors.AsType[*turn.UnknownResourceError](err); unknown {
				status = http.StatusNotFound
			}
			fail(w, r, a.Log, status, err.Error())
			return
		}
		answer(w, r, a.Log, http.StatusOK, ExplainedBy(rep))
	})
}

// Explain asks for all that is known of a resource. It fails with [ErrNoAgent] where no
// agent runs.
func (c *Client) Explain(ctx context.Context, id desired.ID) (*Explained, error) {
	body, err := json.Marshal(ExplainRequest{Resource: id})
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	status, text, err := c.do(ctx, http.MethodPost, "/v1/explain", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, refused(status, text)
	}
	out := &Explained{}
	if err := json.Unmarshal(text, out); err != nil || out.Explanation == nil {
		return nil, strange(status, text)
	}
	if v := out.Explanation.Version; v > explain.Version {
		return nil, fmt.Errorf("ask the agent: its explanation is of version %d and this command knows %d: use the newer one", v, explain.Version)
	}
	return out, nil
}
