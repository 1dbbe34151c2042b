package drift_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

func TestVitalGuestsAreKept(t *testing.T) {
	own, twisted, git, edgeHost, archived := up("own", ""), up("twisted", ""), up("git", "10.1.1.5"), up("proxy", ""), up("old", "10.1.1.5")
	own.Facts[desired.FactUUID] = "d6466886-1111-2222-3333-444444444444"
	twisted.Facts[desired.FactUUID] = "866846D6-1111-2222-3333-444444444444"
	archived.Archived = true
	byMAC := up("bymac", "")
	byMAC.MACs = []string{"BC:24:11:00:00:01"}
	at := edge()
	at.Spec.(*desired.Edge).At = "vm/proxy"
	v := drift.Vital{
		UUID: "D6466886-1111-2222-3333-444444444444", MACs: []string{"bc:24:11:00:00:01"},
		Servers: map[string]string{"10.1.1.5": "the Git server git.example.com"},
	}
	p := plan(t, drift.Input{
		Fleet:    fleet(at),
		Observed: drift.Observed{Lives: []drift.Live{own, byMAC, git, edgeHost, archived, up("web", "10.1.1.6")}},
		Guards:   []drift.Guard{drift.KeepVital(v)},
	})
	want := []string{
		"!vm/bymac stop", "!vm/bymac archive", "!vm/git stop", "!vm/git archive", "vm/old delete", "!vm/own stop", "!vm/own archive",
		"!vm/proxy stop", "!vm/proxy archive", "vm/web stop", "vm/web archive",
	}
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for id, want := range map[desired.ID]string{
		"vm/own":   "the agent itself runs in it (product UUID d6466886-1111-2222-3333-444444444444): the agent never stops or moves it, do it by hand",
		"vm/bymac": "the agent itself runs in it (MAC bc:24:11:00:00:01): the agent never stops or moves it, do it by hand",
		"vm/git":   "the Git server git.example.com answers there (10.1.1.5): the agent never stops or moves it, do it by hand",
		"vm/proxy": "edge/main is there: the agent never stops or moves it, do it by hand",
	} {
		if got := change(t, p, id, drift.Archive).Held; got != want {
			t.Errorf("%s is held: %q", id, got)
		}
	}
	for _, step := range []drift.Step{drift.Stop, drift.Reboot, drift.Migrate, drift.Detach, drift.Delete} {
		for _, live := range []drift.Live{own, twisted} {
			p := plan(t, drift.Input{
				Fleet: fleet(guest(live.ID.Name(), "")), Steps: changing(step), Observed: drift.Observed{Lives: []drift.Live{live}},
				Guards: []drift.Guard{drift.KeepVital(v)},
			})
			if change(t, p, live.ID, step).Held == "" {
				t.Errorf("%s %s goes", live.ID, step)
			}
		}
	}
}

// A vital guest keeps its address, and what else is asked of it is done.
func TestVitalGuestsAreNotReaddressed(t *testing.T) {
	own := up("own", "")
	own.Facts[desired.FactUUID] = "d6466886-1111-2222-3333-444444444444"
	steps := map[string]drift.Steps{desired.KindVM: func(_ *drift.World, w *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
		return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Online}, Fields: []drift.Field{{Path: "memory.size"}, {Path: "networks.net0.address"}}}}
	}}
	p := plan(t, drift.Input{
		Fleet: fleet(guest("own", "")), Steps: steps, Observed: drift.Observed{Lives: []drift.Live{own}},
		Guards: []drift.Guard{drift.KeepVital(drift.Vital{UUID: "d6466886-1111-2222-3333-444444444444"})},
	})
	c := change(t, p, "vm/own", drift.Online)
	if c.Held != "" || c.Fields[0].Held != "" || c.Fields[1].Held == "" {
		t.Errorf("%+v", c)
	}
}
