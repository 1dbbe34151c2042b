// Package standinforge is a forge for tests: the parts of Gitea's and GitHub's documented
// APIs that Berth and its check use, over git's own http-backend. What it does not know
// it answers 404, and what is malformed 422, so that a client that strays from the
// documents is found out.
package standinforge

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi" //nolint:gosec // The fault was mended in Go 1.6.3.
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The kinds of forges that it can be.
const (
	Gitea  = "gitea"
	GitHub = "github"
)

// The names of the repository and of who has the token.
const (
	Owner = "owner"
	Name  = "fleet"
	User  = "berth-bot"
)

// Forge is a forge with one repository, at /owner/fleet.git. Its API is at /api/v1, or
// /api/v3 as GitHub Enterprise has it.
type Forge struct {
	kind, token, git, root string
	backend                http.Handler
	mux                    *http.ServeMux

	mu       sync.Mutex // guards what follows
	failing  bool
	hook     hook
	pulls    []*pull
	comments []*comment
	statuses map[string][]status // by commit, the newest first
	next     int64
	calls    []string
	hooks    sync.WaitGroup
}

// hook is where pushes are told.
type hook struct{ url, secret string }

// pull is a pull request.
type pull struct {
	number          int
	title, author   string
	head, to, state string
	draft, merged   bool
	opened          time.Time
}

type comment struct {
	id     int64
	number int
	body   string
}

type status struct {
	ID          int64  `json:"id"`
	State       string `json:"state"`
	Status      string `json:"status"`
	Context     string `json:"context"`
	Description string `json:"description"`
}

// New makes an empty repository below dir. token is what all who ask must show.
func New(ctx context.Context, kind, dir, token string) (*Forge, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	f := &Forge{kind: kind, token: token, git: git, root: filepath.Join(dir, Owner), statuses: make(map[string][]status)}
	if err := os.MkdirAll(f.root, 0o700); err != nil {
		return nil, err
	}
	if _, err := f.run(ctx, "init", "--quiet", "--bare", "--initial-branch=main", f.bare()); err != nil {
		return nil, err
	}
	if _, err := f.run(ctx, "--git-dir="+f.bare(), "config", "http.receivepack", "true"); err != nil {
		return nil, err
	}
	f.backend = &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: dir,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"},
	}
	f.routes()
	return f, nil
}

func (f *Forge) bare() string { return filepath.Join(f.root, Name+".git") }

// run runs git.
func (f *Forge) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, f.git, args...) //nolint:gosec // No shell reads them, and a test asks.
	cmd.Env = []string{
		"HOME=" + f.root, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=forge", "GIT_AUTHOR_EMAIL=forge@localhost",
		"GIT_COMMITTER_NAME=forge", "GIT_COMMITTER_EMAIL=forge@localhost",
	}
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// in runs git in the repository.
func (f *Forge) in(ctx context.Context, args ...string) (string, error) {
	return f.run(ctx, append([]string{"--git-dir=" + f.bare()}, args...)...)
}

// Hook has pushes told to a URL, signed by a secret.
func (f *Forge) Hook(url, secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook{url, secret}
}

// Fail has the API answer 500 to whatever is asked. Git goes on.
func (f *Forge) Fail(failing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = failing
}

// Calls are the requests to the API so far: "POST /repos/owner/fleet/statuses/…".
func (f *Forge) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Close waits for hooks that are under way.
func (f *Forge) Close() { f.hooks.Wait() }

// base is the path of the API.
func (f *Forge) base() string {
	if f.kind == GitHub {
		return "/api/v3"
	}
	return "/api/v1"
}

// ServeHTTP serves Git and the API.
func (f *Forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, api := strings.CutPrefix(r.URL.Path, f.base())
	if !api {
		f.serveGit(w, r)
		return
	}
	scheme := "token "
	if f.kind == GitHub {
		scheme = "Bearer "
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), scheme)
	f.mu.Lock()
	failing := f.failing
	f.calls = append(f.calls, r.Method+" "+rest)
	f.mu.Unlock()
	switch {
	case failing:
		http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
	case !ok || subtle.ConstantTimeCompare([]byte(given), []byte(f.token)) != 1:
		say(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials"})
	default:
		http.StripPrefix(f.base(), f.mux).ServeHTTP(w, r)
	}
}

// serveGit lets those in who have the token, and tells the hook of what they have pushed.
func (f *Forge) serveGit(w http.ResponseWriter, r *http.Request) {
	_, given, _ := r.BasicAuth()
	if subtle.ConstantTimeCompare([]byte(given), []byte(f.token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="forge"`)
		http.Error(w, "authentication required", http.StatusUnauthorized)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
		f.backend.ServeHTTP(w, r)
		return
	}
	before, _ := f.branches(r.Context())
	f.backend.ServeHTTP(w, r)
	f.moved(context.WithoutCancel(r.Context()), before)
}

// branches are where they stand.
func (f *Forge) branches(ctx context.Context) (map[string]string, error) {
	out, err := f.in(ctx, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
	all := make(map[string]string)
	for line := range strings.Lines(out) {
		if name, hash, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[name] = hash
		}
	}
	return all, err
}

const noCommit = "0000000000000000000000000000000000000000"

// moved does what follows when branches have moved: the refs of pull requests, and the
// hook.
func (f *Forge) moved(ctx context.Context, before map[string]string) {
	after, err := f.branches(ctx)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pulls {
		if hash := after["refs/heads/"+p.head]; p.state == "open" && hash != "" {
			_, _ = f.in(ctx, "update-ref", fmt.Sprintf("refs/pull/%d/head", p.number), hash)
		}
	}
	for ref, hash := range after {
		if was := before[ref]; was != hash {
			if was == "" {
				was = noCommit
			}
			f.deliver(f.hook, ref, was, hash) //nolint:contextcheck // It outlives the request.
		}
	}
}
