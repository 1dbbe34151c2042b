//go:build linux

package deploy_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
)

const controlHost = "10.77.0.4"

// newFarWorld makes a world in which the agent is on a host of its own, and reaches
// the edge over SSH. command is run there for each program that comes by SSH, if it
// is not "": it stands in authorized_keys.
func newFarWorld(t *testing.T, binary, command string) *edgeWorld {
	t.Helper()
	w := edgeNetwork(t)
	key, public := standin.ClientKey(t)
	w.key = key
	if command != "" {
		public = `command="` + command + `" ` + public
	}
	w.edge = edgebed.NewHost(t, w.network, "edge", edgeHost, public)
	w.edge.Address6(t, edgeHost6+"/64")
	w.control = w.network.Host(t, "control", controlHost, "")
	if err := w.control.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.install(t, binary)
	w.mixedBackends(t)
	return w
}

// far is a fleet's edge on a host over SSH.
func far(user, manifests string) string {
	return strings.NewReplacer(
		"version: 1\n", "version: 1\n---\nkind: Host\nname: edge\naddress: "+edgeHost+"\nssh: {user: "+user+", key: {secret: ssh-key}}\n",
		"kind: Edge\nname: edge\n", "kind: Edge\nname: edge\nat: host/edge\n",
	).Replace(manifests)
}

// moved is the edge with one name's target changed.
func moved(target string) string {
	return strings.ReplaceAll(mixed, "moving.example.test: 10.77.2.3:443", "moving.example.test: "+target)
}

// storyFar looks after an edge over SSH: by root, and by a user who may sudo.
func storyFar(t *testing.T, binary string) {
	w := newFarWorld(t, binary, "")
	w.commit(t, far("root", mixed))
	w.settles(t)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	root := w.edge.Run(t, "stat", "-c", "%U:%G %a", edgebed.Stream)
	w.commit(t, far("ops", moved("headed")))
	w.settles(t)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "headed"})
	if now := w.edge.Run(t, "stat", "-c", "%U:%G %a", edgebed.Stream); now != root {
		t.Errorf("the file belongs to %s after a turn by sudo, and was root's: %s", now, root)
	}
	w.clean(t, "stream.conf")

	// By hand, over there.
	w.edge.Run(t, "sed", "-i", "s/address.example.test 10.77.2.3:443;/address.example.test 10.77.2.2:443;/", edgebed.Stream)
	w.drift(t, 2, "~ address.example.test", "10.77.2.2:443 → 10.77.2.3:443")
	w.settles(t)
	w.clean(t, "stream.conf")
}

// farFault takes away one thing that the agent needs on the edge's host.
type farFault struct {
	name       string
	harm, mend func(t *testing.T, w *edgeWorld)
	// says is the line of the report, but for keys and random names.
	says string
	// blind tells that nothing is known of the edge while the harm lasts; dark that
	// nobody else comes to it either.
	blind, dark bool
}

func farFaults() []farFault {
	const at = "host/edge (ops@" + edgeHost + ":22)"
	return []farFault{
		{
			name: "no sudo rights", blind: true,
			harm: func(t *testing.T, w *edgeWorld) { w.edge.Run(t, "mv", "/etc/sudoers.d/ops", "/etc/sudoers.off") },
			mend: func(t *testing.T, w *edgeWorld) { w.edge.Run(t, "mv", "/etc/sudoers.off", "/etc/sudoers.d/ops") },
			says: "? edge/edge  unknown: " + at + ": sudo: it asks ops for a password: put this line into /etc/sudoers.d/berth there, by visudo: " +
				"ops ALL=(root) NOPASSWD: ALL (files are written by sh as root, which is as much), or use ssh.user: root; nothing is planned there\n",
		},
		{
			name: "a full disk",
			harm: func(t *testing.T, w *edgeWorld) {
				// The managed files stay what they are, on a disk with no room left.
				w.edge.Run(t, "sh", "-c", "cp -a /etc/nginx/berth /root/kept && mount -t tmpfs -o size=16k,mode=755 small /etc/nginx/berth && cp -a /root/kept/. /etc/nginx/berth/ && ! cat /dev/zero >/etc/nginx/berth/other 2>/dev/null")
			},
			mend: func(t *testing.T, w *edgeWorld) { w.edge.Run(t, "umount", "/etc/nginx/berth") },
			says: "✗ route failed: test the new file, nothing was changed: " + at + ": replace /etc/nginx/berth/.stream.conf.staged-…: no space left on device\n",
		},
		{
			name: "another host key", blind: true,
			harm: func(t *testing.T, w *edgeWorld) { w.rekey(t, "other") },
			mend: func(t *testing.T, w *edgeWorld) { w.rekey(t, "standin") },
			says: "? edge/edge  unknown: " + at + ": its SSH host key is another than the one learnt before: it shows ssh-ed25519 SHA256:…; nothing is planned there; " +
				"if it was installed anew by hand, take out /var/lib/berth/ansible/known_hosts:1; if not, somebody may stand in between\n",
		},
		{
			name: "nobody listens", blind: true, dark: true,
			harm: func(t *testing.T, w *edgeWorld) { w.silence(t, true) },
			mend: func(t *testing.T, w *edgeWorld) { w.silence(t, false) },
			says: "? edge/edge  unknown: " + at + ": no answer within 10s; nothing is planned there; is it up, and is its address right?\n",
		},
	}
}

