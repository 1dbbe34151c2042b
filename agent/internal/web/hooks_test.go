package web_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/agent/internal/lock"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/desired"
)

const hookToken = "0123456789abcdef0123"

// hookWorld is what hooks work on, and all that they have done to it.
type hookWorld struct {
	hooks *web.Hooks
	log   bytes.Buffer

	mu          sync.Mutex
	provisioned []string
	kept        map[string]string
	starts      []string
	fleet       *desired.Fleet
	putErr      error
}

func newHookWorld() *hookWorld {
	w := &hookWorld{kept: make(map[string]string), fleet: &desired.Fleet{Secrets: map[string]*desired.SecretPlace{
		"apps": {Name: "apps", Hook: true}, "reverse_proxy_tls_certs": {Name: "reverse_proxy_tls_certs", Hook: true},
		"pve": {Name: "pve", File: "/etc/pve", Source: desired.Source{File: "secrets.yaml", Line: 3}},
	}}}
	w.hooks = &web.Hooks{
		Token: func() ([]byte, error) { return []byte(hookToken), nil },
		Fleet: func() *desired.Fleet { return w.fleet },
		Provision: func(target, _ string) ([]string, []desired.ID, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if target == "early" {
				return nil, nil, turn.ErrNoFleet
			}
			if target != "web-1" && target != "all" {
				return nil, nil, fmt.Errorf("provision: %w", &turn.UnknownError{What: "host " + target, Near: []string{"web-1"}})
			}
			w.provisioned = append(w.provisioned, target)
			return []string{"web-1"}, []desired.ID{"play/base"}, nil
		},
		Put: func(_ context.Context, secret string, values map[string]desired.Secret) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.putErr != nil {
				return w.putErr
			}
			for key, value := range values {
				w.kept[secret+" "+key] = string(value.Reveal())
			}
			return nil
		},
		Start: func(why string) string {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.starts = append(w.starts, why)
			return "turn-1"
		},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	return w
}

// call makes a request that shows the token.
func (w *hookWorld) call(method, path, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("X-Token", hookToken)
	for _, e := range edit {
		e(r)
	}
	answer := httptest.NewRecorder()
	w.hooks.Handler().ServeHTTP(answer, r)
	return answer
}

// did is all that came of requests.
func (w *hookWorld) did() string {
	return strings.Join(w.provisioned, " ") + fmt.Sprint(w.kept) + strings.Join(w.starts, " ")
}

const nothing = "map[]"

// pair is a certificate with its key.
func pair(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon}, &x509.Certificate{SerialNumber: big.NewInt(1)}, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestHooksTakeWhatTodaysCallersSend(t *testing.T) {
	w := newHookWorld()
	got := w.call(http.MethodPost, "/hooks/provision?host=web-1", "pub_key_rsa=x&hostname=web-1")
	want := `{"turn":"turn-1","hosts":["web-1"],"playbooks":["play/base"],"status":"OK"}` + "\n"
	if got.Code != http.StatusAccepted || got.Body.String() != want {
		t.Errorf("provision: %d %s, want %s", got.Code, got.Body, want)
	}
	if got = w.call(http.MethodPost, "/hooks/provision?host=all", ""); got.Code != http.StatusAccepted {
		t.Errorf("provision of all: %d %s", got.Code, got.Body)
	}
	got = w.call(http.MethodPut, "/hooks/update-secrets", `{"comment": "new", "variables": [{"key": "apps.db.password", "value": "hunter2"}, {"key": ["apps", "port"], "value": 5432}, {"key": "apps.on", "value": true}]}`)
	want = `{"turn":"turn-1","secrets":["apps"],"data":{"count":3},"status":"OK"}` + "\n"
	if got.Code != http.StatusAccepted || got.Body.String() != want {
		t.Errorf("secrets: %d %s, want %s", got.Code, got.Body, want)
	}
	cert, key := pair(t)
	body, _ := json.Marshal(map[string]any{"certificates": []map[string]string{{"domain": "cloud.example.com", "certificate": cert, "key": key}}})
	got = w.call(http.MethodPut, "/hooks/update-certificates", string(body))
	if got.Code != http.StatusAccepted || !strings.Contains(got.Body.String(), `"data":{"count":1}`) {
		t.Errorf("certificates: %d %s", got.Code, got.Body)
	}
	for name, value := range map[string]string{
		"apps db.password": "hunter2", "apps port": "5432", "apps on": "true",
		"reverse_proxy_tls_certs cloud.example.com.cert": cert, "reverse_proxy_tls_certs cloud.example.com.key": key,
	} {
		if w.kept[name] != value {
			t.Errorf("%s is kept as %q", name, w.kept[name])
		}
	}
	if !slices.Equal(w.provisioned, []string{"web-1", "all"}) || !slices.Equal(w.starts, []string{"provision web-1", "provision all", "secrets sent", "secrets sent"}) {
		t.Errorf("provisioned %q, started for %q", w.provisioned, w.starts)
	}
	for _, secret := range []string{"hunter2", hookToken, key} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log tells a secret:\n%s", w.log.String())
		}
	}
}

