package drift_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// What only waits for a circle is told so, and not that it waits for itself.
func TestWhatWaitsForACircle(t *testing.T) {
	a, b, c := guest("a", ""), guest("b", ""), guest("c", "")
	a.Needs, b.Needs, c.Needs = []desired.ID{"vm/b"}, []desired.ID{"vm/a"}, []desired.ID{"vm/a"}
	p := plan(t, drift.Input{Fleet: fleet(a, b, c)})
	for id, want := range map[desired.ID]string{"vm/a": "waits for itself: vm/a create", "vm/c": "waits for vm/a ready, which is held"} {
		if got := change(t, p, id, drift.Create).Held; !strings.HasPrefix(got, want) {
			t.Errorf("%s: held %q, want %q…", id, got, want)
		}
	}
}

// A step that changes a guest does not tell where it is reached.
func TestAddressThatNobodyWillKnow(t *testing.T) {
	w := guest("web", "")
	w.Spec.(*desired.VM).Memory.Size = desired.GiB
	w.Set.Put("memory.size", desired.Source{Line: 3})
	p := plan(t, drift.Input{
		Fleet:    fleet(w, edge("a.example.com", "vm/web:443")),
		Observed: drift.Observed{Lives: []drift.Live{up("web", ""), {ID: "edge/main", Spec: edgeSpec()}}},
	})
	if change(t, p, "vm/web", drift.Online).Held != "" {
		t.Error("the guest itself is held")
	}
	if got := change(t, p, "edge/main", drift.Route).Fields[0].Held; !strings.Contains(got, "vm/web has no known address: give it a static address") {
		t.Errorf("held %q", got)
	}
}

// A name is free to go where one host of a playbook ends, whatever its others do.
func TestFieldsThatWaitForSingleFields(t *testing.T) {
	steps := map[string]drift.Steps{
		desired.KindVM: guests, desired.KindPlaybook: plays,
		desired.KindEdge: func(w *drift.World, r *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
			all := edges(w, r, have, fields)
			all[0].Fields[0].NeedsFields = []drift.FieldNeed{{ID: "play/base", Path: "hosts.web"}, {ID: "play/base", Path: "hosts.other"}}
			return all
		},
	}
	p := plan(t, drift.Input{
		Fleet: fleet(edge("a.example.com", "vm/web:443"), play("base", "vm/web", "vm/db"), guest("web", "10.1.1.5"), guest("db", "")), Steps: steps,
		Observed: drift.Observed{Foreign: []drift.Foreign{{ID: "vm/db", What: "ct 118", Reason: "it is not ours"}}},
		Guards:   []drift.Guard{drift.Ownership()},
	})
	f := change(t, p, "edge/main", drift.Route).Fields[0]
	if len(f.WaitFields) != 1 || f.WaitFields[0].String() != "play/base run of hosts.web" || f.Held != "" {
		t.Errorf("the route: %+v", f)
	}
	p = plan(t, drift.Input{
		Fleet: fleet(edge("a.example.com", "vm/web:443"), play("base", "vm/web", "vm/db"), guest("web", "10.1.1.5"), guest("db", "")), Steps: steps,
		Observed: drift.Observed{Foreign: []drift.Foreign{{ID: "play/base", What: "the playbook", Reason: "no"}}},
		Guards:   []drift.Guard{drift.Ownership()},
	})
	if got := change(t, p, "edge/main", drift.Route).Held; got != "waits for play/base run of hosts.web, which is held: the playbook: no" {
		t.Errorf("held %q", got)
	}
}

func TestManifestThatProtects(t *testing.T) {
	w := guest("safe", "")
	w.Spec.(*desired.VM).Protection = true
	steps := map[string]drift.Steps{desired.KindVM: func(_ *drift.World, w *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
		return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Delete}}}
	}}
	p := plan(t, drift.Input{Fleet: fleet(w), Steps: steps, Observed: drift.Observed{Lives: []drift.Live{up("safe", "")}}, Guards: []drift.Guard{drift.Protection()}})
	if got := change(t, p, "vm/safe", drift.Delete).Held; !strings.Contains(got, "its manifest protects it") {
		t.Errorf("held %q", got)
	}
}

