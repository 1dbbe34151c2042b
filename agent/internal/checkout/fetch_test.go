package checkout_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
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

func isError(err, want error) bool { return errors.Is(err, want) }

func (f *follower) read(c checkout.Commit, name string) (string, error) {
	fsys, err := f.Tree(f.t.Context(), c)
	if err != nil {
		return "", err
	}
	content, err := fs.ReadFile(fsys, name)
	return string(content), err
}

func TestFetch(t *testing.T) {
	f := newForge(t)
	first := f.commit("Add the edge\n\nIt is needed.\n", "edge.yaml", "kind: Edge")
	a := follow(t, f.source())
	c := a.fetch(first)
	if got := f.counted(); got != 2 {
		t.Errorf("the first fetch took %d requests, want 2", got)
	}
	want := checkout.Commit{Hash: first, Subject: "Add the edge", Author: "Berth", Time: c.Time, Path: "."}
	if c != want || time.Since(c.Time) > time.Minute || c.Time.Location() != time.UTC {
		t.Errorf("commit is %+v, want %+v", c, want)
	}
	if got := a.file(c, "edge.yaml"); got != "kind: Edge" {
		t.Errorf("file holds %q", got)
	}
	for range 3 {
		a.fetch(first)
		if got := f.counted(); got != 1 {
			t.Errorf("an idle fetch took %d requests, want 1", got)
		}
	}
	second := f.commit("Change it", "edge.yaml", "kind: Edge # two")
	c2 := a.fetch(second)
	if got := f.counted(); got != 2 {
		t.Errorf("a fetch of one commit took %d requests, want 2", got)
	}
	if got := a.file(c, "edge.yaml") + a.file(c2, "edge.yaml"); got != "kind: Edgekind: Edge # two" {
		t.Errorf("the two commits hold %q", got)
	}
	if matches, err := filepath.Glob(filepath.Join(a.dir, "*")); err != nil || len(matches) != 1 {
		t.Errorf("beside the clone lies something before anything was accepted: %v %v", matches, err)
	}
}

