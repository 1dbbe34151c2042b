package pvesim

import (
	"crypto/sha1" //nolint:gosec // the server's own choice for its digests
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// guest is a VM or a container.
type guest struct {
	vmid int
	kind string
	node string

	conf          map[string]string
	pending       map[string]string
	pendingDelete map[string]bool // the value tells force
	// cloudinit records what the cloud-init drive has while the configuration
	// says otherwise; its key "added" lists what the drive does not know at all.
	cloudinit map[string]string
	snaps     map[string]*snapshot

	// real is a container that the runtime runs, gone that it went off while a task
	// worked on it.
	real, gone bool

	running  bool
	paused   bool
	deaf     bool
	pid      int
	started  time.Time
	born     time.Time
	changed  []powerChange
	holder   *task // the task that has the file lock
	agent    *agentState
	haState  string
	haExists bool
}

type snapshot struct {
	conf        map[string]string
	parent      string
	description string
	time        time.Time
	vmstate     bool
}

type powerChange struct {
	at      time.Time
	running bool
}

func newGuest(vmid int, kind, node string) *guest {
	return &guest{
		vmid: vmid, kind: kind, node: node,
		conf: map[string]string{}, pending: map[string]string{}, pendingDelete: map[string]bool{},
		cloudinit: map[string]string{}, snaps: map[string]*snapshot{},
	}
}

func (g *guest) api() string {
	if g.kind == KindVM {
		return "qemu"
	}
	return "lxc"
}

// noun is how the server calls the guest in its texts.
func (g *guest) noun() string {
	if g.kind == KindVM {
		return "VM"
	}
	return "CT"
}

func (g *guest) options() *schema {
	if g.kind == KindVM {
		return qemuOptions()
	}
	return lxcOptions()
}

func (g *guest) template() bool { return g.conf["template"] == "1" }

func (g *guest) name() string {
	key := "hostname"
	if g.kind == KindVM {
		key = "name"
	}
	if n := g.conf[key]; n != "" {
		return n
	}
	return fmt.Sprintf("%s %d", g.noun(), g.vmid)
}

func (g *guest) setRunning(now time.Time, running bool) {
	if g.running != running {
		g.changed = append(g.changed, powerChange{at: now, running: running})
	}
	g.running = running
	g.started = now
}

// seenRunning is the status that pvestatd told at a time.
func (g *guest) seenRunning(at time.Time) bool {
	for _, ch := range slices.Backward(g.changed) {
		if !ch.at.After(at) {
			return ch.running
		}
	}
	if len(g.changed) > 0 {
		return !g.changed[0].running
	}
	return g.running
}

// file writes the configuration as it stands in the cluster's file system: its
// digest is that of all of it, with what is pending and with the snapshots.
func (g *guest) file() string {
	var b strings.Builder
	section := func(conf map[string]string) {
		for l := range strings.Lines(conf["description"]) {
			b.WriteString("#" + strings.TrimSuffix(l, "\n") + "\n")
		}
		for _, k := range slices.Sorted(maps.Keys(conf)) {
			if k != "description" {
				fmt.Fprintf(&b, "%s: %s\n", k, conf[k])
			}
		}
	}
	section(g.conf)
	if len(g.pending) > 0 || len(g.pendingDelete) > 0 {
		b.WriteString("\n[PENDING]\n")
		if len(g.pendingDelete) > 0 {
			b.WriteString("delete: " + strings.Join(g.deletes(), ",") + "\n")
		}
		section(g.pending)
	}
	if len(g.cloudinit) > 0 {
		b.WriteString("\n[special:cloudinit]\n")
		section(g.cloudinit)
	}
	for _, n := range slices.Sorted(maps.Keys(g.snaps)) {
		s := g.snaps[n]
		fmt.Fprintf(&b, "\n[%s]\n", n)
		section(s.conf)
		fmt.Fprintf(&b, "description: %s\nparent: %s\nsnaptime: %d\n", s.description, s.parent, s.time.Unix())
	}
	return b.String()
}

func (g *guest) deletes() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(g.pendingDelete)) {
		if g.pendingDelete[k] {
			k = "!" + k
		}
		out = append(out, k)
	}
	return out
}

