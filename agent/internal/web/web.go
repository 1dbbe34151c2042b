// Package web is the running agent's interface: a versioned HTTP API on a Unix
// socket, by which commands ask it for reports and turns, and the hooks that other
// machines call.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"syscall"

	"berth/agent/internal/history"
	"berth/agent/internal/pause"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// Ask makes a turn and gives its report.
type Ask func(ctx context.Context, req turn.Request) (*report.Report, error)

// reply is every answer: a report, an error, or both where a plan has changed; or the id
// of a turn that nobody waits for.
type reply struct {
	Report  *report.Report `json:"report,omitempty"`
	Turn    string         `json:"turn,omitempty"`
	Error   string         `json:"error,omitempty"`
	Changed *changed       `json:"planChanged,omitempty"`
	// Paused is the pause for which nothing was done.
	Paused *pause.Pause `json:"paused,omitempty"`
}

type changed struct {
	Asked string `json:"asked"`
	Now   string `json:"now"`
}

// maxBody bounds what the API reads of a request.
const maxBody = 64 << 10

// API is what the agent does for its commands.
type API struct {
	Ask   Ask
	Order Order
	// Status tells how things stand, at once.
	Status func() Status
	// Known is what the last turn has learnt; nil before the first.
	Known func() *turn.Known
	// Unlock opens the lock by a passphrase, which it wipes; Lock shuts it.
	Unlock func(ctx context.Context, passphrase []byte) (Unlocked, error)
	Lock   func(ctx context.Context) (Locked, error)
	// Pause lets the agent rest, Resume ends that.
	Pause  func(ctx context.Context, req PauseRequest) (Paused, error)
	Resume func(ctx context.Context) (Resumed, error)
	// Archive is what is kept of the past.
	Archive history.Archive
	Log     *slog.Logger
}

// Handler serves the API to whoever may connect to the socket.
func (a API) Handler() http.Handler {
	routes := a.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if routes.find(w, r, &a) != "" {
			routes.mux.ServeHTTP(w, r)
		}
	})
}

// routes are all that may be asked.
func (a API) routes() *routes {
	all := &routes{mux: http.NewServeMux()}
	a.handleTurns(all)
	a.handleLock(all)
	a.handlePause(all)
	a.handleInventory(all)
	a.handleHistory(all)
	a.handleExplain(all)
	a.handleDocument(all)
	all.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, a.Log, http.StatusOK, a.Status())
	})
	return all
}

// handleTurns serves what makes turns, or asks what they would do.
func (a API) handleTurns(routes *routes) {
	serve := func(w http.ResponseWriter, r *http.Request, req turn.Request) {
		rep, err := a.Ask(r.Context(), req)
		a.came(w, r, rep, err)
	}
	routes.HandleFunc("POST /v1/drift", func(w http.ResponseWriter, r *http.Request) {
		body, err := driftOf(w, r)
		if err != nil {
			fail(w, r, a.Log, http.StatusBadRequest, err.Error())
			return
		}
		// Anybody may have written it, and to plan it costs time and room.
		if body.Commit != "" && !mayAsk(r.Context(), ScopeSync) {
			fail(w, r, a.Log, http.StatusForbidden, "this token's scope is read, and to plan a commit that nobody has accepted takes sync")
			return
		}
		serve(w, r, turn.Request{Mode: report.Drift, Only: body.Only, Commit: body.Commit})
	})
	routes.HandleFunc("POST /v1/routes", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, turn.Request{Mode: report.Drift, Routes: true})
	})
	a.handleSync(routes)
}

// failure is the answer to what went wrong, wherever there is no more to say.
type failure struct {
	Error string `json:"error"`
}

// fail answers that something went wrong.
func fail(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, text string) {
	answer(w, r, log, status, failure{text})
}

// answer writes a body of JSON.
func answer(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.DebugContext(r.Context(), "answer not delivered", slog.Any("error", err))
	}
}

// ErrNoAgent says that no agent runs behind a socket.
var ErrNoAgent = errors.New("no agent is running")

// Client asks the running agent.
type Client struct {
	http *http.Client
}

// NewClient asks the agent behind a socket.
func NewClient(socket string) *Client {
	var dialer net.Dialer
	return &Client{http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Drift asks for a report of what a turn would do, of these resources alone if any are
// named. It fails with [ErrNoAgent] where no agent runs.
func (c *Client) Drift(ctx context.Context, only ...string) (*report.Report, error) {
	return c.DriftOf(ctx, DriftRequest{Only: only})
}

// Routes asks for the same report with the routes of the edges in it. It fails with
// [ErrNoAgent] where no agent runs.
func (c *Client) Routes(ctx context.Context) (*report.Report, error) {
	rep, err := c.ask(ctx, "/v1/routes", http.NoBody)
	if err == nil && rep.Routes == nil {
		return nil, errors.New("ask the agent: its report has no routes: restart it, so that it is of this version")
	}
	return rep, err
}

// ask asks for a report, and waits for it.
func (c *Client) ask(ctx context.Context, path string, body io.Reader) (*report.Report, error) {
	out, err := c.reply(ctx, path, body)
	if err != nil {
		return nil, err
	}
	return out.result()
}

func (c *Client) reply(ctx context.Context, path string, body io.Reader) (*reply, error) {
	status, text, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	out := &reply{}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("ask the agent: it answers %d: %.200s", status, text)
	}
	return out, nil
}

// result is the report, or why there is none.
func (r *reply) result() (*report.Report, error) {
	switch {
	case r.Changed != nil:
		return r.Report, &turn.PlanChangedError{Asked: r.Changed.Asked, Now: r.Changed.Now}
	case r.Paused != nil:
		return nil, &pause.Error{Pause: *r.Paused}
	case r.Error != "":
		return r.Report, errors.New(r.Error)
	case r.Report == nil:
		return nil, errors.New("ask the agent: it answers without a report")
	}
	return r.Report, nil
}

// do makes one request, and reads its answer whole.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return 0, nil, fmt.Errorf("ask the agent: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return 0, nil, ErrNoAgent
		}
		if errors.Is(err, fs.ErrPermission) {
			return 0, nil, errors.New("ask the agent: its socket is for its own user and the members of its socketGroup: run this as one of them, or as root")
		}
		return 0, nil, fmt.Errorf("ask the agent: %w", err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("ask the agent: %w", err)
	}
	return resp.StatusCode, text, nil
}
