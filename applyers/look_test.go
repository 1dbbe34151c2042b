package applyers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// looker is an applyer of which nothing but its look is asked.
type looker struct {
	Applyer
	kinds []string
	seen  drift.Observed
	err   error
	asked [][]desired.ID
}

func (l *looker) Kinds() []string { return l.kinds }

func (l *looker) Observe(_ context.Context, _ *desired.Fleet, only Scope) (drift.Observed, error) {
	l.asked = append(l.asked, only.IDs)
	return l.seen, l.err
}

// A step may look at what others look after: each applyer is asked once, for its own
// alone, and what it can't tell is an error, never an absence.
func TestLook(t *testing.T) {
	fleet := &desired.Fleet{Resources: []*desired.Resource{{ID: "ct/b", Site: "home"}, {ID: "vm/a", Site: "home"}, {ID: "vm/c", Site: "away"}}}
	guests := &looker{kinds: []string{"vm", "ct"}, seen: drift.Observed{Lives: []drift.Live{{ID: "vm/a"}}}}
	edges := &looker{kinds: []string{"edge"}}
	r := &running{Execution: Execution{World: drift.NewWorld(fleet, nil), Appliers: ByKind(guests, edges)}}
	found, err := r.look(t.Context(), []desired.ID{"vm/a", "ct/b", "edge/main"})
	if err != nil || !slices.Equal(slices.Collect(maps.Keys(found)), []desired.ID{"vm/a"}) {
		t.Errorf("found %v, %v", found, err)
	}
	if len(guests.asked) != 1 || !slices.Equal(guests.asked[0], []desired.ID{"vm/a", "ct/b"}) || len(edges.asked) != 1 {
		t.Errorf("asked for %v and %v", guests.asked, edges.asked)
	}
	guests.seen.Blind = []drift.Blind{{Site: "away", Reason: "401"}}
	for want, ids := range map[string][]desired.ID{
		"":                     {"vm/a"},
		"look at vm/c: 401":    {"vm/a", "vm/c"},
		"nobody looks after x": {"x/y"},
	} {
		if _, err := r.look(t.Context(), ids); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", ids, err, want)
		}
	}
	guests.err = errors.New("no network")
	if _, err := r.look(t.Context(), []desired.ID{"vm/a"}); !errors.Is(err, guests.err) {
		t.Errorf("it ends with %v", err)
	}
}
