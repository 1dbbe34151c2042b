//go:build linux

package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// sshWorld is a Git server that is real git behind a real sshd, somebody who
// pushes to it, and an agent that follows it.
type sshWorld struct {
	network *standin.Network
	host    *standin.Host
	key     string // The file of the key that may log in.
	clone   string
	agent   *agent
}

// TestSSHRemote follows a repository over real SSH, by the short address whose path
// is relative to the user's home on the server.
func TestSSHRemote(t *testing.T) {
	t.Parallel()
	network := standin.Net(t)
	for _, program := range []string{"git", "ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
		}
	}
	key, public := standin.ClientKey(t)
	w := &sshWorld{network: network, key: key, clone: filepath.Join(t.TempDir(), "fleet")}
	w.host = network.Host(t, "git", "10.77.0.9", public)
	if err := w.host.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.agent = &agent{network: network, binary: buildAgent(t), dir: t.TempDir()}
	url := "root@" + w.host.Address() + ":ops/fleet.git"
	w.command(t, "", "ssh", append(w.ssh(), "root@"+w.host.Address(), "git init --quiet --bare --initial-branch=main ops/fleet.git")...)
	w.command(t, "", "git", "clone", "--quiet", url, w.clone)
	w.settings(t, url, "key: git-key")

	// Nobody has said yet whom to trust, and the error tells the line that does.
	out := w.drift(t, 1, "cannot trust the server: its host key is not known: it shows ssh-ed25519 SHA256:")
	_, line, _ := strings.Cut(out, "add this line to the file: ")
	if line = strings.TrimSpace(line); line != w.host.Address()+" "+w.host.HostKey() {
		t.Fatalf("the error tells to add %q, and the host's key is %s", line, w.host.HostKey())
	}
	knownHosts := filepath.Join("state", "known_hosts")
	w.agent.write(t, knownHosts, line+"\n")
	w.drift(t, 1, "the repository is empty; push a first commit to the branch")
	w.push(t, "Begin", "kind: Fleet\nname: e2e\nuid: 5b1f0c2e\n")
	w.drift(t, 0, "Begin")
	w.push(t, "Go on", "kind: Fleet\nname: e2e\nuid: 5b1f0c2e\nversion: 1\n")
	w.drift(t, 0, "Go on")

	// A key with a passphrase, both named as secrets.
	w.command(t, "", "ssh-keygen", "-q", "-p", "-P", "", "-N", "hunter2 is long", "-f", filepath.Join(w.agent.dir, "git-key"))
	w.drift(t, 1, "it is encrypted; name its passphrase as repository.ssh.passphrase")
	w.settings(t, url, "key: {secret: key}, passphrase: {secret: passphrase}")
	w.agent.write(t, "passphrase", "hunter3\n")
	w.drift(t, 1, `its passphrase is not that of secret "passphrase"`)
	w.agent.write(t, "passphrase", "hunter2 is long\n")
	w.drift(t, 0, "Go on")

	// A running agent sees a push, and a kept clone is one that git itself finds whole.
	w.command(t, w.clone, "git", "gc", "--quiet")
	running := w.agent.start(t)
	w.push(t, "Once more", "kind: Fleet\nname: e2e\nuid: 5b1f0c2e\narchiveFor: 3d\n")
	eventually(t, 10*time.Second, "the push is seen", func() error {
		if out, code := w.agent.run(t, "drift"); code != 0 || !strings.Contains(out, "Once more") {
			return fmt.Errorf("drift exits %d: %s", code, out)
		}
		return nil
	})
	running.stop(t, 2*time.Second)
	w.command(t, "", "git", "--git-dir="+filepath.Join(w.agent.dir, "state", "clone", "clone"), "fsck", "--full", "--strict")

	// What sshd and git themselves answer. The last good commit goes on being enforced.
	w.settings(t, strings.Replace(url, "fleet", "gone", 1), "key: {secret: key}, passphrase: {secret: passphrase}")
	w.drift(t, 2, "no such repository: fatal: 'ops/gone.git' does not appear to be a git repository", "--accept-source")
	stranger, _ := standin.ClientKey(t)
	w.copyKey(t, stranger)
	w.settings(t, url, "key: git-key")
	w.drift(t, 2, "access denied: it takes no key ssh-ed25519 SHA256:")

	// Another host at the address.
	_, other := standin.ClientKey(t)
	w.agent.write(t, knownHosts, "# The fleet's\n"+w.host.Address()+" "+other+"\n")
	out = w.drift(t, 2, "its host key has changed: it shows ssh-ed25519 SHA256:")
	if want := filepath.Join(w.agent.dir, knownHosts) + ":2 has ssh-ed25519 SHA256:"; !strings.Contains(out, want) {
		t.Errorf("drift does not name the line: %s", out)
	}
}

// settings writes agent.yaml, and the key if it is not there yet.
func (w *sshWorld) settings(t *testing.T, url, ssh string) {
	t.Helper()
	w.agent.write(t, "agent.yaml", fmt.Sprintf("repository: {url: %q, ssh: {%s}}\nstate: state\nsocket: agent.sock\npoll: 200ms\nsweep: 1s\nsecrets: {key: git-key, passphrase: passphrase}\n", url, ssh))
	if _, err := os.Stat(filepath.Join(w.agent.dir, "git-key")); err != nil {
		w.copyKey(t, w.key)
	}
}

func (w *sshWorld) copyKey(t *testing.T, file string) {
	t.Helper()
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.agent.write(t, "git-key", string(private))
}

// drift runs `agent drift`, and expects how it exits and what it says.
func (w *sshWorld) drift(t *testing.T, want int, says string, args ...string) string {
	t.Helper()
	out, code := w.agent.run(t, append([]string{"drift"}, args...)...)
	if code != want || !strings.Contains(out, says) {
		t.Fatalf("drift exits %d, want %d and %q: %s", code, want, says, out)
	}
	for _, secret := range []string{"hunter", "PRIVATE KEY"} {
		if strings.Contains(out, secret) {
			t.Errorf("drift says %q: %s", secret, out)
		}
	}
	return out
}

// push commits the fleet's only manifest and pushes it. It is long, so that git would
// rather send what has changed in it.
func (w *sshWorld) push(t *testing.T, message, manifest string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.clone, "fleet.yaml"), []byte(strings.Repeat("# The fleet.\n", 500)+manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	w.command(t, w.clone, "git", "add", "--all")
	w.command(t, w.clone, "git", "commit", "--quiet", "-m", message)
	w.command(t, w.clone, "git", "push", "--quiet", "origin", "HEAD:main")
}

// ssh are options of the person's own ssh.
func (w *sshWorld) ssh() []string {
	return []string{"-F", "/dev/null", "-i", w.key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"}
}

// command runs a program on the node, as the person who pushes.
func (w *sshWorld) command(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := w.network.Command(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(w.clone), "LC_ALL=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1", "GIT_SSH_COMMAND=ssh " + strings.Join(w.ssh(), " "),
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.test", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.test",
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
}
