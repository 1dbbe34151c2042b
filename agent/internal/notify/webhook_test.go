package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/notify"
)

const hookKey = "0123456789abcdef-key"

func key() ([]byte, error) { return []byte(hookKey), nil }

func TestWebhookIsSigned(t *testing.T) {
	var got http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	event := notify.Event{
		Version: notify.Version, Kind: notify.WaitingForUnlock, Level: notify.Warning, ID: "e1", At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Fleet: "lab", Turn: "t1",
		Title: "3 runs wait for unlock", Items: []notify.Item{{ID: "play/base", Hosts: []string{"web-1"}}},
	}
	w := &notify.Webhook{URL: server.URL + "/hunter2", Key: key}
	if err := w.Send(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write(body)
	for header, want := range map[string]string{
		"X-Berth-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
		"X-Berth-Event":         "waiting-for-unlock", "X-Berth-Delivery": "e1", "Content-Type": "application/json",
	} {
		if got.Get(header) != want {
			t.Errorf("%s: %q, want %q", header, got.Get(header), want)
		}
	}
	want := `{"version":1,"event":"waiting-for-unlock","level":"warning","id":"e1","at":"2026-11-21T12:00:00Z","fleet":"lab","turn":"t1","title":"3 runs wait for unlock","items":[{"id":"play/base","hosts":["web-1"]}]}`
	if string(body) != want || !json.Valid(body) {
		t.Errorf("the body is\n%s, want\n%s", body, want)
	}
	if w.Name() != "webhook "+strings.TrimPrefix(server.URL, "http://") {
		t.Errorf("its name is %q", w.Name())
	}
}

func TestWebhookAnswers(t *testing.T) {
	redirected := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hunter2/moved":
			http.Redirect(w, r, "/hunter2/there", http.StatusTemporaryRedirect)
		case "/hunter2/there":
			redirected = true
		case "/hunter2/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/hunter2/429":
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	for path, row := range map[string]struct {
		want    string
		refused bool
	}{
		"/hunter2/moved": {"redirects are not followed", true},
		"/hunter2/500":   {"it answers 500", false},
		"/hunter2/429":   {"it answers 429", false},
		"/hunter2/gone":  {"it answers 404", true},
	} {
		err := (&notify.Webhook{URL: server.URL + path, Key: key}).Send(t.Context(), notify.Event{})
		var refused *notify.RefusedError
		if err == nil || !strings.Contains(err.Error(), row.want) || errors.As(err, &refused) != row.refused || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if redirected {
		t.Error("a redirect was followed")
	}
	server.Close()
	err := (&notify.Webhook{URL: server.URL + "/hunter2", Key: key}).Send(t.Context(), notify.Event{})
	if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("nobody there: %v", err)
	}
	for want, read := range map[string]func() ([]byte, error){
		"it is empty":      func() ([]byte, error) { return nil, nil },
		"there is no file": func() ([]byte, error) { return nil, errors.New("there is no file") },
	} {
		if err := (&notify.Webhook{URL: server.URL, Key: read}).Send(t.Context(), notify.Event{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no key: %v", err)
		}
	}
}
