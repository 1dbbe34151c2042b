package turn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// onlyFleet is a fleet to name things of.
func onlyFleet() *desired.Fleet {
	guest := func(name, project string) *desired.Resource {
		return &desired.Resource{ID: desired.MakeID(desired.KindVM, name), Site: "home", Spec: &desired.VM{Guest: desired.Guest{Name: name, Project: project, Site: "home"}}}
	}
	return &desired.Fleet{
		Sites: map[string]*desired.Site{"home": {Name: "home"}, "paris": {Name: "paris"}},
		Hosts: map[string]*desired.Host{"nas": {Name: "nas"}},
		Resources: []*desired.Resource{
			{ID: "edge/main", Spec: &desired.Edge{}},
			{ID: "play/base", Spec: &desired.Playbook{}},
			guest("db-1", ""), guest("web-1", "shop"), guest("web-2", "shop"),
		},
	}
}

// onlyPlan is what differs of it: two guests are to be made of one image, one is to go,
// a playbook is due on all, and names lead to them.
func onlyPlan() *drift.Plan {
	field := func(path string, needs ...desired.ID) drift.Field {
		return drift.Field{Path: desired.Path(path), Needs: needs}
	}
	host := func(name string) drift.Field {
		f := field("hosts."+name, desired.MakeID(desired.KindVM, name))
		f.Wait = []drift.Key{{ID: f.Needs[0], Step: drift.Ready}}
		return f
	}
	leads := field("tls.routes.c", "vm/web-2")
	leads.WaitFields = []drift.FieldKey{{Key: drift.Key{ID: "edge/main", Step: drift.Route}, Path: "upstreams.x.servers"}}
	leaves := field("tls.routes.old")
	leaves.Frees = []desired.ID{"vm/old-1"}
	return &drift.Plan{Changes: []drift.Change{
		{Key: drift.Key{ID: "image/debian", Step: drift.Fetch}, Site: "home"},
		{Key: drift.Key{ID: "vm/web-1", Step: drift.Create}, Site: "home", Wait: []drift.Key{{ID: "image/debian", Step: drift.Fetch}}, Reason: "it is not there"},
		{Key: drift.Key{ID: "vm/web-1", Step: drift.Ready}, Site: "home", Wait: []drift.Key{{ID: "vm/web-1", Step: drift.Create}}},
		{Key: drift.Key{ID: "vm/web-2", Step: drift.Create}, Site: "home", Wait: []drift.Key{{ID: "image/debian", Step: drift.Fetch}}},
		{Key: drift.Key{ID: "vm/db-1", Step: drift.Online}, Site: "home", Fields: []drift.Field{field("memory")}},
		{Key: drift.Key{ID: "play/base", Step: drift.Run}, Fields: []drift.Field{host("db-1"), host("web-1"), host("web-2")}},
		{Key: drift.Key{ID: "edge/main", Step: drift.Route}, Fields: []drift.Field{field("tls.routes.a", "vm/web-1"), field("tls.routes.b", "vm/db-1"), leads, field("upstreams.x.servers")}},
		{Key: drift.Key{ID: "edge/main", Step: drift.Drain}, Fields: []drift.Field{leaves}},
		{
			Key: drift.Key{ID: "vm/old-1", Step: drift.Stop}, Site: "home",
			WaitFields: []drift.FieldKey{{Key: drift.Key{ID: "edge/main", Step: drift.Drain}, Path: "tls.routes.old"}},
		},
		{Key: drift.Key{ID: "vm/far-1", Step: drift.Archive}, Site: "paris", Held: "it is protected"},
	}}
}

