package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"berth/agent/internal/pause"
)

// PauseRequest asks that the agent changes nothing for a while.
type PauseRequest struct {
	// Until is when that ends by itself; zero is when somebody ends it.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// By is who asks, where the socket does not tell: as the one behind sudo.
	By string `json:"by,omitempty"`
}

// Paused is the answer to a pause.
type Paused struct {
	Pause pause.Pause `json:"pause"`
	// Already tells that it was paused before, which is replaced.
	Already bool `json:"already,omitempty"`
	// Busy tells that a turn is under way: what it has begun ends, and it begins no more.
	Busy bool `json:"busy,omitempty"`
}

// Resumed is the answer to who ends a pause.
type Resumed struct {
	// Was is the pause that there was; nil if there was none.
	Was *pause.Pause `json:"was,omitempty"`
	// Turn is the id of the turn that makes good what was left.
	Turn string `json:"turn,omitempty"`
}

// maxReason is how long the reason of a pause, and the name of who asks, may be.
const maxReason = 500

func (p *PauseRequest) read(w http.ResponseWriter, r *http.Request) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the request is no pause: %w", err)
	}
	for _, text := range []string{p.Reason, p.By} {
		if utf8.RuneCountInString(text) > maxReason || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("the request is no pause: write the reason in one line of at most %d letters", maxReason)
		}
	}
	if !p.Until.IsZero() && !p.Until.After(time.Now()) {
		return fmt.Errorf("the request is no pause: until %s is over, and here it is %s", p.Until.Format(time.RFC3339), time.Now().Format(time.RFC3339))
	}
	who := Peer(r.Context())
	if who == "" {
		who = r.RemoteAddr
	}
	switch {
	case p.By == "":
		p.By = who
	case who != "" && p.By != who:
		p.By += " (" + who + ")"
	}
	return nil
}

func (a API) handlePause(routes *routes) {
	routes.HandleFunc("POST /v1/pause", func(w http.ResponseWriter, r *http.Request) {
		var body PauseRequest
		if err := body.read(w, r); err != nil {
			fail(w, r, a.Log, http.StatusBadRequest, err.Error())
			return
		}
		out, err := a.Pause(r.Context(), body)
		if err != nil {
			fail(w, r, a.Log, http.StatusInternalServerError, err.Error())
			return
		}
		answer(w, r, a.Log, http.StatusOK, out)
	})
	routes.HandleFunc("POST /v1/resume", func(w http.ResponseWriter, r *http.Request) {
		out, err := a.Resume(r.Context())
		if err != nil {
			fail(w, r, a.Log, http.StatusInternalServerError, err.Error())
			return
		}
		answer(w, r, a.Log, http.StatusOK, out)
	})
}

// Pause has the agent change nothing for a while. It fails with [ErrNoAgent] where none
// runs.
func (c *Client) Pause(ctx context.Context, req PauseRequest) (out Paused, err error) {
	body, err := json.Marshal(req)
	if err != nil {
		return out, fmt.Errorf("ask the agent: %w", err)
	}
	return out, c.post(ctx, "/v1/pause", bytes.NewReader(body), &out)
}

// Resume ends a pause. It fails with [ErrNoAgent] where no agent runs.
func (c *Client) Resume(ctx context.Context) (out Resumed, err error) {
	return out, c.post(ctx, "/v1/resume", http.NoBody, &out)
}

// post asks for what is answered at once.
func (c *Client) post(ctx context.Context, path string, body io.Reader, out any) error {
	code, text, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if code == http.StatusOK && json.Unmarshal(text, out) == nil {
		return nil
	}
	var wrong failure
	if json.Unmarshal(text, &wrong) == nil && wrong.Error != "" {
		return errors.New(wrong.Error)
	}
	return strange(code, text)
}
