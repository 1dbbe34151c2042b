package turn_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// A change of which each field is held is held as a whole, by the first one's reason: it is
// still judged field by field where they are held for different ones.
func TestLeftByHosts(t *testing.T) {
	const locked = desired.WaitingForUnlock + ": run `agent unlock`"
	host := func(name, held string) drift.Field {
		return drift.Field{Path: desired.Path("hosts").Sub(name), Held: held}
	}
	failed := turn.Wait{ID: "play/base", Path: "hosts.web-1", Reason: "boom"}
	for _, row := range []struct {
		name   string
		fields []drift.Field
		waits  []turn.Wait
		want   turn.Left
	}{
		{"one that failed", []drift.Field{host("web-1", "tried again at 12:01")}, []turn.Wait{failed}, turn.Left{
			Failing: []turn.Failing{{ID: "play/base", Field: "hosts.web-1", Reason: "boom"}},
		}},
		{
			"each for another reason",
			[]drift.Field{host("web-3", locked), host("web-1", "tried again at 12:01"), host("web-2", "it does not answer"), host("web-0", locked)},
			[]turn.Wait{failed},
			turn.Left{
				Failing: []turn.Failing{{ID: "play/base", Field: "hosts.web-1", Reason: "boom"}},
				Waiting: []turn.Waiting{{ID: "play/base", Hosts: []string{"web-0", "web-3"}, Reason: locked}},
				Held:    []turn.Held{{ID: "play/base", Field: "hosts.web-2", Reason: "it does not answer"}},
			},
		},
		{"all for one", []drift.Field{host("web-1", locked), host("web-2", locked)}, nil, turn.Left{
			Waiting: []turn.Waiting{{ID: "play/base", Reason: locked}},
		}},
	} {
		rep := &report.Report{Plan: &drift.Plan{Changes: []drift.Change{
			{Key: drift.Key{ID: "play/base", Step: drift.Run}, Fields: row.fields, Held: row.fields[0].Held},
		}}}
		if diff := cmp.Diff(row.want, turn.LeftBy(rep, row.waits)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// A step that only waits for another of its resource has nothing to add to what holds
// that.
func TestLeftOfSteps(t *testing.T) {
	online := drift.Key{ID: "vm/web-1", Step: drift.Online}
	rep := &report.Report{Plan: &drift.Plan{Changes: []drift.Change{
		{Key: online, Held: "disks never shrink", Fields: []drift.Field{{Path: "disks.scsi0.size", Held: "disks never shrink"}, {Path: "networks.net0.bridge", Held: "no such bridge"}}},
		{Key: drift.Key{ID: "vm/web-1", Step: drift.Reboot}, Wait: []drift.Key{online}, Held: "waits for vm/web-1 online, which is held"},
	}}}
	want := turn.Left{Held: []turn.Held{
		{ID: "vm/web-1", Field: "disks.scsi0.size", Reason: "disks never shrink"},
		{ID: "vm/web-1", Field: "networks.net0.bridge", Reason: "no such bridge"},
	}}
	if diff := cmp.Diff(want, turn.LeftBy(rep, nil)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What holds a resource is told before what only waits for another that is held.
func TestLeftBehind(t *testing.T) {
	archive, drain := drift.Key{ID: "vm/db-1", Step: drift.Archive}, drift.Key{ID: "edge/main", Step: drift.Drain}
	rep := &report.Report{Plan: &drift.Plan{Changes: []drift.Change{
		{Key: drain, Wait: []drift.Key{archive}, Held: "waits for vm/db-1 archive, which is held"},
		{Key: drift.Key{ID: "edge/main", Step: drift.Route}, Held: "nginx -t says no"},
		{Key: drift.Key{ID: "edge/other", Step: drift.Drain}, Wait: []drift.Key{archive}, Held: "waits for vm/db-1 archive, which is held"},
		{Key: archive, Site: "home", Held: "it is protected"},
	}}}
	want := turn.Left{Held: []turn.Held{
		{ID: "edge/main", Reason: "nginx -t says no"},
		{ID: "edge/other", Reason: "waits for vm/db-1 archive, which is held", Behind: true},
		{ID: "vm/db-1", Site: "home", Reason: "it is protected"},
	}}
	if diff := cmp.Diff(want, turn.LeftBy(rep, nil)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
