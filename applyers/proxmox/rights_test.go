package proxmox

import "testing"

// TestGrantsTakeNothingAway holds that a right is granted where what the token has
// comes from: roles given further down would take the place of those.
func TestGrantsTakeNothingAway(t *testing.T) {
	for _, c := range []struct {
		name   string
		rights rights
		path   string
		want   string
	}{
		{"nothing is known", nil, "/vms/101", "/vms/101"},
		{"nothing is held there", rights{"/storage": {"Datastore.Audit": true}}, "/vms/101", "/vms/101"},
		{"held from the top", rights{"/": {"VM.Audit": true}, "/vms": {"VM.Audit": true}}, "/vms/101", "/"},
		{"held from above", rights{"/": {"Sys.Audit": false}, "/vms": {"VM.Audit": true}}, "/vms/101", "/vms"},
		{"held there itself", rights{"/vms": {"VM.Audit": true}, "/vms/101": {"VM.Audit": true, "VM.PowerMgmt": true}}, "/vms/101", "/vms/101"},
		{"held above and not passed on", rights{"/vms": {"VM.Audit": false}}, "/vms/101", "/vms/101"},
	} {
		if got := c.rights.seat(c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRightsFollowTheirPaths(t *testing.T) {
	r := rights{"/": {"Sys.Audit": false, "VM.Audit": true}, "/vms/101": {"VM.PowerMgmt": true}}
	for _, c := range []struct {
		want right
		has  bool
	}{
		{right{path: "/", privilege: "Sys.Audit"}, true},
		{right{path: "/nodes/pve1", privilege: "Sys.Audit"}, false},
		{right{path: "/vms/102", privilege: "VM.Audit"}, true},
		{right{path: "/vms/101", privilege: "VM.Audit"}, false},
		{right{path: "/vms/101", privilege: "VM.PowerMgmt"}, true},
		{right{path: "/vms/101/deeper", privilege: "VM.Config"}, false},
	} {
		if r.has(c.want) != c.has {
			t.Errorf("%s: %v", c.want, !c.has)
		}
	}
}