func (g *guest) digest() string {
	return fmt.Sprintf("%x", sha1.Sum([]byte(g.file()))) //nolint:gosec // the server's own choice
}

// show turns a stored value into what a reader gets.
func (g *guest) show(key, value string) any {
	switch key {
	case "cipassword":
		return "**********"
	case "template", "snaptime":
		return atoi(value)
	case "description":
		return value
	}
	if value == "" {
		// The file has "key: " and the parser keeps the blank (FACTS 4).
		return " "
	}
	sp, ok := g.options().lookup(key)
	if !ok {
		return value
	}
	switch sp.kind {
	case "bool", "int":
		if n, err := strconv.Atoi(value); err == nil {
			return n
		}
	case "num":
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			return n
		}
	}
	return value
}

func (g *guest) showAll(conf map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range conf {
		if k == "description" && v == "" {
			continue
		}
		out[k] = g.show(k, v)
	}
	out["digest"] = g.digest()
	return out
}

// merged is the configuration with what is pending.
func (g *guest) merged() map[string]string {
	conf := maps.Clone(g.conf)
	maps.Copy(conf, g.pending)
	for k := range g.pendingDelete {
		delete(conf, k)
	}
	return conf
}

// description is stored as the server does: a VM loses the final newline, a
// container gains one (FACTS 4).
func (g *guest) description(v string) string {
	if g.kind == KindVM {
		return strings.TrimSuffix(v, "\n")
	}
	if v != "" && !strings.HasSuffix(v, "\n") {
		v += "\n"
	}
	return v
}

// cleanupPending drops what is the same as the current value.
func (g *guest) cleanupPending() {
	for k, v := range g.pending {
		if cur, ok := g.conf[k]; ok && cur == v {
			delete(g.pending, k)
		}
	}
	for k := range g.pendingDelete {
		if _, ok := g.conf[k]; !ok {
			delete(g.pendingDelete, k)
		}
	}
}

// find returns a guest of a kind on the request's node.
func (q *call) find(kind string) (*guest, error) {
	id := atoi(q.args["vmid"])
	g := q.guests[id]
	if g == nil || g.kind != kind || g.node != q.node {
		return nil, noConfig(q.node, kind, id)
	}
	return g, nil
}

func noConfig(node, kind string, vmid int) error {
	dir := "lxc"
	if kind == KindVM {
		dir = "qemu-server"
	}
	return fail("Configuration file 'nodes/%s/%s/%d.conf' does not exist", node, dir, vmid)
}

// checkLock refuses work on a guest whose configuration is locked.
func (g *guest) checkLock() error {
	if l := g.conf["lock"]; l != "" {
		return fail("%s is locked (%s)", g.noun(), l)
	}
	return nil
}

func (g *guest) checkDigest(digest string) error {
	if digest == "" || digest == g.digest() {
		return nil
	}
	if g.kind == KindVM {
		return fail("checksum mismatch (file change by other user?)")
	}
	return modified()
}

func modified() error {
	return fail("detected modified configuration - file changed by other user? Try again.")
}

// actingWait is after what time a writer looks again whether a runtime has ended
// its work.
const actingWait = 50 * time.Millisecond

// heldFor tells how long a task will hold the file lock of the guest that the
// request writes to.
func (q *call) heldFor() time.Duration {
	g := q.guests[guestInPath(q.path)]
	if g == nil || g.holder == nil || !q.ep.locks {
		return 0
	}
	if g.holder.acting {
		return actingWait
	}
	return g.holder.end.Sub(q.now())
}

func (q *call) lockTimeout() error {
	g := q.guests[guestInPath(q.path)]
	return lockTimeout(g)
}

func lockTimeout(g *guest) error {
	file := fmt.Sprintf("/run/lock/lxc/pve-config-%d.lock", g.vmid)
	if g.kind == KindVM {
		file = fmt.Sprintf("/var/lock/qemu-server/lock-%d.conf", g.vmid)
	}
	return fail("can't lock file '%s' - got timeout", file)
}