func TestFetchFromDirectory(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a/b.yaml", "one")
	for _, url := range []string{f.dir, "file://" + f.dir} {
		a := follow(t, checkout.Source{URL: url, Branch: "main", Path: "/a/"})
		c := a.accept(first)
		if got := a.file(c, "b.yaml"); got != "one" {
			t.Errorf("%s: file holds %q", url, got)
		}
	}
	a := follow(t, checkout.Source{URL: f.dir, Branch: "main"})
	a.accept(first)
	second := f.commit("second", "c.yaml", "two")
	c := a.accept(second)
	if got := a.file(c, "a/b.yaml") + a.file(c, "c.yaml"); got != "onetwo" {
		t.Errorf("files hold %q", got)
	}
	f.amend("amended")
	a.fails(checkout.ErrRewritten)
	if got := f.counted(); got != 0 {
		t.Errorf("a directory took %d requests", got)
	}

	follow(t, checkout.Source{URL: f.dir, Branch: "prod"}).fails(checkout.ErrBranch)
	follow(t, checkout.Source{URL: t.TempDir(), Branch: "main"}).fails(checkout.ErrNotFound)
	follow(t, checkout.Source{URL: f.dir + ".gone", Branch: "main"}).fails(checkout.ErrNotFound)
	f.replace()
	follow(t, checkout.Source{URL: f.dir, Branch: "main"}).fails(checkout.ErrEmpty)
	for _, extension := range []string{"objectformat = sha256", "refstorage = reftable"} {
		config := "[core]\n\trepositoryformatversion = 1\n[extensions]\n\t" + extension + "\n"
		if err := os.WriteFile(filepath.Join(f.dir, "config"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := follow(t, checkout.Source{URL: f.dir, Branch: "main"}).fails(checkout.ErrUnreachable); !strings.Contains(got, extension) {
			t.Errorf("error %q does not name %s", got, extension)
		}
	}
}

func TestFetchFromWorktree(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	work := t.TempDir()
	if err := os.Rename(f.dir, filepath.Join(work, ".git")); err != nil {
		t.Fatal(err)
	}
	follow(t, checkout.Source{URL: work, Branch: "main"}).fetch(first)
	linked := t.TempDir()
	if err := os.WriteFile(filepath.Join(linked, ".git"), []byte("gitdir: "+work), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := follow(t, checkout.Source{URL: linked, Branch: "main"}).fails(checkout.ErrNotFound); !strings.Contains(got, "linked worktree") {
		t.Errorf("error %q does not say that it is a linked worktree", got)
	}
}

func TestRewrittenHistoryIsRefused(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	second := f.commit("second", "a.yaml", "two")
	a := follow(t, f.source())
	accepted := a.accept(second)

	check := func(t *testing.T, tip string) {
		t.Helper()
		_, err := a.Fetch(t.Context())
		var rewritten *checkout.RewrittenError
		if !errors.As(err, &rewritten) || rewritten.Accepted.Hash != second || rewritten.Tip.Hash != tip {
			t.Fatalf("fetch: %v\nwant a RewrittenError with %s and %s", err, second, tip)
		}
		for _, part := range []string{f.url, "main", second[:7], tip[:7], rewritten.Tip.Subject} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not name %q", err, part)
			}
		}
		if err := a.Accept(t.Context(), rewritten.Tip); err == nil {
			t.Error("the refused commit was accepted")
		}
		if c, ok := a.Accepted(); !ok || c != accepted || a.file(c, "a.yaml") != "two" {
			t.Errorf("accepted is %+v, want %+v still", c, accepted)
		}
	}
	t.Run("amended", func(t *testing.T) { check(t, f.amend("second, amended")) })
	t.Run("put back", func(t *testing.T) { check(t, f.point(first)) })
	t.Run("unrelated, and forgotten by the server", func(t *testing.T) {
		f.replace()
		check(t, f.commit("orphan", "a.yaml", "three"))
	})
	t.Run("allowed", func(t *testing.T) {
		src := f.source()
		src.AllowRewrite = true
		b := followIn(t, a.dir, src)
		tip := f.commit("more", "a.yaml", "four")
		b.fetch(tip)
		b.accept(tip)
		if got := strings.Count(b.said.String(), "history was rewritten"); got != 1 {
			t.Errorf("the rewriting was logged %d times, want once:\n%s", got, b.said)
		}
	})
}

func TestRestoredHistoryIsTaken(t *testing.T) {
	f := newForge(t)
	f.commit("first", "a.yaml", "one")
	second := f.commit("second", "a.yaml", "two")
	a := follow(t, f.source())
	a.accept(second)
	f.amend("amended")
	a.fails(checkout.ErrRewritten)
	f.point(second)
	a.fetch(second)
	a.accept(f.commit("third", "a.yaml", "three"))
}

func TestMergeContainsTheAcceptedCommit(t *testing.T) {
	f := newForge(t)
	base := f.commit("base", "a.yaml", "base")
	accepted := f.commit("accepted", "a.yaml", "one")
	a := follow(t, f.source())
	a.accept(accepted)
	f.point(base)
	side := f.commit("side", "b.yaml", "two")
	a.accept(f.commitTree("merge", nil, side, accepted))
}

func TestFetchErrors(t *testing.T) {
	f := newForge(t)
	f.commit("first", "a.yaml", "one")
	tests := []struct {
		name  string
		src   func(*checkout.Source)
		hook  http.HandlerFunc
		want  error
		parts []string
	}{
		{"branch missing", func(s *checkout.Source) { s.Branch = "prod" }, nil, checkout.ErrBranch, []string{"branch prod: no such branch: it has main;"}},
		{"unauthorized", nil, status(http.StatusUnauthorized), checkout.ErrAuth, []string{"access denied", "name a token file"}},
		{"forbidden", nil, status(http.StatusForbidden), checkout.ErrAuth, []string{"access denied"}},
		{"not found", nil, status(http.StatusNotFound), checkout.ErrNotFound, []string{"private"}},
		{"bad gateway", nil, status(http.StatusBadGateway), checkout.ErrUnreachable, []string{"status code: 502"}},
		{"not git", nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>\nhello")) }, checkout.ErrUnreachable, nil},
		{"nobody there", func(s *checkout.Source) { s.URL = "http://127.0.0.1:1/x" }, nil, checkout.ErrUnreachable, []string{"refused"}},
		{"silent", func(s *checkout.Source) { s.Timeout = 50 * time.Millisecond }, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, checkout.ErrUnreachable, []string{"no answer for 50ms"}},
		{"silent after the headers", func(s *checkout.Source) { s.Timeout = 50 * time.Millisecond }, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, checkout.ErrUnreachable, []string{"no answer for 50ms"}},
		{"silent in the middle", func(s *checkout.Source) { s.Timeout = 50 * time.Millisecond }, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("001e# service=git-upload-pack\n"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, checkout.ErrUnreachable, []string{"no answer for 50ms"}},
		{"rude", nil, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("\x1b[31mgo\r\naway" + strings.Repeat("x", 10_000)))
		}, checkout.ErrAuth, []string{"[31mgo away", "…"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := f.source()
			if test.src != nil {
				test.src(&src)
			}
			f.answer(test.hook)
			defer f.answer(nil)
			got := follow(t, src).fails(test.want)
			for _, part := range append(test.parts, src.URL, "branch "+src.Branch) {
				if !strings.Contains(got, part) {
					t.Errorf("error lacks %q:\n%s", part, got)
				}
			}
			if strings.ContainsRune(got, '\x1b') || len(got) > 1000 {
				t.Errorf("foreign text was taken over as it came: %q", got)
			}
		})
	}
	f.replace()
	follow(t, f.source()).fails(checkout.ErrEmpty)
}

// TestSlowServer sends a byte now and then, for longer than the server may be silent.
func TestSlowServer(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "a.yaml", "one")
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		f.server.ServeHTTP(whole, r)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range 12 {
			_, _ = io.CopyN(w, whole.Body, 1)
			_ = http.NewResponseController(w).Flush()
			<-tick.C
		}
		_, _ = io.Copy(w, whole.Body)
	})
	src := f.source()
	src.Timeout = 500 * time.Millisecond
	a := follow(t, src)
	a.SetMaxFetch(200 * time.Millisecond)
	if got := a.fails(checkout.ErrUnreachable); !strings.Contains(got, "not done after 200ms") {
		t.Errorf("a fetch that takes too long as a whole: %s", got)
	}
	follow(t, src).fetch(tip)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestContextEndsAFetch(t *testing.T) {
	f := newForge(t)
	f.commit("first", "a.yaml", "one")
	ctx, cancel := context.WithCancel(t.Context())
	f.answer(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := follow(t, f.source()).Fetch(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, checkout.ErrUnreachable) {
		t.Errorf("fetch: %v, want the context's error alone", err)
	}
	_, err = follow(t, checkout.Source{URL: f.dir, Branch: "main"}).Fetch(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, checkout.ErrUnreachable) {
		t.Errorf("fetch from a directory: %v, want the context's error alone", err)
	}
}

func TestServerDownThenBack(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	a := follow(t, f.source())
	c := a.accept(first)
	address := f.web.Listener.Addr().String()
	f.web.Close()
	a.fails(checkout.ErrUnreachable)
	if got := a.file(c, "a.yaml"); got != "one" {
		t.Errorf("without the server the file holds %q", got)
	}
	second := f.commit("second", "a.yaml", "two")
	f.start(address)
	a.accept(second)
}

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

func TestURLIsSentAsItIs(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "a.yaml", "one")
	src := f.source()
	src.URL = f.web.URL + "/my%20fleet%25.git/"
	a := follow(t, src)
	a.fetch(tip)
	f.mu.Lock()
	defer f.mu.Unlock()
	if want := "GET /my fleet%.git/info/refs"; f.requests[0] != want {
		t.Errorf("asked for %q, want %q", f.requests[0], want)
	}
	if want := f.web.URL + "/my%20fleet%25.git"; a.Source().URL != want {
		t.Errorf("the source is %s, want %s", a.Source().URL, want)
	}
}

