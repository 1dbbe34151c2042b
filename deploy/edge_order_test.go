//go:build linux

package deploy_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/deploy/internal/edgebed"
)

// ordered is a fleet on a cluster: a guest whose playbook takes its time, one that
// will go, and one that nobody knows an address of.
const ordered = `-- fleet.yaml --
kind: Fleet
name: ordered
uid: 5b1f0c2e
version: 1
---
kind: Site
name: home
endpoints: ["$ENDPOINT"]
tls: {fingerprint: "$FINGERPRINT"}
token: {secret: pve}
node: pve1
storage: {fast: {store: local-lvm}}
images: local
seeds: local
networks:
  lan: {bridge: vmbr0, subnet: 10.77.0.0/16, gateway: 10.77.0.1}
---
kind: Image
name: debian-ct
url: $IMAGE
sha256: $SUM
content: vztmpl
---
kind: Profile
name: ct
for: Container
memory: 256MiB
disks: {rootfs: {image: debian-ct, storage: fast, size: 2GiB}}
-- web.yaml --
kind: Container
name: web
id: 2011
uses: [ct]
groups: [pages]
vars: {ansible_connection: local}
ready: {port: 443}
networks: {net0: {network: lan, address: 10.77.2.11}}
allowAddressConflict: true # The test's backends have it already.
expose:
  - {name: web.example.test}
  - {name: acme.example.test, port: 8443, early: true}
-- old.yaml --
kind: Container
name: old
id: 2012
uses: [ct]
networks: {net0: {network: lan, address: 10.77.2.12}}
allowAddressConflict: true
expose: [{name: old.example.test}]
-- lost.yaml --
kind: VM
name: lost
id: 2013
memory: 512MiB
networks: {net0: {network: lan}}
ready: {timeout: 1s}
expose: [{name: lost.example.test}]
-- edge.yaml --
kind: Edge
name: edge
tls: {default: reject}
---
kind: Playbook
name: pages
path: ansible/pages.yml
hosts: pages
-- ansible/.berthignore --

-- ansible/pages.yml --
- name: Take a while
  hosts: pages
  gather_facts: false
  tasks:
    - name: Wait until the test says so
      ansible.builtin.raw: touch /srv/begun; for i in $(seq 2000); do [ -e /srv/go ] && exit 0; sleep 0.01; done; exit 1
`

// storyOrder routes to guests when they are ready, and no more before they go.
func storyOrder(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	for _, a := range []string{"10.77.2.11", "10.77.2.12"} {
		w.network.Address(t, a+"/16")
	}
	edgebed.TLS(t, w.network, "web", "10.77.2.11:443", edgebed.Plain)
	edgebed.TLS(t, w.network, "acme", "10.77.2.11:8443", edgebed.Plain)
	edgebed.TLS(t, w.network, "old", "10.77.2.12:443", edgebed.Plain)
	address := edgeHost + ":443"
	c := newCluster(t, w.network, pvesim.Options{})
	w.control.WriteFile(t, "/etc/berth/pve-token", c.token+"\n", 0o600)
	w.control.Run(t, "sed", "-i", "s/^secrets: {/secrets: {pve: pve-token, /", "/etc/berth/agent.yaml")
	manifests := strings.NewReplacer("$ENDPOINT", c.endpoint, "$FINGERPRINT", c.fingerprint, "$IMAGE", imageURL, "$SUM", pvesim.Sum(imageURL, "sha256")).Replace(ordered)
	w.commit(t, manifests)

	said, turn := &strings.Builder{}, w.command(t, "sync", "--once")
	turn.Stdout, turn.Stderr = said, said
	if err := turn.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { defer close(over); _ = turn.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Proxmox was asked to write:\n%s", listed(c.writes(time.Time{})))
		}
	})
	eventually(t, 30*time.Second, "the playbook has begun", func() error {
		select {
		case <-over:
			t.Fatalf("the turn ended without a playbook:\n%s", said)
		default:
		}
		_, err := w.control.ReadFile("/srv/begun")
		return err
	})
	// What waits for no playbook is routed meanwhile: the playbook may need it.
	for _, name := range []string{"acme", "old"} {
		eventually(t, 20*time.Second, name+".example.test is routed while the playbook runs", func() error {
			seen, err := w.client.Who(t.Context(), address, name+".example.test")
			if err == nil && seen.Backend != name {
				err = fmt.Errorf("it reaches %q", seen.Backend)
			}
			return err
		})
	}
	// Nobody comes to a guest whose playbook has not made its service yet.
	for range 20 {
		if seen, err := w.client.Who(t.Context(), address, "web.example.test"); err == nil {
			t.Fatalf("while the playbook runs, web.example.test reaches %q", seen.Backend)
		}
		<-time.After(20 * time.Millisecond)
	}
	w.control.WriteFile(t, "/srv/go", "", 0o644)
	<-over
	if code := turn.ProcessState.ExitCode(); code != 1 {
		t.Errorf("with a guest that is not ready the turn exits %d:\n%s", code, said)
	}
	all := map[string]string{"web.example.test": "web", "acme.example.test": "acme", "old.example.test": "old", "lost.example.test": ""}
	w.reaches(t, w.client, address, all)
	holds(t, "the turn", said.String(), "lost.example.test", "vm/lost ready, which failed")
	if out := w.drift(t, 2, "lost.example.test", "vm/lost"); strings.Contains(out, "web.example.test") {
		t.Errorf("drift tells of a name that is routed:\n%s", out)
	}

	// old goes: when it is told to stop, its name leads nowhere, and all others do
	// as before.
	var mu sync.Mutex
	var stopped []error
	c.OnPower(func(g pvesim.Guest, running bool) {
		if running || g.VMID != 2012 {
			return
		}
		_, err := w.client.Who(t.Context(), address, "old.example.test")
		mu.Lock()
		defer mu.Unlock()
		stopped = append(stopped, err)
	})
	w.control.Run(t, "git", "-C", "/srv/fleet", "rm", "--quiet", "old.yaml", "lost.yaml")
	w.commit(t, "")
	w.sync(t, 0)
	mu.Lock()
	defer mu.Unlock()
	if len(stopped) != 1 || !edgebed.Closed(errors.Join(stopped...)) {
		t.Errorf("when old was stopped, its name was answered so: %v", stopped)
	}
	delete(all, "old.example.test")
	w.reaches(t, w.client, address, all)
	w.reaches(t, w.client, address, map[string]string{"old.example.test": ""})
	w.drift(t, 0)
}
