package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"berth/desired"
)

// Certificate gives the certificate and its key, both PEM.
type Certificate func() (cert, key []byte, err error)

// ErrCertificate is that the certificate or its key can't be shown to anybody; the error
// around it says why.
var ErrCertificate = errors.New("http.tls")

// HTTPCertificate is the id under which the certificate of the agent's own listener is
// told among what expires.
const HTTPCertificate desired.ID = "agent/http"

// certificateEvery is how often a certificate is read again: those that are renewed
// are shown without a restart.
const certificateEvery = time.Minute

// shownCertificate is the one that callers see.
type shownCertificate struct {
	read Certificate
	log  *slog.Logger

	mu   sync.Mutex
	text []byte // of the certificate; the key is not kept
	pair *tls.Certificate
	next time.Time
}

// certificate is the newest that can be used.
func (s *shownCertificate) certificate(ctx context.Context, now time.Time) (*tls.Certificate, error) {
	s.mu.Lock()
	pair, due := s.pair, !now.Before(s.next)
	s.mu.Unlock()
	if !due {
		return pair, nil
	}
	fresh, err := s.fresh(now)
	if err != nil {
		s.log.WarnContext(ctx, "certificate of http.tls can't be read again, the former one is shown", slog.Any("error", err))
		return pair, nil
	}
	return fresh, nil
}

func (s *shownCertificate) fresh(now time.Time) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = now.Add(certificateEvery)
	cert, key, err := s.read()
	defer clear(key)
	if err != nil {
		return nil, err
	}
	if s.pair != nil && bytes.Equal(cert, s.text) {
		return s.pair, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cert and key must be PEM and belong together: %w", err)
	}
	s.text, s.pair = cert, &pair
	return s.pair, nil
}

// CertificateEnd tells until when a certificate in PEM is valid, the first of them if there
// are several.
func CertificateEnd(text []byte) (time.Time, error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return time.Time{}, errors.New("there is no certificate in PEM form in it")
		}
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return time.Time{}, err
			}
			return cert.NotAfter, nil
		}
		text = rest
	}
}
