package proxmox

import (
	"testing"

	"berth/applyers/proxmox/pve"
)

// TestGrantsTakeNothingAway holds that a right is granted where what the token has
// comes from: roles given further down would take the place of those.
func TestGrantsTakeNothingAway(t *testing.T) {
	for _, c := range []struct {
		name   string
		rights pve.Rights
		path   string
		want   string
	}{
		{"nothing is known", nil, "/vms/101", "/vms/101"},
		{"nothing is held there", pve.Rights{"/storage": {"Datastore.Audit": true}}, "/vms/101", "/vms/101"},
		{"held from the top", pve.Rights{"/": {"VM.Audit": true}, "/vms": {"VM.Audit": true}}, "/vms/101", "/"},
		{"held from above", pve.Rights{"/": {"Sys.Audit": false}, "/vms": {"VM.Audit": true}}, "/vms/101", "/vms"},
		{"held there itself", pve.Rights{"/vms": {"VM.Audit": true}, "/vms/101": {"VM.Audit": true, "VM.PowerMgmt": true}}, "/vms/101", "/vms/101"},
		{"held above and not passed on", pve.Rights{"/vms": {"VM.Audit": false}}, "/vms/101", "/vms/101"},
	} {
		if got := c.rights.Seat(c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRightsFollowTheirPaths(t *testing.T) {
	r := pve.Rights{"/": {"Sys.Audit": false, "VM.Audit": true}, "/vms/101": {"VM.PowerMgmt": true}}
	for _, c := range []struct {
		want pve.Right
		has  bool
	}{
		{pve.Right{Path: "/", Privilege: "Sys.Audit"}, true},
		{pve.Right{Path: "/nodes/pve1", Privilege: "Sys.Audit"}, false},
		{pve.Right{Path: "/vms/102", Privilege: "VM.Audit"}, true},
		{pve.Right{Path: "/vms/101", Privilege: "VM.Audit"}, false},
		{pve.Right{Path: "/vms/101", Privilege: "VM.PowerMgmt"}, true},
		{pve.Right{Path: "/vms/101/deeper", Privilege: "VM.Config"}, false},
	} {
		if r.Has(c.want) != c.has {
			t.Errorf("%s: %v", c.want, !c.has)
		}
	}
}
