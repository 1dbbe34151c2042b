// Package web is the running agent's interface: a versioned HTTP API on a Unix
// socket, by which commands ask it for reports and turns, and the hooks that other
// machines call.
package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"berth/agent/internal/turn"
	"berth/drift/report"
)

// Ask makes a turn and gives its report.
type Ask func(ctx context.Context, req turn.Request) (*report.Report, error)

// SyncRequest is the body of a sync.
type SyncRequest struct {
	// Plan, if set, is the digest of the only plan to apply.
	Plan string `json:"plan,omitempty"`
	// Only are the resources that it is about; see [turn.Request].
	Only         []string `json:"only,omitempty"`
	AcceptSource bool     `json:"acceptSource,omitempty"`
	// Run are playbooks to run whether they are due or not.
	Run []turn.Asking `json:"run,omitempty"`
}

// reply is every answer: a report, an error, or both where a plan has changed.
type reply struct {
	Report  *report.Report `json:"report,omitempty"`
	Error   string         `json:"error,omitempty"`
	Changed *changed       `json:"planChanged,omitempty"`
}

type changed struct {
	Asked string `json:"asked"`
	Now   string `json:"now"`
}

// maxBody bounds what the API reads of a request.
const maxBody = 64 << 10

// API is what the agent does for its commands.
type API struct {
	Ask Ask
	// Status tells how things stand, at once.
	Status func() Status
	// Unlock opens the lock by a passphrase, which it wipes; Lock shuts it.
	Unlock func(ctx context.Context, passphrase []byte) (Unlocked, error)
	Lock   func(ctx context.Context) (Locked, error)
	Log    *slog.Logger
}

// Handler serves the API.
func (a API) Handler() http.Handler {
	ask, log := a.Ask, a.Log
	mux := http.NewServeMux()
	a.handleLock(mux)
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, log, http.StatusOK, a.Status())
	})
	serve := func(w http.ResponseWriter, r *http.Request, req turn.Request) {
		rep, err := ask(r.Context(), req)
		out := reply{Report: rep}
		status := http.StatusOK
		if err != nil {
			status = http.StatusInternalServerError
			out.Error = err.Error()
			if plan, ok := errors.AsType[*turn.PlanChangedError](err); ok {
				status = http.StatusConflict
				out.Changed = &changed{Asked: plan.Asked, Now: plan.Now}
			}
		}
		answer(w, r, log, status, out)
	}
	mux.HandleFunc("POST /v1/drift", func(w http.ResponseWriter, r *http.Request) {
		only, err := onlyOf(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		serve(w, r, turn.Request{Mode: report.Drift, Only: only})
	})
	mux.HandleFunc("POST /v1/routes", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, turn.Request{Mode: report.Drift, Routes: true})
	})
	mux.HandleFunc("POST /v1/sync", func(w http.ResponseWriter, r *http.Request) {
		var body SyncRequest
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&body); err != nil && !errors.Is(err, io.EOF) {
			http.Error(w, "the request is no sync: "+err.Error(), http.StatusBadRequest)
			return
		}
		serve(w, r, turn.Request{Mode: report.Run, Plan: body.Plan, AcceptSource: body.AcceptSource, Only: body.Only, Afresh: body.Plan == "", Run: body.Run})
	})
	return mux
}

// answer writes a body of JSON.
func answer(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.DebugContext(r.Context(), "answer not delivered", slog.Any("error", err))
	}
}

// Listen opens the socket for the agent's own user only. A socket that a dead
// agent left behind is removed; one that answers is an error.
func Listen(ctx context.Context, socket string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	var dialer net.Dialer
	if conn, err := dialer.DialContext(ctx, "unix", socket); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open the socket: an agent answers at %s already", socket)
	}
	if info, err := os.Lstat(socket); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("open the socket: %s is something else: move it away", socket)
		}
		if err := os.Remove(socket); err != nil {
			return nil, fmt.Errorf("open the socket: %w", err)
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	return listener, nil
}

// Serve answers on a listener until ctx is done.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API: %w", err)
	}
	return nil
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
	body, err := json.Marshal(DriftRequest{Only: only})
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return c.ask(ctx, "/v1/drift", bytes.NewReader(body))
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

// Sync asks for a turn at once and waits for its report. It fails with
// [ErrNoAgent] where no agent runs, and with a [turn.PlanChangedError] where the
// plan is another.
func (c *Client) Sync(ctx context.Context, req SyncRequest) (*report.Report, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return c.ask(ctx, "/v1/sync", bytes.NewReader(body))
}

func (c *Client) ask(ctx context.Context, path string, body io.Reader) (*report.Report, error) {
	status, text, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	var out reply
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("ask the agent: it answers %d: %.200s", status, text)
	}
	switch {
	case out.Changed != nil:
		return out.Report, &turn.PlanChangedError{Asked: out.Changed.Asked, Now: out.Changed.Now}
	case out.Error != "":
		return out.Report, errors.New(out.Error)
	case out.Report == nil:
		return nil, fmt.Errorf("ask the agent: it answers %d without a report", status)
	}
	return out.Report, nil
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
			return 0, nil, errors.New("ask the agent: its socket is its own user's only: run this as that user, or as root")
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
