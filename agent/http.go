package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"berth/agent/internal/config"
	"berth/agent/internal/web"
)

// http is what other machines may ask of this agent: what the settings open, and no more.
func (s *service) http() http.Handler {
	mux := http.NewServeMux()
	if s.settings.Hooks.Token != (config.Credential{}) {
		mux.Handle("/hooks/", s.hooks().Handler())
	}
	if len(s.settings.HTTP.Tokens) > 0 {
		mux.Handle("/v1/", s.api().Remote(s.gate()))
	}
	if len(s.settings.HTTP.Webhooks.Secrets) > 0 {
		mux.Handle("/webhook", s.webhooks())
	}
	return mux
}

// listenHTTP listens as the settings say; nil if nobody is to be answered. Callers of the
// hooks are known by what the manifests said last, before any turn.
func (s *service) listenHTTP(ctx context.Context) (net.Listener, error) {
	opened := s.settings.HTTP
	if opened.Listen == "" {
		return nil, nil //nolint:nilnil // No listener is what was asked for.
	}
	if err := s.checkHooks(); err != nil {
		return nil, err
	}
	if err := s.checkTokens(); err != nil {
		return nil, err
	}
	if err := s.checkWebhooks(); err != nil {
		return nil, err
	}
	scheme := "http"
	var certificate web.Certificate
	if opened.TLS.Cert != "" {
		scheme = "https"
		certificate = func() (cert, key []byte, err error) {
			if cert, err = os.ReadFile(opened.TLS.Cert); err == nil {
				key, err = s.settings.Read(opened.TLS.Key, s.env)
			}
			return cert, key, err
		}
	}
	listener, err := web.ListenHTTP(ctx, opened.Listen, certificate, s.log)
	if err != nil {
		return nil, err
	}
	if err := s.turner.Recall(ctx); err != nil {
		s.log.WarnContext(ctx, "hooks wait for the first turn", slog.Any("error", err))
	}
	at := scheme + "://" + listener.Addr().String()
	s.standing.Set(func(status *web.Status) { status.HTTP = at })
	s.log.InfoContext(ctx, "other machines are answered", slog.String("at", at))
	return listener, nil
}

// checkHooks tells early that no caller could show the token of the hooks.
func (s *service) checkHooks() error {
	if s.settings.Hooks.Token == (config.Credential{}) {
		return nil
	}
	token, err := s.settings.Read(s.settings.Hooks.Token, s.env)
	if err == nil {
		err = web.CheckToken(token)
	}
	clear(token)
	if err != nil {
		return fmt.Errorf("read hooks.token: %w", err)
	}
	return nil
}

// gate lets in who shows a token of the settings.
func (s *service) gate() *web.Gate {
	g := &web.Gate{Log: s.log}
	for i, t := range s.settings.HTTP.Tokens {
		g.Tokens = append(g.Tokens, web.Token{Name: tokenName(i), Scope: web.Scope(t.Scope), Read: s.reader(t.Token)})
	}
	return g
}

func tokenName(i int) string { return fmt.Sprintf("http.tokens[%d]", i) }

// checkTokens tells early that no caller could show one of them.
func (s *service) checkTokens() error {
	for i, t := range s.settings.HTTP.Tokens {
		token, err := s.settings.Read(t.Token, s.env)
		if err == nil {
			err = web.CheckToken(token)
		}
		clear(token)
		if err != nil {
			return fmt.Errorf("read %s: %w", tokenName(i), err)
		}
	}
	return nil
}