func TestHooksAskWhoCalls(t *testing.T) {
	for what, row := range map[string]struct {
		edit func(*http.Request)
		want int
	}{
		"none":         {func(r *http.Request) { r.Header.Del("X-Token") }, http.StatusUnauthorized},
		"a wrong one":  {func(r *http.Request) { r.Header.Set("X-Token", hookToken+"4") }, http.StatusUnauthorized},
		"part of it":   {func(r *http.Request) { r.Header.Set("X-Token", hookToken[:10]) }, http.StatusUnauthorized},
		"another case": {func(r *http.Request) { r.Header.Set("X-Token", strings.ToUpper(hookToken)) }, http.StatusUnauthorized},
		"bearer": {func(r *http.Request) {
			r.Header.Del("X-Token")
			r.Header.Set("Authorization", "Bearer "+hookToken)
		}, http.StatusAccepted},
		"a URL's password": {func(r *http.Request) { r.Header.Del("X-Token"); r.SetBasicAuth("berth", hookToken) }, http.StatusAccepted},
		"a wrong bearer": {func(r *http.Request) {
			r.Header.Del("X-Token")
			r.Header.Set("Authorization", "Bearer x")
		}, http.StatusUnauthorized},
	} {
		w := newHookWorld()
		got := w.call(http.MethodPost, "/hooks/provision?host=web-1", "", row.edit)
		if got.Code != row.want || (row.want == http.StatusUnauthorized) != (w.did() == nothing) {
			t.Errorf("%s: %d %s, did %s", what, got.Code, got.Body, w.did())
		}
		if strings.Contains(w.log.String()+got.Body.String(), hookToken[:10]) {
			t.Errorf("%s: a token is told: %s %s", what, w.log.String(), got.Body)
		}
	}
	// A page may have a browser ask, that knows the token as the password of a URL.
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"} {
		w := newHookWorld()
		got := w.call(http.MethodPost, "/hooks/provision?host=web-1", "", func(r *http.Request) { r.Header.Set(header, value) })
		if got.Code != http.StatusForbidden || w.did() != nothing {
			t.Errorf("%s: %d %s, did %s", header, got.Code, got.Body, w.did())
		}
	}
	// A stranger learns nothing of what there is, and fills no disk.
	w := newHookWorld()
	for range 1000 {
		for _, path := range []string{"/hooks/provision", "/", "/v1/status", "/hooks/provision?host=nobody"} {
			if got := w.call(http.MethodGet, path, "", func(r *http.Request) { r.Header.Del("X-Token") }); got.Code != http.StatusUnauthorized {
				t.Fatalf("%s: %d", path, got.Code)
			}
		}
	}
	if lines := strings.Count(w.log.String(), "\n"); lines != 1 {
		t.Errorf("4000 strangers leave %d lines", lines)
	}
	// A token that is none lets nobody in.
	for _, token := range []string{"", "short", "INSECURE_CHANGE_ME", "0123456789abcdef\n0123456789abcdef"} {
		w := newHookWorld()
		w.hooks.Token = func() ([]byte, error) { return []byte(token), nil }
		if got := w.call(http.MethodPost, "/hooks/provision?host=web-1", "", func(r *http.Request) { r.Header.Set("X-Token", token) }); got.Code != http.StatusServiceUnavailable || w.did() != nothing {
			t.Errorf("token %q: %d %s", token, got.Code, got.Body)
		}
	}
	w = newHookWorld()
	w.hooks.Token = func() ([]byte, error) { return nil, errors.New("token file: no such file") }
	if got := w.call(http.MethodPost, "/hooks/provision?host=web-1", ""); got.Code != http.StatusServiceUnavailable || strings.Contains(got.Body.String(), "no such file") || !strings.Contains(w.log.String(), "no such file") {
		t.Errorf("an unreadable token: %d %s", got.Code, got.Body)
	}
}

