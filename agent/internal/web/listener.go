package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// strangers bounds how many callers are served at once: others wait.
	strangers = 128
	// strangersTime bounds a request as a whole, and how long an idle connection stays.
	strangersTime = 20 * time.Second
)

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
