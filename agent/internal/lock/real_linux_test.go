package lock_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/agent/internal/lock"
)

// TestAgeOpensTheIdentity is recovery without Berth: the age tool opens the identity by
// the passphrase, and by the identity what was encrypted for it; and an identity that
// the age tool has encrypted anew, with another passphrase, is unlocked here.
func TestAgeOpensTheIdentity(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs the age tool: set BERTH_REAL=1, or run deploy/test")
	}
	l, dir := made(t)
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	age := func(typed string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "age", args...)
		cmd.Dir = dir
		if said, err := onTerminal(t, cmd, typed); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: age %v: %v; deploy/test installs them\n%s", args, err, said)
		}
	}
	age("", "-R", lock.RecipientFile, "-o", "text.age", "text")
	age(passphrase+"\n", "-d", "-o", "identity", lock.IdentityFile)
	age("", "-d", "-i", "identity", "-o", "back", "text.age")
	if back, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || string(back) != "s3cret" {
		t.Errorf("%q, %v", back, err)
	}
	recipient := l.Recipient() // Which, until somebody unlocks it, a new identity has not.
	if err := os.Remove(l.IdentityPath()); err != nil {
		t.Fatal(err)
	}
	const next = "another long passphrase"
	age(next+"\n"+next+"\n", "-p", "-a", "-o", lock.IdentityFile, "identity")
	if err := open(t, dir).Unlock(t.Context(), []byte(passphrase)); err == nil {
		t.Error("the old passphrase opens it")
	}
	if err := l.Unlock(t.Context(), []byte(next)); err != nil || l.Recipient() != recipient {
		t.Errorf("the new passphrase: %v, %q for %q", err, l.Recipient(), recipient)
	}
	sealed, err := os.ReadFile(filepath.Join(dir, "text.age"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := unseal(t, l, sealed); err != nil || text != "s3cret" {
		t.Errorf("%q, %v", text, err)
	}
}

// onTerminal runs a command on a terminal of its own, where one types when it asks.
func onTerminal(t *testing.T, cmd *exec.Cmd, typed string) (string, error) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		return "", err
	}
	said := make(chan string)
	go func() {
		var all bytes.Buffer
		text := make([]byte, 1024)
		for {
			n, err := master.Read(text)
			all.Write(text[:n])
			// It asks for each line by a colon, and takes what comes before for none.
			if strings.HasSuffix(strings.TrimSpace(all.String()), ":") && typed != "" {
				line, rest, _ := strings.Cut(typed, "\n")
				typed = rest
				_, _ = io.WriteString(master, line+"\n")
			}
			if err != nil {
				said <- all.String()
				return
			}
		}
	}()
	err = cmd.Wait()
	return <-said, err
}
