package applyers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// edgeFleet routes two names, one to a guest whose address nobody knows yet.
func edgeFleet() *desired.Fleet {
	return &desired.Fleet{Resources: []*desired.Resource{{ID: "edge/e", Spec: &desired.Edge{TLS: desired.EdgeTLS{Routes: map[string]desired.Target{
		"a.example.com": {Text: "vm/a:443"}, "b.example.com": {Text: "10.1.1.9:443"},
	}}}}}}
}

func routeBoth() drift.Change {
	c := step("edge/e route")
	c.Fields = []drift.Field{
		{Path: "tls.routes[a.example.com]", After: drift.Value{Text: "vm/a:443", From: "vm/a address"}, Wait: parseAll([]string{"vm/a ready"})},
		{Path: "tls.routes[b.example.com]", After: drift.Value{Text: "10.1.1.9:443"}},
	}
	return c
}

// What one step makes known, the steps after it are given.
func TestExecuteHandsOnWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []drift.Field
		var fact string
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
			"vm/a ready": func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
				p.Made("vm/a", desired.FactAddress, "10.1.1.7")
				return nil
			},
			"edge/e route": func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
				got = job.Fields
				fact, _ = job.Fact("vm/a", desired.FactAddress)
				if job.Want == nil || job.Want.ID != "edge/e" {
					t.Errorf("wanted: %+v", job.Want)
				}
				return nil
			},
		}}
		e := execution(a, step("vm/a create"), step("vm/a ready", "vm/a create"), routeBoth())
		e.World = drift.NewWorld(edgeFleet(), nil)
		execute(t, t.Context(), e)
		var values []drift.Value
		for _, f := range got {
			values = append(values, f.After)
		}
		if diff := cmp.Diff([]drift.Value{{Text: "10.1.1.7:443"}, {Text: "10.1.1.9:443"}}, values); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if fact != "10.1.1.7" {
			t.Errorf("fact %q", fact)
		}
		if e.Plan.Changes[2].Fields[0].After.From == "" {
			t.Error("the plan was changed")
		}
	})
}

// A field that waits in vain is left out; the others of its change go on.
func TestExecuteLeavesOutFields(t *testing.T) {
	nothing := func(context.Context, applyers.Job, applyers.Progress) error { return nil }
	for name, row := range map[string]struct {
		create func(context.Context, applyers.Job, applyers.Progress) error
		alone  bool
		want   string
		routed []desired.Path
		// results tell of the field that was left out, so that it does not look
		// done.
		results map[desired.Path]string
	}{
		"the others go on": {
			fails, false, "edge/e route done",
			[]desired.Path{"tls.routes[b.example.com]"},
			map[desired.Path]string{"tls.routes[a.example.com]": "waits for vm/a ready, which was skipped", "tls.routes[b.example.com]": ""},
		},
		"nothing is left":         {fails, true, "edge/e route skipped: waits for vm/a ready, which was skipped", nil, nil},
		"the value stays unknown": {nothing, true, "edge/e route skipped: vm/a address is still not known", nil, nil},
		"unknown, the others go on": {
			nothing, false, "edge/e route done",
			[]desired.Path{"tls.routes[b.example.com]"},
			map[desired.Path]string{"tls.routes[a.example.com]": "vm/a address is still not known", "tls.routes[b.example.com]": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var routed []desired.Path
				a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
					"vm/a create": row.create, "vm/a ready": nothing,
					"edge/e route": func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
						for _, f := range job.Fields {
							routed = append(routed, f.Path)
						}
						return nil
					},
				}}
				route := routeBoth()
				if row.alone {
					route.Fields = route.Fields[:1]
				}
				e := execution(a, step("vm/a create"), step("vm/a ready", "vm/a create"), route)
				e.World = drift.NewWorld(edgeFleet(), nil)
				outcomes := execute(t, t.Context(), e)
				if got := told(outcomes)[2]; got != row.want {
					t.Errorf("got %q, want %q", got, row.want)
				}
				if diff := cmp.Diff(row.routed, routed); diff != "" {
					t.Errorf("routed (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(row.results, outcomes[2].Results); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What is taken out of service waits for the very field that frees it: that its
// change went on without that field is not enough.
func TestExecuteWaitsForWhatLetsGo(t *testing.T) {
	a, b := desired.Path("tls.routes[a.example.com]"), desired.Path("tls.routes[b.example.com]")
	for name, row := range map[string]struct {
		create, route func(context.Context, applyers.Job, applyers.Progress) error
		want          []string
	}{
		"all is well": {
			nil, nil,
			[]string{"vm/old stop done", "vm/older stop done"},
		},
		"the new target fails": {
			fails, nil,
			[]string{"vm/old stop skipped: waits for edge/e route of tls.routes[a.example.com], which was not done: waits for vm/a ready, which was skipped", "vm/older stop done"},
		},
		"one name fails": {
			nil,
			func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
				p.Field(a, nil)
				p.Field(b, errors.New("changed by hand"))
				return nil
			},
			[]string{"vm/old stop done", "vm/older stop skipped: waits for edge/e route of tls.routes[b.example.com], which was not done: changed by hand"},
		},
		"one name is not tried": {
			nil,
			func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
				p.Field(a, nil)
				return nil
			},
			[]string{"vm/old stop done", "vm/older stop skipped: waits for edge/e route of tls.routes[b.example.com], which was not done: it was not tried"},
		},
		"the step fails": {
			nil, fails,
			[]string{"vm/old stop skipped: waits for edge/e route, which failed", "vm/older stop skipped: waits for edge/e route, which failed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				act := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
					"vm/a create": row.create, "edge/e route": row.route,
					"vm/a ready": func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
						p.Made("vm/a", desired.FactAddress, "10.1.1.7")
						return nil
					},
				}}
				old, older := step("vm/old stop"), step("vm/older stop")
				route := drift.Key{ID: "edge/e", Step: drift.Route}
				old.WaitFields, older.WaitFields = []drift.FieldKey{{Key: route, Path: a}}, []drift.FieldKey{{Key: route, Path: b}}
				e := execution(act, old, older, step("vm/a create"), step("vm/a ready", "vm/a create"), routeBoth())
				e.World = drift.NewWorld(edgeFleet(), nil)
				if diff := cmp.Diff(row.want, told(execute(t, t.Context(), e))[:2]); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A field that a guard holds is not handed to the applyer.
func TestExecuteLeavesOutHeldFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var routed []desired.Path
		a := &actor{otherwise: func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
			for _, f := range job.Fields {
				routed = append(routed, f.Path)
			}
			return nil
		}}
		c := step("vm/a online")
		c.Fields = []drift.Field{{Path: "disks.scsi0.size", Held: "disks never shrink"}, {Path: "tags"}}
		whole := step("vm/b online")
		whole.Fields = c.Fields[:1]
		outcomes := execute(t, t.Context(), execution(a, c, whole))
		if diff := cmp.Diff([]desired.Path{"tags"}, routed); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"vm/a online done", "vm/b online skipped: disks never shrink"}, told(outcomes)); diff != "" {
			t.Error(diff)
		}
	})
}
