package checkout_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"berth/agent/internal/checkout"
)

// reader takes playbooks from repositories, as a turn does.
type reader struct {
	*checkout.Library
	t   *testing.T
	dir string
}

func newReader(t *testing.T, set ...func(*checkout.LibraryOptions)) *reader {
	t.Helper()
	o := checkout.LibraryOptions{Dir: t.TempDir(), Timeout: 5 * time.Second}
	for _, f := range set {
		f(&o)
	}
	l, err := checkout.OpenLibrary(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return &reader{l, t, o.Dir}
}

// file reads base.yml of a state, which must be of a commit.
func (r *reader) file(o checkout.Other, commit string) string {
	r.t.Helper()
	tree, have, err := r.Tree(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	if have != commit {
		r.t.Errorf("%s is commit %s, want %s", o.Ref, have, commit)
	}
	text, err := fs.ReadFile(tree, "base.yml")
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// fails gives the error of a state that can't be had.
func (r *reader) fails(o checkout.Other) error {
	r.t.Helper()
	_, _, err := r.Tree(r.t.Context(), o)
	if err == nil {
		r.t.Fatalf("%s at %s is there", o.URL, o.Ref)
	}
	return err
}

// name makes a reference of the server name an object.
func (f *forge) name(ref, hash string) {
	f.t.Helper()
	if err := f.store().Storer.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(ref), plumbing.NewHash(hash))); err != nil {
		f.t.Fatal(err)
	}
}

// tag makes v1 an annotated tag.
func (f *forge) tag(commit string) {
	f.t.Helper()
	who := object.Signature{Name: "Ada", Email: "ada@localhost", When: time.Unix(1_790_000_000, 0)}
	tag := &object.Tag{Name: "v1", Tagger: who, Message: "It is ready.\n", TargetType: plumbing.CommitObject, Target: plumbing.NewHash(commit)}
	f.name("refs/tags/v1", f.write(plumbing.TagObject, tag.Encode).String())
}

// TestLibrary takes branches, tags and commits of one repository from one clone, and
// counts what is asked of the server.
func TestLibrary(t *testing.T) {
	f := newForge(t)
	one := f.commit("one", "base.yml", "one")
	f.tag(one)
	two := f.commit("two", "base.yml", "two")
	f.name("refs/tags/light", two)
	r := newReader(t)
	at := func(ref string) checkout.Other { return checkout.Other{URL: f.url, Ref: ref} }
	requests := func(want int, doing string) {
		t.Helper()
		if got := f.counted(); got != want {
			t.Errorf("%s took %d requests, want %d", doing, got, want)
		}
	}
	if got := r.file(at("v1"), one); got != "one" {
		t.Errorf("v1 holds %q", got)
	}
	requests(2, "an annotated tag")
	if got := r.file(at("main"), two) + r.file(at("light"), two); got != "twotwo" {
		t.Errorf("main and light hold %q", got)
	}
	requests(3, "a branch, and a tag at its tip")
	for range 3 {
		r.file(at("main"), two)
		r.file(at("v1"), one)
	}
	requests(0, "asking again in the same turn")
	three := f.commit("three", "base.yml", "three")
	r.file(at("main"), two)
	r.Turn()
	if got := r.file(at("main"), three); got != "three" {
		t.Errorf("main holds %q", got)
	}
	requests(2, "a branch that has moved")
	r.Turn()
	for _, hash := range []string{one, two, three} {
		r.file(at(hash), hash)
	}
	requests(0, "commits that are there")
	r.file(at("refs/heads/main"), three)
	requests(1, "a branch's whole name")
	if clones, err := os.ReadDir(r.dir); err != nil || len(clones) != 1 {
		t.Errorf("clones: %v %v", clones, err)
	}
	// The next life of the agent has what this one had.
	r.Close()
	again := newReader(t, func(o *checkout.LibraryOptions) { o.Dir = r.dir })
	f.web.Close()
	again.file(at(two), two)
	requests(0, "a commit after a restart")
	if err := again.fails(at("main")); !errors.Is(err, checkout.ErrUnreachable) {
		t.Error(err)
	}
}

// TestLibraryMovedTag follows a tag that was moved, and a branch that was rewritten:
// here, nothing rests on history.
func TestLibraryMovedTag(t *testing.T) {
	f := newForge(t)
	one := f.commit("one", "base.yml", "one")
	f.tag(one)
	r := newReader(t)
	at := func(ref string) checkout.Other { return checkout.Other{URL: f.url, Ref: ref} }
	r.file(at("v1"), one)
	r.file(at("main"), one)
	amended := f.amend("one, better")
	f.tag(amended)
	r.Turn()
	r.file(at("v1"), amended)
	r.file(at("main"), amended)
	r.file(at(one), one)
}

// TestLibraryHow reaches repositories in a directory, over SSH by a key, and over HTTP
// by a token.
func TestLibraryHow(t *testing.T) {
	f := newForge(t)
	one := f.commit("one", "base.yml", "one")
	f.tag(one)
	two := f.commit("two", "base.yml", "two")
	r := newReader(t)
	for ref, commit := range map[string]string{"main": two, "v1": one, one: one} {
		r.file(checkout.Other{URL: f.dir, Ref: ref}, commit)
	}
	f.server.Token = "t0p-S3cret"
	key := checkout.Credential{Name: `secret "playbooks"`, Read: func() ([]byte, error) { return []byte("t0p-S3cret\n"), nil }}
	r.file(checkout.Other{URL: f.url, Ref: "v1", Key: key}, one)
	err := r.fails(checkout.Other{URL: f.url, Ref: "v1"})
	if !errors.Is(err, checkout.ErrAuth) || !strings.Contains(err.Error(), "write key: {secret: NAME} beside the URL") {
		t.Error(err)
	}
	wrong := checkout.Credential{Name: `secret "other"`, Read: func() ([]byte, error) { return []byte("wr0ng"), nil }}
	err = r.fails(checkout.Other{URL: f.url, Ref: "v1", Key: wrong})
	if !errors.Is(err, checkout.ErrAuth) || !strings.Contains(err.Error(), `let secret "other", which key names, read the repository`) || strings.Contains(err.Error(), "wr0ng") {
		t.Error(err)
	}

	s := newSSHForge(t)
	first := s.commit("one", "base.yml", "one")
	s.tag(first)
	s.commit("two", "base.yml", "two")
	src := s.source()
	r = newReader(t, func(o *checkout.LibraryOptions) { o.KnownHosts, o.Learn = src.SSH.KnownHosts, src.SSH.Learn })
	r.file(checkout.Other{URL: src.URL, Ref: "v1", Key: src.SSH.Key}, first)
	if err := r.fails(checkout.Other{URL: src.URL, Ref: "v1"}); !strings.Contains(err.Error(), "over SSH the agent shows a key of its own: write key: {secret: NAME}") {
		t.Error(err)
	}
	strange := s.strange()
	r = newReader(t, func(o *checkout.LibraryOptions) { o.KnownHosts = strange.SSH.KnownHosts })
	if err := r.fails(checkout.Other{URL: src.URL, Ref: "v1", Key: src.SSH.Key}); !errors.Is(err, checkout.ErrHostKey) {
		t.Error(err)
	}
}

// TestLibraryRefuses tells what is wrong, once a turn.
func TestLibraryRefuses(t *testing.T) {
	f := newForge(t)
	one := f.commit("one", "base.yml", "one", "main.yml", "x")
	f.tag(one)
	f.name("refs/heads/both", one)
	f.name("refs/tags/both", f.commit("two", "base.yml", "two"))
	r := newReader(t)
	for ref, want := range map[string]string{
		"v2":                     "fetch " + f.url + " at v2: no such branch, tag or commit: it has both, main, v1; correct ref, or push it",
		one[:7]:                  "it has both, main, v1; a commit is named by all 40 digits of its hash",
		"both":                   "a branch and a tag have this name, and differ",
		"refs/notes/x":           "no such branch, tag or commit",
		strings.Repeat("0b", 20): "fetch " + f.url + " at 0b0b",
	} {
		if err := r.fails(checkout.Other{URL: f.url, Ref: ref}); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
	f.counted()
	_ = r.fails(checkout.Other{URL: f.url, Ref: "v2"})
	if got := f.counted(); got != 0 {
		t.Errorf("a ref that is not there was asked for %d times again", got)
	}
	for url, want := range map[string]string{
		"https://user:passw0rd@localhost/x.git": "put the token",
		"ftp://localhost/x":                     "its scheme is not supported",
		"":                                      "missing",
	} {
		if err := r.fails(checkout.Other{URL: url, Ref: "v1"}); !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "passw0rd") {
			t.Errorf("%s: %v", url, err)
		}
	}
	r.file(checkout.Other{URL: f.url, Ref: "refs/heads/both"}, one)
}

// TestLibraryStopped holds that a fetch ends with its context, and is made again then.
func TestLibraryStopped(t *testing.T) {
	f := newForge(t)
	one := f.commit("one", "base.yml", "one")
	r := newReader(t)
	ctx, stop := context.WithCancel(t.Context())
	f.answer(func(http.ResponseWriter, *http.Request) { stop(); <-ctx.Done() })
	if _, _, err := r.Tree(ctx, checkout.Other{URL: f.url, Ref: "main"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	f.answer(nil)
	r.file(checkout.Other{URL: f.url, Ref: "main"}, one)
}

// TestLibraryDamaged makes a clone anew whose packs were cut, and removes one that
// nobody has used for long.
func TestLibraryDamaged(t *testing.T) {
	f := newForge(t)
	one := f.commit("one", "base.yml", strings.Repeat("one ", 1000))
	r := newReader(t)
	r.file(checkout.Other{URL: f.url, Ref: one}, one)
	r.Close()
	packs, err := filepath.Glob(filepath.Join(r.dir, "*", "clone", "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	if err := os.Chmod(packs[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(packs[0], 50); err != nil {
		t.Fatal(err)
	}
	again := newReader(t, func(o *checkout.LibraryOptions) { o.Dir = r.dir })
	again.file(checkout.Other{URL: f.url, Ref: one}, one)
	again.Close()
	clones, err := os.ReadDir(r.dir)
	if err != nil || len(clones) != 1 {
		t.Fatal(clones, err)
	}
	old := time.Now().Add(-31 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(r.dir, clones[0].Name()), old, old); err != nil {
		t.Fatal(err)
	}
	newReader(t, func(o *checkout.LibraryOptions) { o.Dir = r.dir })
	if clones, err = os.ReadDir(r.dir); err != nil || len(clones) != 0 {
		t.Errorf("left: %v %v", clones, err)
	}
}

// TestLibraryTogether asks for many states at once.
func TestLibraryTogether(t *testing.T) {
	f := newForge(t)
	var commits []string
	for _, text := range []string{"a", "b", "c", "d"} {
		commits = append(commits, f.commit(text, "base.yml", text))
		f.name("refs/heads/"+text, commits[len(commits)-1])
	}
	r := newReader(t)
	errs := make(chan error)
	refs := slices.Concat(commits, []string{"a", "b", "c", "d", "main"})
	for _, ref := range refs {
		go func() {
			tree, _, err := r.Tree(t.Context(), checkout.Other{URL: f.url, Ref: ref})
			if err == nil {
				_, err = fs.ReadFile(tree, "base.yml")
			}
			errs <- err
		}()
	}
	for range refs {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
