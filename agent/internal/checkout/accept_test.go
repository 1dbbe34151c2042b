package checkout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/checkout"
)

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
		{checkout.Source{URL: "git://git.example.com/x", Branch: "main"}, "its scheme is not supported"},
		{checkout.Source{URL: "https://u:hunter2@git.example.com/x", Branch: "main"}, "put the token into a token file"},
		{checkout.Source{URL: "https://hunter2@git.example.com/x", Branch: "main"}, "put the token into a token file"},
		{checkout.Source{URL: "https://git.example.com/x?private_token=hunter2", Branch: "main"}, "put the token into a token file"},
		{checkout.Source{URL: "https://u:hunter2@git.example.com:port/x", Branch: "main"}, "cannot be parsed"},
		{checkout.Source{URL: "https:///x", Branch: "main"}, "host is missing"},
		{checkout.Source{URL: "file://host/x", Branch: "main"}, "three slashes"},
		{checkout.Source{URL: "/srv/x", Branch: "main", TokenFile: "x"}, "only for http(s)"},
		{checkout.Source{URL: "git@git.example.com:x/y.git", Branch: "main"}, "repository.ssh.key is missing"},
		{checkout.Source{URL: "ssh://git@git.example.com/x/y.git", Branch: "main", SSH: &checkout.SSH{}}, "ssh-keygen -t ed25519 -N '' -f FILE"},
		{checkout.Source{URL: "ssh://git@git.example.com/x/y.git", Branch: "main", TokenFile: "x"}, "only for http(s)"},
		{checkout.Source{URL: "https://git.example.com/x", Branch: "main", SSH: &checkout.SSH{}}, "only for ssh:// and git@host:path"},
		{checkout.Source{URL: "/srv/x", Branch: "main", SSH: &checkout.SSH{}}, "only for ssh:// and git@host:path"},
		{checkout.Source{URL: "ssh://git:hunter2@git.example.com/x", Branch: "main"}, "it holds a password"},
		{checkout.Source{URL: "git:hunter2@git.example.com:x/y.git", Branch: "main"}, "it holds a password"},
		{checkout.Source{URL: "ssh://git@git.example.com/x?hunter2", Branch: "main"}, "no query or fragment"},
		{checkout.Source{URL: "ssh://git@git.example.com/", Branch: "main"}, "the path of the repository is missing"},
		{checkout.Source{URL: "git@git.example.com:", Branch: "main"}, "the path of the repository is missing"},
		{checkout.Source{URL: "ssh:///x", Branch: "main"}, "the host is missing"},
		{checkout.Source{URL: "ssh://git@git.example.com:0/x", Branch: "main"}, "no number from 1 to 65535"},
		{checkout.Source{URL: "ssh://git@git.example.com:70000/x", Branch: "main"}, "no number from 1 to 65535"},
		{checkout.Source{URL: "ssh://git@-oProxyCommand=x/x", Branch: "main"}, "no host name"},
		{checkout.Source{URL: "git@git.example.com:--upload-pack=x", Branch: "main"}, "its path begins with -"},
		{checkout.Source{URL: "git@git.example.com:x\ny", Branch: "main"}, "control characters"},
		{checkout.Source{URL: "ada lovelace@git.example.com:x", Branch: "main"}, "no user name has"},
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
