package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// Commit is one commit of the followed branch. Its texts come from whoever made
// it, cut to one printable line.
type Commit struct {
	Hash    string    `json:"hash"`    // All 40 hexadecimal digits.
	Subject string    `json:"subject"` // The first line of the message.
	Author  string    `json:"author"`  // The author's name.
	Time    time.Time `json:"time"`    // When it was committed, by the committer's clock; UTC.
	Path    string    `json:"path"`    // The folder of the manifests when it was fetched; "." for all.
}

// Short abbreviates the hash for people.
func (c Commit) Short() string { return c.Hash[:min(7, len(c.Hash))] }

func readCommit(store storer.EncodedObjectStorer, hash plumbing.Hash) (Commit, error) {
	c, err := object.GetCommit(store, hash)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", hash, err)
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	return Commit{
		Hash: hash.String(), Subject: printable(subject), Author: printable(c.Author.Name),
		Time: c.Committer.When.UTC().Truncate(time.Second),
	}, nil
}

// Parent gives the commit that one was built upon, the first of several; ok is false
// for a first one. A commit that was carried over without its history has a parent
// that can't be read, which is an error and no damage.
func (r *Repo) Parent(ctx context.Context, c Commit) (parent Commit, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return Commit{}, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	child, err := object.GetCommit(r.store, plumbing.NewHash(c.Hash))
	if err != nil {
		return Commit{}, false, fmt.Errorf("read commit %s: %w", c.Short(), err)
	}
	if len(child.ParentHashes) == 0 {
		return Commit{}, false, nil
	}
	parent, err = readCommit(r.store, child.ParentHashes[0])
	if err != nil {
		return Commit{}, false, err
	}
	parent.Path = c.Path
	return parent, true, nil
}

// isAncestor reports whether a commit is another one or in its history.
func isAncestor(ctx context.Context, store storer.EncodedObjectStorer, old, tip plumbing.Hash) (bool, error) {
	start, err := object.GetCommit(store, tip)
	if err != nil {
		return false, fmt.Errorf("read commit %s: %w", tip, err)
	}
	history := object.NewCommitPreorderIter(start, nil, nil)
	defer history.Close()
	for {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("read history: %w", err)
		}
		c, err := history.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read history of %s: %w", tip, err)
		}
		if c.Hash == old {
			return true, nil
		}
	}
}

// maxHaves is how many commits of ours the server is told: it needs one that it
// knows, which is the newest unless history was rewritten.
const maxHaves = 100

// newest returns commits that the clone has, newest first, from each of the starts on.
func newest(store storer.EncodedObjectStorer, starts ...plumbing.Hash) []plumbing.Hash {
	var haves []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for _, start := range starts {
		c, err := object.GetCommit(store, start)
		if err != nil {
			continue // It is not here, so it is no have.
		}
		left := maxHaves
		// An unreadable parent ends the walk early; a shorter list only makes the fetch larger.
		_ = object.NewCommitPreorderIter(c, seen, nil).ForEach(func(c *object.Commit) error {
			seen[c.Hash] = true
			haves = append(haves, c.Hash)
			if left--; left == 0 {
				return storer.ErrStop
			}
			return nil
		})
	}
	return haves
}

// snapshot lists a commit, its trees and its files, and none of its history. It
// reads the trees, and fails if any of the objects is not there.
func snapshot(ctx context.Context, store storer.EncodedObjectStorer, hash plumbing.Hash) ([]plumbing.Hash, error) {
	c, err := object.GetCommit(store, hash)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	all := []plumbing.Hash{hash}
	seen := map[plumbing.Hash]bool{}
	left := []plumbing.Hash{c.TreeHash}
	for len(left) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read tree: %w", err)
		}
		next := left[len(left)-1]
		left = left[:len(left)-1]
		if seen[next] {
			continue
		}
		seen[next] = true
		tree, err := object.GetTree(store, next)
		if err != nil {
			return nil, fmt.Errorf("read tree %s: %w", next, err)
		}
		all = append(all, next)
		for _, entry := range tree.Entries {
			if entry.Mode == filemode.Dir {
				left = append(left, entry.Hash)
				continue
			}
			if entry.Mode == filemode.Submodule || seen[entry.Hash] {
				continue // A submodule's commit is in another repository.
			}
			if err := store.HasEncodedObject(entry.Hash); err != nil {
				return nil, fmt.Errorf("look up file %s: %w", printable(entry.Name), err)
			}
			seen[entry.Hash] = true
			all = append(all, entry.Hash)
		}
	}
	return all, nil
}
