package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift"
	"berth/drift/report"
)

// serve answers at a socket of its own.
func serve(t *testing.T, ask web.Ask) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "run", "agent.sock")
	ctx, stop := context.WithCancel(t.Context())
	listener, err := web.Listen(ctx, socket, "")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, listener, web.API{Ask: ask, Log: log}.Handler(), log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket
}

func TestAskOverTheSocket(t *testing.T) {
	var asked turn.Request
	socket := serve(t, func(_ context.Context, req turn.Request) (*report.Report, error) {
		asked = req
		rep := &report.Report{Version: report.Version, Mode: req.Mode, Plan: &drift.Plan{Digest: "d1"}}
		if req.Plan != "" && req.Plan != "d1" {
			return rep, &turn.PlanChangedError{Asked: req.Plan, Now: "d1"}
		}
		return rep, nil
	})
	client := web.NewClient(socket)
	rep, err := client.Drift(t.Context())
	if err != nil || rep.Plan.Digest != "d1" || asked.Mode != report.Drift {
		t.Fatalf("drift: %+v, %v, asked %+v", rep, err, asked)
	}
	if _, err := client.Sync(t.Context(), web.SyncRequest{Plan: "d1", AcceptSource: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(turn.Request{Mode: report.Run, Plan: "d1", AcceptSource: true}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	playbooks := []turn.Asking{{Play: "play/base", Hosts: []string{"web-1"}}, {Play: "play/backup"}}
	if _, err := client.Sync(t.Context(), web.SyncRequest{Run: playbooks}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(turn.Request{Mode: report.Run, Afresh: true, Run: playbooks}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	var changed *turn.PlanChangedError
	if rep, err := client.Sync(t.Context(), web.SyncRequest{Plan: "d0"}); !errors.As(err, &changed) || changed.Now != "d1" || rep == nil {
		t.Errorf("another plan: %+v, %v", rep, err)
	}
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket must be its owner's only: %v, %v", info.Mode(), err)
	}
}

func TestErrorsCrossTheSocket(t *testing.T) {
	socket := serve(t, func(context.Context, turn.Request) (*report.Report, error) {
		return nil, errors.New("the repository is empty")
	})
	if _, err := web.NewClient(socket).Drift(t.Context()); err == nil || err.Error() != "the repository is empty" {
		t.Errorf("got %v", err)
	}
}

func TestNoAgent(t *testing.T) {
	dir := t.TempDir()
	if _, err := web.NewClient(filepath.Join(dir, "agent.sock")).Drift(t.Context()); !errors.Is(err, web.ErrNoAgent) {
		t.Errorf("no socket: %v", err)
	}
	// A socket that a killed agent left behind.
	stale := filepath.Join(dir, "stale.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
	if _, err := web.NewClient(stale).Drift(t.Context()); !errors.Is(err, web.ErrNoAgent) {
		t.Errorf("stale socket: %v", err)
	}
	again, err := web.Listen(t.Context(), stale, "")
	if err != nil {
		t.Fatalf("a stale socket must give way: %v", err)
	}
	defer again.Close()
	if _, err := web.Listen(t.Context(), stale, ""); err == nil || !strings.Contains(err.Error(), "answers at") {
		t.Errorf("a second agent: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := web.Listen(t.Context(), file, ""); err == nil || !strings.Contains(err.Error(), "is something else") {
		t.Errorf("a file in the way: %v", err)
	}
}

func TestAskerWhoGoesAwayIsLetGo(t *testing.T) {
	began := make(chan struct{})
	socket := serve(t, func(ctx context.Context, _ turn.Request) (*report.Report, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	go func() { <-began; cancel() }()
	if _, err := web.NewClient(socket).Drift(ctx); err == nil {
		t.Error("no error")
	}
}
