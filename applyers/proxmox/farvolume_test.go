package proxmox

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

// TestAVolumeOnAnotherNodeIsHeldInThePlan moves a guest away from the data that it
// is to have: that is said before anything is tried, and not tried at every turn.
func TestAVolumeOnAnotherNodeIsHeldInThePlan(t *testing.T) {
	t.Parallel()
	b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}}))
	b.manifests(certsYAML, strings.ReplaceAll(lab1YAML, "  scsi1: {volume: certs/letsencrypt}\n", ""))
	b.apply()
	b.sim.Migrate(4001, "pve2")
	b.manifests(certsYAML, lab1YAML)
	if got := show(b.plan()); !strings.Contains(got, "HELD volume certs/letsencrypt lies on node pve1 and the guest is on pve2: put both on one node, or the volume on shared storage") {
		t.Errorf("the plan:\n%s", got)
	}
	b.mark()
	b.turn()
	if w := b.writes(); len(w) > 0 {
		t.Errorf("it writes %q", w)
	}
	b.sim.Migrate(4001, "pve1")
	b.apply()
	if !holds(b.guest(4001)) {
		t.Errorf("it has no volume: %v", b.guest(4001).Config)
	}
}

// TestAGuestStaysWithAVolumeThatCanNotMove pins a guest away from the data that it has:
// Proxmox would refuse the move at every turn.
func TestAGuestStaysWithAVolumeThatCanNotMove(t *testing.T) {
	t.Parallel()
	b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}}))
	b.manifests(certsYAML, lab1YAML)
	b.apply()
	b.manifests(certsYAML, lab1YAML+"node: pve2\npin: true\n")
	if got := show(b.plan()); !strings.Contains(got, "HELD scsi1 is certs/letsencrypt, which another machine has on node pve1 and which does not move along: write disks.scsi1: absent") {
		t.Errorf("the plan:\n%s", got)
	}
	b.mark()
	b.turn()
	for _, w := range b.writes() {
		if !strings.HasSuffix(w, "/download-url") { // The image, for whoever is made there.
			t.Errorf("it writes %q", w)
		}
	}
}
