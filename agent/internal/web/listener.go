package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// strangers bounds how many callers are served at once: others wait.
	strangers = 128
	// strangersTime bounds a request as a whole, and how long an idle connection stays.
	strangersTime = 20 * time.Second
)

// Certificate gives the certificate and its key, both PEM.
type Certificate func() (cert, key []byte, err error)

// ErrCertificate is that the certificate or its key can't be shown to anybody; the error
// around it says why.
var ErrCertificate = errors.New("http.tls")

// ListenHTTP listens for other machines, by TLS if a certificate is given.
func ListenHTTP(ctx context.Context, address string, certificate Certificate, log *slog.Logger) (net.Listener, error) {
	var secure *tls.Config
	if certificate != nil {
		shown := &shownCertificate{read: certificate, log: log}
		if _, err := shown.fresh(time.Now()); err != nil {
			return nil, fmt.Errorf("listen for other machines: %w: %w", ErrCertificate, err)
		}
		secure = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return shown.certificate(ctx, time.Now())
		}}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for other machines: %w: is http.listen of agent.yaml an address of this machine that is free?", err)
	}
	listener = netutil.LimitListener(listener, strangers)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	return listener, nil
}

// ServeHTTP answers other machines until ctx is done. Unlike the API's own socket it is open to
// strangers: nobody may take long.
func ServeHTTP(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: strangersTime, WriteTimeout: strangersTime, IdleTimeout: strangersTime,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve other machines: %w", err)
	}
	return nil
}

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
