package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift"
	"berth/drift/report"
)

const (
	readToken = "read-0123456789abcdef"
	syncToken = "sync-0123456789abcdef"
)

// gate has a token for each scope; what stands in values is what their files hold.
func gate(values map[string]string) *web.Gate {
	read := func(name string) func() ([]byte, error) {
		return func() ([]byte, error) {
			if values[name] == "" {
				return nil, errors.New("no such file")
			}
			return []byte(values[name]), nil
		}
	}
	return &web.Gate{Log: slog.New(slog.DiscardHandler), Tokens: []web.Token{
		{Name: "a", Scope: web.ScopeRead, Read: read("a")}, {Name: "b", Scope: web.ScopeSync, Read: read("b")},
	}}
}

func remoteAPI() web.API {
	return web.API{
		Ask: func(_ context.Context, req turn.Request) (*report.Report, error) {
			return &report.Report{Version: report.Version, Mode: req.Mode, Plan: &drift.Plan{}}, nil
		},
		Status: func() web.Status { return web.Status{Version: web.StatusVersion} },
		Unlock: func(context.Context, []byte) (web.Unlocked, error) { panic("no token unlocks") },
		Lock:   func(context.Context) (web.Locked, error) { panic("no token locks") },
		Known:  func() *turn.Known { return nil },
		Log:    slog.New(slog.DiscardHandler),
	}
}

func TestScopes(t *testing.T) {
	tokens := map[string]string{"a": readToken, "b": syncToken}
	handler := remoteAPI().Remote(gate(tokens))
	ask := func(request, token string, header ...string) (int, string, http.Header) {
		method, path, _ := strings.Cut(request, " ")
		req := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		var out struct{ Error string }
		if rec.Header().Get("Content-Type") != "application/json" || json.Unmarshal(rec.Body.Bytes(), &out) != nil {
			t.Errorf("%s: answers no JSON: %s", request, rec.Body)
		}
		return rec.Code, out.Error, rec.Header()
	}
	for _, row := range []struct {
		request, token string
		status         int
		says           string
	}{
		{"GET /v1/status", readToken, 200, ""},
		{"GET /v1/status", syncToken, 200, ""},
		{"GET /v1/status", "", 401, "show a token of http.tokens"},
		{"GET /v1/status", "read-0123456789abcdeF", 401, "show a token"},
		{"GET /v1/status", readToken[:20], 401, "show a token"},
		{"GET /v1/nothing", "", 401, "show a token"},
		{"GET /v1/nothing", readToken, 404, "there is no GET /v1/nothing: GET /v1/openapi.yaml tells"},
		{"GET /v1/sync", readToken, 405, "/v1/sync takes POST, not GET"},
		{"GET /v1/inventory", readToken, 503, "has not looked at the fleet yet"},
		{"POST /v1/drift", readToken, 200, ""},
		{"POST /v1/routes", readToken, 200, ""},
		{"POST /v1/sync", readToken, 403, "this token's scope is read, and /v1/sync takes sync"},
		{"POST /v1/sync", syncToken, 200, ""},
		{"POST /v1/unlock", syncToken, 403, "/v1/unlock goes by the agent's socket alone"},
		{"POST /v1/lock", syncToken, 403, "/v1/lock goes by the agent's socket alone"},
		{"POST /v1/lock", readToken, 403, "/v1/lock goes by the agent's socket alone"},
		{"POST /v1/unlock", "", 401, "show a token"},
	} {
		if status, says, header := ask(row.request, row.token); status != row.status || !strings.Contains(says, row.says) || row.says == "" && says != "" || status == 401 && header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s with %q: %d %q, want %d %q", row.request, row.token, status, says, row.status, row.says)
		}
	}
	// What a route takes beyond its scope is in its body.
	for _, row := range []struct {
		path, body, token string
		status            int
		says              string
	}{
		{"/v1/drift", `{"commit": "refs/pull/1/head"}`, readToken, 403, "this token's scope is read, and to plan a commit that nobody has accepted takes sync"},
		{"/v1/drift", `{"commit": "refs/pull/1/head"}`, syncToken, 200, ""},
		{"/v1/sync", `{"acceptSource": true}`, syncToken, 403, "acceptSource goes by the agent's socket alone"},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, row.path, strings.NewReader(row.body))
		req.Header.Set("Authorization", "Bearer "+row.token)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code != row.status || !strings.Contains(rec.Body.String(), row.says) {
			t.Errorf("%s %s: %d %s, want %d %q", row.path, row.body, rec.Code, rec.Body, row.status, row.says)
		}
	}
	// Of a page in a browser its own alone is answered.
	for _, row := range []struct {
		name, value string
		status      int
	}{
		{"Origin", "https://evil.example", 403},
		{"Origin", "null", 403},
		{"Origin", "http://example.com", 200},
		{"Origin", "://", 403},
		{"Sec-Fetch-Site", "cross-site", 403},
		{"Sec-Fetch-Site", "same-site", 403},
		{"Sec-Fetch-Site", "same-origin", 200},
		{"Sec-Fetch-Site", "none", 200},
	} {
		for _, request := range []string{"GET /v1/status", "POST /v1/sync"} {
			if status, says, _ := ask(request, syncToken, row.name, row.value); status != row.status {
				t.Errorf("%s with %s: %s: %d %q, want %d", request, row.name, row.value, status, says, row.status)
			}
		}
	}
	// A password is what browsers send by themselves: it is no token here.
	if status, _, _ := ask("GET /v1/status", "", "Authorization", "Basic "+readToken); status != http.StatusUnauthorized {
		t.Errorf("by password: %d", status)
	}

	// A token that is changed counts at once, and one that can't be used opens nothing.
	tokens["a"] = "another-0123456789abcdef"
	if status, _, _ := ask("GET /v1/status", readToken); status != http.StatusUnauthorized {
		t.Errorf("the former token: %d", status)
	}
	if status, _, _ := ask("GET /v1/status", tokens["a"]); status != http.StatusOK {
		t.Errorf("the new token: %d", status)
	}
	tokens["a"] = "short"
	if status, _, _ := ask("GET /v1/status", "short"); status != http.StatusUnauthorized {
		t.Errorf("a short token: %d", status)
	}
	if status, _, _ := ask("GET /v1/status", syncToken); status != http.StatusOK {
		t.Errorf("beside a token that can't be used: %d", status)
	}
	tokens["a"], tokens["b"] = "", ""
	if status, says, _ := ask("GET /v1/status", ""); status != http.StatusServiceUnavailable || !strings.Contains(says, "can't read its own tokens") {
		t.Errorf("without any: %d %q", status, says)
	}
}

