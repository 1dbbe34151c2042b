package pvesim

import "strings"

// checkCTStart is what else a container needs: its volumes and bridges.
func (q *call) checkCTStart(t *task, g *guest) error {
	for _, k := range mounts(g.conf) {
		id := parseMount(k, g.conf[k])["volume"]
		if mountKind(id) == "volume" && strings.Contains(id, ":") && q.volume(g.node, id) == nil {
			return fail("volume '%s' does not exist", id)
		}
	}
	for i := range 32 {
		n, _ := lxcProps()["ctnet"].parseProps("net", g.conf["net"+itoa(i)])
		if b := n["bridge"]; b != "" && !q.hasBridge(g.node, b) {
			t.logf("bridge '%s' does not exist", b)
			return fail("startup for container '%d' failed", g.vmid)
		}
	}
	return nil
}
