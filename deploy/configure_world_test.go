//go:build linux

package deploy_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/deploy/internal/standin"
)

// The guests of testdata/configure, by VMID.
const (
	web1 = 2011
	web2 = 2012
)

// configured is a world with guests that playbooks configure, and a watch over every
// secret that is in it.
type configured struct {
	*world
	canaries *canaries
}

// newConfigured sets it up, with an agent that is not started yet. It looks by itself
// for commits alone, so that a test decides when all is compared.
func newConfigured(t *testing.T, binary string, place string, more map[string]string) *configured {
	t.Helper()
	c := &configured{world: newWorld(t, pvesim.Options{})}
	c.machines = newMachines(t, c.network, c.cluster)
	file, public := standin.ClientKey(t)
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c.install(t, binary, string(private))
	c.canaries = watchSecrets(t, c.network)
	c.canaries.addKey(t, "the SSH key", string(private))
	c.canaries.add("the token of Git", c.remote.token)
	c.canaries.add("the token of Proxmox", c.cluster.token)
	c.settings(t, "")
	words := map[string]string{"KEY": public, "PLACE": place}
	maps.Copy(words, more)
	c.manifests(t, "testdata/configure", words)
	return c
}

// settings writes agent.yaml.
func (c *configured) settings(t *testing.T, more string) {
	t.Helper()
	for _, name := range []string{"tmp", "secrets"} {
		if err := os.MkdirAll(filepath.Join(c.agent.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("sweep: 1s", "sweep: 1h").Replace(fmt.Sprintf(settings, c.remote.url))
	c.agent.write(t, "agent.yaml", text+"secretFiles: [secrets]\n"+more)
}

// secret puts a secret on the agent's host, to be told by nobody.
func (c *configured) secret(t *testing.T, name, value string) {
	t.Helper()
	c.agent.write(t, filepath.Join("secrets", name), value+"\n")
	c.canaries.add(name, value)
}

// command runs one of the agent's commands, and keeps what it said.
func (c *configured) command(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	output, code = c.agent.run(t, args...)
	c.canaries.said("agent "+strings.Join(args, " "), output)
	return output, code
}

// sync makes a turn, which is to end with a code.
func (c *configured) sync(t *testing.T, code int) string {
	t.Helper()
	output, got := c.command(t, "sync")
	if got != code {
		t.Errorf("agent sync ended with %d, not %d:\n%s", got, code, output)
	}
	return output
}

// runs is how often a playbook has run on a guest.
func (c *configured) runs(t *testing.T, vmid int, play string) int {
	t.Helper()
	return len(times(t, c.on(vmid, "/srv/"+play+".runs")))
}

// ranEach holds how often base and app have run, on web1 and on web2.
func (c *configured) ranEach(t *testing.T, on1, on2 [2]int) {
	t.Helper()
	for vmid, want := range map[int][2]int{web1: on1, web2: on2} {
		if got := [2]int{c.runs(t, vmid, "base"), c.runs(t, vmid, "app")}; got != want {
			t.Errorf("base and app have run %v times on guest %d, want %v", got, vmid, want)
		}
	}
}

// on reads a file of a guest; "" if it is not there, or the guest is off.
func (c *configured) on(vmid int, file string) string {
	host := c.machines.host(vmid)
	if host == nil {
		return ""
	}
	text, _ := host.ReadFile(file)
	return string(text)
}

// finished waits until app has come to its end on a guest.
func (c *configured) finished(t *testing.T, vmid, n int) {
	t.Helper()
	eventually(t, 60*time.Second, fmt.Sprintf("app has ended %d times on guest %d", n, vmid), func() error {
		if ends := len(times(t, c.on(vmid, "/srv/app.ends"))); ends < n {
			return fmt.Errorf("%d times", ends)
		}
		return nil
	})
}

// mentions fails the test unless a text has all that it should.
func mentions(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in:\n%s", want, text)
		}
	}
}
