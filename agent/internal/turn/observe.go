package turn

import (
	"context"
	"slices"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// observe asks all appliers at once. One that can say nothing makes its own
// kinds unknown, and no others. An edge that is gone from the manifests is looked
// for where it was: nothing but its former manifest tells where.
func observe(ctx context.Context, all []applyers.Applyer, fleet, previous *desired.Fleet) drift.Observed {
	found := make([]drift.Observed, len(all))
	done := make(chan struct{})
	for i, a := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			var err error
			if found[i], err = a.Observe(ctx, fleet, applyers.Scope{}); err != nil {
				for _, kind := range a.Kinds() {
					found[i].Blind = append(found[i].Blind, drift.Blind{Kind: kind, Reason: err.Error()})
				}
			}
		}()
	}
	for range all {
		<-done
	}
	var sum drift.Observed
	for _, o := range found {
		sum.Add(o)
	}
	for _, a := range all {
		if gone := goneEdges(fleet, previous); gone != nil && slices.Contains(a.Kinds(), desired.KindEdge) {
			sum.Add(left(ctx, a, gone))
		}
		sum.Notes = append(sum.Notes, untagged(ctx, a, fleet, previous, sum)...)
	}
	return sum
}

// left is what stands of edges that are gone from the manifests.
func left(ctx context.Context, a applyers.Applyer, gone *desired.Fleet) drift.Observed {
	found, err := a.Observe(ctx, gone, applyers.Scope{})
	if err != nil {
		found.Blind = append(found.Blind, drift.Blind{Kind: desired.KindEdge, Reason: err.Error()})
	}
	for _, live := range found.Lives {
		found.Notes = append(found.Notes, drift.Note{ID: live.ID, Text: "gone from Git; nginx goes on by its file: remove that, and reload nginx"})
	}
	return found
}

// goneEdges is a fleet of the edges that the manifests no longer have; nil if there
// are none.
func goneEdges(fleet, previous *desired.Fleet) *desired.Fleet {
	if previous == nil {
		return nil
	}
	gone := &desired.Fleet{Spec: fleet.Spec}
	for _, r := range previous.Resources {
		if r.ID.Kind() == desired.KindEdge && fleet.Resource(r.ID) == nil {
			gone.Resources = append(gone.Resources, r)
		}
	}
	if gone.Resources == nil {
		return nil
	}
	return gone
}
