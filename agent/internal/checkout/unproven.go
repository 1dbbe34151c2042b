package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// since lists the commits of tip's history that are not in base's, those that others
// were built upon before these, and tip in any case.
func since(ctx context.Context, store storer.EncodedObjectStorer, base, tip plumbing.Hash) ([]plumbing.Hash, error) {
	line, straight, err := straightLine(ctx, store, base, tip)
	if straight || err != nil {
		return line, err
	}
	known, err := history(ctx, store, base)
	if err != nil {
		return nil, err
	}
	var found []plumbing.Hash
	type step struct {
		hash plumbing.Hash
		// upon tells that all that it was built upon is listed.
		upon bool
	}
	left := []step{{hash: tip}}
	seen := map[plumbing.Hash]bool{}
	for len(left) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		next := left[len(left)-1]
		left = left[:len(left)-1]
		switch {
		case next.upon:
			found = append(found, next.hash)
			continue
		case seen[next.hash], known[next.hash] && next.hash != tip:
			continue
		}
		seen[next.hash] = true
		c, err := object.GetCommit(store, next.hash)
		if err != nil {
			return nil, fmt.Errorf("read commit %s: %w", next.hash, err)
		}
		left = append(left, step{next.hash, true})
		if known[next.hash] {
			continue // The tip itself, gone back to.
		}
		for _, parent := range slices.Backward(c.ParentHashes) {
			left = append(left, step{hash: parent})
		}
	}
	return found, nil
}

// straightLine lists the commits from base, which is left out, to tip, if each was built
// upon one other. Most pushes are, and base's own history need not be read for them.
func straightLine(ctx context.Context, store storer.EncodedObjectStorer, base, tip plumbing.Hash) (line []plumbing.Hash, straight bool, err error) {
	for next := tip; next != base; {
		if err := ctx.Err(); err != nil {
			return nil, false, fmt.Errorf("read history: %w", err)
		}
		c, err := object.GetCommit(store, next)
		if err != nil {
			return nil, false, fmt.Errorf("read commit %s: %w", next, err)
		}
		line = append(line, next)
		if len(c.ParentHashes) != 1 {
			return nil, false, nil
		}
		next = c.ParentHashes[0]
	}
	slices.Reverse(line)
	return line, true, nil
}

// history is a commit and all that it was built upon, as far as that is there: a commit
// that was carried over has left it behind.
func history(ctx context.Context, store storer.EncodedObjectStorer, from plumbing.Hash) (map[plumbing.Hash]bool, error) {
	known := map[plumbing.Hash]bool{from: true}
	left := []plumbing.Hash{from}
	for len(left) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		next := left[len(left)-1]
		left = left[:len(left)-1]
		c, err := object.GetCommit(store, next)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read commit %s: %w", next, err)
		}
		for _, parent := range c.ParentHashes {
			if !known[parent] {
				known[parent] = true
				left = append(left, parent)
			}
		}
	}
	return known, nil
}