// going lists what is left to be done, with single fields where some are held.
func going(p *drift.Plan) []string {
	var all []string
	for _, c := range p.Changes {
		if c.Held != "" {
			continue
		}
		words := []string{c.String()}
		for _, f := range c.Fields {
			if f.Held == "" {
				words = append(words, string(f.Path))
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

func TestOnly(t *testing.T) {
	lives := []drift.Live{{ID: "vm/old-1", Site: "home"}, {ID: "vm/far-1", Site: "paris"}}
	previous := &desired.Fleet{Resources: []*desired.Resource{{ID: "vm/old-1", Spec: &desired.VM{Guest: desired.Guest{Name: "old-1", Project: "shop"}}}}}
	for asked, want := range map[string][]string{
		"vm/db-1": {"vm/db-1 online memory", "play/base run hosts.db-1", "edge/main route tls.routes.b"},
		// What a guest is made of comes along, and what is run on it, and its names.
		"vm/web-1": {"image/debian fetch", "vm/web-1 create", "vm/web-1 ready", "play/base run hosts.web-1", "edge/main route tls.routes.a"},
		// A playbook takes the guests that are there: it makes none.
		"play/base": {"play/base run hosts.db-1 hosts.web-1 hosts.web-2"},
		"edge/main": {"edge/main route tls.routes.a tls.routes.b tls.routes.c upstreams.x.servers", "edge/main drain tls.routes.old"},
		// What goes is let go of first.
		"vm/old-1": {"edge/main drain tls.routes.old", "vm/old-1 stop"},
		"project/shop": {
			"image/debian fetch", "vm/web-1 create", "vm/web-1 ready", "vm/web-2 create", "play/base run hosts.web-1 hosts.web-2",
			"edge/main route tls.routes.a tls.routes.c", "edge/main drain tls.routes.old", "vm/old-1 stop",
		},
		"site/paris":       nil, // Its one change is held.
		"host/nas":         nil,
		"vm/db-1 vm/web-2": {"image/debian fetch", "vm/web-2 create", "vm/db-1 online memory", "play/base run hosts.db-1 hosts.web-2", "edge/main route tls.routes.b tls.routes.c"},
	} {
		o, err := narrow(strings.Fields(asked), onlyFleet(), previous, lives)
		if err != nil {
			t.Fatal(err)
		}
		p := onlyPlan()
		before := len(p.Changes)
		o.guard(nil, p)
		if diff := cmp.Diff(want, going(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", asked, diff)
		}
		if len(p.Changes) != before || p.Change(drift.Key{ID: "vm/far-1", Step: drift.Archive}).Held != "it is protected" {
			t.Errorf("%s: a change is gone, or its reason", asked)
		}
		if c := p.Change(drift.Key{ID: "image/debian", Step: drift.Fetch}); asked == "vm/web-1" && c.Reason != "brought in: vm/web-1 needs it" {
			t.Errorf("%s: %q", asked, c.Reason)
		}
	}
	if o, err := narrow(nil, onlyFleet(), nil, nil); o != nil || err != nil {
		t.Errorf("nothing named narrows to %v, %v", o, err)
	}
}

func TestOnlyUnknown(t *testing.T) {
	for word, want := range map[string]string{
		"vm/wbe-1":     `the fleet has no "vm/wbe-1"; did you mean vm/web-1?`,
		"web-1":        `the fleet has no "web-1"; did you mean vm/web-1?`,
		"ct/web-1":     `the fleet has no "ct/web-1"; did you mean vm/web-1?`,
		"project/shpo": `the fleet has no "project/shpo"; did you mean project/shop?`,
		"site/rome":    `the fleet has no "site/rome"; did you mean site/home?`,
		"vm/other":     `the fleet has no "vm/other": it has vm/db-1, vm/web-1, vm/web-2`,
		"ct/other":     `the fleet has no "ct/other": it has edge/main, host/nas, play/base, project/shop, site/home, site/paris, vm/db-1, vm/web-1, vm/web-2`,
		"vm/":          `the fleet has no "vm/": write KIND/NAME, as vm/web-1, play/base, edge/main, project/shop or site/home`,
		"x":            `the fleet has no "x": write KIND/NAME, as vm/web-1, play/base, edge/main, project/shop or site/home`,
	} {
		if _, err := narrow([]string{"vm/db-1", word}, onlyFleet(), nil, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", word, err)
		}
	}
	want := []string{"edge/main", "host/nas", "play/base", "project/shop", "site/home", "site/paris", "vm/db-1", "vm/web-1", "vm/web-2"}
	if diff := cmp.Diff(want, (&Known{Fleet: onlyFleet()}).Resources()); diff != "" {
		t.Error(diff)
	}
}

// TestOnlyAnswer holds that a report tells what was asked for, and counts the rest.
func TestOnlyAnswer(t *testing.T) {
	o, err := narrow([]string{"vm/db-1"}, onlyFleet(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := onlyPlan()
	o.guard(nil, p)
	p.Blind = []drift.Blind{{ID: "edge/second", Reason: "x"}, {Site: "paris", Reason: "y"}}
	p.Notes = []drift.Note{{ID: "vm/web-1", Text: "other"}, {ID: "vm/db-1", Text: "own"}, {Text: "all"}}
	p.Foreign = []drift.Foreign{{ID: "vm/web-2", What: "vm 7"}}
	whole := len(p.Changes)
	rep := &report.Report{Mode: report.Drift, Plan: p}
	o.answer(rep)
	if len(p.Changes) != whole {
		t.Error("the plan itself has lost changes")
	}
	var have []string
	for _, c := range rep.Plan.Changes {
		have = append(have, fmt.Sprint(c.Key, " ", len(c.Fields)))
	}
	have = append(have, fmt.Sprint(len(rep.Plan.Blind), len(rep.Plan.Foreign)))
	for _, n := range rep.Plan.Notes {
		have = append(have, n.Text)
	}
	want := []string{"vm/db-1 online 1", "play/base run 1", "edge/main route 1", "1 0", "own", "all", "5 more resources differ, more of edge/main and play/base differs: not asked for"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if rep.Summary.Planned == (report.Tally{}) {
		t.Errorf("summary %+v", rep.Summary)
	}
}

// TestOnlyForgets holds that what is asked for waits no longer for having failed, and all
// else goes on waiting.
func TestOnlyForgets(t *testing.T) {
	o, err := narrow([]string{"vm/web-1"}, onlyFleet(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b backoff
	for _, who := range []waiter{{"vm/web-1", ""}, {"vm/db-1", ""}, {"play/base", "hosts.web-1"}, {"play/base", "hosts.db-1"}, {"vm/db-1", "networks.web-1"}} {
		b.fails(who, "no", time.Now())
	}
	b.forget(o)
	var left []string
	for who := range b.waits {
		left = append(left, string(who.id)+" "+string(who.path))
	}
	slices.Sort(left)
	if diff := cmp.Diff([]string{"play/base hosts.db-1", "vm/db-1 ", "vm/db-1 networks.web-1"}, left); diff != "" {
		t.Error(diff)
	}
}
