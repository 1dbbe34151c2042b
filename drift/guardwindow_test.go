package drift_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

// fleetDocument is a Fleet with further fields, read as its manifest would be.
func fleetDocument(t *testing.T, more string) desired.FleetSpec {
	t.Helper()
	f, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte("kind: Fleet\nname: pegasus\nuid: 5b1f0c2e\n" + more)}})
	if err != nil {
		t.Fatal(err)
	}
	return f.Spec
}

// changing plans one step for each guest of the manifests, and takes away what is
// in none.
func changing(step drift.Step) map[string]drift.Steps {
	return map[string]drift.Steps{
		desired.KindVM: func(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
			if want == nil {
				return guests(w, want, have, fields)
			}
			return []drift.Change{{Key: drift.Key{ID: want.ID, Step: step}}, {Key: drift.Key{ID: want.ID, Step: drift.Ready}}}
		},
	}
}

func rebooting(name, when string) *desired.Resource {
	r := guest(name, "")
	r.Spec.(*desired.VM).Lifecycle.Reboot = when
	return r
}

func TestWindows(t *testing.T) {
	archived := up("old", "")
	archived.Archived = true
	lives := []drift.Live{archived, up("gone", ""), up("later", ""), up("now", "")}
	windows := "zone: Europe/Berlin\nwindows:\n  - {cron: \"0 3 * * *\", for: 2h}\n  - {cron: \"0 22 * * 6\", for: 4h}\n"
	run := func(step drift.Step, more, at string) *drift.Plan {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		f := fleet(rebooting("later", "window"), rebooting("now", "now"))
		f.Spec = fleetDocument(t, more)
		return plan(t, drift.Input{Fleet: f, Now: now, Steps: changing(step), Observed: drift.Observed{Lives: lives}, Guards: []drift.Guard{drift.Windows()}})
	}
	going := func(step string) []string {
		return []string{"vm/later " + step, "vm/later ready", "vm/now " + step, "vm/now ready", "vm/gone stop", "vm/gone archive", "vm/old delete"}
	}
	waiting := func(step string) []string {
		return []string{"!vm/later " + step, "!vm/later ready", "vm/now " + step, "vm/now ready", "vm/gone stop", "vm/gone archive", "!vm/old delete"}
	}
	for name, row := range map[string]struct {
		step    drift.Step
		windows string
		at      string
		want    []string
	}{
		"no windows":             {drift.Reboot, "", "2026-11-20T12:00:00Z", going("reboot")},
		"none is open":           {drift.Reboot, windows, "2026-11-20T12:00:00Z", waiting("reboot")},
		"one is open":            {drift.Reboot, windows, "2026-11-20T02:30:00Z", going("reboot")},
		"the other is, at night": {drift.Reboot, windows, "2026-11-22T00:30:00+01:00", going("reboot")},
		"a disk is taken away":   {drift.Detach, windows, "2026-11-20T12:00:00Z", waiting("detach")},
		"a virtual machine that moves runs on": {
			drift.Migrate, windows, "2026-11-20T12:00:00Z",
			[]string{"vm/later migrate", "vm/later ready", "vm/now migrate", "vm/now ready", "vm/gone stop", "vm/gone archive", "!vm/old delete"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, keys(run(row.step, row.windows, row.at))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	// What is held says until when, and stays the same plan as long as that is so.
	p := run(drift.Reboot, windows, "2026-11-20T12:00:00Z")
	for _, k := range []drift.Key{{ID: "vm/later", Step: drift.Reboot}, {ID: "vm/old", Step: drift.Delete}} {
		if got := p.Change(k).Held; got != "it waits for a maintenance window: the next opens Sat 21 Nov 2026 03:00 CET (fleet.yaml:6)" {
			t.Errorf("%s is held: %q", k, got)
		}
	}
	if later := run(drift.Reboot, windows, "2026-11-20T23:59:59Z"); later.Digest != p.Digest {
		t.Error("the plan is another while only time passes")
	}
	if later := run(drift.Reboot, windows, "2026-11-21T12:00:00Z"); !strings.Contains(change(t, later, "vm/old", drift.Delete).Held, "Sat 21 Nov 2026 22:00 CET (fleet.yaml:7)") {
		t.Error(change(t, later, "vm/old", drift.Delete).Held)
	}
	if a, b := run(drift.Reboot, windows, "2026-11-21T02:00:00Z"), run(drift.Reboot, windows, "2026-11-21T03:59:00Z"); a.Digest != b.Digest {
		t.Error("the plan is another while the window is open")
	}
}

// A container that moves is started anew.
func TestWindowsOfContainersThatMove(t *testing.T) {
	spec := &desired.Container{}
	spec.State, spec.Lifecycle.Reboot = desired.Running, "window"
	steps := map[string]drift.Steps{desired.KindContainer: changing(drift.Migrate)[desired.KindVM]}
	f := fleet(want("ct/cache", spec))
	f.Spec = fleetDocument(t, "windows: [{cron: \"0 3 * * *\", for: 2h}]\n")
	for running, want := range map[bool]string{true: "!ct/cache migrate", false: "ct/cache migrate"} {
		p := plan(t, drift.Input{
			Fleet: f, Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Steps: steps, Guards: []drift.Guard{drift.Windows()},
			Observed: drift.Observed{Lives: []drift.Live{{ID: "ct/cache", Spec: &desired.Container{}, Running: running}}},
		})
		if got := keys(p)[0]; got != want {
			t.Errorf("running %t: %s", running, got)
		}
	}
}
