package turn

import (
	"context"
	"slices"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// observe asks all appliers at once, but for those who follow others: these come after
// them, and are told what was found. One that can say nothing makes its own kinds
// unknown, and no others. An edge that is gone from the manifests is looked for where
// it was: nothing but its former manifest tells where.
func observe(ctx context.Context, all []applyers.Applyer, fleet, previous *desired.Fleet, scope applyers.Scope) drift.Observed {
	var first, then []applyers.Applyer
	for _, a := range all {
		if _, follows := a.(applyers.Follower); follows {
			then = append(then, a)
		} else {
			first = append(first, a)
		}
	}
	sum := together(ctx, first, fleet, scope)
	scope.Others = sum
	sum.Add(together(ctx, then, fleet, scope))
	for _, a := range all {
		if gone := goneEdges(fleet, previous); gone != nil && slices.Contains(a.Kinds(), desired.KindEdge) {
			sum.Add(left(ctx, a, gone, sum))
		}
		sum.Notes = append(sum.Notes, untagged(ctx, a, fleet, previous, sum)...)
	}
	return sum
}

// together asks some appliers at once.
func together(ctx context.Context, all []applyers.Applyer, fleet *desired.Fleet, scope applyers.Scope) drift.Observed {
	found := make([]drift.Observed, len(all))
	done := make(chan struct{})
	for i, a := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			var err error
			if found[i], err = a.Observe(ctx, fleet, scope); err != nil {
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
	return sum
}

// left is what stands of edges that are gone from the manifests.
func left(ctx context.Context, a applyers.Applyer, gone *desired.Fleet, others drift.Observed) drift.Observed {
	found, err := a.Observe(ctx, gone, applyers.Scope{Others: others})
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
	var gone, rest []*desired.Resource
	for _, r := range previous.Resources {
		if r.ID.Kind() == desired.KindEdge && fleet.Resource(r.ID) == nil {
			gone = append(gone, r)
		}
	}
	if gone == nil {
		return nil
	}
	// Where they are is known from the guests.
	for _, r := range fleet.Resources {
		if r.ID.Kind() != desired.KindEdge {
			rest = append(rest, r)
		}
	}
	return fleet.Of(append(rest, gone...))
}
