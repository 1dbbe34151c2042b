package checkout_test

import (
	"io"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/checkout"
)

// TestRealGitServer follows a repository that git itself serves over HTTP, and collects garbage in.
func TestRealGitServer(t *testing.T) {
	f, git := newRealForge(t)

	a := follow(t, f.source())
	a.fails(checkout.ErrEmpty)
	var tip string
	for _, content := range []string{"one", "two", "three"} {
		tip = f.commit(content, "a.yaml", strings.Repeat("# a line\n", 500)+content)
	}
	git("gc", "-q")
	a.accept(tip)
	f.counted()
	a.accept(f.commit("four", "a.yaml", strings.Repeat("# a line\n", 500)+"four"))
	if got := f.counted(); got != 2 {
		t.Errorf("a fetch of one commit took %d requests, want 2", got)
	}
	accepted, _ := a.Accepted()
	a.fetch(accepted.Hash)
	if got := f.counted(); got != 1 {
		t.Errorf("an idle fetch took %d requests, want 1", got)
	}
	amended := f.amend("amended")
	git("gc", "-q", "--prune=now")
	a.fails(checkout.ErrRewritten)
	if got := a.file(accepted, "a.yaml"); !strings.HasSuffix(got, "four") {
		t.Error("the accepted commit cannot be read any more")
	}
	src := f.source()
	src.AllowRewrite = true
	b := followIn(t, a.dir, src)
	five := f.commitTree("five", nil, amended)
	b.accept(five)
	// The pack of a clone of a directory is of our own making.
	d := follow(t, checkout.Source{URL: f.dir, Branch: "main"})
	d.fetch(five)

	src.Branch = "prod"
	follow(t, src).fails(checkout.ErrBranch)
	src.URL = strings.Replace(src.URL, "fleet", "gone", 1)
	follow(t, src).fails(checkout.ErrNotFound)
	git("fsck", "--full")
	for _, clone := range []string{a.dir, d.dir} {
		git("--git-dir="+filepath.Join(clone, "clone"), "fsck", "--full", "--strict")
	}
}

// newRealForge has git itself serve a repository, and run in it.
func newRealForge(t *testing.T) (f *forge, git func(args ...string)) {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		if os.Getenv("BERTH_REAL") == "1" {
			t.Fatal("BERTH_REAL=1 and there is no git")
		}
		t.Skip("no git program here")
	}
	f = newForge(t)
	git = func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = f.dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(f.dir)}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	backend := &cgi.Handler{
		Path: program, Args: []string{"http-backend"}, Root: "/", Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(f.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	f.answer(backend.ServeHTTP)
	return f, git
}
