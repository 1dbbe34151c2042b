//go:build linux

package deploy_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
)

// TestEdge is what the edge promises, shown with a real nginx as Debian installs it:
// manifests in Git, the agent as a process, backends that tell what they see.
func TestEdge(t *testing.T) {
	t.Parallel()
	standin.Net(t) // Skips, or fails, before anything is built.
	binary := buildAgent(t)
	// What waits, kills or measures is not about how the agent's goroutines meet, and
	// the race detector makes each of its many starts several times dearer.
	plain := buildAgentWith(t)
	stories := map[string]func(*testing.T, string){
		"pegasus": storyPegasus, "mistakes": storyMistakes, "setup": storySetup, "taken": storyTaken, "ports": storyPorts, "container": storyContainer,
		"by hand": storyHand, "refused": storyRefused, "reloads": storyReloads,
		"far": storyFar, "order": storyOrder, "huge": storyHuge,
		"killed": func(t *testing.T, _ string) { storyKilled(t, plain) },
		"growth": func(t *testing.T, _ string) { storyGrowth(t, plain) },
		// These wait more than they work.
		"links": func(t *testing.T, _ string) {
			var links sync.WaitGroup
			links.Go(func() { t.Run("faults", func(t *testing.T) { storyFarFaults(t, plain) }) })
			links.Go(func() { t.Run("cut", func(t *testing.T) { storyCut(t, plain) }) })
			links.Wait()
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, binary)
		})
	}
}

// Where everything stands in a story's network.
const (
	edgeHost  = "10.77.0.5"
	edgeHost6 = "fd77::5"
	visitor4  = "10.77.3.1"
	visitor6  = "fd77::3:1"
)

// edgeWorld is a host with nginx, the backends behind it, people before it, and a
// host on which the agent is installed, with the repository that it follows.
type edgeWorld struct {
	network *standin.Network
	edge    edgebed.Host
	control *standin.Host // The agent's; the edge itself, unless that is reached by SSH.
	client  edgebed.Client
	client6 edgebed.Client
	key     string // The file of the private key that the agent logs in by.
}

// newEdgeWorld makes a world in which the agent is on the edge itself.
func newEdgeWorld(t *testing.T, binary string) *edgeWorld {
	t.Helper()
	w := edgeNetwork(t)
	key, public := standin.ClientKey(t)
	w.key = key
	w.edge = edgebed.NewHost(t, w.network, "edge", edgeHost, public)
	w.edge.Address6(t, edgeHost6+"/64")
	w.control = w.edge.Host
	w.install(t, binary)
	return w
}

// edgeNetwork is a world without hosts.
func edgeNetwork(t *testing.T) *edgeWorld {
	t.Helper()
	w := &edgeWorld{network: standin.Net(t)}
	for _, prefix := range []string{"fd77::1/64", visitor4 + "/16", visitor6 + "/64"} {
		w.network.Address(t, prefix)
	}
	w.client = edgebed.Client{Network: w.network, From: netip.MustParseAddr(visitor4)}
	w.client6 = edgebed.Client{Network: w.network, From: netip.MustParseAddr(visitor6)}
	return w
}

