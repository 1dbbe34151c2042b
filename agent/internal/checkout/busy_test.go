package checkout_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/checkout"
)

// A server that has no time says so by its status, and may say for how long.
func TestServersThatAreBusy(t *testing.T) {
	for _, row := range []struct {
		status int
		after  string
		busy   bool
		least  time.Duration
		most   time.Duration
		says   string
	}{
		{429, "120", true, 2 * time.Minute, 2 * time.Minute, "429 Too Many Requests, and asks to be left alone for 2m0s; it gets too many requests: set a longer poll"},
		{503, time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat), true, 9 * time.Minute, 10 * time.Minute, "503 Service Unavailable, and asks to be left alone for"},
		{503, "31536000", true, time.Hour, time.Hour, "for 1h0m0s"},
		{500, "", true, 0, 0, "500 Internal Server Error; check the URL"},
		{502, "soon", true, 0, 0, "502 Bad Gateway; check"},
		{503, "-5", true, 0, 0, "503"},
		{503, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), true, 0, 0, "503"},
		{410, "120", false, 0, 0, "410 Gone; check"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", row.after)
			w.WriteHeader(row.status)
		}))
		repo, err := checkout.Open(t.TempDir(), checkout.Source{URL: server.URL + "/fleet.git", Branch: "main"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		_, err = repo.Fetch(t.Context())
		failed, _ := errors.AsType[*checkout.FetchError](err)
		if failed == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%d, %q: %v, want %q", row.status, row.after, err, row.says)
		} else if wait, busy := failed.Busy(); busy != row.busy || wait < row.least || wait > row.most {
			t.Errorf("%d, %q: busy %t for %s", row.status, row.after, busy, wait)
		}
		repo.Close()
		server.Close()
	}
}
