package pvesim

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// prefix is the first part of the types of a guest's tasks.
func (g *guest) prefix() string {
	if g.kind == KindVM {
		return "qm"
	}
	return "vz"
}

func (q *call) start(kind string) (any, error) {
	if err := q.rootOnlySkiplock(); err != nil {
		return nil, err
	}
	g := q.findForTask(kind)
	if g.haExists {
		return q.haCommand(g, "start", "started"), nil
	}
	return q.spawn(q.startJob(g)), nil
}

// findForTask finds a guest for a call whose task alone tells that it does not exist.
func (q *call) findForTask(kind string) *guest {
	g, err := q.find(kind)
	if err != nil {
		return newGuest(atoi(q.args["vmid"]), kind, q.node)
	}
	return g
}

// alive tells whether a guest still exists when its task comes to work.
func (q *call) alive(g *guest) error {
	if q.guests[g.vmid] != g {
		return noConfig(g.node, g.kind, g.vmid)
	}
	return nil
}

func (q *call) rootOnlySkiplock() error {
	if q.args["skiplock"] == "1" && !q.auth.root() {
		return badParam("skiplock", "Only root may use this option.")
	}
	return nil
}

func (q *call) startJob(g *guest) job {
	return job{kind: g.prefix() + "start", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if g.running {
			return fail("%s %d already running", g.noun(), g.vmid)
		}
		return q.boot(t, g)
	}}
}

// boot checks all that a start needs, and starts the guest.
func (q *call) boot(t *task, g *guest) error {
	if err := g.checkLock(); err != nil {
		return err
	}
	if g.template() {
		if g.kind == KindVM {
			return fail("you can't start a vm if it's a template")
		}
		return fail("you can't start a CT if it's a template")
	}
	if g.kind == KindCT {
		if err := q.checkMounts(g); err != nil {
			return err
		}
		if err := q.checkCTStart(t, g); err != nil {
			return err
		}
		if q.opts.Bare {
			t.logf("failed to connect to monitor socket: Connection refused")
		}
		if os := q.rootfsOS(g); os != "" {
			g.conf["ostype"] = os
		}
		if g.real {
			if err := q.launch(t, g); err != nil {
				return err
			}
		}
		q.power(g, true)
		return nil
	}
	for _, k := range driveKeys() {
		v, ok := g.conf[k]
		if !ok {
			continue
		}
		d := parseDrive(k, v)
		if !d.empty() && !strings.HasPrefix(d["file"], "/") && q.volume(g.node, d["file"]) == nil {
			return fail("volume '%s' does not exist", d["file"])
		}
		if d.cloudinit() {
			if err := q.checkSnippets(g); err != nil {
				return err
			}
			t.logf("generating cloud-init ISO")
			g.cloudinit = map[string]string{}
		}
	}
	for i := range 32 {
		n, _ := qemuProps()["net"].parseProps("net", g.conf["net"+itoa(i)])
		if b := n["bridge"]; b != "" && !q.hasBridge(g.node, b) {
			t.logf("bridge '%s' does not exist", b)
			t.logf("kvm: -netdev type=tap,id=net%d,ifname=tap%di%d,script=/usr/libexec/qemu-server/pve-bridge,downscript=/usr/libexec/qemu-server/pve-bridgedown: network script /usr/libexec/qemu-server/pve-bridge failed with status 512", i, g.vmid, i)
			return fail("start failed: QEMU exited with code 1")
		}
	}
	if n := max(atoi(g.conf["cores"]), 1) * max(atoi(g.conf["sockets"]), 1); n > q.opts.MaxCPUs {
		return fail("MAX %d vcpus allowed per VM on this node", q.opts.MaxCPUs)
	}
	q.power(g, true)
	return nil
}

// off stops a guest; what is pending takes effect now (FACTS 5).
func (q *call) off(g *guest) error {
	if !g.running {
		return nil
	}
	q.power(g, false)
	if g.kind == KindVM {
		return q.applyPending(g)
	}
	return q.applyPendingCT(g)
}

func (q *call) stop(kind string) (any, error) {
	if err := q.rootOnlySkiplock(); err != nil {
		return nil, err
	}
	g := q.findForTask(kind)
	if kind == KindCT && !g.running {
		return nil, fail("CT %d not running", g.vmid)
	}
	if g.haExists {
		return q.haCommand(g, "stop", "stopped"), nil
	}
	return q.spawn(job{kind: g.prefix() + "stop", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		if err := q.halt(t.ctx, g, 0); err != nil {
			return err
		}
		return q.off(g)
	}}), nil
}

const shutdownTimeout = "QEMU Guest Agent is not running - VM %d qmp command 'guest-ping' failed - got timeout"

func (q *call) shutdown(kind string) (any, error) {
	if err := q.rootOnlySkiplock(); err != nil {
		return nil, err
	}
	g := q.findForTask(kind)
	if kind == KindCT && !g.running {
		return nil, fail("CT %d not running", g.vmid)
	}
	if g.haExists {
		return q.haCommand(g, "stop", "stopped"), nil
	}
	force := q.args["forceStop"] == "1"
	return q.spawn(job{kind: g.prefix() + "shutdown", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		return q.powerDown(t, g, force)
	}}), nil
}

