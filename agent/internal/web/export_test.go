package web

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"
	"time"
)

// ShownCertificate is what callers of the hooks see at a time.
func ShownCertificate(read Certificate, log *slog.Logger) func(context.Context) (*tls.Certificate, error) {
	s := &shownCertificate{read: read, log: log}
	return func(ctx context.Context) (*tls.Certificate, error) { return s.certificate(ctx, time.Now()) }
}

// Pass lets a minute go by.
func Pass(t *testing.T) {
	t.Helper()
	<-time.After(certificateEvery + time.Second)
}
