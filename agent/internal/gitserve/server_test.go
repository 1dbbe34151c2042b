package gitserve_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"berth/agent/internal/gitserve"
)

func start(t *testing.T, set ...func(*gitserve.Server)) (*gitserve.Server, string) {
	t.Helper()
	server, err := gitserve.New(filepath.Join(t.TempDir(), "fleet.git"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range set {
		f(server)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, web.URL + "/fleet.git"
}

func commit(t *testing.T, s *gitserve.Server, message string, files map[string]*string) string {
	t.Helper()
	hash, err := s.Commit(files, message)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestCommitEditsFiles(t *testing.T) {
	server, url := start(t)
	commit(t, server, "first", map[string]*string{"a.yaml": new("a"), "dir/sub/b.yaml": new("b"), "dir/c.yaml": new("c")})
	tip := commit(t, server, "second", map[string]*string{"a.yaml": new("A"), "dir/sub/b.yaml": nil})

	dir := t.TempDir()
	repo, err := git.PlainClone(dir, false, &git.CloneOptions{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	head, err := repo.Head()
	if err != nil {
		t.Fatal(err)
	}
	if head.Hash().String() != tip || head.Name().Short() != gitserve.DefaultBranch {
		t.Errorf("cloned %s, want %s %s", head, gitserve.DefaultBranch, tip)
	}
	if got := read(t, dir, "a.yaml") + read(t, dir, "dir/c.yaml"); got != "Ac" {
		t.Errorf("files hold %q, want %q", got, "Ac")
	}
	if _, err := os.Stat(filepath.Join(dir, "dir/sub")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the emptied directory is still there: %v", err)
	}
	for _, bad := range []string{"../x", "/x", ".", "dir/c.yaml/x"} {
		if _, err := server.Commit(map[string]*string{bad: new("x")}, "bad"); err == nil {
			t.Errorf("a file named %q was committed", bad)
		}
	}
}

func TestReopenKeepsTheRepository(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		server, err := gitserve.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, server, "again", map[string]*string{strconv.Itoa(i): new("x")})
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	log, err := repo.Log(&git.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	if err := log.ForEach(func(*object.Commit) error { count++; return nil }); err != nil {
		t.Fatal(err)
	}
	if count != 2 {
		t.Errorf("%d commits, want 2", count)
	}
}

func TestGoGitPushes(t *testing.T) {
	var pushed []string
	server, url := start(t, func(s *gitserve.Server) {
		s.OnPush = func(ref, hash string) { pushed = append(pushed, ref+" "+hash) }
	})
	dir := t.TempDir()
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{url}}); err != nil {
		t.Fatal(err)
	}
	first := workCommit(t, repo, dir, "a", false)
	if err := repo.Push(&git.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	amended := workCommit(t, repo, dir, "b", true)
	if err := repo.Push(&git.PushOptions{}); err == nil {
		t.Error("an amended commit was pushed without force")
	}
	if err := repo.Push(&git.PushOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	want := "refs/heads/main " + first + "\nrefs/heads/main " + amended
	if got := strings.Join(pushed, "\n"); got != want {
		t.Errorf("OnPush saw\n%s\nwant\n%s", got, want)
	}
	// What was pushed can be built upon by a scripted commit and pulled again.
	tip := commit(t, server, "scripted", map[string]*string{"c": new("c")})
	tree, err := repo.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Pull(&git.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if head, err := repo.Head(); err != nil || head.Hash().String() != tip {
		t.Errorf("pulled %v (%v), want %s", head, err, tip)
	}
}

func workCommit(t *testing.T, repo *git.Repository, dir, content string, amend bool) string {
	t.Helper()
	tree, err := repo.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Add("file"); err != nil {
		t.Fatal(err)
	}
	who := &object.Signature{Name: "Test", Email: "test@localhost", When: time.Now()}
	hash, err := tree.Commit(content, &git.CommitOptions{Author: who, Amend: amend})
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

func TestToken(t *testing.T) {
	server, url := start(t, func(s *gitserve.Server) { s.Token = "right" })
	commit(t, server, "first", map[string]*string{"a": new("a")})
	for _, test := range []struct {
		name string
		auth transport.AuthMethod
		want error
	}{
		{"none", nil, transport.ErrAuthenticationRequired},
		{"wrong", &githttp.BasicAuth{Username: "x", Password: "wrong"}, transport.ErrAuthenticationRequired},
		{"basic", &githttp.BasicAuth{Username: "x", Password: "right"}, nil},
		{"bearer", &githttp.TokenAuth{Token: "right"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := git.PlainClone(t.TempDir(), true, &git.CloneOptions{URL: url, Auth: test.auth})
			if !errors.Is(err, test.want) {
				t.Errorf("clone: %v, want %v", err, test.want)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	server, url := start(t)
	commit(t, server, "first", map[string]*string{"a": new("a")})
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/info/refs", "", http.StatusForbidden},
		{http.MethodGet, "/HEAD", "", http.StatusNotFound},
		{http.MethodPost, "/git-upload-pack", "", http.StatusBadRequest},
		{http.MethodPost, "/git-upload-pack", "0032want " + strings.Repeat("0", 40) + "\n0000", http.StatusBadRequest},
		{http.MethodPost, "/git-upload-pack", "zzzz", http.StatusBadRequest},
		{http.MethodPost, "/git-receive-pack", "nonsense", http.StatusBadRequest},
		{http.MethodPost, "/git-receive-pack", "0000", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != test.want {
			t.Errorf("%s %s %q: %d, want %d", test.method, test.path, test.body, res.StatusCode, test.want)
		}
	}
}

// TestRealGit drives the server with the git program, whose negotiation, compressed
// requests and pushes differ from go-git's.
func TestRealGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("BERTH_REAL") == "1" {
			t.Fatal("BERTH_REAL=1 and there is no git")
		}
		t.Skip("no git program here")
	}
	server, url := start(t, func(s *gitserve.Server) { s.Token = "right" })
	url = strings.Replace(url, "http://", "http://x:right@", 1)
	home := t.TempDir()
	run := func(dir string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
			"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@localhost", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@localhost",
		}
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	git := func(dir string, args ...string) string {
		t.Helper()
		out, err := run(dir, args...)
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	work := t.TempDir()
	a, b := filepath.Join(work, "a"), filepath.Join(work, "b")

	git(work, "clone", "-q", url, "a") // An empty repository.
	git(a, "checkout", "-q", "-b", "main")
	for i := range 60 {
		if err := os.WriteFile(filepath.Join(a, "file"), []byte(strings.Repeat("line\n", i)), 0o600); err != nil {
			t.Fatal(err)
		}
		git(a, "add", "file")
		git(a, "commit", "-q", "-m", fmt.Sprintf("commit %d", i))
	}
	git(a, "push", "-q", "-u", "origin", "main")
	git(work, "clone", "-q", url, "b")

	// b has 40 commits of its own, more than one batch of haves, and the request is large
	// enough to be compressed; the common ground lies below them.
	for i := range 40 {
		git(b, "commit", "-q", "--allow-empty", "-m", fmt.Sprintf("own %d", i))
	}
	scripted := commit(t, server, "scripted", map[string]*string{"demo/x.yaml": new("x")})
	git(b, "fetch", "-q")
	if got := git(b, "rev-parse", "origin/main"); got != scripted {
		t.Errorf("fetched %s, want %s", got, scripted)
	}
	if _, err := run(b, "push", "-q", "origin", "HEAD:main"); err == nil {
		t.Error("a push that is no fast-forward was taken")
	}
	git(b, "rebase", "-q", "origin/main")
	git(b, "push", "-q", "origin", "HEAD:main") // Thin by default.
	git(a, "pull", "-q", "--ff-only")
	if got, want := git(a, "rev-parse", "HEAD"), git(b, "rev-parse", "HEAD"); got != want {
		t.Errorf("pulled %s, want %s", got, want)
	}
	git(a, "commit", "-q", "--amend", "--allow-empty", "-m", "amended")
	git(a, "push", "-q", "--force", "origin", "main")
	git(b, "fetch", "-q")
	if got, want := git(b, "rev-parse", "origin/main"), git(a, "rev-parse", "HEAD"); got != want {
		t.Errorf("after the forced push: %s, want %s", got, want)
	}
	git(a, "tag", "-a", "v1", "-m", "v1")
	git(a, "push", "-q", "origin", "v1", "HEAD:refs/heads/side")
	git(a, "push", "-q", "origin", ":side")
	if got := git(a, "ls-remote", "origin"); strings.Contains(got, "side") || !strings.Contains(got, "refs/tags/v1") {
		t.Errorf("references after pushing a tag and deleting a branch:\n%s", got)
	}
	big := make([]byte, 3<<20) // Beyond http.postBuffer: git probes, then sends in chunks.
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(filepath.Join(a, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	git(a, "add", "big")
	git(a, "-c", "core.compression=0", "commit", "-q", "-m", "big")
	git(a, "-c", "core.compression=0", "-c", "pack.compression=0", "push", "-q", "origin", "main")
	git(work, "clone", "-q", url, "c")
	git(filepath.Join(work, "c"), "fsck", "--strict")
}
