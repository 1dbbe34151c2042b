//go:build linux

package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/lxc"
	"berth/deploy/internal/standin"
)

// The guests of the fleet of applications.
const (
	dev, prod               = 2021, 2022 // VMIDs
	devName, prodName       = "dev.example.test", "prod.example.test"
	devAddress, prodAddress = "10.77.2.11:443", "10.77.2.12:443"
)

// guests is a world whose containers really boot.
type guests struct {
	*world
	runtime *lxc.Runtime
}

// guestSettings leave it to the test when everything is looked at: a look into the
// guests is a run of Ansible.
const guestSettings = `repository: {url: %q, token: git-token}
state: state
socket: agent.sock
poll: 200ms
sweep: 1h
secrets: {pve: pve-token, ssh-key: ssh-key}
log: {level: debug}
`

func newGuests(t *testing.T, binary string) *guests {
	t.Helper()
	g := &guests{world: &world{network: standin.Net(t)}}
	var err error
	g.runtime, err = lxc.New(t.Context(), lxc.Options{Namespace: g.network.Namespace(), Say: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatalf("BERTH_REAL=1 asks for real containers: %v; deploy/test installs what they need", err)
	}
	t.Cleanup(func() {
		if err := g.runtime.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	g.cluster = newCluster(t, g.network, pvesim.Options{Runtime: g.runtime, LockWait: 10 * time.Second})
	g.remote = newRemote(t, g.network)
	g.clone = g.remote.clone(t)
	g.edge = newEdge(t, g.network)
	file, public := standin.ClientKey(t)
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g.install(t, binary, string(private))
	g.agent.write(t, "agent.yaml", fmt.Sprintf(guestSettings, g.remote.url))
	g.manifests(t, "testdata/e2e/apps", map[string]string{"KEY": public, "NGINX": g.edge.dir})
	return g
}

// try runs a command in a guest, as somebody who has logged in there.
func (g *guests) try(t *testing.T, vmid int, command string) (string, error) {
	t.Helper()
	s := g.runtime.State(vmid)
	if s.PID == 0 {
		return "", fmt.Errorf("guest %d is off", vmid)
	}
	out, err := exec.CommandContext(t.Context(), "nsenter", "--target="+strconv.Itoa(s.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"--", "sh", "-c", command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (g *guests) do(t *testing.T, vmid int, command string) string {
	t.Helper()
	out, err := g.try(t, vmid, command)
	if err != nil {
		t.Fatalf("in guest %d: %s: %v: %s", vmid, command, err, out)
	}
	return out
}

// runs is how often the application's playbook has run in a guest, looks left out.
func (g *guests) runs(t *testing.T, vmid int) int {
	t.Helper()
	return len(times(t, g.do(t, vmid, "cat /var/lib/app-runs")))
}

// TestRealGuests takes two containers, which really boot, through all that the
// product does: nothing but Proxmox's API is simulated.
func TestRealGuests(t *testing.T) {
	t.Parallel()
	standin.Net(t) // Skips, or fails, before anything is built.
	components(t)
	g := newGuests(t, buildAgentWith(t))
	g.agent.start(t)
	step := func(name string, run func(t *testing.T)) {
		began := time.Now()
		if !t.Run(name, run) {
			t.FailNow()
		}
		t.Logf("%s: %s", name, time.Since(began).Round(100*time.Millisecond))
	}

	step("first push", g.begins)
	step("nothing to do", g.rests)
	step("a variable and memory", g.changes)
	step("drift found", g.drifts)
	step("drift mended", g.mends)
	step("removal", g.retires)
}

func (g *guests) begins(t *testing.T) {
	began := g.clone.push(t, "An application in two environments")
	g.shows(t, devName, dev, "shop-dev, development")
	g.shows(t, prodName, prod, "shop-prod, stable")
	for _, vmid := range []int{dev, prod} {
		if state := g.do(t, vmid, "systemctl is-system-running --wait; systemctl is-active app"); state != "running\nactive" {
			t.Errorf("guest %d: %s", vmid, state)
		}
		if owner := g.do(t, vmid, "cat /etc/motd; findmnt -n /srv/app >/dev/null && echo mounted"); !strings.HasSuffix(owner, "belongs to Berth.\nmounted") {
			t.Errorf("guest %d: %s", vmid, owner)
		}
		started := g.cluster.wrote(t, began, "POST", fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", vmid))
		ran := times(t, g.do(t, vmid, "cat /var/lib/app-runs"))
		if len(ran) != 1 {
			t.Errorf("in guest %d the playbook has run %d times", vmid, len(ran))
		}
		name, address := devName, devAddress
		if vmid == prod {
			name, address = prodName, prodAddress
		}
		inOrder(t, g.remote.pushed(t, began), g.remote.fetched(t, began), started,
			event{fmt.Sprintf("the playbook runs in guest %d", vmid), ran[0]}, g.edge.routed(t, name, address, began))
	}
}

// shows waits until a name leads to the guest itself, with its page.
func (g *guests) shows(t *testing.T, name string, vmid int, page string) {
	t.Helper()
	eventually(t, 2*time.Minute, name+" shows "+page, func() error {
		text, certificate, err := g.edge.page(t.Context(), name)
		switch {
		case err != nil:
			return err
		case strings.TrimSpace(text) != page:
			return fmt.Errorf("it shows %q", text)
		}
		own, err := g.try(t, vmid, "cat /srv/app/certificate.pem")
		if err == nil && !isCertificate([]byte(own), certificate.Raw) {
			err = fmt.Errorf("%q answers, not guest %d", certificate.Subject.CommonName, vmid)
		}
		return err
	})
}

// rests shows that a look at everything, into the guests too, finds nothing to do.
func (g *guests) rests(t *testing.T) {
	began := time.Now()
	if out, code := g.agent.run(t, "sync"); code != 0 {
		t.Errorf("agent sync ends with %d:\n%s", code, out)
	}
	if all := g.cluster.writes(began); len(all) > 0 {
		t.Errorf("with nothing to do the agent writes to Proxmox:\n%s", listed(all))
	}
	for _, vmid := range []int{dev, prod} {
		if n := g.runs(t, vmid); n != 1 {
			t.Errorf("in guest %d the playbook has run %d times", vmid, n)
		}
	}
}

// changes pushes a variable and more memory for one guest: the playbook runs there
// alone, and the memory is there without a restart.
func (g *guests) changes(t *testing.T) {
	was := g.runtime.State(dev)
	g.clone.replace(t, "projects.yaml", "guests: {app: {id: 2021,", "guests: {app: {memory: 384MiB, id: 2021,")
	g.clone.replace(t, "projects.yaml", "edition: development", "edition: nightly")
	g.clone.push(t, "Nightly builds in dev, with more memory")
	g.shows(t, devName, dev, "shop-dev, nightly")
	if now := g.runtime.State(dev); now.PID != was.PID {
		t.Error("guest dev was restarted for more memory")
	}
	if limit := g.do(t, dev, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"); limit != strconv.Itoa(384<<20) {
		t.Errorf("guest dev may use %s bytes", limit)
	}
	if ran := g.runs(t, prod); ran != 1 {
		t.Errorf("in guest prod, which nothing changed, the playbook has run %d times", ran)
	}
}

// drifts does what people do by hand, and asks what differs.
func (g *guests) drifts(t *testing.T) {
	g.do(t, prod, "systemctl stop app")
	g.do(t, dev, "echo edited by hand >/srv/app/page.txt")
	out, code := g.agent.run(t, "drift")
	if code != 2 {
		t.Errorf("agent drift ends with %d", code)
	}
	for _, want := range []string{"shop-prod", "Start the application", "shop-dev", "Write the page"} {
		if !strings.Contains(out, want) {
			t.Errorf("agent drift does not tell of %q", want)
		}
	}
	if t.Failed() {
		t.Logf("agent drift says:\n%s", out)
	}
	if state, _ := g.try(t, prod, "systemctl is-active app"); state != "inactive" {
		t.Errorf("to look for drift has changed something: the application is %s", state)
	}
}

// mends lets the agent undo what was done by hand, each where it was done.
func (g *guests) mends(t *testing.T) {
	before := g.runs(t, dev)
	if out, code := g.agent.run(t, "sync"); code != 0 {
		t.Errorf("agent sync ends with %d:\n%s", code, out)
	}
	g.shows(t, prodName, prod, "shop-prod, stable")
	g.shows(t, devName, dev, "shop-dev, nightly")
	if g.runs(t, dev) != before+1 || g.runs(t, prod) != 2 {
		t.Errorf("the playbook has run %d times more in dev, and %d times in prod", g.runs(t, dev)-before, g.runs(t, prod))
	}
}

// retires pushes that there is no dev any more: its name leads nowhere before it is
// shut down, and what was in it is kept.
func (g *guests) retires(t *testing.T) {
	g.visitors = map[int]*visitor{dev: g.edge.visitor(t, devName), prod: g.edge.visitor(t, prodName)}
	g.shows(t, devName, dev, "shop-dev, nightly")
	text, err := os.ReadFile(g.clone.dir + "/projects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.Index(string(text), "  dev:\n"), strings.Index(string(text), "  prod:\n")
	g.clone.replace(t, "projects.yaml", string(text[from:to]), "")
	began := g.clone.push(t, "Retire dev")
	eventually(t, 2*time.Minute, "dev is archived", func() error {
		now, ok := g.cluster.Guest(dev)
		switch {
		case !ok:
			t.Fatal("dev was destroyed")
		case now.Running || !slices.Contains(strings.Split(now.Config["tags"], ";"), "berth-archived"):
			return fmt.Errorf("running %t, tags %s", now.Running, now.Config["tags"])
		}
		return nil
	})
	if s := g.runtime.State(dev); s.PID != 0 {
		t.Errorf("guest dev runs still, as process %d", s.PID)
	}
	last, nowhere := g.edge.drained(t, devName, devAddress, began)
	stopped := g.cluster.wrote(t, began, "POST", fmt.Sprintf("/nodes/pve1/lxc/%d/status/shutdown", dev))
	inOrder(t, last, stopped)
	inOrder(t, g.remote.pushed(t, began), g.remote.fetched(t, began), nowhere, stopped)
	g.visitors[prod].only(t, "shop-prod", began, time.Now())
	// The turn has looked into prod as well: what was mended there stays so.
	if n := g.runs(t, prod); n != 2 {
		t.Errorf("in guest prod the playbook has run %d times", n)
	}
}
