package pve

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"berth/desired"
)

// pinError is a certificate other than the one that the manifest names.
type pinError struct{ have string }

func (e *pinError) Error() string {
	return "the certificate's fingerprint is " + e.have + ", not the one that the site's tls.fingerprint names"
}

// Distrusted tells whether the peer's certificate was refused.
func Distrusted(err error) bool {
	var verify *tls.CertificateVerificationError
	var pin *pinError
	return errors.As(err, &verify) || errors.As(err, &pin)
}

// SystemTransport is the transport of a site by its manifest.
func SystemTransport(site *desired.Site) (http.RoundTripper, error) {
	conf, err := tlsConfig(site.TLS)
	if err != nil {
		return nil, fmt.Errorf("set up TLS of site %s: %w", site.Name, err)
	}
	return &http.Transport{
		TLSClientConfig:     conf,
		DialContext:         (&net.Dialer{Timeout: 4 * time.Second}).DialContext,
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: AtOnce,
		MaxConnsPerHost:     AtOnce,
		// The server closes idle connections after 5 s (FACTS 1): a request on
		// one that is being closed would be lost.
		IdleConnTimeout:     4 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		// The agent runs beside the cluster: packing and unpacking a thousand small
		// answers costs both more than sending them as they are.
		DisableCompression: true,
		// Proxmox speaks HTTP/1.1 only.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}, nil
}

// sessions is how many endpoints' sessions are kept.
const sessions = 8

// tlsConfig judges certificates by fingerprint, by authority, or by the
// system's authorities.
func tlsConfig(t desired.TLS) (*tls.Config, error) {
	// Each write needs a connection of its own, since pveproxy closes it after one
	// (FACTS 1): later ones go on from the first one's handshake.
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(sessions)}
	if t.CAPEM != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM([]byte(t.CAPEM)) {
			return nil, errors.New("tls.ca holds no certificate in PEM form")
		}
	}
	if t.Fingerprint == "" {
		return conf, nil
	}
	want, err := hex.DecodeString(strings.ReplaceAll(t.Fingerprint, ":", ""))
	if err != nil || len(want) != sha256.Size {
		return nil, errors.New(`tls.fingerprint is no SHA-256 ("AB:CD:…", 32 bytes)`)
	}
	// A pinned certificate is trusted for what it is, whatever names or dates
	// stand in it: Proxmox's own often carry no name that one connects to.
	conf.InsecureSkipVerify = true
	conf.VerifyConnection = func(state tls.ConnectionState) error {
		have := sha256.Sum256(state.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(have[:], want) != 1 {
			return &pinError{have: Colons(have[:])}
		}
		return nil
	}
	return conf, nil
}

// Colons writes bytes as fingerprints are written.
func Colons(b []byte) string {
	text := strings.ToUpper(hex.EncodeToString(b))
	parts := make([]string, len(b))
	for i := range parts {
		parts[i] = text[2*i : 2*i+2]
	}
	return strings.Join(parts, ":")
}

// TrustRemedy says how to trust the certificate that the server presented. It
// bids to compare the fingerprint, since whoever stands in between would be
// trusted as well.
func TrustRemedy(err error) string {
	var have string
	if verify, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && len(verify.UnverifiedCertificates) > 0 {
		sum := sha256.Sum256(verify.UnverifiedCertificates[0].Raw)
		have = Colons(sum[:])
	}
	if pin, ok := errors.AsType[*pinError](err); ok {
		have = pin.have
	}
	if have == "" {
		return "write tls.ca or tls.fingerprint"
	}
	return "write tls.ca or tls.fingerprint; the server shows " + have + ", which pvenode cert info on the node must show, too"
}
