package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/gitserve"
	"berth/agent/internal/secrets"
	"berth/desired"
)

// TestPlaybookTrees fetches a playbook of another repository by a token that is a secret,
// and says of a key that can't be read what its own error says.
func TestPlaybookTrees(t *testing.T) {
	dir := t.TempDir()
	server, err := gitserve.New(filepath.Join(dir, "plays.git"))
	if err != nil {
		t.Fatal(err)
	}
	text := "- hosts: all\n"
	commit, err := server.Commit(map[string]*string{"site.yml": &text}, "Begin")
	if err != nil {
		t.Fatal(err)
	}
	server.Token = "t0p-S3cret"
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: server, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = web.Serve(listener) }()
	t.Cleanup(func() { _ = web.Close(); <-ended })
	settings := &config.Settings{State: filepath.Join(dir, "state")}
	library, err := openLibrary(settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(library.Close)
	env := map[string]string{"BERTH_SECRET_PLAYS": "t0p-S3cret"}
	store := secrets.New(secrets.Options{Settings: settings, Env: func(name string) string { return env[name] }, Dir: filepath.Join(dir, "secrets")})
	places := store.At(map[string]*desired.SecretPlace{"plays": {Name: "plays", Env: "BERTH_SECRET_PLAYS"}, "none": {Name: "none", Env: "BERTH_SECRET_NONE"}}, nil)
	trees := playbookTrees(library, places)
	git := desired.PlaybookGit{URL: "http://" + listener.Addr().String() + "/plays.git", Ref: "main", Key: desired.SecretRef{Secret: "plays"}}
	tree, have, err := trees(t.Context(), git)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(tree, "site.yml"); err != nil || string(got) != text || have != commit {
		t.Errorf("%s at %s, want %s: %v", got, have, commit, err)
	}
	git.Key.Secret = "none"
	if _, _, err := trees(t.Context(), git); err == nil || !strings.Contains(err.Error(), "BERTH_SECRET_NONE") {
		t.Error(err)
	}
	// A commit that is there needs no key.
	git.Ref = commit
	if _, _, err := trees(t.Context(), git); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	library.Turn()
	git.Ref, git.Key.Secret = "main", "plays"
	if _, _, err := trees(ctx, git); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
