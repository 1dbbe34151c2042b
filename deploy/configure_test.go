//go:build linux

package deploy_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// TestConfigure lets the agent, as a process, configure machines over real SSH by the
// real Ansible. What has run where is told by the machines.
func TestConfigure(t *testing.T) {
	t.Parallel()
	standin.Net(t) // Skips, or fails, before anything is built.
	components(t)
	binary := buildAgentWith(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, string)
	}{
		{"due", storyDue},
		{"failing host", storyFailingHost},
		{"changed by hand", storyByHand},
		{"killed", storyPlaybookKilled},
		{"locked", storyLocked},
		{"faults", storyFaults},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			story.tell(t, binary)
		})
	}
}

// onHost is a secret in a file of the agent's host.
func onHost(c *configured) string { return "file: " + c.agent.dir + "/secrets/app-token" }

// withToken sets a world up whose secret lies on the agent's host.
func withToken(t *testing.T, binary string) (c *configured, token string) {
	t.Helper()
	token = "canary-" + rand.Text()
	c = newConfigured(t, binary, "file: $PLACE", nil)
	c.clone.replace(t, "playbooks.yaml", "$PLACE", strings.TrimPrefix(onHost(c), "file: "))
	c.secret(t, "app-token", token)
	return c, token
}

// settled sets such a world up and has both playbooks run on both guests.
func settled(t *testing.T, binary string) (c *configured, token string, agent *process) {
	t.Helper()
	c, token = withToken(t, binary)
	agent = c.agent.start(t)
	c.clone.push(t, "Two guests, base and app")
	c.finished(t, web1, 1)
	c.finished(t, web2, 1)
	return c, token, agent
}

// storyDue has playbooks run where they are due, and nowhere else.
func storyDue(t *testing.T, binary string) {
	c, token, _ := settled(t, binary)
	c.ranEach(t, [2]int{1, 1}, [2]int{1, 1})
	if env := c.on(web1, "/srv/app.env"); env != "TOKEN="+token+"\n" {
		t.Errorf("the service's environment is %q", env)
	}
	for range 2 {
		mentions(t, c.sync(t, 0), "no differences")
	}
	c.ranEach(t, [2]int{1, 1}, [2]int{1, 1})

	// A variable of one guest.
	c.clone.replace(t, "web1.yaml", "first edition", "second edition")
	c.clone.push(t, "Another page on web1")
	c.finished(t, web1, 2)
	c.sync(t, 0)
	c.ranEach(t, [2]int{2, 2}, [2]int{1, 1})
	if page := c.on(web1, "/srv/page"); page != "web1, second edition\n" {
		t.Errorf("the page of web1 is %q", page)
	}

	// One file of one playbook.
	c.clone.replace(t, "ansible/app.yml", "name: The application", "name: The same application")
	c.clone.push(t, "Call the play otherwise")
	c.finished(t, web1, 3)
	c.finished(t, web2, 2)
	c.sync(t, 0)

	// A secret that is rotated.
	rotated := "canary-" + rand.Text()
	c.secret(t, "app-token", rotated)
	app1, app2, base1 := c.runs(t, web1, "app"), c.runs(t, web2, "app"), c.runs(t, web1, "base")
	c.sync(t, 0)
	if c.runs(t, web1, "app") != app1+1 || c.runs(t, web2, "app") != app2+1 || c.runs(t, web1, "base") != base1 {
		t.Errorf("a rotated secret: app has run %d times more on web1, %d on web2; base %d times", c.runs(t, web1, "app")-app1, c.runs(t, web2, "app")-app2, c.runs(t, web1, "base")-base1)
	}
	if env := c.on(web2, "/srv/app.env"); env != "TOKEN="+rotated+"\n" {
		t.Errorf("the service's environment is %q", env)
	}
	c.leftBehind(t)
}

