package pve

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"berth/desired"
)

// A connection that a server closes after one request is followed by one that goes on
// from its handshake, and the certificate is judged there, too.
func TestLaterConnectionsResumeTheFirstOnesSession(t *testing.T) {
	var resumed, all atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte(`{"data":null}`))
	})
	sum := sha256.Sum256(server.Certificate().Raw)
	base, err := SystemTransport(&desired.Site{Name: "home", TLS: desired.TLS{Fingerprint: Colons(sum[:])}})
	if err != nil {
		t.Fatal(err)
	}
	client := clientAt(t, base, server.URL)
	for range 4 {
		if err := client.Get(t.Context(), "/version", nil); err != nil {
			t.Fatal(err)
		}
	}
	if all.Load() != 4 || resumed.Load() != 3 {
		t.Errorf("%d of %d connections resumed a session, want 3 of 4", resumed.Load(), all.Load())
	}
	conf := base.(*http.Transport).TLSClientConfig
	conf.VerifyConnection = nil
	other, err := tlsConfig(desired.TLS{Fingerprint: Colons(make([]byte, sha256.Size))})
	if err != nil {
		t.Fatal(err)
	}
	conf.VerifyConnection = other.VerifyConnection
	if err := client.Get(t.Context(), "/version", nil); err == nil || !strings.Contains(err.Error(), "the certificate's fingerprint is") {
		t.Errorf("a resumed session is trusted whatever its certificate: %v", err)
	}
}
