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

// TestRealLibrary takes an annotated tag, and commits with and without a name, from git
// itself, packed references and all.
func TestRealLibrary(t *testing.T) {
	program, err := exec.LookPath("git")
	if err != nil {
		if os.Getenv("BERTH_REAL") == "1" {
			t.Fatal("BERTH_REAL=1 and there is no git")
		}
		t.Skip("no git program here")
	}
	f := newForge(t)
	one := f.commit("one", "base.yml", "one")
	f.tag(one)
	two := f.commit("two", "base.yml", "two")
	tip := f.commit("three", "base.yml", "three")
	cmd := exec.CommandContext(t.Context(), program, "gc", "-q")
	cmd.Dir = f.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(f.dir)}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git gc: %v\n%s", err, out)
	}
	backend := &cgi.Handler{
		Path: program, Args: []string{"http-backend"}, Root: "/", Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(f.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	f.answer(backend.ServeHTTP)
	for _, url := range []string{f.url, f.dir} {
		for _, states := range [][2]string{{"v1", one}, {two, two}, {"main", tip}} {
			r := newReader(t)
			r.file(checkout.Other{URL: url, Ref: states[0]}, states[1])
		}
		none := strings.Repeat("0b", 20)
		if err := newReader(t).fails(checkout.Other{URL: url, Ref: none}); !strings.Contains(err.Error(), none) || !strings.Contains(err.Error(), "; ") {
			t.Error(err)
		} else {
			t.Log(err)
		}
	}
}