// TestTheSocketAnswersInJSONToo asks for what there is not.
func TestTheSocketAnswersInJSONToo(t *testing.T) {
	handler := remoteAPI().Handler()
	for request, want := range map[string]string{
		"GET /v2/status":  "there is no GET /v2/status",
		"DELETE /v1/sync": "/v1/sync takes POST, not DELETE",
		"POST /v1/sync":   "the request is no sync: ",
		"POST /v1/drift":  "the request is none for what differs: ",
	} {
		method, path, _ := strings.Cut(request, " ")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"x": 1}`)))
		var out struct{ Error string }
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || !strings.Contains(out.Error, want) || rec.Code < 400 {
			t.Errorf("%s: %d %s", request, rec.Code, rec.Body)
		}
	}
}

// TestALongTurnIsWaitedFor has a turn take longer than strangers may, over a listener as
// the agent has it, and callers that are slow, or too many.
func TestALongTurnIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := remoteAPI()
		api.Ask = func(ctx context.Context, req turn.Request) (*report.Report, error) {
			select {
			case <-time.After(10 * time.Minute):
				return &report.Report{Version: report.Version, Mode: req.Mode}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		listener := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- web.ServeHTTP(ctx, listener, api.Remote(gate(map[string]string{"a": readToken, "b": syncToken})), slog.New(slog.DiscardHandler))
		}()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: listener.dial}}
		ask := func() (int, error) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://agent/v1/drift", http.NoBody)
			if err != nil {
				return 0, err
			}
			req.Header.Set("Authorization", "Bearer "+readToken)
			resp, err := client.Do(req)
			if err != nil {
				return 0, err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return resp.StatusCode, err
		}
		began := time.Now()
		statuses := make(chan int, 9)
		for range 9 {
			go func() {
				status, err := ask()
				if err != nil {
					t.Error(err)
				}
				statuses <- status
			}()
		}
		count := make(map[int]int)
		for range 9 {
			count[<-statuses]++
		}
		if count[http.StatusOK] != 8 || count[http.StatusTooManyRequests] != 1 || time.Since(began) < 10*time.Minute {
			t.Errorf("after %s: %v", time.Since(began), count)
		}
		// Who sends a body by and by is not waited for, and keeps nobody's place.
		slow, _ := listener.dial(t.Context(), "", "")
		began = time.Now()
		_, _ = io.WriteString(slow, "POST /v1/drift HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer "+readToken+"\r\nContent-Length: 10\r\n\r\n{")
		answered, _ := io.ReadAll(slow)
		if took := time.Since(began); took > time.Minute || strings.Contains(string(answered), "200 OK") {
			t.Errorf("a slow caller was served for %s: %s", took, answered)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pipes is a listener within a test.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// Accept gives what was dialled.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends it.
func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

// Addr is none in particular.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestAPauseNamesItsToken tells which caller of another machine has paused the agent: of
// an address alone nobody knows whose it is.
func TestAPauseNamesItsToken(t *testing.T) {
	var by []string
	api := web.API{
		Log: slog.New(slog.DiscardHandler),
		Pause: func(_ context.Context, req web.PauseRequest) (web.Paused, error) {
			by = append(by, req.By)
			return web.Paused{}, nil
		},
		Resume: func(ctx context.Context) (web.Resumed, error) {
			by = append(by, web.Peer(ctx))
			return web.Resumed{}, nil
		},
	}
	handler := api.Remote(gate(map[string]string{"a": readToken, "b": syncToken}))
	for _, row := range []struct{ path, body, want string }{
		{"/v1/pause", `{}`, "b from 10.0.0.7:40772"},
		{"/v1/pause", `{"by": "ann"}`, "ann (b from 10.0.0.7:40772)"},
		{"/v1/resume", "", "b from 10.0.0.7:40772"},
	} {
		by = nil
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, row.path, strings.NewReader(row.body))
		req.Header.Set("Authorization", "Bearer "+syncToken)
		req.RemoteAddr = "10.0.0.7:40772"
		handler.ServeHTTP(httptest.NewRecorder(), req)
		if !slices.Equal(by, []string{row.want}) {
			t.Errorf("%s %s: by %q, want %q", row.path, row.body, by, row.want)
		}
	}
}
