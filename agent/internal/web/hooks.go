package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"berth/agent/internal/lock"
	"berth/agent/internal/quiet"
	"berth/agent/internal/turn"
	"berth/desired"
)

// Hooks are what other machines may call: that a host is to be provisioned, and that
// secrets and certificates are new. They answer as soon as what was asked for is
// kept, and never wait for a turn.
type Hooks struct {
	// Token is what callers must show, read anew for each.
	Token func() ([]byte, error)
	// Fleet is the one in force; nil before the first commit was taken.
	Fleet func() *desired.Fleet
	// Provision keeps that the playbooks of a host, a group or all are to run until
	// they have: over a restart, and while the agent is locked. See
	// [turn.Turner.Provision].
	Provision func(target, why string) (hosts []string, plays []desired.ID, err error)
	// Put keeps what was sent for a Secret, by key. See [secrets.Store.Put].
	Put func(ctx context.Context, secret string, values map[string]desired.Secret) error
	// Start makes a turn soon, and tells its id at once.
	Start func(why string) (turn string)
	Log   *slog.Logger

	refused, unusable quiet.Line
}

// errOwnToken is that the agent has no token to compare with, which was logged where that
// was found.
var errOwnToken = wrong(http.StatusServiceUnavailable, "the agent can't read its own token; its log says why")

// maxHook bounds the body of a hook.
const maxHook = 1 << 20

// hookReply is the answer of a hook. Data and Status are what callers of the Pegasus
// control node know (fleets/FACTS A1.9).
type hookReply struct {
	// Turn is the id of the turn that is made for it.
	Turn      string       `json:"turn,omitempty"`
	Hosts     []string     `json:"hosts,omitempty"`
	Playbooks []desired.ID `json:"playbooks,omitempty"`
	// Secrets are those that were kept.
	Secrets []string   `json:"secrets,omitempty"`
	Data    *hookCount `json:"data,omitempty"`
	Note    string     `json:"note,omitempty"`
	Error   string     `json:"error,omitempty"`
	Status  string     `json:"status"`
}

type hookCount struct {
	Count int `json:"count"`
}

// hookError is what is wrong with a request, and the status that says so.
type hookError struct {
	status int
	text   string
}

func (e *hookError) Error() string { return e.text }

func wrong(status int, format string, args ...any) error {
	return &hookError{status, fmt.Sprintf(format, args...)}
}

// Handler serves the hooks.
func (h *Hooks) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hooks/provision", h.serve(http.MethodPost, h.provision))
	mux.HandleFunc("/hooks/update-secrets", h.serve(http.MethodPut, h.updateSecrets))
	mux.HandleFunc("/hooks/update-certificates", h.serve(http.MethodPut, h.updateCertificates))
	mux.HandleFunc("/", h.serve("", func(*http.Request) (hookReply, error) {
		return hookReply{}, wrong(http.StatusNotFound, "there are /hooks/provision, /hooks/update-secrets and /hooks/update-certificates")
	}))
	return mux
}

// serve looks at who calls before it looks at what is asked for: whoever has no token
// learns nothing, and nothing of a body is read for them.
func (h *Hooks) serve(method string, do func(*http.Request) (hookReply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h.allowed(r)
		if err == nil && method != "" && r.Method != method {
			w.Header().Set("Allow", method)
			err = wrong(http.StatusMethodNotAllowed, "%s takes %s: curl -X %s", r.URL.Path, method, method)
		}
		out := hookReply{}
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxHook)
			out, err = do(r)
		}
		status := http.StatusAccepted
		out.Status = "OK"
		if err != nil {
			out, status = hookReply{Error: err.Error(), Status: "ERROR"}, http.StatusInternalServerError
			_, unknown := errors.AsType[*turn.UnknownError](err)
			no, ours := errors.AsType[*hookError](err)
			switch {
			case ours:
				status = no.status
			case unknown:
				status = http.StatusNotFound
			case errors.Is(err, turn.ErrNoFleet), errors.Is(err, lock.ErrNew):
				status = http.StatusServiceUnavailable
			}
			h.complain(r, status, err)
			// What is left of a body is not read, and the connection closed.
			w.Header().Set("Connection", "close")
			if status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "30")
			}
		} else {
			h.Log.InfoContext(r.Context(), "hook taken", slog.String("hook", r.URL.Path), slog.String("from", r.RemoteAddr), slog.String("turn", out.Turn),
				slog.Any("hosts", out.Hosts), slog.Any("secrets", out.Secrets))
		}
		answer(w, r, h.Log, status, out)
	}
}

// complain logs a request that was not taken. Those of strangers are told once in a
// while only, lest they fill the disk.
func (h *Hooks) complain(r *http.Request, status int, err error) {
	if errors.Is(err, errOwnToken) {
		return
	}
	if status == http.StatusUnauthorized {
		more, speak := h.refused.Speak(time.Now())
		if speak {
			h.Log.WarnContext(r.Context(), "hook refused: no token, or a wrong one", slog.String("from", r.RemoteAddr), slog.Int("more", more))
		}
		return
	}
	h.Log.WarnContext(r.Context(), "hook not taken", slog.String("hook", r.URL.Path), slog.String("from", r.RemoteAddr), slog.Int("status", status), slog.Any("error", err))
}

// minToken is how long a token is at least: what is shorter can be guessed.
const minToken = 16

// knownToken is the literal that the Pegasus control node came with.
const knownToken = "INSECURE_CHANGE_ME"

// allowed tells whether a request shows the token.
func (h *Hooks) allowed(r *http.Request) error {
	token, err := h.Token()
	if err == nil {
		err = CheckToken(token)
	}
	defer clear(token)
	if err != nil {
		if more, speak := h.unusable.Speak(time.Now()); speak {
			h.Log.ErrorContext(r.Context(), "token of the hooks can't be used", slog.Any("error", err), slog.Int("more", more))
		}
		return errOwnToken
	}
	// Of equal length, so that the time tells nothing of the token's own.
	a, b := sha256.Sum256([]byte(shown(r))), sha256.Sum256(token)
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return wrong(http.StatusUnauthorized, "show the agent's token, as X-Token: TOKEN or Authorization: Bearer TOKEN")
	}
	// A browser that was given the token as the password of a URL shows it for any page.
	if http.NewCrossOriginProtection().Check(r) != nil {
		return wrong(http.StatusForbidden, "a page of another site has a browser ask this, and programs alone may")
	}
	return nil
}

// shown is the token that a request shows: in a header, or as the password of a URL
// where its caller can send no header, as cloud-init's phone_home.
func shown(r *http.Request) string {
	if token := r.Header.Get("X-Token"); token != "" {
		return token
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	_, password, _ := r.BasicAuth()
	return password
}

// CheckToken tells why a token must not be used.
func CheckToken(token []byte) error {
	switch {
	case len(token) < minToken:
		return fmt.Errorf("the token has %d bytes, and with fewer than %d it can be guessed: `agent bootstrap` makes one where there is none", len(token), minToken)
	case string(token) == knownToken:
		return errors.New("the token is " + knownToken + ", which everybody knows: `agent bootstrap` makes one where there is none")
	case strings.ContainsAny(string(token), "\r\n\x00"):
		return errors.New("the token has several lines, and no header holds them: `agent bootstrap` makes one where there is none")
	}
	return nil
}
