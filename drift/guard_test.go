package drift_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

func TestOwnership(t *testing.T) {
	e := edge("a.example.com", "vm/web:443", "b.example.com", "10.1.1.2:443")
	p := plan(t, drift.Input{
		Fleet: fleet(e, guest("db", ""), guest("web", "")),
		Observed: drift.Observed{Foreign: []drift.Foreign{
			{ID: "vm/web", Site: "home", What: `ct 118 "pihole" on pve1`, Reason: "it has no stamp", Remedy: "give web another id"},
			{What: "vm 9", Reason: "a clone"},
		}},
		Guards: []drift.Guard{drift.Ownership()},
	})
	if diff := cmp.Diff([]string{"vm/db create", "vm/db ready", "!vm/web create", "!vm/web ready", "edge/main route"}, keys(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := change(t, p, "vm/web", drift.Create).Held; got != `ct 118 "pihole" on pve1: it has no stamp; give web another id` {
		t.Errorf("held: %q", got)
	}
	route := change(t, p, "edge/main", drift.Route)
	if route.Fields[0].Held != "waits for vm/web ready, which is held" || route.Fields[1].Held != "" {
		t.Errorf("the routes: %+v", route.Fields)
	}
}

func TestProtection(t *testing.T) {
	safe, archived := up("safe", ""), up("old", "")
	safe.Protected, archived.Protected, archived.Archived = true, true, true
	p := plan(t, drift.Input{
		Fleet:    fleet(),
		Observed: drift.Observed{Lives: []drift.Live{safe, archived, up("web", "")}},
		Guards:   []drift.Guard{drift.Protection()},
	})
	// What stays must not be stopped either.
	want := []string{"!vm/old delete", "!vm/safe stop", "!vm/safe archive", "vm/web stop", "vm/web archive"}
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := change(t, p, "vm/safe", drift.Archive).Held; !strings.Contains(got, "protected") || !strings.Contains(got, "Protection: No") {
		t.Errorf("held: %q", got)
	}
}

// A protected guest that Git says should be stopped is stopped: that takes
// nothing away.
func TestProtectionLetsStop(t *testing.T) {
	live := up("safe", "")
	live.Protected = true
	steps := map[string]drift.Steps{desired.KindVM: func(_ *drift.World, w *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
		return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Stop}}}
	}}
	p := plan(t, drift.Input{Fleet: fleet(guest("safe", "")), Steps: steps, Observed: drift.Observed{Lives: []drift.Live{live}}, Guards: []drift.Guard{drift.Protection()}})
	if diff := cmp.Diff([]string{"vm/safe stop"}, keys(p)); diff != "" {
		t.Error(diff)
	}
}

