package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

const (
	// waiters is how many requests of other machines wait for turns at once.
	waiters = 8
	// answerTime is how long an answer may take to be taken, once it is there.
	answerTime = time.Minute
)

// Remote serves the API to other machines, by the scopes of their tokens.
func (a API) Remote(gate *Gate) http.Handler {
	routes := a.routes()
	room := make(chan struct{}, waiters)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Whoever has no token learns nothing, not even what there is.
		_, pattern := routes.mux.Handler(r)
		scope := ScopeRead
		if pattern != "" {
			scope = scopeOf(pattern)
		}
		by, in := gate.pass(w, r, scope)
		if !in || routes.find(w, r, &a) == "" {
			return
		}
		if !long(pattern) {
			routes.mux.ServeHTTP(&piecewise{ResponseWriter: w, deadlines: http.NewResponseController(w)}, r)
			return
		}
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			w.Header().Set("Retry-After", "10")
			fail(w, r, a.Log, http.StatusTooManyRequests, "as many as may wait for turns do already: ask again")
			return
		}
		a.Log.InfoContext(r.Context(), "asked by another machine", slog.String("what", pattern), slog.String("token", by.Name), slog.String("from", r.RemoteAddr))
		ctx := withBearer(withScope(r.Context(), by.Scope), by.Name, r.RemoteAddr)
		a.serveLong(w, r.WithContext(ctx), routes.mux)
	})
}

// serveLong serves what may wait for a turn, which takes longer than strangers may. A body
// has to be there within their time, and the answer to be taken within another; between
// the two nobody waits for the network.
func (a *API) serveLong(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			fail(w, r, a.Log, http.StatusRequestEntityTooLarge, "the body is larger than an API request is")
			return
		}
		fail(w, r, a.Log, http.StatusBadRequest, "the body did not arrive whole")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	deadlines := http.NewResponseController(w)
	if err := errors.Join(deadlines.SetReadDeadline(time.Time{}), deadlines.SetWriteDeadline(time.Time{})); err != nil {
		a.Log.DebugContext(r.Context(), "deadlines can't be set", slog.Any("error", err))
	}
	next.ServeHTTP(&unhurried{ResponseWriter: w, deadlines: deadlines}, r)
}

// unhurried takes its time until there is an answer.
type unhurried struct {
	http.ResponseWriter

	deadlines *http.ResponseController
}

// WriteHeader begins the answer.
func (u *unhurried) WriteHeader(status int) {
	_ = u.deadlines.SetWriteDeadline(time.Now().Add(answerTime)) // What has none can't be late.
	u.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] at what is below.
func (u *unhurried) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// piecewise bounds how long each piece of an answer may take to be taken, and not the
// whole: a log of many megabytes comes over a slow line, too.
type piecewise struct {
	http.ResponseWriter

	deadlines *http.ResponseController
}

// Write writes a piece.
func (p *piecewise) Write(piece []byte) (int, error) {
	_ = p.deadlines.SetWriteDeadline(time.Now().Add(strangersTime)) // What has none can't be late.
	return p.ResponseWriter.Write(piece)
}

// Unwrap lets [http.ResponseController] at what is below.
func (p *piecewise) Unwrap() http.ResponseWriter { return p.ResponseWriter }
