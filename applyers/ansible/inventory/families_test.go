package inventory

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// TestFamiliesArePlaybooksOwn holds that a run sees the groups of groups of its playbook,
// by which its hosts are due, and that those of all playbooks are no circle.
func TestFamiliesArePlaybooksOwn(t *testing.T) {
	fleet, err := desired.Load(fstest.MapFS{
		"fleet.yaml": {Data: []byte(base + `---
{kind: Playbook, name: p, path: play/p.yml, hosts: all, groups: {servers: [web], both: [servers, vm]}}
---
{kind: Playbook, name: q, path: play/p.yml, hosts: all, groups: {servers: [both, vm], both: [host]}}
`)}, "play/p.yml": {Data: []byte("[]\n")}, "play/.berthignore": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	play := func(name string) *desired.Playbook {
		p, _ := fleet.Resource(desired.MakeID(desired.KindPlaybook, name)).Spec.(*desired.Playbook)
		return p
	}
	for _, test := range []struct {
		plays []*desired.Playbook
		want  map[string][]string
	}{
		{[]*desired.Playbook{play("p")}, map[string][]string{"both": {"servers", "vm"}, "servers": {"web"}}},
		{[]*desired.Playbook{play("q")}, map[string][]string{"both": {"host"}, "servers": {"both", "vm"}}},
		{nil, map[string][]string{"both": {"host", "servers", "vm"}, "servers": {"vm", "web"}}},
	} {
		inv := Make(fleet, func(desired.ID, string) (string, bool) { return "", false }, test.plays...)
		if diff := cmp.Diff(test.want, inv.Children); diff != "" {
			t.Errorf("%d playbooks (-want +got):\n%s", len(test.plays), diff)
		}
	}
}