func TestAcceptedSurvivesARestart(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	a := follow(t, f.source())
	if c, ok := a.Accepted(); ok {
		t.Errorf("accepted is %+v before anything was", c)
	}
	accepted := a.accept(first)
	second := f.commit("second", "a.yaml", "two")
	a.fetch(second) // Not accepted: it did not load, say.

	b := followIn(t, a.dir, f.source())
	f.web.Close()
	c, ok := b.Accepted()
	if !ok || c != accepted {
		t.Errorf("accepted is %+v, want %+v", c, accepted)
	}
	if got := b.file(c, "a.yaml"); got != "one" {
		t.Errorf("file holds %q", got)
	}
	if err := b.Accept(t.Context(), checkout.Commit{Hash: strings.Repeat("1", 40), Path: "."}); err == nil {
		t.Error("a commit that is not there was accepted")
	}
	if err := b.Accept(t.Context(), checkout.Commit{Hash: "main", Path: "."}); err == nil {
		t.Error("a branch was accepted for a commit")
	}
	c.Path = "elsewhere"
	if err := b.Accept(t.Context(), c); err == nil {
		t.Error("a commit was accepted for another path")
	}
}

func TestAcceptRefusesToGoBack(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	old := a.fetch(f.commit("first", "a.yaml", "one"))
	a.accept(f.commit("second", "a.yaml", "two"))
	if err := a.Accept(t.Context(), old); !errors.Is(err, checkout.ErrRewritten) {
		t.Errorf("accepting the older commit: %v", err)
	}
}

