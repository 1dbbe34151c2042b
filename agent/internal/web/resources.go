package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"berth/drift/report"
)

// DriftRequest is the body of a request for what differs; none is all.
type DriftRequest struct {
	// Only are the resources that it is about; see [turn.Request].
	Only []string `json:"only,omitempty"`
	// Commit, if set, is a commit to look at that nobody has accepted; see
	// [turn.Request].
	Commit string `json:"commit,omitempty"`
}

// driftOf reads what a request is about.
func driftOf(w http.ResponseWriter, r *http.Request) (DriftRequest, error) {
	var body DriftRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return body, fmt.Errorf("the request is none for what differs: %w", err)
	}
	return body, nil
}

// DriftOf asks for a report of what a turn would do. It fails with [ErrNoAgent] where no
// agent runs.
func (c *Client) DriftOf(ctx context.Context, req DriftRequest) (*report.Report, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return c.ask(ctx, "/v1/drift", bytes.NewReader(body))
}

// Resources are what a request may name, as of the agent's last turn.
func (c *Client) Resources(ctx context.Context) ([]string, error) {
	made, err := c.Inventory(ctx, "list", "")
	if err != nil {
		return nil, err
	}
	return made.Resources, nil
}
