package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/agent/internal/lock"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
)

// serveAPI answers at a socket of its own.
func serveAPI(t *testing.T, api web.API) *web.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent.sock")
	ctx, stop := context.WithCancel(t.Context())
	listener, err := web.Listen(ctx, socket, "")
	if err != nil {
		t.Fatal(err)
	}
	if api.Log == nil {
		api.Log = slog.New(slog.DiscardHandler)
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, listener, api.Handler(), api.Log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return web.NewClient(socket)
}

func TestPassphraseCrossesTheSocketAndIsWiped(t *testing.T) {
	var seen []byte // The agent's own memory of it.
	var got string
	client := serveAPI(t, web.API{Unlock: func(_ context.Context, passphrase []byte) (web.Unlocked, error) {
		seen, got = passphrase, string(passphrase)
		return web.Unlocked{Waiting: []turn.Waiting{{ID: "play/base", Hosts: []string{"web-1"}}}, Turn: "t1"}, nil
	}})
	mine := []byte("correct horse\x00 bättery\n")
	want := string(mine)
	out, err := client.Unlock(t.Context(), mine)
	if err != nil || out.Turn != "t1" || len(out.Waiting) != 1 || out.Waiting[0].String() != "play/base on web-1" {
		t.Fatalf("%+v, %v", out, err)
	}
	if got != want {
		t.Errorf("the agent got %q, want %q", got, want)
	}
	for who, left := range map[string][]byte{"the agent": seen, "the command": mine} {
		if strings.Trim(string(left), "\x00") != "" {
			t.Errorf("%s still has %q", who, left)
		}
	}
}

func TestUnlockRefusals(t *testing.T) {
	reached := false
	api := web.API{
		Log: slog.New(slog.DiscardHandler),
		Unlock: func(_ context.Context, passphrase []byte) (web.Unlocked, error) {
			reached = true
			if string(passphrase) == "wrong" {
				return web.Unlocked{}, &lock.WrongPassphraseError{Delay: 4 * time.Second}
			}
			return web.Unlocked{}, lock.ErrNew
		},
		Lock: func(context.Context) (web.Locked, error) { return web.Locked{Busy: true}, nil },
	}
	client := serveAPI(t, api)
	for passphrase, want := range map[string]string{
		"wrong": "wrong passphrase: the next one is tried in 4s", "other": "run `agent bootstrap`",
	} {
		if _, err := client.Unlock(t.Context(), []byte(passphrase)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", passphrase, err)
		}
	}
	reached = false
	for what, row := range map[string]struct{ passphrase, want string }{
		"empty": {"", "there is no passphrase"}, "long": {strings.Repeat("x", 1024), "fewer than 1024 bytes"}, "longer": {strings.Repeat("x", 1<<20), "fewer than 1024 bytes"},
	} {
		if _, err := client.Unlock(t.Context(), []byte(row.passphrase)); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %v", what, err)
		}
		// Whoever asks without our own client.
		answer := httptest.NewRecorder()
		api.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/unlock", strings.NewReader(row.passphrase)))
		if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), row.want) || strings.Contains(answer.Body.String(), "xxx") {
			t.Errorf("%s: %d %s", what, answer.Code, answer.Body)
		}
	}
	if reached {
		t.Error("what is no passphrase was tried")
	}
	if out, err := client.Lock(t.Context()); err != nil || !out.Busy {
		t.Errorf("lock: %+v, %v", out, err)
	}
	none := web.NewClient(filepath.Join(t.TempDir(), "none.sock"))
	_, unlockErr := none.Unlock(t.Context(), []byte("x"))
	_, lockErr := none.Lock(t.Context())
	_, statusErr := none.Status(t.Context())
	for _, err := range []error{unlockErr, lockErr, statusErr} {
		if !errors.Is(err, web.ErrNoAgent) {
			t.Errorf("without an agent: %v", err)
		}
	}
}

// TestStatusWaitsForNobody asks while a passphrase is being tried, and while a turn
// that never ends is under way.
func TestStatusWaitsForNobody(t *testing.T) {
	hangs := make(chan struct{})
	var standing web.Standing
	standing.Set(func(s *web.Status) { s.Version = web.StatusVersion })
	client := serveAPI(t, web.API{
		Unlock: func(ctx context.Context, _ []byte) (web.Unlocked, error) {
			<-hangs
			return web.Unlocked{}, nil
		},
		Status: standing.Status,
	})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { _, _ = client.Unlock(t.Context(), []byte("correct horse")) })
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	if s, err := client.Status(ctx); err != nil || s.Version != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	close(hangs)
	all.Wait()
}

func TestStatusOfAnotherVersion(t *testing.T) {
	client := serveAPI(t, web.API{Status: func() web.Status { return web.Status{Version: 2} }})
	if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "its status is of version 2 and this command knows 1") {
		t.Errorf("newer: %v", err)
	}
	socket := filepath.Join(t.TempDir(), "old.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	if _, err := web.NewClient(socket).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "restart it, so that it is of this version") {
		t.Errorf("older: %v", err)
	}
}