func TestRecordThatIsNotUnderstood(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	a.accept(f.commit("first", "a.yaml", "one"))
	record := filepath.Join(a.dir, "accepted.json")
	for _, test := range []struct{ old, with, want string }{
		{`"version": 1`, `"version": 2`, "version 2, and this agent knows 1"},
		{`"commit": {`, `"commit": [`, "invalid character"},
		{`"hash": "`, `"hash": "x`, "no commit"},
		{"", "", ""},
	} {
		raw, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, record, func(raw []byte) []byte { return []byte(strings.Replace(string(raw), test.old, test.with, 1)) })
		_, err = checkout.Open(a.dir, f.source(), nil)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), record)) {
			t.Errorf("open with %s: %v, want %q", test.with, err, test.want)
		}
		if err := os.WriteFile(record, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSourceChanged(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "home/a.yaml", "one", "paris/a.yaml", "zwei")
	src := f.source()
	src.Path = "home"
	dir := t.TempDir()
	accepted := followIn(t, dir, src).accept(first)
	other := newForge(t)
	orphan := other.commit("orphan", "home/a.yaml", "three", "paris/a.yaml", "drei")
	f.counted()

	// The same source, written differently.
	same := src
	same.URL, same.Path = strings.Replace(src.URL, "http://", "HTTP://", 1)+"/", "/home/"
	followIn(t, dir, same).fetch(first)
	f.counted()

	for name, change := range map[string]func(*checkout.Source){
		"url":    func(s *checkout.Source) { s.URL = other.url },
		"branch": func(s *checkout.Source) { s.Branch = "prod" },
		"path":   func(s *checkout.Source) { s.Path = "paris" },
	} {
		t.Run(name, func(t *testing.T) {
			changed := src
			change(&changed)
			a := followIn(t, dir, changed)
			_, err := a.Fetch(t.Context())
			var is *checkout.SourceChangedError
			if !errors.As(err, &is) || is.Accepted.Path != "home" || is.Configured != a.Source() {
				t.Fatalf("fetch: %v, want a SourceChangedError", err)
			}
			if got := f.counted() + other.counted(); got != 0 {
				t.Errorf("%d requests were made before the change was confirmed", got)
			}
			c, ok := a.Accepted()
			if !ok || c != accepted || a.file(c, "a.yaml") != "one" {
				t.Errorf("accepted is %+v, want %+v still, read from its own path", c, accepted)
			}
			if err := a.Accept(t.Context(), c); !errors.Is(err, checkout.ErrSourceChanged) {
				t.Errorf("accept before the change was confirmed: %v", err)
			}
		})
	}
	changed := src
	changed.URL, changed.Path = other.url, "paris"
	a := followIn(t, dir, changed)
	a.AcceptSource()
	c := a.fetch(orphan)
	if was, _ := a.Accepted(); was != accepted {
		t.Errorf("accepted is %+v before the new source's commit was", was)
	}
	if got := a.file(c, "a.yaml"); got != "drei" {
		t.Errorf("file holds %q", got)
	}
	a.accept(orphan)
	followIn(t, dir, changed).fetch(orphan)
	followIn(t, dir, src).fails(checkout.ErrSourceChanged)
}

func TestSourceRefused(t *testing.T) {
	for _, test := range []struct {
		src  checkout.Source
		want string
	}{
		{checkout.Source{Branch: "main"}, "URL: missing"},
		{checkout.Source{URL: "https://git.example.com/x"}, "branch: missing"},
		{checkout.Source{URL: "https://git.example.com/x", Branch: "a..b"}, `branch "a..b"`},
		{checkout.Source{URL: "https://git.example.com/x", Branch: "main", Path: "../up"}, "leaves the repository"},
		{checkout.Source{URL: "git@git.example.com:x/y.git", Branch: "main"}, "ssh remotes are not supported yet"},
		{checkout.Source{URL: "ssh://git@git.example.com/x/y.git", Branch: "main"}, "ssh remotes are not supported yet"},
		{checkout.Source{URL: "git://git.example.com/x", Branch: "main"}, `scheme "git" is not supported`},
		{checkout.Source{URL: "https://u:hunter2@git.example.com/x", Branch: "main"}, "put the token into a token file"},
		{checkout.Source{URL: "https://hunter2@git.example.com/x", Branch: "main"}, "put the token into a token file"},
		{checkout.Source{URL: "https://git.example.com/x?private_token=hunter2", Branch: "main"}, "put the token into a token file"},
		{checkout.Source{URL: "https://u:hunter2@git.example.com:port/x", Branch: "main"}, "cannot be parsed"},
		{checkout.Source{URL: "https:///x", Branch: "main"}, "host is missing"},
		{checkout.Source{URL: "file://host/x", Branch: "main"}, "three slashes"},
		{checkout.Source{URL: "/srv/x", Branch: "main", TokenFile: "x"}, "only for http(s)"},
	} {
		_, err := checkout.Open(t.TempDir(), test.src, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.src, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error holds the credential: %v", err)
		}
	}
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
