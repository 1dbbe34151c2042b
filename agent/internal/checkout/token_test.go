package checkout_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/checkout"
)

const secret = "s3cr3t/+tok=en"

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestToken(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok && user == "x-access-token" && password == secret {
			f.server.ServeHTTP(w, r)
			return
		}
		// A server that repeats what it was sent, in whatever form.
		w.WriteHeader(http.StatusUnauthorized)
		_, password, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(w, "bad: %s %s", r.Header.Get("Authorization"), password)
	})
	src := f.source()
	follow(t, src).fails(checkout.ErrAuth)

	src.TokenFile = tokenFile(t, "wrong-token")
	a := follow(t, src)
	got := a.fails(checkout.ErrAuth)
	for _, part := range []string{"bad: Basic *** ***", src.TokenFile} {
		if !strings.Contains(got, part) {
			t.Errorf("error lacks %q:\n%s", part, got)
		}
	}
	// The file is read again at each fetch.
	if err := os.WriteFile(src.TokenFile, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	a.accept(first)
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, password, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(w, "%s %s", password, r.Header.Get("Authorization"))
	})
	a.fails(checkout.ErrUnreachable)
	if err := os.Chmod(src.TokenFile, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "mode 0604 lets every user") {
		t.Errorf("a token file that everybody may read: %v", err)
	}
	said := a.said.String()
	err := filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		said += string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{secret, "s3cr3t", "wrong-token", "eC1hY2Nlc3MtdG9rZW4"} { // The last is base64 of the user name.
		if strings.Contains(said, leak) {
			t.Errorf("%q is in an error, a log line or the clone", leak)
		}
	}
}

func TestTokenFileRefused(t *testing.T) {
	f := newForge(t)
	f.commit("first", "a.yaml", "one")
	for _, test := range []struct{ content, want string }{
		{"", "it is empty"},
		{"one\ntwo-secret", "on one line"},
		{strings.Repeat("x", 70_000), "larger than 65536 bytes"},
	} {
		src := f.source()
		src.TokenFile = tokenFile(t, test.content)
		_, err := follow(t, src).Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), src.TokenFile) {
			t.Errorf("fetch: %v, want %q and the file's name", err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats the file: %v", err)
		}
	}
	src := f.source()
	src.TokenFile = t.TempDir()
	if _, err := follow(t, src).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("fetch with a directory for a token: %v", err)
	}
	if got := f.counted(); got != 0 {
		t.Errorf("%d requests were made without the token", got)
	}
}

func TestRedirectToAnotherOriginGetsNoToken(t *testing.T) {
	there := newForge(t)
	first := there.commit("first", "a.yaml", "one")
	here := newForge(t)
	here.answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, there.web.URL+r.URL.Path+"?"+r.URL.RawQuery, http.StatusFound)
	})
	src := here.source()
	src.TokenFile = tokenFile(t, secret)
	follow(t, src).fetch(first)
	if got := here.header("Authorization"); len(got) != 1 {
		t.Errorf("the configured origin got the token %d times, want once", len(got))
	}
	if got := there.counted(); got != 2 {
		t.Errorf("the other origin got %d requests, want 2", got)
	}
	if got := there.header("Authorization"); len(got) != 0 {
		t.Error("the other origin got the token")
	}
}

func TestCAFile(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	web := httptest.NewUnstartedServer(f)
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // The refused handshake is the point.
	web.StartTLS()
	defer web.Close()
	src := f.source()
	src.URL = web.URL + "/fleet.git"
	if got := follow(t, src).fails(checkout.ErrUnreachable); !strings.Contains(got, "name that CA's file") {
		t.Errorf("the error does not say what to do: %s", got)
	}
	src.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	a := follow(t, src)
	if _, err := a.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "read CA file") {
		t.Errorf("without the CA file: %v", err)
	}
	if err := os.WriteFile(src.CAFile, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Errorf("with a CA file without a certificate: %v", err)
	}
	if err := os.WriteFile(src.CAFile, selfSigned(t), 0o600); err != nil {
		t.Fatal(err)
	}
	a.fails(checkout.ErrUnreachable)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(src.CAFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	a.fetch(first)
}

// selfSigned returns a certificate that nobody has.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTokenInTheClearIsLogged(t *testing.T) {
	for url, want := range map[string]bool{
		"http://git.example.com/x": true, "https://git.example.com/x": false,
		"http://127.0.0.1:3000/x": false, "http://[::1]/x": false, "http://localhost/x": false,
	} {
		a := follow(t, checkout.Source{URL: url, Branch: "main", TokenFile: "token"})
		if got := strings.Contains(a.said.String(), "unencrypted"); got != want {
			t.Errorf("%s: warned %v, want %v", url, got, want)
		}
	}
}
