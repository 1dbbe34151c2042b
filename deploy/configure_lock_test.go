//go:build linux

package deploy_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
)

// encrypt writes a secret into the working copy, for the agent's identity.
func (c *configured) encrypt(t *testing.T, name, value string) {
	t.Helper()
	public, err := os.Open(filepath.Join(c.agent.dir, "state", "lock", "identity.pub"))
	if err != nil {
		t.Fatal(err)
	}
	defer public.Close()
	recipients, err := age.ParseRecipients(public)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w, err := age.Encrypt(&text, recipients...)
	if err == nil {
		_, err = w.Write([]byte(value))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(c.clone.dir, "secrets"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(c.clone.dir, "secrets", name+".age"), text.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.canaries.add(name, value)
}

// storyLocked has nobody there to type a passphrase, and nothing lost of it.
func storyLocked(t *testing.T, binary string) {
	c := newConfigured(t, binary, "age: secrets/app-token.age", nil)
	passphrase := "canary " + rand.Text()
	c.canaries.add("the passphrase", passphrase)
	if out, code := c.terminal(t, []string{passphrase, passphrase}, "bootstrap"); code != 0 {
		t.Fatalf("agent bootstrap ends with %d:\n%s", code, out)
	}
	token := "canary-" + rand.Text()
	c.encrypt(t, "app-token", token)
	first := c.agent.start(t)
	c.clone.push(t, "Two guests, base and app")
	eventually(t, 60*time.Second, "base has run on both", func() error {
		if c.runs(t, web1, "base") != 1 || c.runs(t, web2, "base") != 1 {
			return errNotYet
		}
		return nil
	})
	// Nothing else is held, and all of it is told.
	out, code := c.command(t, "sync")
	if code != 2 {
		t.Errorf("agent sync ends with %d", code)
	}
	mentions(t, out, "play/app", "web1", "web2", "waiting for unlock", `secret "app-token"`, "agent unlock")
	out, _ = c.command(t, "status")
	mentions(t, out, "locked", "waiting for unlock", "play/app")
	c.ranEach(t, [2]int{1, 0}, [2]int{1, 0})

	// A wrong passphrase opens nothing, the right one lets all run, each once.
	if out, code := c.terminal(t, []string{passphrase + "x"}, "unlock"); code != 1 || !strings.Contains(out, "wrong passphrase") {
		t.Errorf("with a wrong passphrase agent unlock ends with %d:\n%s", code, out)
	}
	<-time.After(1200 * time.Millisecond) // The next try is let in after a second.
	if out, code := c.terminal(t, []string{passphrase}, "unlock"); code != 0 {
		t.Fatalf("agent unlock ends with %d:\n%s", code, out)
	}
	c.finished(t, web1, 1)
	c.finished(t, web2, 1)
	mentions(t, c.sync(t, 0), "no differences")
	c.ranEach(t, [2]int{1, 1}, [2]int{1, 1})
	if env := c.on(web1, "/srv/app.env"); env != "TOKEN="+token+"\n" {
		t.Errorf("the service's environment is %q", env)
	}

	// A restart locks. What has run needs nothing; a secret that is rotated meanwhile
	// makes app due, and waits.
	first.signal(t, syscall.SIGKILL, 5*time.Second)
	if err := os.Remove(filepath.Join(c.agent.dir, "agent.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	c.agent.start(t)
	eventually(t, 20*time.Second, "the agent is back, and locked", func() error {
		if out, _ := c.command(t, "status"); !strings.Contains(out, "locked since") || strings.Contains(out, "unlocked since") {
			return errNotYet
		}
		return nil
	})
	mentions(t, c.sync(t, 0), "no differences")
	rotated := "canary-" + rand.Text()
	c.encrypt(t, "app-token", rotated)
	c.clone.push(t, "Rotate the token")
	eventually(t, 30*time.Second, "app waits", func() error {
		if out, _ := c.command(t, "status"); !strings.Contains(out, "play/app") {
			return errNotYet
		}
		return nil
	})
	c.ranEach(t, [2]int{1, 1}, [2]int{1, 1})
	if out, code := c.terminal(t, []string{passphrase}, "unlock"); code != 0 {
		t.Fatalf("agent unlock ends with %d:\n%s", code, out)
	}
	c.finished(t, web1, 2)
	c.finished(t, web2, 2)
	mentions(t, c.sync(t, 0), "no differences")
	c.ranEach(t, [2]int{1, 2}, [2]int{1, 2})
	if env := c.on(web2, "/srv/app.env"); env != "TOKEN="+rotated+"\n" {
		t.Errorf("the service's environment is %q", env)
	}
	c.leftBehind(t)
}
