package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/notify"
	"berth/agent/internal/web"
)

// hooks are what other machines may ask of this agent.
func (s *service) hooks() *web.Hooks {
	return &web.Hooks{
		Token:     func() ([]byte, error) { return s.settings.Read(s.settings.Hooks.Token, s.env) },
		Fleet:     s.turner.Enforced,
		Provision: s.turner.Provision,
		Put:       s.secrets.Put,
		Start:     s.loop.Start,
		Log:       s.log,
	}
}

// listenHooks listens as the settings say; nil if nobody is to be answered. Callers
// are known by what the manifests said last, before any turn.
func (s *service) listenHooks(ctx context.Context) (net.Listener, error) {
	hooks := s.settings.Hooks
	if hooks.Listen == "" {
		return nil, nil //nolint:nilnil // No listener is what was asked for.
	}
	token, err := s.settings.Read(hooks.Token, s.env)
	if err == nil {
		err = web.CheckToken(token)
	}
	clear(token)
	if err != nil {
		return nil, fmt.Errorf("read hooks.token: %w", err)
	}
	scheme := "http"
	var certificate web.Certificate
	if hooks.TLS.Cert != "" {
		scheme = "https"
		certificate = func() (cert, key []byte, err error) {
			if cert, err = os.ReadFile(hooks.TLS.Cert); err == nil {
				key, err = s.settings.Read(hooks.TLS.Key, s.env)
			}
			return cert, key, err
		}
	}
	listener, err := web.ListenHooks(ctx, hooks.Listen, certificate, s.log)
	if err != nil {
		return nil, err
	}
	if err := s.turner.Recall(ctx); err != nil {
		s.log.WarnContext(ctx, "hooks wait for the first turn", slog.Any("error", err))
	}
	at := scheme + "://" + listener.Addr().String()
	s.standing.Set(func(status *web.Status) { status.Hooks = at })
	s.log.InfoContext(ctx, "hooks are answered", slog.String("at", at))
	return listener, nil
}

// targets are those who are told what people should know.
func (s *service) targets() []notify.Target {
	var all []notify.Target
	for _, n := range s.settings.Notify {
		all = append(all, &notify.Webhook{URL: n.Webhook, Key: s.reader(n.Secret)})
	}
	return all
}

func (s *service) reader(c config.Credential) func() ([]byte, error) {
	return func() ([]byte, error) { return s.settings.Read(c, s.env) }
}

// notifyWaiting tells people that something waits for an unlock: when it begins to,
// and again a day later, until somebody unlocks.
func (s *service) notifyWaiting() {
	status := s.standing.Status()
	if len(status.Waiting) == 0 || status.Last == nil || !s.waiting.Due(time.Now()) {
		return
	}
	host, _ := os.Hostname()
	event := notify.Event{
		Kind: notify.WaitingForUnlock, ID: eventID(), At: time.Now().UTC(), Fleet: status.Fleet, Host: host, Turn: status.Last.ID, Commit: status.Commit.Hash,
		Title: "Waiting for somebody to unlock the agent on " + host,
		Text:  "Run `agent unlock` there. Nothing is lost: what waits goes on at once then, and all that needs no locked secret goes on meanwhile.",
	}
	for _, w := range status.Waiting {
		event.Items = append(event.Items, notify.Item{ID: w.ID, Hosts: w.Hosts, Reason: w.Reason})
	}
	s.notifier.Tell(event)
}

// eventID is one of a kind.
func eventID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // It never fails.
	return hex.EncodeToString(id)
}
