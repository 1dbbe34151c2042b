package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// JSON writes the report for machines, with its version and its summary worked
// out.
func JSON(w io.Writer, r *Report) error {
	out := *r
	out.Version = Version
	out.Summarize()
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Read reads what [JSON] wrote. A report of a newer version is refused, never
// guessed at.
func Read(r io.Reader) (*Report, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	switch {
	case head.Version > Version:
		return nil, fmt.Errorf("read report: it has version %d, newer than %d: read it with the agent that wrote it, or a newer one", head.Version, Version)
	case head.Version < 1:
		return nil, errors.New("read report: it has no version, so it is no report")
	}
	var out Report
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return &out, nil
}