func (q *call) powerDown(t *task, g *guest, force bool) error {
	if !g.running {
		return nil
	}
	switch {
	case g.kind == KindCT && g.deaf && !force:
		timeout := cmp.Or(q.args["timeout"], "60")
		return fail("command 'lxc-stop -n %d --nokill --timeout %s' failed: exit code 1", g.vmid, timeout)
	case g.kind == KindVM && (g.deaf || q.opts.Deaf):
		if g.agentEnabled() {
			t.logf(shutdownTimeout, g.vmid)
		}
		if !force {
			return fail("VM quit/powerdown failed - got timeout")
		}
		t.logf("VM still running - terminating now with SIGTERM")
	case g.real:
		timeout := atoi(cmp.Or(q.args["timeout"], "60"))
		err := q.halt(t.ctx, g, time.Duration(timeout)*time.Second)
		if err != nil {
			t.logf("%s", strings.TrimSuffix(err.Error(), "\n"))
			if !force {
				return fail("command 'lxc-stop -n %d --nokill --timeout %d' failed: exit code 1", g.vmid, timeout)
			}
			if err := q.halt(t.ctx, g, 0); err != nil {
				return err
			}
		}
	}
	return q.off(g)
}

func (q *call) reboot(kind string) (any, error) {
	g := q.findForTask(kind)
	if q.guests[g.vmid] == g && !g.running {
		return nil, fail("%s %d not running", g.noun(), g.vmid)
	}
	return q.spawn(job{kind: g.prefix() + "reboot", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := q.powerDown(t, g, false); err != nil {
			return err
		}
		return q.boot(t, g)
	}}), nil
}

// qmSimple are the state changes of a running VM that change nothing we keep.
func (q *call) qmSimple(kind string, paused bool) (any, error) {
	if err := q.rootOnlySkiplock(); err != nil {
		return nil, err
	}
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	if !g.running && (kind == "qmpause" || kind == "qmreset" || kind == "qmresume") {
		return nil, fail("VM %d not running", g.vmid)
	}
	return q.spawn(job{kind: kind, id: itoa(g.vmid), run: func(*task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		g.paused = paused
		return nil
	}}), nil
}

func (q *call) current(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	row := q.statusRow(g)
	ha := map[string]any{"managed": 0}
	if g.haExists {
		ha = map[string]any{"managed": 1, "group": nil, "state": nil}
	}
	row["ha"] = ha
	if kind == KindCT {
		return row, nil
	}
	row["qmpstatus"] = row["status"]
	if g.paused {
		row["qmpstatus"] = "paused"
	}
	if g.agentEnabled() {
		row["agent"] = 1
	}
	if v, ok := g.conf["vga"]; ok {
		vga, _ := qemuProps()["vga"].parseProps("vga", v)
		row["clipboard"] = nil
		if vga["clipboard"] != "" {
			row["clipboard"] = vga["clipboard"]
		}
		if strings.HasPrefix(vga["type"], "qxl") {
			row["spice"] = 1
		}
	}
	if g.running {
		nics := map[string]any{}
		for i := range 32 {
			if _, ok := g.conf["net"+itoa(i)]; ok {
				nics[fmt.Sprintf("tap%di%d", g.vmid, i)] = map[string]any{"netin": 0, "netout": 0}
			}
		}
		if len(nics) > 0 {
			row["nics"] = nics
		}
	}
	return row, nil
}

// statusRow is what the lists of a node and status/current have in common.
func (q *call) statusRow(g *guest) map[string]any {
	row := map[string]any{
		"vmid": g.vmid, "name": g.name(), "status": "stopped", "uptime": 0, "cpu": 0, "mem": 0,
		"netin": 0, "netout": 0, "disk": 0, "maxdisk": q.diskSize(g), "maxmem": g.memory(), "cpus": q.cpus(g),
	}
	if g.running {
		row["status"], row["pid"] = "running", g.pid
		row["uptime"] = int(q.now().Sub(g.started).Seconds())
		row["mem"] = g.memory() / 20
	}
	if g.real && g.running {
		// It tells itself how it is.
		s := q.opts.Runtime.State(g.vmid)
		row["pid"], row["mem"], row["uptime"] = s.PID, s.Memory, int(q.now().Sub(s.Since).Seconds())
	}
	if t, ok := g.conf["tags"]; ok {
		row["tags"] = t
	}
	if l := g.conf["lock"]; l != "" {
		row["lock"] = l
	}
	if g.template() {
		row["template"] = 1
	}
	if g.kind == KindCT {
		swap := int64(atoi(g.conf["swap"])) << 20
		if _, ok := g.conf["swap"]; !ok {
			swap = 512 << 20
		}
		row["type"], row["maxswap"], row["swap"] = "lxc", swap, 0
		row["diskread"], row["diskwrite"] = 0, 0
		return row
	}
	for i := range 4 {
		if _, ok := g.conf["serial"+itoa(i)]; ok {
			row["serial"] = 1
		}
	}
	return row
}

func (g *guest) memory() int64 {
	if g.kind == KindVM {
		return int64(memoryMiB(g.conf["memory"])) << 20
	}
	if m, ok := g.conf["memory"]; ok {
		return int64(atoi(m)) << 20
	}
	return 512 << 20
}

func (q *call) cpus(g *guest) int {
	if g.kind == KindCT {
		if n := atoi(g.conf["cores"]); n > 0 {
			return n
		}
		return q.opts.MaxCPUs
	}
	if n := atoi(g.conf["vcpus"]); n > 0 {
		return n
	}
	return max(atoi(g.conf["cores"]), 1) * max(atoi(g.conf["sockets"]), 1)
}

// diskSize is the size of the boot disk of a VM, of the root of a container.
func (q *call) diskSize(g *guest) int64 {
	if g.kind == KindCT {
		p, _ := lxcProps()["rootfs"].parseProps("rootfs", g.conf["rootfs"])
		n, _ := parseSize(p["size"])
		return n
	}
	k := q.bootDisk(g)
	if k == "" {
		return 0
	}
	n, _ := parseSize(parseDrive(k, g.conf[k])["size"])
	return n
}
