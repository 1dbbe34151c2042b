package ansible

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/desired"
	"berth/drift"
)

// node is a control node that is asked by webhook.
type node struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	status map[string]int // by host
}

func newNode(t *testing.T) *node {
	n := &node{status: make(map[string]int)}
	n.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		host := r.URL.Query().Get("host")
		n.asked = append(n.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Token")))
		if status := n.status[host]; status != 0 {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "locked, you sent %s", r.Header.Get("X-Token"))
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	n.Config.ErrorLog = log.New(io.Discard, "", 0)
	n.StartTLS()
	t.Cleanup(n.Close)
	return n
}

func (n *node) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = nil
	slices.Sort(asked)
	return asked
}

func (n *node) fingerprint() string {
	sum := sha256.Sum256(n.Certificate().Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// A control node of today is asked until it answers success: no run is lost.
func TestStoryOfAWebhook(t *testing.T) {
	n := newNode(t)
	s := newStory(t, "web-1", "web-2")
	s.vault.values["hook"] = "hush-hush\n"
	hook := &desired.WebhookRunner{
		URL: n.URL + "/hooks/provision?host={host}", Method: "PUT", Headers: map[string]desired.Header{"X-Token": {Secret: "hook"}},
		TLS: desired.TLS{Fingerprint: n.fingerprint()},
	}
	s.Runner.Webhook = hook
	wantAsked := func(want ...string) {
		t.Helper()
		if asked := n.take(); !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
	}
	one, two := "PUT /hooks/provision?host=web-1 hush-hush", "PUT /hooks/provision?host=web-2 hush-hush"
	n.status["web-2"] = http.StatusInternalServerError
	o := s.next()[0]
	wantAsked(one, two)
	if o.Status != drift.Failed || o.Results["hosts.web-1"] != "" || !strings.HasSuffix(o.Results["hosts.web-2"], "it answers 500 Internal Server Error: locked, you sent (secret)") {
		t.Error(show(o))
	}
	s.next()
	wantAsked(two)
	delete(n.status, "web-2")
	s.next()
	wantAsked(two)
	s.next()
	wantAsked()

	// What is elsewhere is not followed with the token.
	s.memory.asked["play/base web-1"] = "asked"
	n.status["web-1"] = http.StatusFound
	s.next()
	wantAsked(one)
	delete(n.status, "web-1")

	// Without a host in its address it is asked once for all.
	s.memory.asked["play/base web-2"] = "asked"
	hook.URL = n.URL + "/all"
	s.next()
	wantAsked("PUT /all hush-hush")
	s.next()
	wantAsked()

	for name, test := range map[string]struct {
		set  func()
		want string
	}{
		"another certificate": {func() { hook.TLS.Fingerprint = strings.Repeat("00:", 31) + "00" }, "its certificate is another than runner.webhook.tls.fingerprint says"},
		"nobody we trust":     {func() { hook.TLS.Fingerprint = "" }, "certificate"},
		"nobody":              {func() { hook.URL = "https://127.0.0.1:1/secret-path" }, "connection refused"},
		"a bad token":         {func() { s.vault.values["hook"] = "a\nb" }, "is not one line"},
	} {
		saved, value := *hook, s.vault.values["hook"]
		s.memory.asked["play/base web-1"] = "asked"
		test.set()
		o := s.next()[0]
		if o.Status != drift.Failed || !strings.Contains(o.Reason, test.want) || strings.Contains(o.Reason, "secret-path") || strings.Contains(o.Reason, "hush") {
			t.Errorf("%s: %s", name, show(o))
		}
		wantAsked()
		*hook, s.vault.values["hook"] = saved, value
	}
	s.vault.locked["hook"] = true
	if f := s.field("web-1"); !strings.HasPrefix(f.Held, desired.WaitingForUnlock) {
		t.Errorf("planned: %+v", f)
	}
}

// TestWebhookThatSaysBackWhatItWasTold has one answer with the token in other forms
// than it was sent in: none of them is in the reason or in the log.
func TestWebhookThatSaysBackWhatItWasTold(t *testing.T) {
	const token = `hush "hush"/4711`
	for what, value := range map[string]string{
		"as it is": token, "as a bearer": "Bearer " + token, "as a password": "Basic " + base64.StdEncoding.EncodeToString([]byte("berth:"+token)),
	} {
		s := newStory(t, "web-1")
		s.vault.values["hook"] = value
		n := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "no: %s %q %s %s %s", token, token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(token)), token[:12])
		}))
		defer n.Close()
		s.Runner.Webhook = &desired.WebhookRunner{URL: n.URL, Method: "POST", Headers: map[string]desired.Header{"X-Token": {Secret: "hook"}}}
		o := s.next()[0]
		if o.Status != drift.Failed || !strings.Contains(o.Reason, "it answers 403 Forbidden: no: (secret)") {
			t.Errorf("%s: %s", what, show(o))
		}
		for _, form := range []string{"hush", "4711", "aHVza"} {
			if strings.Contains(o.Reason, form) {
				t.Errorf("%s: %q is told: %s", what, form, o.Reason)
			}
		}
	}
}
