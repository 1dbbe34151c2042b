package checkout_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"berth/agent/internal/checkout"
	"berth/agent/internal/gitserve"
)

// forge is a Git server over HTTP whose repository and behaviour a test can change.
type forge struct {
	t      *testing.T
	dir    string // The bare repository.
	url    string
	server *gitserve.Server
	web    *httptest.Server

	mu       sync.Mutex
	requests []string
	headers  http.Header      // Of all requests together.
	hook     http.HandlerFunc // Answers in the server's place, if set.
}

func newForge(t *testing.T) *forge {
	t.Helper()
	f := &forge{t: t, headers: http.Header{}}
	f.replace()
	f.start("127.0.0.1:0")
	return f
}

// replace puts an empty repository in the place of the present one, which forgets
// all commits as a server's garbage collection does.
func (f *forge) replace() {
	f.t.Helper()
	dir := filepath.Join(f.t.TempDir(), "fleet.git")
	server, err := gitserve.New(dir)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dir, f.server = dir, server
}

func (f *forge) start(address string) {
	f.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(f.t.Context(), "tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.web = httptest.NewUnstartedServer(f)
	_ = f.web.Listener.Close()
	f.web.Listener = listener
	f.web.Start()
	f.t.Cleanup(f.web.Close)
	f.url = f.web.URL + "/fleet.git"
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	for name, values := range r.Header {
		f.headers[name] = append(f.headers[name], values...)
	}
	hook, server := f.hook, f.server
	f.mu.Unlock()
	if hook != nil {
		hook(w, r)
		return
	}
	server.ServeHTTP(w, r)
}

func (f *forge) answer(hook http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// memorise answers the same request by the same bytes: the order of objects in a
// pack, and by that its name, may differ from time to time.
func (f *forge) memorise() {
	known := map[string]*httptest.ResponseRecorder{}
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.t.Error(err)
		}
		answer := known[string(body)]
		if answer == nil || r.Method == http.MethodGet {
			answer = httptest.NewRecorder()
			r.Body = io.NopCloser(bytes.NewReader(body))
			f.server.ServeHTTP(answer, r)
			known[string(body)] = answer
		}
		maps.Copy(w.Header(), answer.Header())
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// counted returns how many requests came since the last call.
func (f *forge) counted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.requests)
	f.requests = nil
	return n
}

func (f *forge) header(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.headers[name])
}

// commit adds a commit that writes the named files, each with the content beside it.
func (f *forge) commit(message string, namesAndContents ...string) string {
	f.t.Helper()
	files := map[string]*string{}
	for i := 0; i < len(namesAndContents); i += 2 {
		files[namesAndContents[i]] = new(namesAndContents[i+1])
	}
	hash, err := f.server.Commit(files, message)
	if err != nil {
		f.t.Fatal(err)
	}
	return hash
}

// store opens the repository behind the server's back.
func (f *forge) store() *git.Repository {
	f.t.Helper()
	repo, err := git.PlainOpen(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	return repo
}

// write stores an object and returns its hash.
func (f *forge) write(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) plumbing.Hash {
	f.t.Helper()
	store := f.store().Storer
	obj := store.NewEncodedObject()
	obj.SetType(kind)
	if err := encode(obj); err != nil {
		f.t.Fatal(err)
	}
	hash, err := store.SetEncodedObject(obj)
	if err != nil {
		f.t.Fatal(err)
	}
	return hash
}

// commitTree makes main a commit with exactly these entries and the given parents.
func (f *forge) commitTree(message string, entries []object.TreeEntry, parents ...string) string {
	f.t.Helper()
	tree := &object.Tree{Entries: entries}
	root := f.write(plumbing.TreeObject, tree.Encode)
	return f.point(f.commitObject(message, root, parents...))
}

func (f *forge) commitObject(message string, root plumbing.Hash, parents ...string) string {
	f.t.Helper()
	who := object.Signature{Name: "Ada", Email: "ada@localhost", When: time.Unix(1_790_000_000, 0)}
	c := &object.Commit{Author: who, Committer: who, Message: message, TreeHash: root}
	for _, parent := range parents {
		c.ParentHashes = append(c.ParentHashes, plumbing.NewHash(parent))
	}
	return f.write(plumbing.CommitObject, c.Encode).String()
}

func (f *forge) blob(content string) plumbing.Hash {
	f.t.Helper()
	return f.write(plumbing.BlobObject, func(o plumbing.EncodedObject) error {
		w, err := o.Writer()
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte(content)); err != nil {
			return err
		}
		return w.Close()
	})
}

