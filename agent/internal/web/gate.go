package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth/agent/internal/quiet"
)

// Token opens a scope to whoever shows it.
type Token struct {
	// Name is how the log calls it: where it stands in the settings.
	Name string
	// Read gives the token, anew at each request, so that it may be changed.
	Read  func() ([]byte, error)
	Scope Scope
}

// Gate lets in from other machines who shows a token, as Authorization: Bearer TOKEN.
type Gate struct {
	Tokens []Token
	Log    *slog.Logger

	refused, unusable quiet.Line
}

// Require serves what asks for a scope.
func (g *Gate) Require(scope Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, in := g.pass(w, r, scope); in {
			next.ServeHTTP(w, r)
		}
	})
}

// pass tells whether a request may be served, and by which token. One that may not is
// answered.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, scope Scope) (by *Token, in bool) {
	if !sameOrigin(r) {
		fail(w, r, g.Log, http.StatusForbidden, "a page of another site has a browser ask this, and it is for programs and for pages of this agent")
		return nil, false
	}
	token, unread := g.of(r.Context(), bearer(r))
	switch {
	case token == nil && unread == len(g.Tokens):
		w.Header().Set("Retry-After", "30")
		fail(w, r, g.Log, http.StatusServiceUnavailable, "the agent can't read its own tokens; its log says why")
	case token == nil:
		if more, speak := g.refused.Speak(time.Now()); speak {
			g.Log.WarnContext(r.Context(), "request refused: no token, or a wrong one", slog.String("from", r.RemoteAddr), slog.Int("more", more))
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="berth"`)
		fail(w, r, g.Log, http.StatusUnauthorized, "show a token of http.tokens of the agent's settings, as Authorization: Bearer TOKEN")
	case scope == scopeHere:
		fail(w, r, g.Log, http.StatusForbidden, r.URL.Path+" goes by the agent's socket alone, on its own host: no token opens it")
	case !token.Scope.Holds(scope):
		fail(w, r, g.Log, http.StatusForbidden, "this token's scope is "+string(token.Scope)+", and "+r.URL.Path+" takes "+string(scope))
	default:
		return token, true
	}
	return nil, false
}

// of finds the token that was shown; nil if it is none. All are compared, each in a time
// that tells nothing of it. unread are how many could not be read.
func (g *Gate) of(ctx context.Context, shown string) (token *Token, unread int) {
	is := sha256.Sum256([]byte(shown))
	var wrong []error
	for i := range g.Tokens {
		t := &g.Tokens[i]
		value, err := t.Read()
		if err == nil {
			err = CheckToken(value)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", t.Name, err))
			continue
		}
		want := sha256.Sum256(value)
		clear(value)
		if subtle.ConstantTimeCompare(is[:], want[:]) == 1 && (token == nil || t.Scope.Holds(token.Scope)) {
			token = t
		}
	}
	if len(wrong) > 0 {
		if more, speak := g.unusable.Speak(time.Now()); speak {
			g.Log.ErrorContext(ctx, "tokens can't be used", slog.Any("error", errors.Join(wrong...)), slog.Int("more", more))
		}
	}
	return token, len(wrong)
}

// bearer is the token that a request shows; "" if it shows none. Browsers send no such
// header by themselves, as they do passwords and cookies: no page can borrow it.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// sameOrigin tells whether a request comes from a program, or from a page of the very
// host that it goes to.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
