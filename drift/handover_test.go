package drift_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

const volume = "volume home:data/certs/letsencrypt"

// holders plans like an applyer of guests with one volume: the wanted guest takes
// it, the one that is gone yields it.
func holders(_ *drift.World, w *desired.Resource, have *drift.Live, _ []drift.Field) []drift.Change {
	if w != nil && have == nil {
		return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Create}, Takes: []string{volume}}}
	}
	if w == nil {
		return []drift.Change{
			{Key: drift.Key{ID: have.ID, Step: drift.Stop}},
			{Key: drift.Key{ID: have.ID, Step: drift.Detach}, Fields: []drift.Field{{Path: "disks.scsi1.volume", Yields: []string{volume}}}},
			{Key: drift.Key{ID: have.ID, Step: drift.Archive}},
		}
	}
	return nil
}

// What one resource takes comes after the one that has it has let go, whatever
// their names sort like.
func TestAVolumeIsTakenAfterItWasYielded(t *testing.T) {
	in := drift.Input{
		Fleet: fleet(guest("a-new", "")), Observed: drift.Observed{Lives: []drift.Live{up("b-old", "")}},
		Steps: map[string]drift.Steps{"vm": holders},
	}
	p := plan(t, in)
	if diff := cmp.Diff([]string{"vm/b-old stop", "vm/b-old detach", "vm/b-old archive", "vm/a-new create"}, keys(p)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	// A guest that stays does not let go either, and then nobody takes it.
	in.Guards = []drift.Guard{func(_ *drift.World, p *drift.Plan) {
		p.Change(drift.Key{ID: "vm/b-old", Step: drift.Archive}).Held = "it is protected"
	}}
	p = plan(t, in)
	for _, c := range p.Changes {
		if c.Held == "" {
			t.Errorf("%s goes", c.Key)
		}
	}
	if held := change(t, p, "vm/a-new", drift.Create).Held; !strings.Contains(held, "vm/b-old detach of disks.scsi1.volume, which is held: waits for vm/b-old stop") {
		t.Errorf("the taker: %s", held)
	}
}