// amend replaces the tip by another commit with its tree and parents, as `git commit --amend` does.
func (f *forge) amend(message string) string {
	f.t.Helper()
	repo := f.store()
	ref, err := repo.Reference("refs/heads/main", true)
	if err != nil {
		f.t.Fatal(err)
	}
	tip, err := repo.CommitObject(ref.Hash())
	if err != nil {
		f.t.Fatal(err)
	}
	var parents []string
	for _, parent := range tip.ParentHashes {
		parents = append(parents, parent.String())
	}
	return f.point(f.commitObject(message, tip.TreeHash, parents...))
}

// point makes main name a commit, whatever it named before.
func (f *forge) point(commit string) string {
	f.t.Helper()
	ref := plumbing.NewHashReference("refs/heads/main", plumbing.NewHash(commit))
	if err := f.store().Storer.SetReference(ref); err != nil {
		f.t.Fatal(err)
	}
	return commit
}

// follower is an agent's side: a clone directory, and all that it logged or failed with.
type follower struct {
	*checkout.Repo
	t    *testing.T
	dir  string
	said *bytes.Buffer
}

func (f *forge) source() checkout.Source {
	return checkout.Source{URL: f.url, Branch: "main", Timeout: 10 * time.Second}
}

func follow(t *testing.T, src checkout.Source) *follower {
	t.Helper()
	return followIn(t, t.TempDir(), src)
}

func followIn(t *testing.T, dir string, src checkout.Source) *follower {
	t.Helper()
	said := &bytes.Buffer{}
	repo, err := checkout.Open(dir, src, slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repo.Close)
	return &follower{Repo: repo, t: t, dir: dir, said: said}
}

// fetch expects a commit.
func (f *follower) fetch(want string) checkout.Commit {
	f.t.Helper()
	c, err := f.Fetch(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	if c.Hash != want {
		f.t.Fatalf("fetched %s %q, want %s", c.Hash, c.Subject, want)
	}
	return c
}

func (f *follower) accept(want string) checkout.Commit {
	f.t.Helper()
	c := f.fetch(want)
	if err := f.Accept(f.t.Context(), c); err != nil {
		f.t.Fatal(err)
	}
	return c
}

// fails expects an error of fetching, of one line, and returns its text.
func (f *follower) fails(want error) string {
	f.t.Helper()
	c, err := f.Fetch(f.t.Context())
	if err == nil {
		f.t.Fatalf("fetched %s, want error %q", c.Hash, want)
	}
	if !isError(err, want) {
		f.t.Fatalf("fetch: %v\nwant error %q", err, want)
	}
	f.said.WriteString(err.Error())
	if strings.Contains(err.Error(), "\n") {
		f.t.Errorf("the error has several lines: %q", err)
	}
	return err.Error()
}

// file reads a file of a commit.
func (f *follower) file(c checkout.Commit, name string) string {
	f.t.Helper()
	content, err := f.read(c, name)
	if err != nil {
		f.t.Fatal(err)
	}
	return content
}

// packFiles lists the clone's pack directory.
func (f *follower) packFiles(pattern string) []string {
	f.t.Helper()
	found, err := filepath.Glob(filepath.Join(f.dir, "clone", "objects", "pack", pattern))
	if err != nil {
		f.t.Fatal(err)
	}
	return found
}

// overwrite changes a file of the clone in place.
func overwrite(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil { // Packs are read-only.
		t.Fatal(err)
	}
	if err := os.WriteFile(name, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}
