package turn

import (
	"fmt"

	"berth/desired"
	"berth/drift"
)

// movedEdges notes edges whose files are elsewhere from this commit on: where they were
// nobody looks any more, and nginx goes on by what it has there.
func movedEdges(fleet, previous *desired.Fleet) []drift.Note {
	if previous == nil {
		return nil
	}
	var notes []drift.Note
	for _, r := range fleet.Resources {
		now, _ := r.Spec.(*desired.Edge)
		before := previous.Resource(r.ID)
		if now == nil || before == nil {
			continue
		}
		was, _ := before.Spec.(*desired.Edge)
		if was == nil {
			continue
		}
		where := ""
		if !local(was.At) {
			where = " on " + was.At
		}
		same := local(was.At) && local(now.At) || was.At == now.At
		note := func(used bool, before, after string) {
			if used && (!same || before != after) {
				notes = append(notes, drift.Note{ID: r.ID, Text: fmt.Sprintf("it was at %s%s; what is there stays, and nginx goes on by it: remove that file, and reload nginx", before, where)})
			}
		}
		note(was.TLS.Default.Text != "" || len(was.TCP)+len(was.UDP) > 0, was.Nginx.Stream, now.Nginx.Stream)
		note(was.HTTP.Default.Text != "", was.Nginx.HTTP, now.Nginx.HTTP)
	}
	return notes
}

// local tells whether an edge is on the agent's own machine.
func local(at string) bool { return at == "" || at == "local" }
