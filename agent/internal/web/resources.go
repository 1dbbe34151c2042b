package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// DriftRequest is the body of a request for what differs; none is all.
type DriftRequest struct {
	// Only are the resources that it is about; see [turn.Request].
	Only []string `json:"only,omitempty"`
}

// onlyOf reads which resources a request is about.
func onlyOf(w http.ResponseWriter, r *http.Request) ([]string, error) {
	var body DriftRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the request is none for what differs: %w", err)
	}
	return body.Only, nil
}

// Resources are what a request may name, as of the agent's last turn.
func (c *Client) Resources(ctx context.Context) ([]string, error) {
	made, err := c.Inventory(ctx, "list", "")
	if err != nil {
		return nil, err
	}
	return made.Resources, nil
}