func TestHooksRefuse(t *testing.T) {
	cert, _ := pair(t)
	_, other := pair(t)
	mixed, _ := json.Marshal(map[string]any{"certificates": []map[string]string{{"domain": "a.example.com", "certificate": cert, "key": other}}})
	const secrets, certificates = "/hooks/update-secrets", "/hooks/update-certificates"
	for _, row := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/hooks/provision?host=web-1", "", 405, "/hooks/provision takes POST: curl -X POST"},
		{"POST", secrets, "{}", 405, "takes PUT: curl -X PUT"},
		{"POST", "/hooks/other", "", 404, "there are /hooks/provision"},
		{"POST", "/hooks/provision", "", 400, "name the host: /hooks/provision?host=NAME"},
		{"POST", "/hooks/provision?host=a%0Ab", "", 400, "a name is wanted"},
		{"POST", "/hooks/provision?host=all:!web-1", "", 400, "a name is wanted"},
		{"POST", "/hooks/provision?host=wbe-1", "", 404, "host wbe-1 is not known here; did you mean web-1?"},
		{"POST", "/hooks/provision?host=early", "", 503, "ask again in a moment"},
		{"PUT", secrets, "", 400, "send JSON as in"},
		{"PUT", secrets, "{", 400, "send JSON as in"},
		{"PUT", secrets, `{"variables": [{"key": "apps.x", "value": "hunter2"}]} x`, 400, "send JSON as in"},
		{"PUT", secrets, `{"variables": "hunter2"}`, 400, "send JSON as in"},
		{"PUT", secrets, `{}`, 400, "variables is empty"},
		{"PUT", secrets, `{"variables": [{"key": "apps", "value": "hunter2"}]}`, 400, "variables[0].key: name a Secret and a key in it"},
		{"PUT", secrets, `{"variables": [{"key": 7, "value": "hunter2"}]}`, 400, `variables: key: write \"apps.token\"`},
		{"PUT", secrets, `{"variables": [{"key": "apps..x", "value": "hunter2"}]}`, 400, "variables[0].key"},
		{"PUT", secrets, `{"variables": [{"key": "apps.` + strings.Repeat("x", 200) + `", "value": "hunter2"}]}`, 400, "longer than 128 bytes"},
		{"PUT", secrets, `{"variables": [{"key": "apps.x", "value": "hunter2"}, {"key": ["apps", "x"], "value": "hunter3"}]}`, 400, "variables[1].key: it is there twice"},
		{"PUT", secrets, `{"variables": [{"key": "apps.x"}]}`, 400, "variables[0].value: it is missing"},
		{"PUT", secrets, `{"variables": [{"key": "apps.x", "value": null}]}`, 400, "variables[0].value: write one value"},
		{"PUT", secrets, `{"variables": [{"key": "apps.x", "value": {"hunter2": "hunter2"}}]}`, 400, "write one value"},
		{"PUT", secrets, `{"variables": [{"key": "apps.x", "value": ""}]}`, 400, "it is empty"},
		{"PUT", secrets, `{"variables": [{"key": "app.x", "value": "hunter2"}]}`, 404, `no Secret \"app\" that is sent: add {kind: Secret, name: app, hook: true}; or did you mean apps?`},
		{"PUT", secrets, `{"variables": [{"key": "apps.x", "value": "hunter2"}, {"key": "pve.token", "value": "hunter2"}]}`, 404, "Secret pve (secrets.yaml:3) is not one that is sent"},
		{"PUT", certificates, `{"certificates": []}`, 400, "certificates is empty"},
		{"PUT", certificates, `{"certificates": [{"domain": "a b", "certificate": "x", "key": "hunter2"}]}`, 400, "certificates[0].domain"},
		{"PUT", certificates, `{"certificates": [{"domain": "a.example.com", "certificate": "x", "key": "hunter2"}]}`, 400, "of a.example.com: certificate and key must be PEM and belong together"},
		{"PUT", certificates, string(mixed), 400, "must be PEM and belong together"},
	} {
		w := newHookWorld()
		got := w.call(row.method, row.path, row.body)
		if got.Code != row.status || !strings.Contains(got.Body.String(), row.want) || !strings.Contains(got.Body.String(), `"status":"ERROR"`) {
			t.Errorf("%s %s %.80s: %d %s, want %d and %q", row.method, row.path, row.body, got.Code, got.Body, row.status, row.want)
		}
		if w.did() != nothing {
			t.Errorf("%s %s %.80s: something was done: %s", row.method, row.path, row.body, w.did())
		}
		if strings.Contains(got.Body.String()+w.log.String(), "hunter") {
			t.Errorf("%s %s %.80s: a value is told: %s %s", row.method, row.path, row.body, got.Body, w.log.String())
		}
	}
	w := newHookWorld()
	w.fleet = nil
	if got := w.call("PUT", secrets, `{"variables": [{"key": "apps.x", "value": "hunter2"}]}`); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("before the first commit: %d %s", got.Code, got.Body)
	}
	w = newHookWorld()
	w.putErr = lock.ErrNew
	if got := w.call("PUT", secrets, `{"variables": [{"key": "apps.x", "value": "hunter2"}]}`); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "agent bootstrap") || len(w.starts) > 0 {
		t.Errorf("before bootstrap: %d %s", got.Code, got.Body)
	}
}

