//go:build linux

package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/deploy/internal/standin"
)

// packages are what deploy/package has built: the files of one version.
type packages struct{ deb, rpm, binary string }

// TestPackages builds the packages as who releases them does, and shows that they are
// the same wherever they are built, that the tools of those who install them find nothing
// wrong, and that they are installed, run, upgraded and removed on a Debian with systemd.
func TestPackages(t *testing.T) {
	t.Parallel()
	standin.Net(t) // Skips, or fails, before anything is built.
	for _, program := range []string{"go", "git", "lintian", "rpm", "dpkg-deb", "systemd-analyze", "lxc-start", "mmdebstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
		}
	}
	built := buildPackages(t, "..", "1.2.3", nil)
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"built twice", func(t *testing.T) { builtTwice(t, built) }},
		{"lintian", func(t *testing.T) { lintian(t, built) }},
		{"rpm", func(t *testing.T) { unpacked(t, built) }},
		{"exposure", exposure},
		{"life", func(t *testing.T) { packageLife(t, built) }},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t)
		})
	}
}

// buildPackages runs deploy/package of a tree.
func buildPackages(t *testing.T, tree, version string, env []string) packages {
	t.Helper()
	out := t.TempDir()
	tool(t, env, filepath.Join(tree, "deploy/package"), "--version", version, "--out", out)
	return packages{
		deb:    filepath.Join(out, "berth_"+version+"-1_amd64.deb"),
		rpm:    filepath.Join(out, "berth-"+version+"-1.x86_64.rpm"),
		binary: filepath.Join(out, "agent-linux-amd64"),
	}
}

// tool runs a program to its end, which is to be a good one, and returns what it says.
func tool(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// builtTwice builds once more, elsewhere, later, by somebody whose files nobody else may
// read, in another time zone and language. With BERTH_EVERY=1 nothing that was compiled
// before is used.
func builtTwice(t *testing.T, first packages) {
	gitDir := strings.TrimSpace(tool(t, nil, "git", "rev-parse", "--absolute-git-dir"))
	there := filepath.Join(t.TempDir(), "another place")
	list := tool(t, nil, "git", "-C", "..", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil {
			continue // Removed, and not committed so far.
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(there, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, info.Mode().Perm()&0o700); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"GIT_DIR=" + gitDir, "TZ=Asia/Tokyo", "LANG=C.UTF-8", "GOFLAGS=-buildvcs=false"}
	if os.Getenv("BERTH_EVERY") == "1" {
		env = append(env, "GOCACHE="+t.TempDir())
	}
	second := buildPackages(t, there, "1.2.3", env)
	for _, pair := range [][2]string{{first.binary, second.binary}, {first.deb, second.deb}, {first.rpm, second.rpm}} {
		a, err := os.ReadFile(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(pair[1]); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another when it is built again: %d and %d bytes, %v", filepath.Base(pair[0]), len(a), len(b), err)
		}
	}
}

func lintian(t *testing.T, built packages) {
	out, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error,warning", built.deb).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// unpacked has rpm unpack the package and compare what is there with what it should be.
// The scripts are only read: they are for another distribution than this one.
func unpacked(t *testing.T, built packages) {
	root := t.TempDir()
	tool(t, nil, "rpm", "--root", root, "--install", "--nodeps", "--noscripts", built.rpm)
	tool(t, nil, "rpm", "--root", root, "--verify", "--nodeps", "berth")
	said := tool(t, nil, "rpm", "--root", root, "--query", "--list", "berth") +
		tool(t, nil, "rpm", "--root", root, "--query", "--scripts", "--requires", "--configfiles", "--queryformat", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{BUILDHOST}\n", "berth")
	for _, want := range []string{
		"berth 1.2.3 1 x86_64 berth", "/usr/bin/agent", "/usr/lib/systemd/system/berth.service", "/usr/share/man/man1/agent-run.1.gz",
		"/usr/share/zsh/site-functions/_agent", "/etc/berth/agent.yaml", "systemctl try-restart berth.service", "systemd",
	} {
		if !slices.ContainsFunc(strings.Split(said, "\n"), func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), want) }) {
			t.Errorf("rpm does not tell of %q among\n%s", want, said)
		}
	}
	for _, part := range []string{"post", "preun", "postun"} {
		tool(t, nil, "sh", "-n", "packaging/rpm/"+part)
	}
}

// mostExposed is how the unit may be rated by `systemd-analyze security` of systemd 252
// (Debian 12), where 0 is least exposed and 10 most. By the same tool, the best daemons of
// Debian 12 are rated: systemd-timesyncd 2.3, systemd-networkd 2.8, chrony 3.7,
// systemd-journald 4.3, tor 6.8, knot-resolver 7.1; caddy 9.0; haproxy, nginx, ssh and
// unbound 9.6. What is left of ours is that it speaks over the network and over sockets.
const mostExposed = 1.2

var overall = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// exposure rates the unit as `systemd-analyze security` does where it runs.
func exposure(t *testing.T) {
	unit := filepath.Join(t.TempDir(), "berth.service")
	text, err := os.ReadFile("packaging/berth.service")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unit, text, 0o600); err != nil {
		t.Fatal(err)
	}
	said := tool(t, nil, "systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
	found := overall.FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("systemd-analyze does not rate it:\n%s", said)
	}
	if level, err := strconv.ParseFloat(found[1], 64); err != nil || level > mostExposed {
		t.Errorf("the unit is rated %s, more than %v:\n%s", found[1], mostExposed, said)
	}
	// What is misspelt, or not known there, is only warned of.
	verified, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(verified)), "\n"), func(line string) bool {
		return !strings.Contains(line, "berth.service") || strings.Contains(line, "Command /usr/bin/agent is not executable")
	})
	if len(lines) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, strings.Join(lines, "\n"))
	}
}
