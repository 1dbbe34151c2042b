package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"berth/agent/internal/history"
	"berth/desired"
)

const (
	// turnsListed is how many turns, or lines, are told unless somebody says; mostTurns is
	// how many may be asked for.
	turnsListed = 20
	mostTurns   = 10000
)

// handleHistory serves what is kept of the past. Nobody waits for a turn.
func (a API) handleHistory(routes *routes) {
	routes.HandleFunc("GET /v1/turns", func(w http.ResponseWriter, r *http.Request) {
		q, err := queryOf(r.URL.Query())
		if err != nil {
			fail(w, r, a.Log, http.StatusBadRequest, err.Error())
			return
		}
		var out any
		if q.ID != "" {
			out, err = a.Archive.Story(q)
		} else {
			out, err = a.Archive.Turns(q)
		}
		a.tell(w, r, out, err)
	})
	routes.HandleFunc("GET /v1/turns/{turn}", func(w http.ResponseWriter, r *http.Request) {
		shown, err := a.Archive.Show(r.PathValue("turn"))
		a.tell(w, r, shown, err)
	})
	routes.HandleFunc("GET /v1/turns/{turn}/log", func(w http.ResponseWriter, r *http.Request) {
		text, err := a.Archive.Log(r.PathValue("turn"))
		a.pour(w, r, "application/x-ndjson", text, err)
	})
	routes.HandleFunc("GET /v1/turns/{turn}/output/{file}", func(w http.ResponseWriter, r *http.Request) {
		text, err := a.Archive.Output(r.PathValue("turn"), r.PathValue("file"))
		a.pour(w, r, "text/plain; charset=utf-8", text, err)
	})
}

// tell answers what was found, or why nothing was.
func (a API) tell(w http.ResponseWriter, r *http.Request, out any, err error) {
	if err != nil {
		a.untold(w, r, err)
		return
	}
	answer(w, r, a.Log, http.StatusOK, out)
}

func (a API) untold(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	if _, unknown := errors.AsType[*history.UnknownTurnError](err); unknown {
		status = http.StatusNotFound
	}
	fail(w, r, a.Log, status, err.Error())
}

// pour answers a file, as it is by now.
func (a API) pour(w http.ResponseWriter, r *http.Request, kind string, text io.ReadCloser, err error) {
	if err != nil {
		a.untold(w, r, err)
		return
	}
	defer text.Close()
	// What machines have put out is nothing for a browser to run.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", kind)
	if _, err := io.Copy(w, text); err != nil {
		a.Log.DebugContext(r.Context(), "answer not delivered", slog.Any("error", err))
	}
}

// queryOf reads what is asked for.
func queryOf(values url.Values) (history.Query, error) {
	q := history.Query{Limit: turnsListed}
	for name := range values {
		text := values.Get(name)
		var err error
		switch name {
		case "resource":
			if q.ID = desired.ID(text); q.ID.Kind() == "" || q.ID.Name() == "" {
				err = errors.New("write KIND/NAME, as vm/web-1")
			}
		case "limit":
			if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > mostTurns {
				err = fmt.Errorf("write a number from 1 to %d", mostTurns)
			}
		case "before":
			q.Before, err = text, history.CheckBefore(text)
		case "since":
			if q.Since, err = time.Parse(time.RFC3339, text); err != nil {
				err = errors.New("write a time as 2026-11-21T14:00:00Z")
			}
		case "failed":
			if q.Failed, err = strconv.ParseBool(text); err != nil {
				err = errors.New("write true or false")
			}
		default:
			err = errors.New("there is no such parameter: write resource, limit, before, since or failed")
		}
		if err != nil {
			return q, fmt.Errorf("%s=%s: %w", name, text, err)
		}
	}
	return q, nil
}

// valuesOf writes a query as [queryOf] reads it.
func valuesOf(q history.Query) url.Values {
	values := url.Values{"limit": {strconv.Itoa(min(max(q.Limit, 1), mostTurns))}}
	if q.ID != "" {
		values.Set("resource", string(q.ID))
	}
	if q.Before != "" {
		values.Set("before", q.Before)
	}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	if q.Failed {
		values.Set("failed", "true")
	}
	return values
}

// Turns lists turns. This and what follows fails with [ErrNoAgent] where no agent runs.
func (c *Client) Turns(ctx context.Context, q history.Query) (*history.Turns, error) {
	return look[history.Turns](ctx, c, "/v1/turns?"+valuesOf(q).Encode())
}

// Story tells what happened to a resource.
func (c *Client) Story(ctx context.Context, q history.Query) (*history.Told, error) {
	return look[history.Told](ctx, c, "/v1/turns?"+valuesOf(q).Encode())
}

// Show tells all of a turn.
func (c *Client) Show(ctx context.Context, word string) (*history.Shown, error) {
	return look[history.Shown](ctx, c, "/v1/turns/"+url.PathEscape(word))
}

// TurnLog is what was logged while a turn was made.
func (c *Client) TurnLog(ctx context.Context, word string) ([]byte, error) {
	return c.file(ctx, "/v1/turns/"+url.PathEscape(word)+"/log")
}

// Output is what a step of a turn has put out.
func (c *Client) Output(ctx context.Context, word, name string) ([]byte, error) {
	return c.file(ctx, "/v1/turns/"+url.PathEscape(word)+"/output/"+url.PathEscape(name))
}

func (c *Client) file(ctx context.Context, path string) ([]byte, error) {
	status, text, err := c.do(ctx, http.MethodGet, path, http.NoBody)
	if err == nil && status != http.StatusOK {
		err = refused(status, text)
	}
	return text, err
}

// look asks for something of the past, which has a version.
func look[T any](ctx context.Context, c *Client, path string) (*T, error) {
	status, text, err := c.do(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, refused(status, text)
	}
	var head struct {
		Version int `json:"version"`
	}
	out := new(T)
	if err := json.Unmarshal(text, &head); err != nil || head.Version < 1 {
		return nil, strange(status, text)
	}
	if head.Version > history.Version {
		return nil, fmt.Errorf("ask the agent: its answer is of version %d and this command knows %d: use the newer one", head.Version, history.Version)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, strange(status, text)
	}
	return out, nil
}

// refused is what an answer says that is none.
func refused(status int, text []byte) error {
	var f failure
	if json.Unmarshal(bytes.TrimSpace(text), &f) != nil || f.Error == "" {
		return strange(status, text)
	}
	return errors.New(f.Error)
}