// install puts the agent on its host, in Debian's places.
func (w *edgeWorld) install(t *testing.T, binary string) {
	t.Helper()
	private, err := os.ReadFile(w.key)
	if err != nil {
		t.Fatal(err)
	}
	w.control.WriteFile(t, "/etc/berth/agent.yaml", `repository: {url: /srv/fleet}
state: /var/lib/berth
socket: /run/berth.sock
poll: 200ms
sweep: 1s

secrets: {ssh-key: ssh-key}
`, 0o600)
	w.control.WriteFile(t, "/etc/berth/ssh-key", string(private), 0o600)
	from, err := os.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(w.control.Path("/usr/local/bin/agent"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	w.control.Run(t, "git", "init", "--quiet", "--initial-branch=main", "/srv/fleet")
}

// backend gives the node an address more and puts a server of TLS on it, which may
// want PROXY headers, and one of HTTP.
func (w *edgeWorld) backend(t *testing.T, name, address string, how edgebed.How) {
	t.Helper()
	w.network.Address(t, address+"/16")
	edgebed.TLS(t, w.network, name, address+":443", how)
	edgebed.HTTP(t, w.network, name, address+":80", edgebed.Plain)
}

// commit writes manifests, each beginning by its file name in a line "-- name --",
// and commits them.
func (w *edgeWorld) commit(t *testing.T, manifests string) {
	t.Helper()
	for part := range strings.SplitSeq("\n"+manifests, "\n-- ") {
		name, text, found := strings.Cut(part, " --\n")
		if !found {
			continue
		}
		w.control.WriteFile(t, filepath.Join("/srv/fleet", name), text+"\n", 0o644)
	}
	w.control.Run(t, "git", "-C", "/srv/fleet", "add", "--all")
	w.control.Run(t, "git", "-C", "/srv/fleet", "-c", "user.name=Ann", "-c", "user.email=ann@example.test", "commit", "--quiet", "--allow-empty", "-m", "Change the edge")
}

// agent runs one of the agent's commands on its host, to the end.
func (w *edgeWorld) agent(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	out, err := w.command(t, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("agent %s: %v", strings.Join(args, " "), err)
	}
	if strings.Contains(string(out), "DATA RACE") || strings.Contains(string(out), "goroutine ") {
		t.Errorf("agent %s: %s", strings.Join(args, " "), out)
	}
	return string(out), code
}

func (w *edgeWorld) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := w.control.Command(t.Context(), "agent", args...)
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// sync makes one turn, and fails the test unless it exits as it is to.
func (w *edgeWorld) sync(t *testing.T, want int) string {
	t.Helper()
	out, code := w.agent(t, "sync", "--once")
	if code != want {
		t.Fatalf("a turn exits %d, not %d:\n%s", code, want, out)
	}
	return out
}

// drift reports differences, and fails the test unless it exits as it is to and says
// all that it is to say.
func (w *edgeWorld) drift(t *testing.T, want int, says ...string) string {
	t.Helper()
	out, code := w.agent(t, "drift")
	if code != want {
		t.Fatalf("drift exits %d, not %d:\n%s", code, want, out)
	}
	holds(t, "drift", out, says...)
	return out
}

// settles makes a turn, after which nothing is left to do.
func (w *edgeWorld) settles(t *testing.T) {
	t.Helper()
	w.sync(t, 0)
	w.drift(t, 0)
}

// holds fails the test unless a text holds all words.
func holds(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s does not say %q:\n%s", what, word, text)
		}
	}
}

// reaches asks by name after name, by TLS, and expects who answers; "" is nobody.
func (w *edgeWorld) reaches(t *testing.T, c edgebed.Client, address string, names map[string]string) {
	t.Helper()
	for name, want := range names {
		seen, err := c.Who(t.Context(), address, name)
		switch {
		case want == "" && !edgebed.Closed(err):
			t.Errorf("%q by %s reaches %q, not nobody: %v", name, address, seen.Backend, err)
		case want != "" && (err != nil || seen.Backend != want || seen.SNI != name):
			t.Errorf("%q by %s reaches %+v, not %s: %v", name, address, seen, want, err)
		}
	}
}

// clean fails the test where anything but the managed files is left behind.
func (w *edgeWorld) clean(t *testing.T, want ...string) {
	t.Helper()
	if got := w.edge.Managed(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the managed directory holds %q, not %q", got, want)
	}
	left, err := filepath.Glob(w.edge.Path("/etc/nginx/.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("beside nginx's main file there is left %q (%v)", left, err)
	}
}

// stranger is an address of the node that nobody trusts.
func (w *edgeWorld) stranger(t *testing.T) netip.Addr {
	t.Helper()
	w.network.Address(t, "10.77.3.9/16")
	return netip.MustParseAddr("10.77.3.9")
}
