package machine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What sudo says besides is neither its refusal nor the program's own word.
func TestJudgeSudo(t *testing.T) {
	for name, test := range map[string]struct {
		out  Output
		code int
		want string
	}{
		"refused":            {Output{Stderr: []byte("sudo: unable to resolve host edge: x\nsudo: a password is required\n")}, 1, "sudo: it asks deploy for a password: "},
		"no terminal":        {Output{Stderr: []byte("sudo: sorry, you must have a tty to run sudo\n")}, 1, "sudo: it wants a terminal: "},
		"of another sort":    {Output{Stderr: []byte("sudo: no valid sudoers sources found, quitting\nsudo: error initializing audit plugin sudoers_audit\n")}, 1, "sudo: no valid sudoers sources found, quitting: "},
		"the program's":      {Output{Stderr: []byte("sudo: /etc/sudoers.d/x is owned by uid 1000, should be 0\nnginx: [emerg] bad\n")}, 1, "nginx -t: exit status 1: nginx: [emerg] bad"},
		"it has printed":     {Output{Stdout: []byte("half"), Stderr: []byte("sudo: /etc/sudoers.d/x is owned by uid 1000, should be 0\n")}, 1, "nginx -t: exit status 1: half"},
		"the program's word": {Output{Stderr: []byte("nginx: a password is required\n")}, 1, "nginx -t: exit status 1: nginx: a password is required"},
		"another code":       {Output{Stderr: []byte("sudo: a password is required\nno\n")}, 3, "nginx -t: exit status 3: no"},
	} {
		c := Command{Argv: []string{"nginx", "-t"}}
		err := judgeSudo("deploy", &ExitError{Argv: c.Argv, Code: test.code}, c, test.out.withoutNoise())
		if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// asNobody tells the test's own program that it is run by a user who may use sudo.
const asNobody = "BERTH_TEST_AS_NOBODY"

// The agent is often another user than root, whom sudo lets do everything: that user
// can't end what is root's, nor look into root's directories.
func TestRealSudoOfAnotherUser(t *testing.T) {
	if dir := os.Getenv(asNobody); dir != "" {
		sudoWorks(t, dir)
		return
	}
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("needs sudo, and to be root; set BERTH_REAL=1")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The rules are seen in here alone.
	const script = `set -e
mount -t tmpfs -o mode=750 tmpfs /etc/sudoers.d
echo 'nobody ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/berth
chmod 440 /etc/sudoers.d/berth
mount -t tmpfs -o mode=755 tmpfs /mnt
cp "$1" /mnt/test
mkdir -m 700 /mnt/secret
cd /mnt
exec setpriv --reuid=nobody --regid=nogroup --clear-groups ./test -test.run '^TestRealSudoOfAnotherUser$' -test.v`
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", script, "sh", program)
	cmd.Env = append(os.Environ(), asNobody+"=/mnt/secret")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func sudoWorks(t *testing.T, dir string) {
	m := Local(true)
	ctx := t.Context()
	file := filepath.Join(dir, "file")
	if err := m.Replace(ctx, file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := m.Read(ctx, file, 0, 10); err != nil || string(text) != "text" {
		t.Errorf("it has %q, %v", text, err)
	}
	within, cancel := context.WithCancel(ctx)
	time.AfterFunc(500*time.Millisecond, cancel)
	begun := time.Now()
	_, err := m.Run(within, Command{Argv: []string{"sleep", "20"}, Timeout: 15 * time.Second})
	if took := time.Since(begun); !errors.Is(err, context.Canceled) || took > 5*time.Second {
		t.Errorf("cancelled, after %s: %v", took, err)
	}
	locksWork(t, m, t.TempDir())
	unlock, err := m.Lock(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Lock(ctx, dir); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	if unlock, err = m.Lock(ctx, dir); err != nil {
		t.Fatalf("right after: %v", err)
	}
	unlock()
	if _, err := m.Lock(ctx, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	for _, left := range []string{"sleep 20", lockScript} {
		if out, err := exec.CommandContext(ctx, "pgrep", "-f", "-x", left).Output(); err == nil {
			t.Errorf("%s is still there: %s", left, out)
		}
	}
}
