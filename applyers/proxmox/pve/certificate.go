package pve

import (
	"crypto/tls"
	"maps"
	"time"
)

// Certificates tells until when the certificates of the endpoints that have answered are
// valid, by the endpoint's URL.
func (c *Client) Certificates() map[string]time.Time {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	return maps.Clone(c.wire.certificates)
}

// shown notes the certificate that an endpoint showed with an answer. A session that is
// resumed shows the one of its first handshake, which pveproxy, being restarted where its
// certificate is renewed, does not take any more then.
func (w *wire) shown(endpoint string, state *tls.ConnectionState) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if until := state.PeerCertificates[0].NotAfter; !w.certificates[endpoint].Equal(until) {
		if w.certificates == nil {
			w.certificates = make(map[string]time.Time)
		}
		w.certificates[endpoint] = until
	}
}
