package drift_test

import (
	"testing"

	"berth/desired"
	"berth/drift"
)

// What agrees is all that a comparison would say nothing of, and nothing else.
func TestAgrees(t *testing.T) {
	vm := func(cores int, memory desired.Size, slots ...string) *desired.VM {
		spec := &desired.VM{}
		spec.CPU.Cores, spec.Memory.Size = cores, memory
		spec.Disks = make(map[string]desired.Disk)
		for _, slot := range slots {
			spec.Disks[slot] = desired.Disk{Image: "debian", Size: desired.GiB}
		}
		return spec
	}
	web := func() *desired.Resource {
		return want("vm/web", vm(2, desired.GiB, "scsi0"), "cpu.cores", "disks.scsi0.image", "disks.scsi0.size", "memory.size")
	}
	other := vm(2, desired.GiB)
	other.Disks["scsi0"] = desired.Disk{Image: "alpine", Size: desired.GiB}
	routes, due := edge("a.example.com", "vm/web:443"), play("base", "vm/web")
	for name, tt := range map[string]struct {
		want *desired.Resource
		have any
		is   bool
	}{
		"the same":                         {web(), vm(2, desired.GiB, "scsi0"), true},
		"more than is mentioned":           {web(), vm(2, desired.GiB, "scsi0", "scsi1"), true},
		"another value":                    {web(), vm(4, desired.GiB, "scsi0"), false},
		"a slot is not there":              {web(), vm(2, desired.GiB), false},
		"what is settled at creation":      {web(), other, false},
		"a name too many":                  {edge("a.example.com", "10.1.1.7:443"), edgeSpec("a.example.com", "10.1.1.7:443", "b.example.com", "10.1.1.8:443"), false},
		"what depends on another":          {routes, edgeSpec("a.example.com", "10.1.1.7:443"), false},
		"what depends on another, as said": {due, &desired.Playbook{Due: due.Spec.(*desired.Playbook).Due}, false},
	} {
		t.Run(name, func(t *testing.T) {
			have := &drift.Live{ID: tt.want.ID, Spec: tt.have}
			if got := new(drift.Comparer).Agrees(tt.want, have); got != tt.is {
				t.Errorf("agrees: %t", got)
			}
		})
	}
	r := web()
	if fields, notes, err := drift.Compare(drift.NewWorld(fleet(r), nil), r, &drift.Live{ID: r.ID, Spec: r.Spec}); len(fields)+len(notes) > 0 || err != nil {
		t.Errorf("the manifest's own words differ from it: %+v %+v %v", fields, notes, err)
	}
}
