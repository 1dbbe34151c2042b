package drift_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

// Making a service: the guest, then its playbook, then its name.
func TestOrderOfWhatComes(t *testing.T) {
	e := edge("a.example.com", "vm/web:443")
	e.Needs = []desired.ID{"play/base"}
	w := guest("web", "")
	w.Needs = []desired.ID{"vm/db"}
	// The resources come in the order of their ids, which is the wrong one.
	p := plan(t, drift.Input{Fleet: fleet(e, play("base", "vm/db", "vm/web"), guest("db", ""), w)})
	want := []string{"vm/db create", "vm/db ready", "vm/web create", "vm/web ready", "play/base run", "edge/main route"}
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	f := change(t, p, "edge/main", drift.Route).Fields[0]
	if f.Held != "" || f.After.From != "vm/web address" || len(f.Wait) != 1 || f.Wait[0].String() != "vm/web ready" {
		t.Errorf("the route: %+v", f)
	}
}

// Taking a service down: its name, then the guest.
func TestOrderOfWhatGoes(t *testing.T) {
	p := plan(t, drift.Input{
		Fleet: fleet(edge()),
		Observed: drift.Observed{Lives: []drift.Live{
			up("web", "10.1.1.5"), {ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.5:443")},
		}},
	})
	if diff := cmp.Diff([]string{"edge/main drain", "vm/web stop", "vm/web archive"}, keys(p)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if wait := change(t, p, "vm/web", drift.Stop).WaitFields; len(wait) != 1 || wait[0].String() != "edge/main drain of tls.routes[a.example.com]" {
		t.Errorf("the stop waits for %v", wait)
	}
}

// A name that moves to another guest leaves the old one before that goes.
func TestOrderOfARouteThatMoves(t *testing.T) {
	p := plan(t, drift.Input{
		Fleet:    fleet(edge("a.example.com", "vm/new:443"), guest("new", "10.1.1.6")),
		Observed: drift.Observed{Lives: []drift.Live{up("old", "10.1.1.5"), {ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.5:443")}}},
	})
	want := []string{"vm/new create", "vm/new ready", "edge/main route", "vm/old stop", "vm/old archive"}
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestWhatWaitsForItselfIsHeldAndNamed(t *testing.T) {
	a, b := guest("a", ""), guest("b", "")
	a.Needs, b.Needs = []desired.ID{"vm/b"}, []desired.ID{"vm/a"}
	p := plan(t, drift.Input{Fleet: fleet(a, b, guest("c", ""))})
	if diff := cmp.Diff([]string{"vm/c create", "vm/c ready", "!vm/a create", "!vm/a ready", "!vm/b create", "!vm/b ready"}, keys(p)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	held := change(t, p, "vm/a", drift.Create).Held
	for _, name := range []string{"waits for itself", "vm/a create", "vm/b ready"} {
		if !strings.Contains(held, name) {
			t.Errorf("%q does not say %s", held, name)
		}
	}
	if strings.Contains(held, "vm/c") {
		t.Errorf("%q names one that is not in the circle", held)
	}
}

// A field whose value nobody will make known is held alone; the others go on.
func TestUnknownValuesHoldTheirFieldAlone(t *testing.T) {
	for name, row := range map[string]struct {
		fleet *desired.Fleet
		lives []drift.Live
		held  string
	}{
		"nobody plans it": {fleet(edge("a.example.com", "vm/web:443", "b.example.com", "10.1.1.9:443")), nil, "vm/web is not there and not planned in this turn"},
		"it has none": {
			fleet(edge("a.example.com", "vm/web:443", "b.example.com", "10.1.1.9:443"), guest("web", "")),
			[]drift.Live{up("web", "")},
			"vm/web has no known address: give it a static address or a reservation, or enable its guest agent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, drift.Input{Fleet: row.fleet, Observed: drift.Observed{Lives: row.lives}})
			c := change(t, p, "edge/main", drift.Route)
			if c.Held != "" || !c.Goes() || !p.Go() {
				t.Errorf("the change is held: %q", c.Held)
			}
			var held []string
			for _, f := range c.Fields {
				held = append(held, f.Held)
			}
			if diff := cmp.Diff([]string{row.held, ""}, held); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What needs a guest that will not stand is held, and told whose fault it is.
func TestWhatIsNeededAndMissing(t *testing.T) {
	web := guest("web", "")
	web.Needs = []desired.ID{"vm/db"}
	unseen := drift.Blind{ID: "vm/db", Site: "home", Reason: "403"}
	for name, row := range map[string]struct {
		observed drift.Observed
		steps    drift.Steps
		held     string
	}{
		"it is there": {drift.Observed{Lives: []drift.Live{up("db", "10.1.1.1")}}, guests, ""},
		"it is made":  {drift.Observed{}, guests, ""},
		"it is unknown": {
			drift.Observed{Blind: []drift.Blind{unseen}}, guests, "needs vm/db, which is unknown: 403",
		},
		"nobody makes it": {
			drift.Observed{},
			func(w *drift.World, r *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
				if r.ID == "vm/db" {
					return nil
				}
				return guests(w, r, have, fields)
			},
			"needs vm/db, which is not there and not planned in this turn",
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The name of db is a field's need, db itself that of a change.
			p := plan(t, drift.Input{
				Fleet:    fleet(edge("a.example.com", "vm/db:443", "b.example.com", "10.1.1.9:443"), guest("db", "10.1.1.1"), web),
				Observed: row.observed, Steps: map[string]drift.Steps{desired.KindVM: row.steps, desired.KindEdge: edges},
			})
			if got := change(t, p, "vm/web", drift.Create).Held; got != row.held {
				t.Errorf("the change is held: %q, want %q", got, row.held)
			}
			route := change(t, p, "edge/main", drift.Route)
			if got := route.Fields[0].Held; got != row.held {
				t.Errorf("the field is held: %q, want %q", got, row.held)
			}
			if route.Held != "" || route.Fields[1].Held != "" {
				t.Errorf("the other name is held: %q, %q", route.Held, route.Fields[1].Held)
			}
		})
	}
}

// A change of which every field is held does not go.
func TestAllFieldsHeldIsHeld(t *testing.T) {
	p := plan(t, drift.Input{Fleet: fleet(edge("a.example.com", "vm/web:443"))})
	if c := change(t, p, "edge/main", drift.Route); c.Held == "" || p.Go() {
		t.Errorf("it goes: %+v", c)
	}
}

// Nothing is planned in what could not be read, wanted or not.
func TestBlindIsPlannedForNothing(t *testing.T) {
	lives := []drift.Live{up("gone", "")}
	w := guest("web", "")
	w.Spec.(*desired.VM).Memory.Size = desired.GiB
	w.Set.Put("memory.size", desired.Source{Line: 1})
	for name, b := range map[string]drift.Blind{
		"site": {Site: "home", Reason: "401"}, "kind": {Kind: desired.KindVM, Reason: "401"},
	} {
		if p := plan(t, drift.Input{Fleet: fleet(w), Observed: drift.Observed{Lives: lives, Blind: []drift.Blind{b}}}); len(p.Changes) != 0 || len(p.Blind) != 1 {
			t.Errorf("%s: %v", name, keys(p))
		}
	}
	p := plan(t, drift.Input{Fleet: fleet(w, guest("other", "")), Observed: drift.Observed{Lives: lives, Blind: []drift.Blind{{ID: "vm/web", Site: "home", Reason: "403"}}}})
	for _, key := range keys(p) {
		if strings.HasPrefix(key, "vm/web ") {
			t.Errorf("planned: %s", key)
		}
	}
	if len(p.Changes) != 4 {
		t.Errorf("the others do not go on: %v", keys(p))
	}
}

// A kind that nobody looks after in this turn is left alone.
func TestKindsWithoutStepsAreLeftAlone(t *testing.T) {
	p := plan(t, drift.Input{Fleet: fleet(guest("web", "")), Steps: map[string]drift.Steps{desired.KindEdge: edges}, Observed: drift.Observed{Lives: []drift.Live{up("gone", "")}}})
	if len(p.Changes) != 0 {
		t.Error(keys(p))
	}
}

func TestSourceAndSiteComeFromTheManifest(t *testing.T) {
	p := plan(t, drift.Input{Fleet: fleet(guest("web", ""))})
	c := change(t, p, "vm/web", drift.Create)
	if c.Source.String() != "vm/web.yaml:1" || c.Site != "home" {
		t.Errorf("source %v, site %q", c.Source, c.Site)
	}
}

func TestDigest(t *testing.T) {
	make1 := func(address string, edit ...drift.Live) *drift.Plan {
		return plan(t, drift.Input{
			Fleet:    fleet(edge("a.example.com", "vm/web:443", "b.example.com", "10.1.1.2:443"), guest("db", ""), guest("web", address)),
			Observed: drift.Observed{Lives: edit},
		})
	}
	first := make1("10.1.1.5")
	if len(first.Digest) != 16 {
		t.Errorf("digest %q", first.Digest)
	}
	for range 20 {
		if again := make1("10.1.1.5"); again.Digest != first.Digest {
			t.Fatalf("the same plan has another digest:\n%s", cmp.Diff(first, again))
		}
	}
	for name, other := range map[string]*drift.Plan{
		"another value": make1("10.1.1.6"), "known later": make1(""), "fewer steps": make1("10.1.1.5", up("db", "")),
		"something held": plan(t, drift.Input{
			Fleet:  fleet(edge("a.example.com", "vm/web:443", "b.example.com", "10.1.1.2:443"), guest("db", ""), guest("web", "10.1.1.5")),
			Guards: []drift.Guard{func(_ *drift.World, p *drift.Plan) { p.Changes[0].Held = "x" }},
		}),
	} {
		if other.Digest == first.Digest {
			t.Errorf("%s: the digest is the same", name)
		}
	}
}

// Two guests that claim one address must not make plans differ from turn to turn.
func TestWhoHasIsTheSameEveryTime(t *testing.T) {
	lives := make([]drift.Live, 12)
	for i := range lives {
		lives[i] = up(string(rune('a'+i)), "10.1.1.5")
	}
	first, _ := drift.NewWorld(fleet(), lives).WhoHas("10.1.1.5:443")
	for range 30 {
		if again, _ := drift.NewWorld(fleet(), lives).WhoHas("10.1.1.5:443"); again != first {
			t.Fatalf("now %s, then %s", first, again)
		}
	}
	if _, ok := drift.NewWorld(fleet(), lives).WhoHas("reject"); ok {
		t.Error("reject is somebody's")
	}
}

// Whatever is done to a plan, what is live stays as it was observed, and so does
// what is wanted.
func TestAPlanAliasesNothing(t *testing.T) {
	input := func() drift.Input {
		w := guest("web", "10.1.1.5")
		spec := w.Spec.(*desired.VM)
		spec.Tags, spec.Boot = desired.Words{"b", "a"}, desired.List{"scsi0", "net0"}
		spec.Disks = map[string]desired.Disk{"scsi0": {Size: desired.GiB}}
		for _, leaf := range desired.Leaves(desired.KindVM, spec) {
			w.Set.Put(leaf.Path, desired.Source{File: "web.yaml", Line: 1})
		}
		l := up("web", "10.1.1.5")
		have := l.Spec.(*desired.VM)
		have.Tags, have.Boot = desired.Words{"z", "y"}, desired.List{"net0"}
		have.Disks = map[string]desired.Disk{"scsi0": {Size: desired.MiB}, "scsi1": {}}
		l.By = map[desired.Path]string{"tags": "root@pam"}
		return drift.Input{
			Fleet: fleet(edge("a.example.com", "vm/web:443"), w), Previous: fleet(guest("web", "10.1.1.4")),
			Observed: drift.Observed{
				Lives:  []drift.Live{l, up("gone", "10.1.1.9"), {ID: "edge/main", Spec: edgeSpec("b.example.com", "10.1.1.9:443")}},
				Notes:  []drift.Note{{ID: "vm/web", Text: "z"}, {ID: "vm/a", Text: "a"}},
				Counts: map[string]drift.Count{"home": {Ours: 2}},
			},
			Guards: []drift.Guard{drift.Ownership(), drift.Protection(), drift.Unknown(), drift.Amount(desired.Guards{Deletes: 0, Percent: 100})},
		}
	}
	in := input()
	p := plan(t, in)
	for i := range p.Changes {
		c := &p.Changes[i]
		for j := range c.Fields {
			c.Fields[j] = drift.Field{Path: "spoilt"}
		}
		for j := range c.Wait {
			c.Wait[j].ID = "spoilt"
		}
		for j := range c.Fields {
			for k := range c.Fields[j].Frees {
				c.Fields[j].Frees[k] = "spoilt"
			}
		}
	}
	for i := range p.Notes {
		p.Notes[i].Text = "spoilt"
	}
	fresh := input()
	for name, pair := range map[string][2]any{
		"what is live": {fresh.Observed, in.Observed}, "what is wanted": {fresh.Fleet.Resources, in.Fleet.Resources}, "what was wanted": {fresh.Previous.Resources, in.Previous.Resources},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s has changed (-before +after):\n%s", name, diff)
		}
	}
}
