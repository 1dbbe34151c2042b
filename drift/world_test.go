package drift_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

func TestFact(t *testing.T) {
	container := func(address string) *desired.Resource {
		spec := &desired.Container{}
		if address != "" {
			spec.Networks = map[string]desired.NIC{"net0": {Address: address + "/24"}}
		}
		return want("ct/a", spec)
	}
	live := func(id desired.ID, facts map[string]string, archived bool) []drift.Live {
		return []drift.Live{{ID: id, Facts: facts, Archived: archived}}
	}
	address := map[string]string{desired.FactAddress: "10.1.1.9", desired.FactInstance: "i-1"}
	for name, row := range map[string]struct {
		wanted *desired.Resource
		lives  []drift.Live
		fact   string
		want   string
	}{
		"a machine that is not there yet":    {guest("a", "10.1.1.1"), nil, desired.FactAddress, "10.1.1.1"},
		"a machine has what it has":          {guest("a", "10.1.1.1"), live("vm/a", address, false), desired.FactAddress, "10.1.1.9"},
		"a machine that does not tell":       {guest("a", "10.1.1.1"), live("vm/a", nil, false), desired.FactAddress, "10.1.1.1"},
		"a container takes another in place": {container("10.1.1.1"), live("ct/a", address, false), desired.FactAddress, "10.1.1.1"},
		"a container by DHCP":                {container(""), live("ct/a", address, false), desired.FactAddress, "10.1.1.9"},
		"nobody knows":                       {guest("a", ""), live("vm/a", nil, false), desired.FactAddress, ""},
		"what is archived has no address":    {container(""), live("ct/a", address, true), desired.FactAddress, ""},
		"what is archived is no instance":    {container(""), live("ct/a", address, true), desired.FactInstance, ""},
		"an instance":                        {guest("a", "10.1.1.1"), live("vm/a", address, false), desired.FactInstance, "i-1"},
		"an instance of what is not there":   {guest("a", "10.1.1.1"), nil, desired.FactInstance, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, known := drift.NewWorld(fleet(row.wanted), row.lives).Fact(row.wanted.ID, row.fact)
			if got != row.want || known != (row.want != "") {
				t.Errorf("got %q, known %v; want %q", got, known, row.want)
			}
		})
	}
}

// A resource that names itself waits for nothing but its own steps.
func TestNothingWaitsForItsOwnLastStep(t *testing.T) {
	w := guest("a", "")
	w.Needs = []desired.ID{"vm/a"}
	steps := map[string]drift.Steps{desired.KindVM: func(world *drift.World, w *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
		all := guests(world, w, have, fields)
		for i := range all {
			all[i].Fields = []drift.Field{{Path: "tags", Frees: []desired.ID{"vm/a", "vm/b"}}}
		}
		return all
	}}
	p := plan(t, drift.Input{Fleet: fleet(w), Steps: steps, Observed: drift.Observed{Lives: []drift.Live{up("b", "")}}})
	if diff := cmp.Diff([]string{"vm/a create", "vm/a ready", "vm/b stop", "vm/b archive"}, keys(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if held := change(t, p, "vm/a", drift.Create).Held; held != "" {
		t.Errorf("held: %s", held)
	}
	for _, k := range change(t, p, "vm/a", drift.Create).Wait {
		t.Errorf("the first step waits for %s", k)
	}
}

func TestResolved(t *testing.T) {
	e := edge("a.example.com", "vm/web:443")
	f := drift.Field{Path: "tls.routes[a.example.com]", After: drift.Value{Text: "vm/web:443", From: "vm/web address"}}
	nobody := func(desired.ID, string) (string, bool) { return "", false }
	known := func(id desired.ID, fact string) (string, bool) {
		return "10.1.1.7", id == "vm/web" && fact == desired.FactAddress
	}
	if got, ok := drift.Resolved(e, f, nobody); ok || got.After.From != "vm/web address" {
		t.Errorf("nobody knows: %+v, %v", got, ok)
	}
	if got, ok := drift.Resolved(e, f, known); !ok || got.After != (drift.Value{Text: "10.1.1.7:443"}) {
		t.Errorf("known: %+v, %v", got, ok)
	}
	f.Path = "tls.routes[other.example.com]"
	if _, ok := drift.Resolved(e, f, known); ok {
		t.Error("a field that the manifest does not have is known")
	}
	f.After.From = ""
	if got, ok := drift.Resolved(nil, f, nobody); !ok || got.After != f.After {
		t.Error("what waits for nothing is not known")
	}
}
