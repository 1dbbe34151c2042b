//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackageVersion has deploy/package tell the version from Git: each is a later one
// than those before it, as dpkg sorts them.
func TestPackageVersion(t *testing.T) {
	t.Parallel()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs git and dpkg: set BERTH_REAL=1, or run deploy/test")
	}
	dir := t.TempDir()
	script, err := os.ReadFile("package")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "deploy"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deploy/package"), script, 0o700); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) {
		tool(t, []string{
			"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.test", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.test",
			"GIT_CONFIG_NOSYSTEM=1", "HOME=" + dir,
		}, "git", append([]string{"-C", dir}, args...)...)
	}
	commit := func() { git("commit", "--quiet", "--allow-empty", "-m", "more") }
	var last string
	is := func(prefix, suffix string) {
		t.Helper()
		got := strings.TrimSpace(tool(t, nil, filepath.Join(dir, "deploy/package"), "--print-version"))
		if !strings.HasPrefix(got, prefix) || !strings.HasSuffix(got, suffix) {
			t.Errorf("the version is %s, not %s…%s", got, prefix, suffix)
		}
		if last != "" {
			tool(t, nil, "dpkg", "--compare-versions", last, "lt", got)
		}
		last = got
	}
	git("init", "--quiet", "--initial-branch=main")
	git("add", "--all")
	commit()
	is("0+1.g", "")
	commit()
	is("0+2.g", "")
	git("tag", "v1.0.0-rc.1")
	is("1.0.0~rc.1", "c.1")
	commit()
	is("1.0.0~rc.1+1.g", "")
	git("tag", "v1.0.0")
	is("1.0.0", "1.0.0")
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	is("1.0.0+0.g", ".dirty")
	git("add", "--all")
	commit()
	is("1.0.0+1.g", "")
	git("tag", "v1.0.1")
	is("1.0.1", "1.0.1")

	shallow := filepath.Join(t.TempDir(), "shallow")
	git("clone", "--quiet", "--depth=1", "file://"+dir, shallow)
	for _, wrong := range []struct {
		dir, says string
		args      []string
	}{
		{shallow, "git fetch --unshallow --tags, or give --version", nil},
		{dir, "write X.Y.Z, X.Y.Z-rc.1 or X.Y.Z+TEXT", []string{"--version", "1 0"}},
		{dir, "write X.Y.Z, X.Y.Z-rc.1 or X.Y.Z+TEXT", []string{"--version", "next"}},
		{dir, "--arch mips: amd64, arm64 or all", []string{"--arch", "mips"}},
		{dir, "--output: no such option", []string{"--output", "x"}},
	} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(wrong.dir, "deploy/package"), append(wrong.args, "--print-version")...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), wrong.says) {
			t.Errorf("%s: %v: %s", wrong.args, err, out)
		}
	}
}
