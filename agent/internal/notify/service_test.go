package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/agent/internal/notify"
)

// standIn is a server that takes the place of every host that a service asks.
type standIn struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request)

	mu     sync.Mutex
	seen   []*http.Request
	bodies []string
}

// asked are the requests so far.
func (s *standIn) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// body is that of a request.
func (s *standIn) body(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[i]
}

func newStandIn(t *testing.T) *standIn {
	s := &standIn{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen, s.bodies = append(s.seen, r), append(s.bodies, string(body))
		s.mu.Unlock()
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// client leads all requests to the stand-in, whatever host they are for.
func (s *standIn) client() *http.Client {
	return &http.Client{Transport: elsewhere(func(req *http.Request) (*http.Response, error) {
		there := req.Clone(req.Context())
		there.Host, there.URL.Scheme, there.URL.Host = req.URL.Host, "http", strings.TrimPrefix(s.URL, "http://")
		resp, err := http.DefaultTransport.RoundTrip(there)
		if err != nil {
			return nil, err
		}
		return resp, nil
	})}
}

type elsewhere func(*http.Request) (*http.Response, error)

func (e elsewhere) RoundTrip(req *http.Request) (*http.Response, error) { return e(req) }

func serviceOf(s *standIn, text string) *notify.Service {
	service := notify.NewService(func() ([]byte, error) { return []byte(text + "\n"), nil })
	service.Client = s.client()
	return service
}

// service is one by its documented API: its URL with planted secrets, what it is asked
// and how it answers.
type service struct {
	url string
	// path is what is asked, method POST unless it says.
	method, host, path string
	// header is one that must be there.
	header [2]string
	// text finds the title and the text in what was sent.
	text func(r *http.Request, body string) (title, text string)
	// takes is what the service answers, wrong what it answers to what it does not like.
	takes string
	wrong string
	// code is that of wrong; 200 is of those that say so in the body.
	code int
}

// field is a text in a JSON object, by the keys that lead to it.
func field(body string, keys ...any) string {
	var at any
	_ = json.Unmarshal([]byte(body), &at)
	for _, key := range keys {
		switch k := key.(type) {
		case string:
			object, _ := at.(map[string]any)
			at = object[k]
		case int:
			list, _ := at.([]any)
			if k >= len(list) {
				return ""
			}
			at = list[k]
		}
	}
	text, _ := at.(string)
	return text
}

const (
	plantedOne = "HUNTERONE"
	plantedTwo = "HUNTERTWO"
	planted24  = "hunterthreehunterthree24"
)

var services = map[string]service{
	"ntfy": {
		url: "ntfy://:" + planted24 + "@ntfy.example.com/fleet", host: "ntfy.example.com", path: "/fleet", header: [2]string{"Authorization", "Basic "},
		text:  func(r *http.Request, body string) (string, string) { return r.Header.Get("Title"), body },
		takes: `{"id":"x","event":"message"}`, wrong: `{"code":40301,"http":403,"error":"forbidden"}`, code: 403,
	},
	"gotify": {
		url: "gotify://gotify.example.com/Ahunterthree24x", host: "gotify.example.com", path: "/message",
		text: func(_ *http.Request, body string) (string, string) {
			return field(body, "title"), field(body, "message")
		},
		takes: `{"id":1}`, wrong: `{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token"}`, code: 401,
	},
	"slack": {
		url: "slack://hook:" + plantedOne + "-" + plantedTwo + "-" + planted24 + "@webhook", host: "hooks.slack.com", path: "/services/" + plantedOne + "/" + plantedTwo + "/" + planted24,
		text:  func(_ *http.Request, body string) (string, string) { return field(body, "text"), field(body, "text") },
		takes: "ok", wrong: "no_service", code: 404,
	},
	"slack bot": {
		url: "slack://xoxb:" + plantedOne + "-" + plantedTwo + "-" + planted24 + "@C0123456789", host: "slack.com", path: "/api/chat.postMessage", header: [2]string{"Authorization", "Bearer xoxb-"},
		text:  func(_ *http.Request, body string) (string, string) { return field(body, "text"), field(body, "text") },
		takes: `{"ok":true,"ts":"1"}`, wrong: `{"ok":false,"error":"channel_not_found"}`, code: 200,
	},
	"discord": {
		url: "discord://" + planted24 + "@123456789012345678", host: "discord.com", path: "/api/webhooks/123456789012345678/" + planted24,
		text: func(_ *http.Request, body string) (string, string) {
			return field(body, "embeds", 0, "title"), field(body, "embeds", 0, "description")
		},
		takes: "", wrong: `{"message": "Unknown Webhook", "code": 10015}`, code: 404,
	},
	"matrix": {
		url: "matrix://:" + planted24 + "@matrix.example.com/?rooms=!room:example.com", method: "PUT", host: "matrix.example.com",
		path: "/_matrix/client/v3/rooms/!room:example.com/send/m.room.message/", header: [2]string{"Authorization", "Bearer " + planted24},
		text:  func(_ *http.Request, body string) (string, string) { return field(body, "body"), field(body, "body") },
		takes: `{"event_id":"$x"}`, wrong: `{"errcode":"M_FORBIDDEN","error":"User not in room"}`, code: 403,
	},
	"telegram": {
		url: "telegram://123456789:" + planted24 + "hunter-four@telegram?chats=-100123456789", host: "api.telegram.org", path: "/bot123456789:" + planted24 + "hunter-four/sendMessage",
		text:  func(_ *http.Request, body string) (string, string) { return field(body, "text"), field(body, "text") },
		takes: `{"ok":true,"result":{"message_id":1}}`, wrong: `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, code: 400,
	},
	"mattermost": {
		url: "mattermost://mm.example.com/" + planted24, host: "mm.example.com", path: "/hooks/" + planted24,
		text:  func(_ *http.Request, body string) (string, string) { return field(body, "text"), field(body, "text") },
		takes: "ok", wrong: `{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook","status_code":400}`, code: 400,
	},
	"rocketchat": {
		url: "rocketchat://rc.example.com/" + plantedOne + "/" + planted24, host: "rc.example.com", path: "/hooks/" + plantedOne + "/" + planted24,
		text:  func(_ *http.Request, body string) (string, string) { return field(body, "text"), field(body, "text") },
		takes: `{"success":true}`, wrong: `{"success":false,"error":"Invalid integration id or token provided."}`, code: 404,
	},
}

// hasSecret tells which planted secret a text holds.
func hasSecret(text string) bool {
	return strings.Contains(strings.ToLower(text), "hunter") || strings.Contains(text, "123456789")
}

func event() notify.Event {
	return notify.Event{
		Version: 1, Kind: notify.Failure, Level: notify.Error, ID: "e1", Host: "pve-agent", Fleet: "lab", Turn: "t1", Commit: "3f2a91c00",
		Title: "Failed: vm/web-1", Text: "It is tried again by itself.",
		Items: []notify.Item{{ID: "vm/web-1", Reason: "storage ssd has no space"}},
	}
}

func TestServicesAreAskedAsTheyAreDocumented(t *testing.T) {
	for name, row := range services {
		t.Run(name, func(t *testing.T) {
			s := newStandIn(t)
			s.answer = func(w http.ResponseWriter, _ *http.Request) {
				if row.takes == "" {
					w.WriteHeader(http.StatusNoContent)
				}
				_, _ = io.WriteString(w, row.takes)
			}
			if err := serviceOf(s, row.url).Send(t.Context(), event()); err != nil {
				t.Fatal(err)
			}
			if len(s.asked()) != 1 {
				t.Fatalf("%d requests", len(s.asked()))
			}
			r := s.asked()[0]
			method := row.method
			if method == "" {
				method = http.MethodPost
			}
			if r.Method != method || r.Host != row.host || !strings.HasPrefix(r.URL.Path, row.path) {
				t.Errorf("asked %s %s%s", r.Method, r.Host, r.URL.Path)
			}
			if row.header[0] != "" && !strings.HasPrefix(r.Header.Get(row.header[0]), row.header[1]) {
				t.Errorf("%s: %q", row.header[0], r.Header.Get(row.header[0]))
			}
			title, text := row.text(r, s.body(0))
			for _, want := range []string{"vm/web-1", "storage ssd has no space", "pve-agent", "3f2a91c"} {
				if !strings.Contains(strings.ReplaceAll(text, `\`, ""), want) {
					t.Errorf("the text lacks %q:\n%s", want, text)
				}
			}
			if !strings.Contains(title, "🔴 lab: Failed: vm/web-1") {
				t.Errorf("the title is %q", title)
			}
		})
	}
}

// TestWhatServicesAnswer has each service answer wrongly in every way: what is said of it
// helps, holds no secret, and tells whether to try again.
func TestWhatServicesAnswer(t *testing.T) {
	for name, row := range services {
		for _, c := range []struct {
			what    string
			answer  func(w http.ResponseWriter, r *http.Request)
			want    string
			refused bool
			later   time.Duration
		}{
			{what: "as documented", answer: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(row.code)
				_, _ = io.WriteString(w, row.wrong)
			}, want: fmt.Sprintf("it answers %d %s: ", row.code, http.StatusText(row.code)), refused: row.code >= 400},
			{what: "500 that repeats what it was asked", answer: func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "no "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+row.url, http.StatusInternalServerError)
			}, want: "it answers 500 Internal Server Error"},
			{what: "429", answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "77")
				w.WriteHeader(http.StatusTooManyRequests)
			}, want: "it answers 429", later: 77 * time.Second},
			{what: "a redirect", answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.example.com/"+r.URL.Path, http.StatusTemporaryRedirect)
			}, want: "redirects are not followed", refused: true},
			{what: "a hang-up", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "ask it: "},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				s := newStandIn(t)
				s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
				s.answer = c.answer
				began := time.Now()
				err := serviceOf(s, row.url).Send(t.Context(), event())
				var refused *notify.RefusedError
				var later *notify.LaterError
				switch {
				case err == nil || !strings.Contains(err.Error(), c.want) || hasSecret(err.Error()):
					t.Fatalf("got %v, want %q and no secret", err, c.want)
				case errors.As(err, &refused) != c.refused:
					t.Errorf("refused: %v", err)
				case errors.As(err, &later) != (c.later > 0) || c.later > 0 && later.After != c.later:
					t.Errorf("later: %v", err)
				}
				if took := time.Since(began); took > 5*time.Second || len(s.asked()) > 2 {
					t.Errorf("it took %v and %d requests", took, len(s.asked()))
				}
				if c.what == "as documented" && field(row.wrong, "error")+field(row.wrong, "description") != "" && !regexp.MustCompile(`: \w`).MatchString(strings.TrimPrefix(err.Error(), "it answers")) {
					t.Errorf("what it says is not told: %v", err)
				}
			})
		}
	}
}

func TestServicesThatAreNotThere(t *testing.T) {
	for name, row := range services {
		s := newStandIn(t)
		s.Close()
		err := serviceOf(s, row.url).Send(t.Context(), event())
		if err == nil || !strings.Contains(err.Error(), "connection refused") || hasSecret(err.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServicesThatHang are left when the time is up; no request goes on behind.
func TestServicesThatHang(t *testing.T) {
	for name, row := range services {
		s := newStandIn(t)
		gone := make(chan struct{}, 9)
		// The time is up once it is asked, however busy the machine is.
		ctx, stop := context.WithCancel(t.Context())
		s.answer = func(_ http.ResponseWriter, r *http.Request) { stop(); <-r.Context().Done(); gone <- struct{}{} }
		err := serviceOf(s, row.url).Send(ctx, event())
		stop()
		if err == nil || hasSecret(err.Error()) {
			t.Errorf("%s: %v", name, err)
		}
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: its request goes on", name)
		}
	}
}

func TestALongAnswerIsNotRead(t *testing.T) {
	s := newStandIn(t)
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<14)); err != nil {
				return
			}
		}
	}
	err := serviceOf(s, services["ntfy"].url).Send(t.Context(), event())
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("got %.200v", err)
	}
}

// TestMatrixLogsIn has a server that wants a login first: its token shows nowhere.
func TestMatrixLogsIn(t *testing.T) {
	s := newStandIn(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"flows":[{"type":"m.login.password"}]}`)
		case strings.HasSuffix(r.URL.Path, "/login"):
			_, _ = io.WriteString(w, `{"access_token":"hunterthree","user_id":"@b:x"}`)
		case r.Header.Get("Authorization") != "Bearer hunterthree":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = io.WriteString(w, `{"event_id":"$x"}`)
		}
	}
	target := serviceOf(s, "matrix://berth:hunterone@matrix.example.com/?rooms=!r:x")
	if err := target.Send(t.Context(), event()); err != nil || len(s.asked()) != 3 {
		t.Errorf("%v, after %d requests", err, len(s.asked()))
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"hunterthree","flows":[]}`)
	}
	if err := target.Send(t.Context(), event()); err == nil || hasSecret(err.Error()) {
		t.Errorf("a strange answer: %v", err)
	}
}

// TestOneMessageAfterAnother sends two by one target: nothing of the first is in the
// second.
func TestOneMessageAfterAnother(t *testing.T) {
	for name, row := range services {
		s := newStandIn(t)
		s.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, row.takes) }
		target := serviceOf(s, row.url)
		second := event()
		second.Kind, second.Level, second.Title, second.Items = notify.Recovery, notify.Info, "Over: vm/db", nil
		for _, e := range []notify.Event{event(), second} {
			if err := target.Send(t.Context(), e); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		title, text := row.text(s.asked()[1], s.body(1))
		if !strings.Contains(title, "Over: vm/db") || strings.Contains(title+text, "web-1") {
			t.Errorf("%s: %q, %q", name, title, text)
		}
		if got := s.asked()[0].Header.Get("Priority") + s.asked()[1].Header.Get("Priority"); name == "ntfy" && got != "HighDefault" {
			t.Errorf("priorities: %s", got)
		}
	}
}

// TestForeignTextIsHarmless has machines say what chats take for commands.
func TestForeignTextIsHarmless(t *testing.T) {
	bad := "@everyone <!channel> <@U123> <users/all> @here [click](https://evil.example.com) https://evil.example.com www.evil.example.com `rm` *b* \x1b[31m\nX-Header: y @alice"
	e := event()
	e.Items = []notify.Item{{ID: "vm/a", Reason: bad}}
	e.Title, e.Text, e.Fleet = "Failed: "+bad, bad, bad
	for name, row := range services {
		s := newStandIn(t)
		s.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, row.takes) }
		if err := serviceOf(s, row.url).Send(t.Context(), e); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		title, text := row.text(s.asked()[0], s.body(0))
		all := strings.ReplaceAll(title+"\n"+text, `\`, "")
		for _, ping := range []string{"@everyone", "@here", "@alice", "<!", "<@", "<users", "](", "https://", "www.evil", "\x1b"} {
			if strings.Contains(all, ping) {
				t.Errorf("%s: it holds %q:\n%s", name, ping, all)
			}
		}
		if s.asked()[0].Header.Get("X-Header") != "" {
			t.Errorf("%s: a header is injected", name)
		}
		if name == "slack" && strings.ContainsAny(all, "<>`") {
			t.Errorf("slack: %s", all)
		}
	}
}

// TestLongMessagesAreCut has every service take the longest message that there is.
func TestLongMessagesAreCut(t *testing.T) {
	var all []notify.Event
	for range 8 {
		e := event()
		e.Items = nil
		for i := range 20 {
			e.Items = append(e.Items, notify.Item{ID: "vm/guest", Hosts: []string{strconv.Itoa(i)}, Reason: strings.Repeat("the störage is full, ", 40)})
		}
		e.Title, e.Text = strings.Repeat("é", 900), strings.Repeat("x\n", 5000)
		all = append(all, e)
	}
	for name, row := range services {
		s := newStandIn(t)
		s.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, row.takes) }
		if err := serviceOf(s, row.url).SendAll(t.Context(), all); err != nil || len(s.asked()) != 1 {
			t.Errorf("%s: %v, in %d requests", name, err, len(s.asked()))
			continue
		}
		_, text := row.text(s.asked()[0], s.body(0))
		if len(text) > 4096 || !strings.Contains(text, "more lines") || name == "discord" && len(text) > 2000 {
			t.Errorf("%s: %d bytes: %.100s", name, len(text), text)
		}
	}
}

// TestInsecureMeansIt has a server whose certificate nobody knows: only a URL that asks
// for it takes that.
func TestInsecureMeansIt(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	host := strings.TrimPrefix(server.URL, "https://")
	for text, want := range map[string]string{
		"ntfy://" + host + "/x":                                        "certificate",
		"ntfy://" + host + "/x?disabletlsverification=yes":             "",
		"gotify://" + host + "/Ahunterthree24x":                        "certificate",
		"gotify://" + host + "/Ahunterthree24x?insecureskipverify=yes": "",
	} {
		err := notify.NewService(func() ([]byte, error) { return []byte(text), nil }).Send(t.Context(), event())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestAServiceThatTakesNoTimeLimit has an MQTT server that says nothing: one attempt
// hangs behind at most.
func TestAServiceThatTakesNoTimeLimit(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	target := notify.NewService(func() ([]byte, error) {
		return []byte("mqtt://u:hunter2@" + listener.Addr().String() + "/berth?disabletls=yes"), nil
	})
	var said bytes.Buffer
	for range 3 {
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
		fmt.Fprintln(&said, target.Send(ctx, event()))
		stop()
	}
	if got := said.String(); strings.Count(got, "still hangs") != 2 || hasSecret(got) {
		t.Errorf("it says\n%s", got)
	}
}
