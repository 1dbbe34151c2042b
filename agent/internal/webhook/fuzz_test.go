package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/agent/internal/webhook"
)

// FuzzDelivery holds that no delivery makes the handler panic, that nothing that is not
// signed starts a turn, and that each is answered and counted in this package's words.
func FuzzDelivery(f *testing.F) {
	for _, d := range deliveries() {
		var headers []string
		for name, value := range d.headers {
			headers = append(headers, name+": "+value)
		}
		f.Add(strings.Join(headers, "\n"), d.body, true)
		f.Add(strings.Join(headers, "\n"), d.body[:len(d.body)/2], true)
		f.Add(strings.Join(headers, "\n")+"\nX-Signature: sha256=00\nX-Hub-Signature: sha1=", d.body, false)
	}
	f.Add("X-Gitlab-Event: System Hook", `{"object_kind":null,"project":5}`, true)
	f.Add("X-Event-Key: repo:push\nX-Hook-UUID: 1", `{"push":{"changes":[null,{"new":{"name":"main"}}]}}`, true)
	f.Add("Content-Type: application/x-www-form-urlencoded\nX-GitHub-Event: push", "payload=%7B%22ref%22:1%zz", true)
	f.Add("Webhook-Id: 1\nWebhook-Timestamp: 99999999999999999999\nWebhook-Signature: v1, v1,= ,", "{", false)
	words := map[string]bool{"github": true, "gitea": true, "forgejo": true, "gogs": true, "gitlab": true, "bitbucket": true, "bitbucket-dc": true, "standard": true, "generic": true}
	f.Fuzz(func(t *testing.T, headers, body string, sign bool) {
		if len(body) > 1<<16 {
			return
		}
		h := newTaker()
		h.Seen = func(forge string, result webhook.Result) {
			if !words[forge] || result == "" {
				t.Errorf("counted %q %q", forge, result)
			}
		}
		d := delivery{headers: map[string]string{}, body: body}
		for line := range strings.Lines(headers) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			d.headers[http.CanonicalHeaderKey(name)] = value
		}
		if sign {
			for _, name := range []string{"X-Signature", "X-Gogs-Signature"} {
				header(name, "")(&d, secret)
			}
			header("X-Hub-Signature", "sha256=")(&d, secret)
			family("Gitea", "Forgejo")(&d, secret)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook", strings.NewReader(body))
		for name, value := range d.headers {
			r.Header[name] = []string{value}
		}
		code, answer := h.take(r)
		if answer == (webhook.Answer{}) {
			t.Errorf("%d without a word", code)
		}
		if started := len(h.whys) > 0; started != (answer.Turn != "") || started && (!sign || code != http.StatusAccepted) {
			t.Errorf("signed: %t; %d %+v", sign, code, answer)
		}
	})
}