// storyFailingHost has one host of two fail, which keeps nothing else.
func storyFailingHost(t *testing.T, binary string) {
	c, _, _ := settled(t, binary)
	c.sync(t, 0)
	c.machines.host(web2).WriteFile(t, "/srv/broken", "", 0o644)
	c.clone.replace(t, "ansible/app.yml", "name: The application", "name: The same application")
	c.clone.push(t, "Call the play otherwise")
	c.finished(t, web1, 2)
	out := c.sync(t, 1)
	mentions(t, out, "web2", "Do as the machine was told to", "the disk of this machine is broken")
	failures := c.runs(t, web2, "app")
	// It backs off: what others are due for does not try it again.
	c.clone.replace(t, "web1.yaml", "first edition", "second edition")
	c.clone.push(t, "Another page on web1")
	c.finished(t, web1, 3)
	if n := c.runs(t, web2, "app"); n > failures+2 {
		t.Errorf("app has been tried %d times more on web2", n-failures)
	}
	out, code := c.command(t, "drift")
	if code == 0 || !strings.Contains(out, "web2") {
		t.Errorf("agent drift ends with %d:\n%s", code, out)
	}
	c.machines.host(web2).Run(t, "rm", "/srv/broken")
	c.sync(t, 0)
	if page := c.on(web2, "/srv/page"); page != "web2, first edition\n" {
		t.Errorf("the page of web2 is %q", page)
	}
	mentions(t, c.sync(t, 0), "no differences")
	c.leftBehind(t)
}

// storyByHand has somebody edit a file inside a machine.
func storyByHand(t *testing.T, binary string) {
	c, _, _ := settled(t, binary)
	mentions(t, c.sync(t, 0), "no differences")
	c.machines.host(web1).WriteFile(t, "/srv/notice", "edited by hand\n", 0o644)
	out, code := c.command(t, "drift")
	if code != 2 {
		t.Errorf("agent drift ends with %d", code)
	}
	mentions(t, out, "play/base", "web1", "Write the notice")
	if strings.Contains(out, "web2") {
		t.Errorf("web2 is as it was, and named all the same:\n%s", out)
	}
	if c.on(web1, "/srv/notice") != "edited by hand\n" {
		t.Error("agent drift has changed the machine")
	}
	c.sync(t, 0)
	if notice := c.on(web1, "/srv/notice"); notice != "kept by Berth\n" {
		t.Errorf("the notice is %q", notice)
	}
	c.ranEach(t, [2]int{2, 1}, [2]int{1, 1})
	mentions(t, c.sync(t, 0), "no differences")
	c.ranEach(t, [2]int{2, 1}, [2]int{1, 1})
	c.leftBehind(t)
}

// storyPlaybookKilled has the agent die in the middle of a playbook.
func storyPlaybookKilled(t *testing.T, binary string) {
	c, _, first := settled(t, binary)
	c.sync(t, 0)
	c.machines.host(web1).WriteFile(t, "/srv/slow", "", 0o644)
	c.clone.replace(t, "ansible/app.yml", "name: The application", "name: The same application")
	c.clone.push(t, "Call the play otherwise")
	eventually(t, 30*time.Second, "app has begun on web1 once more", func() error {
		if c.runs(t, web1, "app") < 2 {
			return errNotYet
		}
		return nil
	})
	first.signal(t, syscall.SIGKILL, 5*time.Second)
	c.machines.host(web1).Run(t, "rm", "/srv/slow")
	if err := os.Remove(c.agent.dir + "/agent.sock"); err != nil {
		t.Log(err)
	}
	c.agent.start(t)
	c.finished(t, web1, 2)
	c.finished(t, web2, 2)
	mentions(t, c.sync(t, 0), "no differences")
	turns, _ := filepath.Glob(filepath.Join(c.agent.dir, "state", "journal", "*.jsonl"))
	var told strings.Builder
	for _, file := range turns {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(text)
	}
	if !strings.Contains(told.String(), "was cut off") {
		t.Error("no turn of the journal says that the run had been cut off")
	}
	c.leftBehind(t)
}