func TestArchivedGuestsHaveNoAddress(t *testing.T) {
	live := up("web", "10.1.1.5")
	live.Archived = true
	if id, ok := drift.NewWorld(fleet(), []drift.Live{live}).WhoHas("10.1.1.5:443"); ok {
		t.Errorf("%s has it", id)
	}
}

func TestPlanThatNamesAChangeTwice(t *testing.T) {
	steps := map[string]drift.Steps{desired.KindVM: func(_ *drift.World, w *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
		c := drift.Change{Key: drift.Key{ID: w.ID, Step: drift.Online}}
		return []drift.Change{c, c}
	}}
	if _, err := drift.Make(drift.Input{Fleet: fleet(guest("a", "")), Steps: steps}); err == nil || !strings.Contains(err.Error(), "vm/a online") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsStayOutOfJSON(t *testing.T) {
	text, err := json.Marshal(drift.Field{Path: "password", After: drift.Value{Text: "s3cret", Secret: true}})
	if err != nil || strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), `"secret":true`) {
		t.Errorf("%s, %v", text, err)
	}
}

// A difference that is held by itself keeps nobody from using a guest in use.
func TestHeldDifferenceIsNoObstacle(t *testing.T) {
	steps := map[string]drift.Steps{
		desired.KindVM: func(_ *drift.World, w *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
			return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Online}, Fields: []drift.Field{{Path: "disks.scsi0.size", Held: "disks never shrink"}}}}
		},
		desired.KindPlaybook: plays, desired.KindEdge: edges,
	}
	p := plan(t, drift.Input{
		Fleet: fleet(guest("web", "10.1.1.5"), play("base", "vm/web"), edge("a.example.com", "vm/web:443")), Steps: steps,
		Observed: drift.Observed{Lives: []drift.Live{up("web", "10.1.1.5")}},
	})
	for _, k := range []drift.Key{{ID: "play/base", Step: drift.Run}, {ID: "edge/main", Step: drift.Route}} {
		if c := change(t, p, k.ID, k.Step); !c.Goes() {
			t.Errorf("%s: held %q, fields %+v", k, c.Held, c.Fields)
		}
	}
	if c := change(t, p, "vm/web", drift.Online); c.Goes() {
		t.Error("the disk shrinks")
	}
}

// A guest that takes another's place at the same address comes when that one has
// gone, whether its names change or not.
func TestReplacedAtTheSameAddress(t *testing.T) {
	for name, target := range map[string]string{"nothing changes": "vm/new:443", "the port changes": "vm/new:8443"} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, drift.Input{
				Fleet:    fleet(guest("new", "10.1.1.5"), edge("a.example.com", target)),
				Observed: drift.Observed{Lives: []drift.Live{up("old", "10.1.1.5"), {ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.5:443")}}},
				Guards:   []drift.Guard{drift.Routed()},
			})
			for _, c := range p.Changes {
				if !c.Goes() {
					t.Errorf("%s: held %q, fields %+v", c.Key, c.Held, c.Fields)
				}
			}
			if order := keys(p); slices.Index(order, "vm/old stop") > slices.Index(order, "vm/new create") {
				t.Errorf("order: %v", order)
			}
		})
	}
	// A name that is written as the address goes on to lead to the former guest.
	p := plan(t, drift.Input{
		Fleet:    fleet(edge("a.example.com", "10.1.1.5:443")),
		Observed: drift.Observed{Lives: []drift.Live{up("old", "10.1.1.5"), {ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.5:443")}}},
		Guards:   []drift.Guard{drift.Routed()},
	})
	if held := change(t, p, "vm/old", drift.Stop).Held; !strings.Contains(held, "edge/main still leads tls.routes[a.example.com] to it") {
		t.Errorf("held %q", held)
	}
}
