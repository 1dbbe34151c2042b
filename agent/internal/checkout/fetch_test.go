package checkout_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
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
		{"bad gateway", nil, status(http.StatusBadGateway), checkout.ErrUnreachable, []string{"the server answers 502 Bad Gateway"}},
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
