package web_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"berth/agent/internal/web"
)

func TestHooksOverTLS(t *testing.T) {
	cert, key := pair(t)
	log := slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(t.Context())
	listener, err := web.ListenHTTP(ctx, "127.0.0.1:0", func() (c, k []byte, err error) { return []byte(cert), []byte(key), nil }, log)
	if err != nil {
		t.Fatal(err)
	}
	w := newHookWorld()
	ended := make(chan error, 1)
	go func() { ended <- web.ServeHTTP(ctx, listener, w.hooks.Handler(), log) }()
	ask := func(url string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Token", hookToken)
		// It is the certificate that is looked at here, not who has signed it.
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true,
			VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
				if want, _ := tls.X509KeyPair([]byte(cert), []byte(key)); string(raw[0]) != string(want.Certificate[0]) {
					return errors.New("another certificate")
				}
				return nil
			},
		}}}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	at := listener.Addr().String()
	if status, text := ask("https://" + at + "/hooks/provision?host=web-1"); status != http.StatusAccepted {
		t.Errorf("over TLS: %d %s", status, text)
	}
	if status, text := ask("http://" + at + "/hooks/provision?host=web-1"); status != http.StatusBadRequest || len(w.provisioned) != 1 {
		t.Errorf("in clear: %d %s", status, text)
	}
	// A hundred callers at once are all answered.
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if status, text := ask("https://" + at + "/hooks/provision?host=web-1"); status != http.StatusAccepted {
				t.Errorf("at once: %d %s", status, text)
			}
		})
	}
	all.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHooksDoNotListenWithoutWhatTheyNeed(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	cert, _ := pair(t)
	_, other := pair(t)
	for want, read := range map[string]web.Certificate{
		"http.tls: no such file":                 func() (c, k []byte, err error) { return nil, nil, errors.New("no such file") },
		"cert and key must be PEM and belong":    func() (c, k []byte, err error) { return []byte(cert), []byte(other), nil },
		"http.tls: cert and key must be PEM and": func() (c, k []byte, err error) { return []byte("x"), []byte("hunter2"), nil },
	} {
		if _, err := web.ListenHTTP(t.Context(), "127.0.0.1:0", read, log); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := web.ListenHTTP(t.Context(), "192.0.2.1:1", nil, log); err == nil || !strings.Contains(err.Error(), "is http.listen of agent.yaml an address of this machine that is free?") {
		t.Errorf("another's address: %v", err)
	}
}

// TestRenewedCertificateIsShown renews a certificate under an agent that runs.
func TestRenewedCertificateIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, firstKey := pair(t)
		second, secondKey := pair(t)
		now := [2]string{first, firstKey}
		var fails error
		shown := web.ShownCertificate(func() (c, k []byte, err error) { return []byte(now[0]), []byte(now[1]), fails }, slog.New(slog.DiscardHandler))
		is := func(what, cert, key string) {
			t.Helper()
			want, _ := tls.X509KeyPair([]byte(cert), []byte(key))
			if got, err := shown(t.Context()); err != nil || string(got.Certificate[0]) != string(want.Certificate[0]) {
				t.Errorf("%s: another is shown, %v", what, err)
			}
		}
		is("at first", first, firstKey)
		now = [2]string{second, secondKey}
		is("within a minute", first, firstKey)
		web.Pass(t)
		is("a minute later", second, secondKey)
		fails = errors.New("no such file")
		web.Pass(t)
		is("while it can't be read", second, secondKey)
		fails, now = nil, [2]string{first, secondKey}
		web.Pass(t)
		is("while they do not belong together", second, secondKey)
	})
}
