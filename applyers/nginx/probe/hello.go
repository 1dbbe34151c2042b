package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"strings"
)

// hello asks by a ClientHello. What comes after the certificate, a wish for one of
// ours for instance, is of no importance.
func hello(ctx context.Context, conn net.Conn, name string) Answer {
	var leaf *x509.Certificate
	client := tls.Client(conn, &tls.Config{
		ServerName: name,
		//nolint:gosec // Nothing is told to the other end: who it is, is the question itself.
		InsecureSkipVerify: true,
		// Whatever a browser gave up long ago is an answer still.
		MinVersion: tls.VersionTLS10,
		// A key that outlives quantum computers costs as much as all else, and nothing
		// is hidden by it.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) > 0 {
				leaf = state.PeerCertificates[0]
			}
			return nil
		},
	})
	err := client.HandshakeContext(ctx)
	if leaf != nil {
		return certified(leaf)
	}
	if err == nil {
		return Answer{Outcome: Garbled, Detail: "shows no certificate"}
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" {
		return Answer{Outcome: Alerted, Detail: strings.TrimPrefix(op.Err.Error(), "tls: ")}
	}
	if other := (tls.RecordHeaderError{}); errors.As(err, &other) {
		return Answer{Outcome: Garbled, Detail: "speaks no TLS"}
	}
	a := lack(ctx, err, Garbled)
	if a.Outcome == Garbled {
		a.Detail = "not in a way that is understood: " + a.Detail
	}
	return a
}

func certified(leaf *x509.Certificate) Answer {
	sum := sha256.Sum256(leaf.Raw)
	a := Answer{Outcome: Certified, Subject: leaf.Subject.String(), Fingerprint: hex.EncodeToString(sum[:]), Expires: leaf.NotAfter}
	if a.Subject == "" && len(leaf.DNSNames) > 0 {
		a.Subject = leaf.DNSNames[0]
	}
	if a.Subject == "" {
		a.Subject = "certificate " + a.Fingerprint[:16]
	}
	return a
}
