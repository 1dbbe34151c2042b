package web_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/agent/internal/web"
)

// While the agent can't read its own tokens any stranger gets as far as that: what they
// send must not fill the log.
func TestStrangersDoNotFillTheLogWhileTokensCantBeRead(t *testing.T) {
	var written bytes.Buffer
	log := slog.New(slog.NewTextHandler(&written, nil))
	missing := func() ([]byte, error) { return nil, errors.New("no such file") }
	gate := &web.Gate{Log: log, Tokens: []web.Token{
		{Name: "http.tokens[0]", Scope: web.ScopeRead, Read: missing}, {Name: "http.tokens[1]", Scope: web.ScopeSync, Read: missing},
	}}
	hooks := &web.Hooks{Log: log, Token: missing}
	for _, row := range []struct {
		path    string
		handler http.Handler
		says    []string
	}{
		{"/v1/status", remoteAPI().Remote(gate), []string{"http.tokens[0]: no such file", "http.tokens[1]: no such file"}},
		{"/hooks/provision", hooks.Handler(), []string{"no such file"}},
	} {
		written.Reset()
		for range 100 {
			answer := httptest.NewRecorder()
			row.handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, row.path, http.NoBody))
			if answer.Code != http.StatusServiceUnavailable {
				t.Fatalf("%s: %d %s", row.path, answer.Code, answer.Body)
			}
		}
		if lines := strings.Count(written.String(), "\n"); lines != 1 {
			t.Errorf("%s: a hundred requests wrote %d lines:\n%s", row.path, lines, written.String())
		}
		for _, says := range row.says {
			if !strings.Contains(written.String(), says) {
				t.Errorf("%s: the log does not say %q:\n%s", row.path, says, written.String())
			}
		}
	}
}
