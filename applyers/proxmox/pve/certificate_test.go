package pve

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"berth/desired"
)

// TestTheEndpointsCertificateIsNoted reads it from an answer that came anyhow.
func TestTheEndpointsCertificateIsNoted(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write([]byte(`{"data": {}}`))
	}))
	defer server.Close()
	leaf := server.Certificate()
	sum := sha256.Sum256(leaf.Raw)
	base, err := SystemTransport(&desired.Site{Name: "home", TLS: desired.TLS{Fingerprint: Colons(sum[:])}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New("home", base, []string{server.URL}, new(Counter), time.Now, FirstPoll)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Certificates()) != 0 {
		t.Error("it is known before anybody was asked")
	}
	for range 2 {
		if err := c.Get(t.Context(), "/version", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Certificates(); len(got) != 1 || !got[server.URL].Equal(leaf.NotAfter) || asked != 2 {
		t.Errorf("after %d requests: %v, want %v", asked, got, leaf.NotAfter)
	}
}
