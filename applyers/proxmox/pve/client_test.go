package pve

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/desired"
)

func clientAt(t *testing.T, base http.RoundTripper, endpoints ...string) *Client {
	t.Helper()
	c, err := New("home", base, endpoints, &Counter{}, time.Now, FirstPoll)
	if err != nil {
		t.Fatal(err)
	}
	c.Begin("u@pve!id=s3cr3t")
	return c
}

func serve(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestTLS(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":{"version":"8.4"}}`)) })
	cert := server.Certificate()
	sum := sha256.Sum256(cert.Raw)
	other := sha256.Sum256([]byte("other"))
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	for name, c := range map[string]struct {
		tls  desired.TLS
		want string
	}{
		"fingerprint":           {desired.TLS{Fingerprint: Colons(sum[:])}, ""},
		"fingerprint, no colon": {desired.TLS{Fingerprint: strings.ToLower(strings.ReplaceAll(Colons(sum[:]), ":", ""))}, ""},
		"other fingerprint":     {desired.TLS{Fingerprint: Colons(other[:])}, "the certificate's fingerprint is " + Colons(sum[:])},
		"authority":             {desired.TLS{CAPEM: ca}, ""},
		"system's authorities":  {desired.TLS{}, "certificate"},
		"no fingerprint":        {desired.TLS{Fingerprint: "AB:CD"}, "is no SHA-256"},
		"no certificate":        {desired.TLS{CAPEM: "x"}, "no certificate in PEM form"},
	} {
		t.Run(name, func(t *testing.T) {
			base, err := SystemTransport(&desired.Site{Name: "home", TLS: c.tls})
			if err == nil {
				err = clientAt(t, base, server.URL).Get(t.Context(), "/version", nil)
				base.(*http.Transport).CloseIdleConnections()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTheFirstEndpointThatAnswersIsUsed(t *testing.T) {
	var asked atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "PVEAPIToken=u@pve!id=s3cr3t" {
			t.Errorf("authorization is %q", r.Header.Get("Authorization"))
		}
		_, _ = w.Write([]byte(`{"data":null}`))
	})
	dead := httptest.NewTLSServer(nil)
	dead.Close()
	c := clientAt(t, server.Client().Transport, dead.URL, server.URL)
	// A write that never left may go elsewhere, too.
	if err := c.Write(t.Context(), http.MethodPost, "/x", Params{"a": "b"}, nil); err != nil {
		t.Error(err)
	}
	if err := c.Get(t.Context(), "/x", nil); err != nil || asked.Load() != 2 {
		t.Errorf("%v, %d", err, asked.Load())
	}
	server.Close()
	err := c.Write(t.Context(), http.MethodPost, "/x", Params{}, nil)
	if err == nil || Unanswered(err) || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("error: %v", err)
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, reason, body string) *http.Response {
	rec := httptest.NewRecorder()
	rec.WriteHeader(status)
	_, _ = rec.WriteString(body)
	res := rec.Result()
	res.Status = strconv.Itoa(status) + " " + reason
	return res
}

func TestErrorsTellWhatProxmoxSaid(t *testing.T) {
	for name, c := range map[string]struct {
		status             int
		reason, body, want string
	}{
		"message before reason": {500, "cut", `{"data":null,"message":"VM 9 is locked (backup)\n"}`, "500 VM 9 is locked (backup)"},
		"reason alone":          {401, "No ticket", "", "401 No ticket"},
		"parameters":            {400, "P", `{"message":"Parameter verification failed.\n","errors":{"b":"two\nlines","a":"one"}}`, "400 Parameter verification failed.; a: one; b: two lines"},
	} {
		t.Run(name, func(t *testing.T) {
			site := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
				return answer(c.status, c.reason, c.body), nil
			}), "https://a")
			err := site.Get(t.Context(), "/x", nil)
			var api *APIError
			if !errors.As(err, &api) || api.Error() != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOneEndpointGetsFewRequestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		c := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
			n := now.Add(1)
			for {
				m := most.Load()
				if n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			<-time.After(time.Second)
			now.Add(-1)
			return answer(200, "OK", `{"data":null}`), nil
		}), "https://a")
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() { _ = c.Get(t.Context(), "/x", nil) })
		}
		wg.Wait()
		if most.Load() != AtOnce {
			t.Errorf("%d at once", most.Load())
		}
	})
}

func TestARequestThatIsNeverAnsweredEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientAt(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), "https://a")
		begin := time.Now()
		err := c.Write(t.Context(), http.MethodPost, "/x", Params{}, nil)
		if !Unanswered(err) || time.Since(begin) != RequestTimeout {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

func TestTasksWithWarningsSucceed(t *testing.T) {
	for exit, want := range map[string]string{"OK": "", "WARNINGS: 2": "", "no space": "no space"} {
		synctest.Test(t, func(t *testing.T) {
			polls := 0
			c := clientAt(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				polls++
				if polls < 5 {
					return answer(200, "OK", `{"data":{"status":"running"}}`), nil
				}
				return answer(200, "OK", `{"data":{"status":"stopped","exitstatus":"`+exit+`"}}`), nil
			}), "https://a")
			warnings, err := c.Follow(t.Context(), "UPID:pve1:1:2:3:qmstart:100:u@pve!id:", time.Minute)
			if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) || (warnings != "") != strings.HasPrefix(exit, "W") {
				t.Errorf("%s: %q %v", exit, warnings, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
			return answer(200, "OK", `{"data":{"status":"running"}}`), nil
		}), "https://a")
		if _, err := c.Follow(context.WithoutCancel(t.Context()), "UPID:pve1:1:2:3:qmstart:100:u@pve!id:", time.Minute); err == nil || !strings.Contains(err.Error(), "still runs after 1m0s") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAfterARefusalNothingIsSentUntilTheNextTurn(t *testing.T) {
	sent := 0
	c := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
		sent++
		return answer(401, "Authentication failed!", ""), nil
	}), "https://a", "https://b")
	for range 3 {
		if err := c.Get(t.Context(), "/x", nil); Status(err) != 401 {
			t.Errorf("got %v", err)
		}
	}
	if sent != 1 {
		t.Errorf("%d requests", sent)
	}
	c.Begin("u@pve!id=other")
	_ = c.Get(t.Context(), "/x", nil)
	if sent != 2 {
		t.Errorf("%d requests after a new turn", sent)
	}
}