// The names of a guest that stays are not taken away.
func TestNamesStayWithAGuestThatStays(t *testing.T) {
	live := up("web", "10.1.1.5")
	live.Protected = true
	p := plan(t, drift.Input{
		Fleet:    fleet(edge()),
		Observed: drift.Observed{Lives: []drift.Live{live, {ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.5:443")}}},
		Guards:   []drift.Guard{drift.Protection()},
	})
	if diff := cmp.Diff([]string{"!edge/main drain", "!vm/web stop", "!vm/web archive"}, keys(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := change(t, p, "edge/main", drift.Drain).Held; !strings.Contains(got, "vm/web") || !strings.Contains(got, "names stay") {
		t.Errorf("held: %q", got)
	}
}

// Names that stay keep no others from being routed.
func TestNamesThatStayKeepNoOthersWaiting(t *testing.T) {
	live := up("web", "10.1.1.5")
	live.Protected = true
	p := plan(t, drift.Input{
		Fleet:    fleet(edge("b.example.com", "10.1.1.9:443")),
		Observed: drift.Observed{Lives: []drift.Live{live, {ID: "edge/main", Spec: edgeSpec("a.example.com", "10.1.1.5:443")}}},
		Guards:   []drift.Guard{drift.Protection()},
	})
	if diff := cmp.Diff([]string{"!edge/main drain", "edge/main route", "!vm/web stop", "!vm/web archive"}, keys(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// One guest that stays keeps its own names, and nobody else's: others go, and
// new ones come.
func TestNamesGoOneByOne(t *testing.T) {
	safe := up("safe", "10.1.1.5")
	safe.Protected = true
	p := plan(t, drift.Input{
		Fleet: fleet(edge("new.example.com", "vm/new:443"), guest("new", "10.1.1.7")),
		Observed: drift.Observed{Lives: []drift.Live{
			safe, up("web", "10.1.1.6"),
			{ID: "edge/main", Spec: edgeSpec("safe.example.com", "10.1.1.5:443", "web.example.com", "10.1.1.6:443")},
		}},
		Guards: []drift.Guard{drift.Protection()},
	})
	want := []string{"edge/main drain", "!vm/safe stop", "!vm/safe archive", "vm/web stop", "vm/web archive", "vm/new create", "vm/new ready", "edge/main route"}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(keys(p)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range change(t, p, "edge/main", drift.Drain).Fields {
		if held := f.Held != ""; held != strings.Contains(string(f.Path), "safe") {
			t.Errorf("%s: held %q", f.Path, f.Held)
		}
	}
}

func TestUnknownHoldsWhatItCouldBearOn(t *testing.T) {
	away := up("away", "")
	away.Site = "paris"
	for name, row := range map[string]struct {
		blind drift.Blind
		want  []string
		word  string
	}{
		// What is on a site that can't be read is not planned for at all.
		"a site":        {drift.Blind{Site: "paris", Reason: "401"}, []string{"vm/web stop", "vm/web archive"}, ""},
		"all edges":     {drift.Blind{Kind: desired.KindEdge, Reason: "no right"}, []string{"!vm/away stop", "!vm/away archive", "!vm/web stop", "!vm/web archive"}, "an edge could not be read"},
		"one edge":      {drift.Blind{ID: "edge/main", Reason: "no right"}, []string{"!vm/away stop", "!vm/away archive", "!vm/web stop", "!vm/web archive"}, "edge/main could not be read"},
		"another guest": {drift.Blind{ID: "vm/x", Site: "home", Reason: "403"}, []string{"vm/away stop", "vm/away archive", "vm/web stop", "vm/web archive"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, drift.Input{
				Fleet:    fleet(),
				Observed: drift.Observed{Lives: []drift.Live{away, up("web", "")}, Blind: []drift.Blind{row.blind}},
				Guards:   []drift.Guard{drift.Unknown()},
			})
			if diff := cmp.Diff(row.want, keys(p)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, c := range p.Changes {
				if !strings.Contains(c.Held, row.word) {
					t.Errorf("%s is held: %q", c.Key, c.Held)
				}
			}
		})
	}
}

func TestAmount(t *testing.T) {
	var lives []drift.Live
	for i := range 4 {
		lives = append(lives, up(fmt.Sprintf("old-%d", i), ""))
	}
	run := func(limit int, more ...drift.Live) *drift.Plan {
		return plan(t, drift.Input{Fleet: fleet(guest("new", "")), Observed: drift.Observed{Lives: append(slices.Clone(lives), more...)}, Guards: []drift.Guard{drift.Protection(), drift.Amount(desired.Guards{Deletes: limit, Percent: 100})}})
	}
	if p := run(4); strings.Contains(fmt.Sprint(keys(p)), "!") {
		t.Errorf("within the limit: %v", keys(p))
	}
	p := run(3)
	for _, c := range p.Changes {
		if up := c.ID == "vm/new"; up != (c.Held == "") {
			t.Errorf("beyond the limit, %s is held: %q", c.Key, c.Held)
		}
	}
	want := "4 guests would go in one turn (vm/old-0, vm/old-1, vm/old-2, vm/old-3), the limit is 3: remove fewer in one commit, raise guards.deletes of the Fleet, or write an Approval (allow: shrink-fleet)"
	if got := change(t, p, "vm/old-2", drift.Archive).Held; got != want {
		t.Errorf("held: %q", got)
	}
	// What another guard holds is not counted.
	safe := up("safe", "")
	safe.Protected = true
	p = run(4, safe)
	if diff := cmp.Diff("", change(t, p, "vm/old-0", drift.Archive).Held); diff != "" {
		t.Error(diff)
	}
	if got := change(t, p, "vm/safe", drift.Archive).Held; !strings.Contains(got, "protected") {
		t.Errorf("the first reason does not stand: %q", got)
	}
}

// A thousand guests that would go do not each list a thousand names.
func TestAmountOfMany(t *testing.T) {
	var lives []drift.Live
	for i := range 1000 {
		lives = append(lives, up(fmt.Sprintf("old-%d", i), ""))
	}
	p := plan(t, drift.Input{Fleet: fleet(), Observed: drift.Observed{Lives: lives}, Guards: []drift.Guard{drift.Amount(desired.Guards{Deletes: 3, Percent: 20})}})
	if got := change(t, p, "vm/old-7", drift.Archive).Held; len(got) > 300 || !strings.HasPrefix(got, "1000 guests would go") {
		t.Errorf("%d characters: %.200s", len(got), got)
	}
}

// A share of the guests is a limit from ten on, and the tighter of both holds.
func TestAmountByShare(t *testing.T) {
	for name, row := range map[string]struct {
		lives, archived, gone int
		limits                desired.Guards
		held                  string
	}{
		"few guests, judged by the number": {9, 5, 3, desired.Guards{Deletes: 3, Percent: 20}, ""},
		"what is archived is no guest":     {9, 9, 4, desired.Guards{Deletes: 3, Percent: 20}, "the limit is 3: remove fewer in one commit, raise guards.deletes of the Fleet, or write an Approval (allow: shrink-fleet)"},
		"within the share":                 {10, 0, 2, desired.Guards{Deletes: 3, Percent: 20}, ""},
		"beyond the share":                 {10, 0, 3, desired.Guards{Deletes: 3, Percent: 20}, "3 guests would go in one turn (vm/old-00, vm/old-01, vm/old-02), the limit is 2 (20 % of 10): remove fewer in one commit, raise guards.percent of the Fleet, or write an Approval (allow: shrink-fleet)"},
		"the number is the tighter":        {40, 0, 4, desired.Guards{Deletes: 3, Percent: 20}, "the limit is 3: remove"},
		"both are raised":                  {40, 0, 8, desired.Guards{Deletes: 10, Percent: 20}, ""},
		"less than one is one":             {10, 0, 1, desired.Guards{Deletes: 3, Percent: 5}, ""},
		"nothing at all may go":            {10, 0, 1, desired.Guards{Deletes: 3, Percent: 0}, "the limit is 0 (0 % of 10)"},
	} {
		t.Run(name, func(t *testing.T) {
			var wanted []*desired.Resource
			var lives []drift.Live
			for i := range row.lives {
				name := fmt.Sprintf("old-%02d", i)
				lives = append(lives, up(name, ""))
				if i >= row.gone {
					wanted = append(wanted, guest(name, ""))
				}
			}
			for i := range row.archived {
				back := up(fmt.Sprintf("back-%02d", i), "")
				back.Archived = true
				lives = append(lives, back)
				wanted = append(wanted, guest(back.ID.Name(), ""))
			}
			p := plan(t, drift.Input{Fleet: fleet(wanted...), Observed: drift.Observed{Lives: lives}, Guards: []drift.Guard{drift.Amount(row.limits)}})
			got := change(t, p, "vm/old-00", drift.Archive).Held
			if (got == "") != (row.held == "") || !strings.Contains(got, row.held) {
				t.Errorf("held: %q, want %q", got, row.held)
			}
		})
	}
}

// Restores pass, however many.
func TestRestoresHaveNoLimit(t *testing.T) {
	var wanted []*desired.Resource
	var lives []drift.Live
	for i := range 12 {
		back := up(fmt.Sprintf("back-%d", i), "")
		back.Archived = true
		lives = append(lives, back)
		wanted = append(wanted, guest(back.ID.Name(), ""))
	}
	steps := map[string]drift.Steps{desired.KindVM: func(_ *drift.World, w *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
		return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Restore}}}
	}}
	p := plan(t, drift.Input{Fleet: fleet(wanted...), Steps: steps, Observed: drift.Observed{Lives: lives}, Guards: []drift.Guard{drift.Amount(desired.Guards{})}})
	if all := keys(p); len(all) != 12 || strings.Contains(fmt.Sprint(all), "!") {
		t.Errorf("%v", all)
	}
}

// A hold spreads along the waits, by name, and stops nothing else.
func TestHoldsSpreadByName(t *testing.T) {
	web := guest("web", "")
	web.Needs = []desired.ID{"vm/db"}
	e := edge("a.example.com", "vm/web:443", "b.example.com", "vm/other:443")
	p := plan(t, drift.Input{
		Fleet: fleet(e, play("base", "vm/other", "vm/web"), guest("db", ""), guest("other", ""), web),
		Guards: []drift.Guard{func(_ *drift.World, p *drift.Plan) {
			p.Change(drift.Key{ID: "vm/db", Step: drift.Create}).Held = "no"
		}},
	})
	held := make(map[string]string)
	for _, c := range p.Changes {
		if c.Held != "" {
			held[c.String()] = c.Held
		}
		for _, f := range c.Fields {
			if f.Held != "" && c.Held == "" {
				held[c.String()+" "+string(f.Path)] = f.Held
			}
		}
	}
	want := map[string]string{
		"vm/db create":            "no",
		"vm/db ready":             "waits for vm/db create, which is held",
		"vm/web create":           "waits for vm/db ready, which is held",
		"vm/web ready":            "waits for vm/web create, which is held",
		"play/base run hosts.web": "waits for vm/web ready, which is held",
		"edge/main route tls.routes[a.example.com]": "waits for vm/web ready, which is held",
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}