// endless is a body that never ends, and counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

// TestHooksReadNoMoreThanTheyTake sends 100 MB and more: by strangers none of it is
// read, of others a MiB.
func TestHooksReadNoMoreThanTheyTake(t *testing.T) {
	for _, row := range []struct {
		method, path, token string
		status, most        int
	}{
		{"PUT", "/hooks/update-secrets", hookToken, http.StatusRequestEntityTooLarge, 1<<20 + 1<<16},
		{"PUT", "/hooks/update-certificates", hookToken, http.StatusRequestEntityTooLarge, 1<<20 + 1<<16},
		{"POST", "/hooks/provision?host=web-1", hookToken, http.StatusRequestEntityTooLarge, 1<<20 + 1<<16},
		{"PUT", "/hooks/update-secrets", "", http.StatusUnauthorized, 0},
	} {
		w := newHookWorld()
		body := &endless{}
		r := httptest.NewRequestWithContext(context.Background(), row.method, row.path, io.LimitReader(body, 100<<20))
		r.Header.Set("X-Token", row.token)
		got := httptest.NewRecorder()
		w.hooks.Handler().ServeHTTP(got, r)
		if got.Code != row.status || body.read > row.most || w.did() != nothing {
			t.Errorf("%s: %d %s after %d bytes, did %s", row.path, got.Code, got.Body, body.read, w.did())
		}
	}
}

// FuzzHooks sends anything: it is answered as documented, and nothing but what the
// fleet wants is kept.
func FuzzHooks(f *testing.F) {
	cert, key := pair(f)
	body, _ := json.Marshal(map[string]any{"certificates": []map[string]string{{"domain": "a.example.com", "certificate": cert, "key": key}}})
	f.Add("POST", "/hooks/provision?host=web-1", hookToken, []byte(""))
	f.Add("PUT", "/hooks/update-secrets", hookToken, []byte(`{"comment": "", "variables": [{"key": "apps.a", "value": "b"}, {"key": ["apps", "c"], "value": 1}]}`))
	f.Add("PUT", "/hooks/update-certificates", hookToken, body)
	f.Add("PUT", "/hooks/update-secrets", "", []byte("{}"))
	f.Add("GET", "/hooks/../v1/status", hookToken, []byte("\xff"))
	f.Fuzz(func(t *testing.T, method, path, token string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://agent", bytes.NewReader(body))
		if err != nil {
			return
		}
		if r.URL, err = r.URL.Parse(path); err != nil {
			return
		}
		r.Header.Set("X-Token", token)
		w := newHookWorld()
		got := httptest.NewRecorder()
		w.hooks.Handler().ServeHTTP(got, r)
		switch got.Code {
		case http.StatusAccepted:
			if token != hookToken || len(w.starts) != 1 {
				t.Fatalf("%s %s by %q is taken, %d turns started", method, path, token, len(w.starts))
			}
		case 301, 307, 308, 400, 401, 404, 405, 413:
			if w.did() != nothing {
				t.Fatalf("%s %s: %d, and yet %s", method, path, got.Code, w.did())
			}
		default:
			t.Fatalf("%s %s: %d %s", method, path, got.Code, got.Body)
		}
		for name := range w.kept {
			if !strings.HasPrefix(name, "apps ") && !strings.HasPrefix(name, "reverse_proxy_tls_certs ") {
				t.Fatalf("%s was kept", name)
			}
		}
	})
}
