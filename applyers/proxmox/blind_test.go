package proxmox

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

const someToken = "berth@pve!agent=0f0e0d0c-0000-4000-8000-00000000cafe"

// blindSite looks at a site at one endpoint, in the way that its manifest asks for.
func blindSite(t *testing.T, endpoint, token string, trust desired.TLS) (reason, remedy string) {
	t.Helper()
	fleet := load(t, fleetYAML, siteYAML, imagesYAML, webYAML)
	site := fleet.Sites["home"]
	site.Endpoints, site.TLS = desired.List{endpoint}, trust
	a := New(Options{
		Token: func(context.Context, *desired.Site) (string, error) { return token, nil },
		Transport: func(site *desired.Site) (http.RoundTripper, error) {
			base, err := pve.SystemTransport(site)
			if base, ok := base.(*http.Transport); ok {
				t.Cleanup(base.CloseIdleConnections)
			}
			return base, err
		},
	})
	seen, err := a.Observe(t.Context(), fleet, applyers.Scope{})
	if err != nil || len(seen.Blind) != 1 || seen.Blind[0].Site != "home" {
		t.Fatalf("%v %+v", err, seen)
	}
	return seen.Blind[0].Reason, seen.Blind[0].Remedy
}

func TestASiteThatIsNotTrustedShowsItsFingerprint(t *testing.T) {
	server := servedBy(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	sum := sha256.Sum256(server.Certificate().Raw)
	other := sha256.Sum256([]byte("other"))
	for name, trust := range map[string]desired.TLS{"no authority": {}, "another fingerprint": {Fingerprint: pve.Colons(other[:])}} {
		t.Run(name, func(t *testing.T) {
			if _, remedy := blindSite(t, server.URL, someToken, trust); !strings.HasPrefix(remedy, "write tls.ca or tls.fingerprint; the server shows "+pve.Colons(sum[:])) {
				t.Errorf("remedy %q", remedy)
			}
		})
	}
}

func TestASiteThatDoesNotAnswerNamesItsEndpoints(t *testing.T) {
	dead := httptest.NewTLSServer(nil)
	dead.Close()
	_, port, err := net.SplitHostPort(dead.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	reason, remedy := blindSite(t, dead.URL, someToken, desired.TLS{})
	if !strings.Contains(reason, "refused") || remedy != "check endpoints of site home and that port "+port+" answers" {
		t.Errorf("%q, remedy %q", reason, remedy)
	}
	if got := ports(&desired.Site{Endpoints: desired.List{"https://b:8006", "https://a", "https://c:8006"}}); got != "443 or 8006" {
		t.Errorf("ports %q", got)
	}
}

func TestATokenThatCanBeNoneIsNeverSent(t *testing.T) {
	server := servedBy(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for name, token := range map[string]string{
		"empty": "", "blank": " \n", "secret alone": "0f0e0d0c-0000-4000-8000-00000000cafe", "cut off": someToken[:len(someToken)-1],
		"with the header": "PVEAPIToken=" + someToken, "a password": "berth@pve=hunter2", "two": someToken + "\n" + someToken,
	} {
		t.Run(name, func(t *testing.T) {
			reason, remedy := blindSite(t, server.URL, token, desired.TLS{})
			if reason != `the token of secret "pve-home" is not of the form user@realm!id=uuid` || remedy != pve.MakeToken {
				t.Errorf("%q, remedy %q", reason, remedy)
			}
		})
	}
	for _, token := range []string{someToken, " " + someToken + "\n", "a@b.example@my-realm!x_1=0F0E0D0C-0000-4000-8000-00000000CAFE"} {
		if got, err := pve.CheckToken(&desired.Site{}, token); err != nil || got != strings.TrimSpace(token) {
			t.Errorf("%q: %v", token, err)
		}
	}
	sim := pvesim.New(pvesim.Options{})
	if _, err := pve.CheckToken(&desired.Site{}, sim.AddToken("u@pve", "id", false)); err != nil {
		t.Error(err)
	}
}

// servedBy is a server over TLS whose certificate nobody has signed.
func servedBy(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
