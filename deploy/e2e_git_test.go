//go:build linux

package deploy_test

import (
	"crypto/subtle"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// remote is a Git server on the node: git's own http-backend behind a token.
type remote struct {
	network *standin.Network
	token   string
	url     string // Without the token.

	mu       sync.Mutex
	requests []gitRequest
}

// gitRequest is a line of the server's log.
type gitRequest struct {
	began, ended time.Time
	user         string // "x-access-token" is the agent.
	service      string // "git-upload-pack" reads, "git-receive-pack" writes.
	method       string
	status       int
}

// agentUser is the name that the agent sends beside its token.
const agentUser = "x-access-token"

func newRemote(t *testing.T, network *standin.Network) *remote {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	bare := filepath.Join(root, "fleet.git")
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", bare},
		{"-C", bare, "config", "http.receivepack", "true"},
	} {
		if out, err := exec.CommandContext(t.Context(), git, args...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
	}
	r := &remote{network: network, token: "0123456789abcdef0123456789abcdef"}
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + root, "GIT_CONFIG_NOSYSTEM=1"},
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.serve(backend, w, q)
	}))
	_ = server.Listener.Close()
	server.Listener = network.Listen(t, standin.Gateway+":0")
	server.Start()
	t.Cleanup(server.Close)
	r.url = server.URL + "/fleet.git"
	return r
}

// serve lets those in who have the token, and notes what they ask for.
func (r *remote) serve(backend http.Handler, w http.ResponseWriter, q *http.Request) {
	entry := gitRequest{began: time.Now(), method: q.Method, service: q.URL.Query().Get("service")}
	if entry.service == "" {
		entry.service = filepath.Base(q.URL.Path)
	}
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	user, token, _ := q.BasicAuth()
	entry.user = user
	if subtle.ConstantTimeCompare([]byte(token), []byte(r.token)) == 1 {
		backend.ServeHTTP(answer, q)
	} else {
		answer.Header().Set("WWW-Authenticate", `Basic realm="fleet"`)
		answer.WriteHeader(http.StatusUnauthorized)
	}
	entry.ended, entry.status = time.Now(), answer.status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, entry)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// log is what was asked for since a moment, the oldest first.
func (r *remote) log(since time.Time) []gitRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []gitRequest
	for _, q := range r.requests {
		if q.began.After(since) {
			all = append(all, q)
		}
	}
	return all
}

// pushed is the first push since a moment that the server took. It begins before
// others can see it, and ends after.
func (r *remote) pushed(t *testing.T, since time.Time) event {
	t.Helper()
	for _, q := range r.log(since) {
		if q.service == "git-receive-pack" && q.method == http.MethodPost && q.status == http.StatusOK {
			return event{"a push comes in", q.began}
		}
	}
	t.Fatal("the Git server's log knows no push")
	return event{}
}

// fetched is the first fetch of objects by the agent after a moment.
func (r *remote) fetched(t *testing.T, since time.Time) event {
	t.Helper()
	for _, q := range r.log(since) {
		if q.service == "git-upload-pack" && q.method == http.MethodPost && q.user == agentUser {
			return event{"the agent fetches the commit", q.ended}
		}
	}
	t.Fatal("the Git server's log knows no fetch by the agent")
	return event{}
}

// clone is a person's working copy.
type clone struct {
	remote *remote
	dir    string
}

// clone makes a working copy with git itself.
func (r *remote) clone(t *testing.T) *clone {
	t.Helper()
	c := &clone{remote: r, dir: filepath.Join(t.TempDir(), "fleet")}
	wrong := strings.Replace(r.url, "://", "://person:wrong@", 1)
	if out, err := c.command(t, "", "clone", "--quiet", wrong, c.dir).CombinedOutput(); err == nil {
		t.Errorf("a wrong token was let in: %s", out)
	}
	if out, err := c.command(t, "", "clone", "--quiet", strings.Replace(r.url, "://", "://person:"+r.token+"@", 1), c.dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v: %s", err, out)
	}
	return c
}

func (c *clone) command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := c.remote.network.Command(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(c.dir), "LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.test", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.test",
	}
	return cmd
}

func (c *clone) git(t *testing.T, args ...string) {
	t.Helper()
	if out, err := c.command(t, c.dir, args...).CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// push commits all that the working copy holds, pushes it and tells when that
// was begun.
func (c *clone) push(t *testing.T, message string) time.Time {
	t.Helper()
	c.git(t, "add", "--all")
	c.git(t, "commit", "--quiet", "-m", message)
	began := time.Now()
	c.git(t, "push", "--quiet", "origin", "HEAD:main")
	return began
}

// replace changes a file of the working copy.
func (c *clone) replace(t *testing.T, name, from, to string) {
	t.Helper()
	file := filepath.Join(c.dir, name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), from) != 1 {
		t.Fatalf("%s does not hold %q once", name, from)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