// random are the words of a report that no two turns share.
var random = regexp.MustCompile(`(SHA256:|staged-)[0-9A-Za-z+/]+`)

// storyFarFaults harms what the agent needs over there: it says what, and how to mend
// it, and the edge goes on as before.
func storyFarFaults(t *testing.T, binary string) {
	var harming sync.WaitGroup
	for _, c := range farFaults() {
		harming.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				w := newFarWorld(t, binary, "")
				w.commit(t, far("ops", mixed))
				w.settles(t)
				sound := w.edge.Run(t, "cat", edgebed.Stream)
				c.harm(t, w)
				w.commit(t, far("ops", moved("headed")))
				commands := [][]string{{"sync", "--once"}}
				if c.blind {
					commands = append(commands, []string{"drift"})
				}
				for _, command := range commands {
					out, code := w.agent(t, command...)
					if code == 0 || c.blind && strings.Contains(out, "→") {
						t.Errorf("agent %s exits %d, as if all were known:\n%s", command[0], code, out)
					}
					holds(t, "agent "+command[0], random.ReplaceAllString(out, "$1…"), c.says)
				}
				if !c.dark {
					w.reaches(t, w.client, edgeHost+":443", mixedNames)
					w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "address"})
				}
				if now := w.edge.Run(t, "cat", edgebed.Stream); now != sound {
					t.Errorf("the live file was changed:\n%s", now)
				}
				c.mend(t, w)
				w.settles(t)
				w.reaches(t, w.client, edgeHost+":443", mixedNames)
				w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "headed"})
				w.clean(t, "stream.conf")
			})
		})
	}
	harming.Wait()
}

// rekey lets the edge's sshd show another key; "standin" is its own.
func (w *edgeWorld) rekey(t *testing.T, name string) {
	t.Helper()
	if name != "standin" {
		w.edge.Run(t, "sh", "-c", "[ -e /etc/ssh/other_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/other_key")
	}
	// sshd is the host's first process and reads its files anew when it is told to.
	w.edge.Run(t, "sh", "-c", "sed -i 's|^HostKey .*|HostKey /etc/ssh/"+name+"_key|' /etc/ssh/standin_config && kill -HUP 1")
	eventually(t, 5*time.Second, "sshd shows its "+name+" key", func() error {
		out, err := w.edge.Command(t.Context(), "ssh-keyscan", "-t", "ed25519", "127.0.0.1").Output()
		if isOwn := strings.Contains(string(out), w.edge.HostKey()); err != nil || len(out) == 0 || isOwn != (name == "standin") {
			return fmt.Errorf("%q: %w", out, err)
		}
		return nil
	})
}

