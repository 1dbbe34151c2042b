package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"berth/agent/internal/config"
	"berth/agent/internal/web"
	"berth/drift"
)

// http is what other machines may ask of this agent: what the settings open, and no more.
func (s *service) http() http.Handler {
	mux := http.NewServeMux()
	if s.settings.Hooks.Token != (config.Credential{}) {
		mux.Handle("/hooks/", s.hooks().Handler())
	}
	gate := s.gate()
	if len(s.settings.HTTP.Tokens) > 0 {
		mux.Handle("/v1/", s.api().Remote(gate))
	}
	s.observed.toOthers(mux, s.settings.HTTP, gate)
	if len(s.settings.HTTP.Webhooks.Secrets) > 0 {
		mux.Handle("/webhook", s.webhooks())
	}
	return mux
}

// certificate reads what is shown to other machines; nil is that they are spoken to in
// clear.
func (s *service) certificate() web.Certificate {
	shown := s.settings.HTTP.TLS
	if shown.Cert == "" {
		return nil
	}
	return func() (cert, key []byte, err error) {
		if cert, err = os.ReadFile(shown.Cert); err == nil {
			key, err = s.settings.Read(shown.Key, s.env)
		}
		return cert, key, err
	}
}

// openDoor listens as the settings say. A door that is open already stays so if it is at
// the same address. Callers of the hooks are known by what the manifests said last,
// before any turn.
func (s *service) openDoor(ctx context.Context, fail func(error)) error {
	opened := s.settings.HTTP
	if opened.Listen == "" {
		s.door.close()
		s.door = nil
		s.standing.Set(func(status *web.Status) { status.HTTP = "" })
		return nil
	}
	if err := errors.Join(s.checkTokens(), s.checkWebhooks()); err != nil {
		return err
	}
	certificate := s.certificate()
	if s.door.at(opened.Listen, certificate != nil) {
		if err := s.door.show(certificate); err != nil {
			return s.placed(err)
		}
	} else if err := s.replaceDoor(ctx, opened.Listen, certificate, fail); err != nil {
		return err
	}
	if err := s.turner.Recall(ctx); err != nil {
		s.log.WarnContext(ctx, "hooks wait for the first turn", slog.Any("error", err))
	}
	s.door.answerBy(s.http())
	s.standing.Set(func(status *web.Status) { status.HTTP = s.door.url })
	return nil
}

// replaceDoor opens another door, and shuts the one that may be open.
func (s *service) replaceDoor(ctx context.Context, address string, certificate web.Certificate, fail func(error)) error {
	if s.door != nil && s.door.listen == address {
		s.door.close() // One address takes one listener.
		s.door = nil
	}
	next, err := openDoor(ctx, address, certificate, s.log, fail)
	if err != nil {
		return s.placed(err)
	}
	s.door.close()
	s.door = next
	s.log.InfoContext(ctx, "other machines are answered", slog.String("at", next.url))
	return nil
}

// placed names the line of the settings because of which no door could be opened.
func (s *service) placed(err error) error {
	field := "http.listen"
	if errors.Is(err, web.ErrCertificate) {
		field = "http.tls"
	}
	return fmt.Errorf("%s: %w", s.settings.Place(field), err)
}

// checkTokens tells early that no caller could show one of them.
func (s *service) checkTokens() error {
	var wrong []error
	if c := s.settings.Hooks.Token; c != (config.Credential{}) {
		wrong = append(wrong, s.checkToken("hooks.token", "hooks.token", c))
	}
	for i, t := range s.settings.HTTP.Tokens {
		wrong = append(wrong, s.checkToken(tokenName(i), fmt.Sprintf("http.tokens.%d.token", i), t.Token))
	}
	return errors.Join(wrong...)
}

func (s *service) checkToken(name, field string, c config.Credential) error {
	token, err := s.settings.Read(c, s.env)
	if err == nil {
		err = web.CheckToken(token)
	}
	clear(token)
	if err != nil {
		return fmt.Errorf("%s: read %s: %w", s.settings.Place(field), name, err)
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

// ownCertificate tells until when the certificate is valid that callers of the listener
// see, as its file has it by now.
func (s *service) ownCertificate() (own drift.Expiry, shown bool) {
	file := s.settings.HTTP.TLS.Cert
	if file == "" {
		return drift.Expiry{}, false
	}
	own = drift.Expiry{Kind: drift.CertificateExpiry, ID: web.HTTPCertificate, What: file}
	text, err := os.ReadFile(file)
	if err == nil {
		own.At, err = web.CertificateEnd(text)
	}
	if err != nil {
		own.Unknown = err.Error()
	}
	return own, true
}
