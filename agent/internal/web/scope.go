package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Scope is what a token lets its bearer ask.
type Scope string

// The scopes. Each holds the ones before.
const (
	// ScopeRead looks, and asks for what a turn would do.
	ScopeRead Scope = "read"
	// ScopeSync has turns made, and pauses them.
	ScopeSync Scope = "sync"
	// scopeHere is what no token opens: it goes by the socket alone.
	scopeHere Scope = "here"
)

// Holds tells whether a scope opens what another one asks for.
func (s Scope) Holds(asked Scope) bool {
	return asked == ScopeRead && (s == ScopeRead || s == ScopeSync) || asked == ScopeSync && s == ScopeSync
}

// scopeOf is what a route asks for. What is not named here goes by the socket alone: a
// route that is new is open to nobody else before somebody has thought of it.
func scopeOf(pattern string) Scope {
	method, path, _ := strings.Cut(pattern, " ")
	switch {
	case method == http.MethodGet:
		return ScopeRead
	case path == "/v1/drift", path == "/v1/routes", path == "/v1/explain":
		return ScopeRead
	case path == "/v1/sync", path == "/v1/pause", path == "/v1/resume":
		return ScopeSync
	}
	return scopeHere
}

type scopeKey struct{}

// withScope notes what whoever asks from another machine may.
func withScope(ctx context.Context, scope Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

// mayAsk tells whether whoever asks may have more than the route by itself: by the socket
// anybody may.
func mayAsk(ctx context.Context, more Scope) bool {
	scope, remote := ctx.Value(scopeKey{}).(Scope)
	return !remote || scope.Holds(more)
}

// long tells whether a route waits for a turn.
func long(pattern string) bool {
	return strings.HasPrefix(pattern, http.MethodPost+" ") && scopeOf(pattern) != scopeHere
}

// routes are what may be asked, by patterns of [http.ServeMux] with a method.
type routes struct {
	mux      *http.ServeMux
	patterns []string
}

// HandleFunc adds one.
func (r *routes) HandleFunc(pattern string, serve http.HandlerFunc) {
	r.mux.HandleFunc(pattern, serve)
	r.patterns = append(r.patterns, pattern)
}

// find is the route of a request; "" if there is none, which is answered.
func (r *routes) find(w http.ResponseWriter, req *http.Request, a *API) (pattern string) {
	handler, pattern := r.mux.Handler(req)
	if pattern != "" {
		return pattern
	}
	// The mux knows which methods a path takes, and tells by what it answers.
	told := &overheard{header: make(http.Header), code: http.StatusNotFound}
	handler.ServeHTTP(told, req)
	text := fmt.Sprintf("there is no %s %s: GET /v1/openapi.yaml tells what there is", req.Method, req.URL.Path)
	if takes := told.header.Get("Allow"); takes != "" {
		w.Header().Set("Allow", takes)
		text = fmt.Sprintf("%s takes %s, not %s", req.URL.Path, takes, req.Method)
	}
	fail(w, req, a.Log, told.code, text)
	return ""
}

// overheard is an answer that nobody gets.
type overheard struct {
	header http.Header
	code   int
}

// Header is what it would say of itself.
func (o *overheard) Header() http.Header { return o.header }

// Write takes no part of it.
func (o *overheard) Write(part []byte) (int, error) { return len(part), nil }

// WriteHeader keeps the status.
func (o *overheard) WriteHeader(status int) { o.code = status }