// silence takes the edge's cable out, or puts it back.
func (w *edgeWorld) silence(t *testing.T, out bool) {
	t.Helper()
	act := w.edge.Plug
	if out {
		act = w.edge.Unplug
	}
	if err := act(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// cutter runs what comes by SSH. At the program whose number stands in /run/cut-at,
// it asks for the link to be cut and waits until it is; then it goes on, or not. A
// program's input is cut after 200 bytes, and what comes after them is lost.
const cutter = `#!/bin/sh
exec 9>/run/cut.lock
flock 9
n=$(($(cat /run/cut.count 2>/dev/null || echo 0) + 1))
echo $n >/run/cut.count
flock -u 9
exec 9>&-
printf '%s\n' "$SSH_ORIGINAL_COMMAND" >/run/cut.command.$n
if [ "$n" != "$(cat /run/cut-at 2>/dev/null)" ]; then
  exec sh -c "$SSH_ORIGINAL_COMMAND"
fi
cut() {
  touch /run/cut.wanted
  while [ ! -e /run/cut.done ]; do sleep 0.01; done
}
case $(cat /run/cut-how) in
before) cut; exit 1 ;;
within) { head -c 200; cut; cat; } | sh -c "$SSH_ORIGINAL_COMMAND" ;;
after) sh -c "$SSH_ORIGINAL_COMMAND"; cut ;;
esac
`

// lostLink are the ways in which the agent tells that the link was cut.
var lostLink = regexp.MustCompile(`host/edge \(ops@10\.77\.0\.5:22\): (it let us in, but ran nothing within 10s|the connection was lost( under a lock, so nothing more is done there)?: no answer for 8s)`)

// storyCut cuts the link in the middle of a change, at each program that it runs over
// there: packets are dropped, and nobody is told. The edge goes on with the former
// routes or the new ones, whole, and a turn after the link is back makes the change.
func storyCut(t *testing.T, binary string) {
	count := cutAt(t, binary, 0, "")
	if count < 8 {
		t.Fatalf("a change is %d programs over there: more were thought of", count)
	}
	// They wait for answers more than they work.
	var cuts sync.WaitGroup
	for n := 1; n <= count; n++ {
		how := []string{"before", "within", "after"}[n%3]
		cuts.Go(func() {
			t.Run(fmt.Sprintf("%s program %d", how, n), func(t *testing.T) { cutAt(t, binary, n, how) })
		})
	}
	cuts.Wait()
}

// cutAt makes a change whose link is cut at the nth program, and tells how many
// there were until then; at program 0 it is never cut.
func cutAt(t *testing.T, binary string, n int, how string) (count int) {
	t.Helper()
	w := newFarWorld(t, binary, "/usr/local/bin/cutter")
	w.edge.WriteFile(t, "/usr/local/bin/cutter", cutter, 0o755)
	w.edge.Run(t, "chmod", "1777", "/run")
	w.commit(t, far("ops", mixed))
	w.settles(t)
	w.edge.Run(t, "sh", "-c", fmt.Sprintf("rm -f /run/cut.*; echo %d >/run/cut-at; echo %s >/run/cut-how; chmod 666 /run/cut-*", n, how))
	w.commit(t, far("ops", moved("headed")))
	former := w.edge.Run(t, "cat", edgebed.Stream)
	type end struct {
		out  string
		code int
	}
	ended := make(chan end, 1)
	go func() {
		out, code := w.agent(t, "sync", "--once")
		ended <- end{out, code}
	}()
	if n == 0 {
		if e := <-ended; e.code != 0 {
			t.Fatalf("the turn exits %d: %s", e.code, e.out)
		}
		text, err := w.edge.ReadFile("/run/cut.count")
		if err != nil {
			t.Fatal(err)
		}
		count, err = strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	eventually(t, 30*time.Second, "the agent comes to the program", func() error {
		_, err := w.edge.ReadFile("/run/cut.wanted")
		return err
	})
	w.silence(t, true)
	command, _ := w.edge.ReadFile(fmt.Sprint("/run/cut.command.", n))
	w.edge.WriteFile(t, "/run/cut.done", "", 0o644)
	var e end
	select {
	case e = <-ended:
	case <-time.After(80 * time.Second):
		t.Fatal("the turn does not end")
	}
	t.Logf("%s\n%d %s", command, e.code, e.out)
	if !lostLink.MatchString(e.out) {
		t.Errorf("the turn does not tell what has happened:\n%s", e.out)
	}
	w.silence(t, false)
	// Only what was made may be called so; it may have been made all the same.
	if e.code == 0 {
		w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "headed"})
	}
	// Whatever stands there is whole, and nginx would start by it.
	w.edge.Run(t, "nginx", "-t")
	if now := w.edge.Run(t, "cat", edgebed.Stream); now != former && !strings.HasSuffix(now, "}\n") {
		t.Errorf("a file is half written:\n%s", now)
	}
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	if seen, err := w.client.Who(t.Context(), edgeHost+":443", "moving.example.test"); err != nil || seen.Backend != "address" && seen.Backend != "headed" {
		t.Errorf("moving.example.test reaches %q: %v", seen.Backend, err)
	}
	eventually(t, 50*time.Second, "the change is made", func() error {
		if out, code := w.agent(t, "sync", "--once"); code != 0 {
			return fmt.Errorf("%d %s", code, out)
		}
		return nil
	})
	w.drift(t, 0)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "headed"})
	w.clean(t, "stream.conf")
	return n
}
