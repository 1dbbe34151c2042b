//go:build linux

package standin

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ServeTLS answers at the node's own address until the test ends, by HTTP/1.1 alone as
// Proxmox does. The fingerprint is the certificate's, as a Site's tls.fingerprint has it.
func (n *Network) ServeTLS(t testing.TB, handler http.Handler) (url, fingerprint string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = n.Listen(t, Gateway+":0")
	// Whoever is killed breaks connections off.
	server.Config.ErrorLog = log.New(t.Output(), "", 0)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	pairs := make([]string, 0, sha256.Size)
	for _, b := range sha256.Sum256(server.Certificate().Raw) {
		pairs = append(pairs, fmt.Sprintf("%02X", b))
	}
	return server.URL, strings.Join(pairs, ":")
}
