//go:build linux

package deploy_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/deploy/internal/standin"
)

// event is something that a log tells, other than the agent's own.
type event struct {
	what string
	at   time.Time
}

// inOrder fails the test unless each event came after the one before it.
func inOrder(t *testing.T, events ...event) {
	t.Helper()
	for i, e := range events {
		if i > 0 && !e.at.After(events[i-1].at) {
			t.Errorf("%q came %s before %q", e.what, events[i-1].at.Sub(e.at), events[i-1].what)
		}
	}
	if t.Failed() {
		for _, e := range events {
			t.Logf("%s %s", e.at.Format("15:04:05.000"), e.what)
		}
	}
}

// times reads what `date +%s.%N` has written.
func times(t *testing.T, text string) []time.Time {
	t.Helper()
	var all []time.Time
	for line := range strings.FieldsSeq(text) {
		var seconds, nanos int64
		if _, err := fmt.Sscanf(line, "%d.%d", &seconds, &nanos); err != nil {
			t.Fatalf("%q is no time: %v", line, err)
		}
		all = append(all, time.Unix(seconds, nanos))
	}
	return all
}

// eventually waits until look finds nothing wrong.
func eventually(t *testing.T, within time.Duration, what string, look func() error) {
	t.Helper()
	late := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return
		}
		select {
		case <-late:
			t.Fatalf("%s: not after %s: %v", what, within, err)
		case <-tick.C:
		}
	}
}

// world is a node with everything on it that a fleet needs.
type world struct {
	network  *standin.Network
	remote   *remote
	clone    *clone
	cluster  *cluster
	machines *machines
	edge     *edge
	agent    *agent
	visitors map[int]*visitor // By the VMID of whom they want.
}

const (
	imageURL = "https://images.example.test/debian-12.tar.zst"
	web      = 2011 // VMID of web, whose address ends in 1.11.
	blog     = 2012
)

// components fails the test where a part that it asks for is missing.
func components(t *testing.T) {
	t.Helper()
	for _, program := range []string{"git", "nginx", "/usr/lib/nginx/modules/ngx_stream_module.so", "ansible-playbook", "ssh", "openssl"} {
		var err error
		if filepath.IsAbs(program) {
			_, err = os.Stat(program)
		} else {
			_, err = exec.LookPath(program)
		}
		if err != nil {
			t.Errorf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// newWorld sets up all parts but the manifests.
func newWorld(t *testing.T, o pvesim.Options) *world {
	t.Helper()
	w := &world{network: standin.Net(t)}
	w.cluster = newCluster(t, w.network, o)
	w.remote = newRemote(t, w.network)
	w.clone = w.remote.clone(t)
	return w
}

// install puts the agent on the node; key is its private SSH key.
func (w *world) install(t *testing.T, binary, key string) {
	t.Helper()
	w.agent = newAgent(t, w.network, binary, w.remote.url, map[string]string{
		"git-token": w.remote.token + "\n", "pve-token": w.cluster.token + "\n", "ssh-key": key,
	})
}

// pages adds all that the fleet of pages needs: machines, nginx, an agent and,
// in the working copy, the manifests.
func (w *world) pages(t *testing.T, binary string) {
	t.Helper()
	w.machines = newMachines(t, w.network, w.cluster)
	w.edge = newEdge(t, w.network)
	file, public := standin.ClientKey(t)
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.install(t, binary, string(private))
	w.manifests(t, "testdata/e2e/fleet", map[string]string{"KEY": public, "NGINX": w.edge.dir})
}

// manifests copies manifests to the working copy and fills in what only this run
// knows. What Ansible reads is left as it is.
func (w *world) manifests(t *testing.T, from string, also map[string]string) {
	t.Helper()
	words := map[string]string{
		"ENDPOINT": w.cluster.endpoint, "FINGERPRINT": w.cluster.fingerprint,
		"IMAGE": imageURL, "SUM": pvesim.Sum(imageURL, "sha256"),
	}
	maps.Copy(words, also)
	source := os.DirFS(from)
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(name, "ansible/") {
			text = []byte(os.Expand(string(text), func(word string) string {
				value, ok := words[word]
				if !ok {
					t.Errorf("%s: nothing is known of $%s", name, word)
				}
				return value
			}))
		}
		file := filepath.Join(w.clone.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		return os.WriteFile(file, text, 0o600)
	})
	if err != nil {
		t.Fatalf("write the manifests: %v", err)
	}
}

// files describes every file below some directories, so that a write shows.
func files(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			all[name] = fmt.Sprintf("%s, %d bytes, of %s", info.Mode(), info.Size(), info.ModTime().Format("15:04:05.000000000"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
