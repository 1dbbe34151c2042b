package drift_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

// TestCompare tells of each pair what differs, as "path: before → after".
func TestCompare(t *testing.T) {
	vm := func(change func(*desired.VM)) *desired.VM {
		spec := &desired.VM{}
		spec.Tags = desired.Words{"a", "b"}
		spec.Memory.Size = desired.GiB
		spec.Disks = map[string]desired.Disk{"scsi0": {Size: 8 * desired.GiB, Image: "debian-12"}}
		spec.Seed = "one"
		change(spec)
		return spec
	}
	for name, row := range map[string]struct {
		want    any
		set     []desired.Path
		ignore  []desired.Path
		have    any
		fields  []string
		notes   []string
		nothing bool
	}{
		"the same": {
			want: vm(func(*desired.VM) {}), set: []desired.Path{"memory.size", "tags", "cloudInit"},
			have: vm(func(*desired.VM) {}),
		},
		"unset is no drift": {
			want: vm(func(v *desired.VM) { v.Memory.Size = 0; v.Tags = nil }), set: []desired.Path{"disks.scsi0.size"},
			have: vm(func(v *desired.VM) { v.Memory.Size = 5; v.Protection = true }),
		},
		"what is set differs": {
			want: vm(func(v *desired.VM) { v.Memory.Size = 2 * desired.GiB; v.Protection = true }), set: []desired.Path{"memory.size", "protection"},
			have:   vm(func(*desired.VM) {}),
			fields: []string{"memory.size: 1GiB → 2GiB reboot", "protection: false → true online"},
		},
		"a zero that is set is enforced": {
			want: vm(func(v *desired.VM) { v.Protection = false }), set: []desired.Path{"protection"},
			have:   vm(func(v *desired.VM) { v.Protection = true }),
			fields: []string{"protection: true → false online"},
		},
		"sets have no order and no doubles": {
			want: vm(func(v *desired.VM) { v.Tags = desired.Words{"b", "a", "a"} }), set: []desired.Path{"tags"},
			have: vm(func(*desired.VM) {}),
		},
		"an empty set is nil": {
			want: vm(func(v *desired.VM) { v.Tags = desired.Words{} }), set: []desired.Path{"tags"},
			have: vm(func(v *desired.VM) { v.Tags = nil }),
		},
		"sets are exact": {
			want: vm(func(v *desired.VM) { v.Tags = desired.Words{"b", "c"} }), set: []desired.Path{"tags"},
			have:   vm(func(*desired.VM) {}),
			fields: []string{"tags: a b → b c online"},
		},
		"lists have an order": {
			want: vm(func(v *desired.VM) { v.Boot = desired.List{"scsi0", "net0"} }), set: []desired.Path{"boot"},
			have:   vm(func(v *desired.VM) { v.Boot = desired.List{"net0", "scsi0"} }),
			fields: []string{"boot: net0 scsi0 → scsi0 net0 reboot"},
		},
		"ignored": {
			want: vm(func(v *desired.VM) { v.Memory.Size = 2; v.Tags = nil }), set: []desired.Path{"memory.size", "tags"},
			ignore: []desired.Path{"memory", "tags"}, have: vm(func(*desired.VM) {}),
		},
		"settled at creation is a note": {
			want: vm(func(v *desired.VM) { v.Seed = "two" }), set: []desired.Path{"cloudInit"},
			have:  vm(func(*desired.VM) {}),
			notes: []string{"cloudInit: cloudInit is settled when the guest is made: it has changed since; it applies at re-creation"},
		},
		"settled at creation and not to be told live is nothing": {
			want: vm(func(*desired.VM) {}), set: []desired.Path{"disks.scsi0.image", "cloudInit"},
			have: vm(func(v *desired.VM) { v.Seed = ""; v.Disks = nil }),
		},
		"a slot that is not there yet": {
			want: vm(func(v *desired.VM) { v.Disks["scsi1"] = desired.Disk{Size: desired.GiB} }), set: []desired.Path{"disks.scsi1.size"},
			have:   vm(func(*desired.VM) {}),
			fields: []string{"disks.scsi1.size:  → 1GiB online"},
		},
		"nothing is there": {
			want: vm(func(*desired.VM) {}), set: []desired.Path{"memory.size", "cloudInit"}, nothing: true,
			fields: []string{"cloudInit:  → one create", "memory.size:  → 1GiB reboot"},
		},
		"a container takes online what a machine needs a reboot for": {
			want: &desired.Container{Memory: 2 * desired.GiB}, set: []desired.Path{"memory"},
			have:   &desired.Container{Memory: desired.GiB},
			fields: []string{"memory: 1GiB → 2GiB online"},
		},
		"an exact map loses what nobody wants": {
			want: edgeSpec("a.example.com", "10.1.1.1:443"), set: []desired.Path{"tls.routes[a.example.com]"},
			have:   edgeSpec("a.example.com", "10.1.1.1:443", "b.example.com", "10.1.1.2:443"),
			fields: []string{"tls.routes[b.example.com]: 10.1.1.2:443 →  online"},
		},
		"an exact map that is let go": {
			want: edgeSpec(), ignore: []desired.Path{"tls.routes"},
			have: edgeSpec("b.example.com", "10.1.1.2:443"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := desired.ID("vm/a")
			switch row.want.(type) {
			case *desired.Container:
				id = "ct/a"
			case *desired.Edge:
				id = "edge/main"
			}
			w := want(id, row.want, row.set...)
			w.Ignore = row.ignore
			var have *drift.Live
			if !row.nothing {
				have = &drift.Live{ID: id, Spec: row.have}
			}
			fields, notes, err := drift.Compare(drift.NewWorld(fleet(w), nil), w, have)
			if err != nil {
				t.Fatal(err)
			}
			var got, remarks []string
			for _, f := range fields {
				got = append(got, string(f.Path)+": "+f.Before.Text+" → "+f.After.Text+" "+string(f.Effect))
				if set, ok := w.Set.Lookup(f.Path); ok && f.Source != set {
					t.Errorf("%s comes from %v, want %v", f.Path, f.Source, set)
				}
			}
			for _, n := range notes {
				remarks = append(remarks, string(n.Path)+": "+n.Text)
			}
			if diff := cmp.Diff(row.fields, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(row.notes, remarks); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// Each kind's spec compares: go-cmp panics on what it can't compare.
func TestEveryKindCompares(t *testing.T) {
	for id, spec := range map[desired.ID]any{
		"vm/a": &desired.VM{}, "ct/a": &desired.Container{}, "edge/a": edgeSpec("a", "vm/a:443"),
		"play/a": play("a", "vm/a").Spec, "image/a@home": &desired.ImageAt{Present: true},
	} {
		w := want(id, spec)
		for _, leaf := range desired.Leaves(id.Kind(), spec) {
			w.Set.Put(leaf.Path, desired.Source{Line: 1})
		}
		if w.Set.Len() == 0 {
			t.Errorf("%s has no leaves", id)
		}
		fields, _, err := drift.Compare(drift.NewWorld(fleet(w), []drift.Live{up("a", "10.1.1.1")}), w, &drift.Live{ID: id, Spec: spec})
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		for _, f := range fields {
			if id.Kind() != desired.KindEdge && id.Kind() != desired.KindPlaybook {
				t.Errorf("%s differs from itself in %s", id, f.Path)
			}
		}
	}
}

type odd struct {
	Bad hidden `yaml:"bad" drift:"online"`
}

type hidden struct{ secret []int }

func (h hidden) Equal(other hidden) bool { panic("can't") }

func TestAPanicOfTheComparisonIsAnError(t *testing.T) {
	w := want("vm/a", &odd{Bad: hidden{[]int{1}}}, "bad")
	_, _, err := drift.Compare(drift.NewWorld(fleet(w), nil), w, &drift.Live{ID: "vm/a", Spec: &odd{}})
	if err == nil || !strings.Contains(err.Error(), "compare vm/a bad: values of type drift_test.hidden can't be compared") {
		t.Errorf("got %v", err)
	}
}

func TestDeferredValues(t *testing.T) {
	e := edge("a.example.com", "vm/web:443")
	fields := func(f *desired.Fleet, lives []drift.Live, have *desired.Edge) []drift.Field {
		t.Helper()
		got, _, err := drift.Compare(drift.NewWorld(f, lives), e, &drift.Live{ID: e.ID, Spec: have})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := fields(fleet(guest("web", ""), e), nil, edgeSpec()); len(got) != 1 || got[0].After.From != "vm/web address" || got[0].After.Text != "vm/web:443" {
		t.Errorf("nobody knows the address: %+v", got)
	}
	known := []drift.Live{up("web", "10.1.1.7")}
	if got := fields(fleet(guest("web", ""), e), known, edgeSpec()); len(got) != 1 || got[0].After != (drift.Value{Text: "10.1.1.7:443"}) {
		t.Errorf("it has an address: %+v", got)
	}
	if got := fields(fleet(guest("web", ""), e), known, edgeSpec("a.example.com", "10.1.1.7:443")); len(got) != 0 {
		t.Errorf("it is routed there: %+v", got)
	}
	// A machine's written address applies at re-creation: routes follow what is.
	if got := fields(fleet(guest("web", "10.1.1.8"), e), known, edgeSpec("a.example.com", "10.1.1.7:443")); len(got) != 0 {
		t.Errorf("it still has the old address: %+v", got)
	}
	if got := fields(fleet(guest("web", "10.1.1.8"), e), nil, edgeSpec()); len(got) != 1 || got[0].After.Text != "10.1.1.8:443" {
		t.Errorf("it will have the written address: %+v", got)
	}
}

func TestOrigins(t *testing.T) {
	old, now := guest("web", ""), guest("web", "")
	old.Spec.(*desired.VM).Memory.Size, now.Spec.(*desired.VM).Memory.Size = desired.GiB, 2*desired.GiB
	for _, w := range []*desired.Resource{old, now} {
		w.Spec.(*desired.VM).Tags = desired.Words{"x"}
		for _, path := range []desired.Path{"memory.size", "tags"} {
			w.Set.Put(path, desired.Source{File: "web.yaml", Line: 2})
		}
	}
	now.Spec.(*desired.VM).Description = "new"
	now.Set.Put("description", desired.Source{Line: 9})
	live := up("web", "")
	live.Spec.(*desired.VM).Memory.Size = desired.GiB
	live.Spec.(*desired.VM).Tags = desired.Words{"y"}
	live.By = map[desired.Path]string{"tags": "root@pam", "memory.size": "root@pam"}

	got := make(map[desired.Path]string)
	for _, f := range change(t, plan(t, drift.Input{Fleet: fleet(now), Previous: fleet(old), Observed: drift.Observed{Lives: []drift.Live{live}}}), "vm/web", drift.Online).Fields {
		got[f.Path] = string(f.Origin) + " " + f.By
	}
	if diff := cmp.Diff(map[desired.Path]string{"memory.size": "git ", "tags": "live root@pam", "description": "git "}, got); diff != "" {
		t.Error(diff)
	}
	for _, f := range change(t, plan(t, drift.Input{Fleet: fleet(now), Observed: drift.Observed{Lives: []drift.Live{live}}}), "vm/web", drift.Online).Fields {
		if f.Origin != "" {
			t.Errorf("%s: origin %s without a former fleet", f.Path, f.Origin)
		}
	}
}

// A route may be gone since Git dropped it, or be there since somebody added it.
func TestOriginOfWhatIsToGo(t *testing.T) {
	live := []drift.Live{{ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.1:443", "b.example.com", "10.1.1.2:443")}}
	p := plan(t, drift.Input{Fleet: fleet(edge()), Previous: fleet(edge("a.example.com", "10.1.1.1:443")), Observed: drift.Observed{Lives: live}})
	got := make(map[desired.Path]drift.Origin)
	for _, f := range change(t, p, "edge/main", drift.Drain).Fields {
		got[f.Path] = f.Origin
	}
	if diff := cmp.Diff(map[desired.Path]drift.Origin{"tls.routes[a.example.com]": drift.FromGit, "tls.routes[b.example.com]": drift.FromLive}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoLongerMentionedIsNoted(t *testing.T) {
	old, now := guest("web", ""), guest("web", "")
	old.Spec.(*desired.VM).Disks = map[string]desired.Disk{"scsi1": {Size: desired.GiB}}
	old.Set.Put("disks.scsi1.size", desired.Source{Line: 7})
	live := up("web", "")
	live.Spec.(*desired.VM).Disks = map[string]desired.Disk{"scsi1": {Size: desired.GiB}}
	p := plan(t, drift.Input{Fleet: fleet(now), Previous: fleet(old), Observed: drift.Observed{Lives: []drift.Live{live}}})
	if len(p.Changes) != 0 || len(p.Notes) != 1 || p.Notes[0].Text != "no longer managed: disks.scsi1.size" {
		t.Errorf("changes %v, notes %+v", keys(p), p.Notes)
	}
	// A route that is no longer mentioned goes, and is no note.
	p = plan(t, drift.Input{
		Fleet: fleet(edge()), Previous: fleet(edge("a.example.com", "10.1.1.1:443")),
		Observed: drift.Observed{Lives: []drift.Live{{ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.1:443")}}},
	})
	if len(p.Notes) != 0 || len(p.Changes) != 1 {
		t.Errorf("changes %v, notes %+v", keys(p), p.Notes)
	}
}
