package checkout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// How a proposed commit stands to the one that is enforced.
type How string

// The ways.
const (
	// Ahead is a commit that was built upon the one that is enforced.
	Ahead How = "ahead"
	// Merged is one that lacks some of what the other has; the files are those of both,
	// as a merge makes them.
	Merged How = "merged"
	// Older is one that the other was built upon: its files take back what came since.
	Older How = "older"
	// Apart is one that can't be merged by files alone, since both have changed the same
	// ones, or since they have no history in common. The files are its own: they take
	// back what came since on the other side.
	Apart How = "apart"
)

// Proposal is a commit that somebody proposes, as it would be on the branch.
type Proposal struct {
	Head, Onto Commit
	How        How
	// Both are files that both sides have changed, sorted; for Apart alone.
	Both  []string
	Files fs.FS
}

// Propose gives a branch, a tag, a full hash, or any reference by its full name, such as
// refs/pull/7/head, as it would be once it is merged onto a commit that the clone has.
// What the clone lacks of it is fetched; the accepted commit, and what Fetch gives, stay
// as they are. Nothing is judged: neither its signature nor its history.
func (r *Repo) Propose(ctx context.Context, ref string, onto Commit) (*Proposal, error) {
	hash, err := r.proposed(ctx, ref)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.propose(ctx, hash, onto)
	if err != nil {
		return nil, fmt.Errorf("read the proposed commit %s: %w", hash.String()[:7], err)
	}
	return p, nil
}

// proposed brings a commit into the clone.
func (r *Repo) proposed(ctx context.Context, ref string) (plumbing.Hash, error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	name := ref
	if !strings.HasPrefix(ref, "refs/") {
		name = "refs/heads/" + ref
	}
	if err := plumbing.ReferenceName(name).Validate(); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("commit %q: it is no name of a branch, a tag or a commit", ref)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.maxFetch, fmt.Errorf("%w: the fetch was not done after %s", ErrUnreachable, r.maxFetch))
	defer cancel()
	src := r.source
	src.Branch, src.anyRef, src.anyName = ref, true, true
	remote := newRemote(src, r.log)
	defer remote.close()
	from, err := remote.open()
	if err != nil {
		return plumbing.ZeroHash, r.explain(err)
	}
	defer from.close()
	if plumbing.IsHash(ref) && r.whole(ctx, plumbing.NewHash(ref)) {
		return plumbing.NewHash(ref), nil
	}
	tip, err := from.tip(ctx)
	if err != nil {
		return plumbing.ZeroHash, r.explain(err)
	}
	if r.whole(ctx, tip) {
		return tip, nil
	}
	if err := r.makeRoom(ctx); err != nil {
		return plumbing.ZeroHash, err
	}
	before := packBytes(r.clone())
	err = r.pull(ctx, from, tip)
	r.proposedBytes += max(packBytes(r.clone())-before, 0)
	if err != nil {
		return plumbing.ZeroHash, r.explain(err)
	}
	if !r.whole(ctx, tip) {
		return plumbing.ZeroHash, fmt.Errorf("fetch %s of %s: the server has sent only part of it: try again", ref, r.source.URL)
	}
	return tip, nil
}

// whole tells whether the clone has all files of a commit. What it lacks of somebody's
// proposal is no damage.
func (r *Repo) whole(ctx context.Context, hash plumbing.Hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := snapshot(ctx, r.store, hash)
	return err == nil
}

// defaultMaxProposed is what proposals may leave in the clone: one answer of a server may
// have 1 GiB, and as many come as somebody makes.
const defaultMaxProposed = 1 << 30

// packBytes is how large a clone's packs are together.
func packBytes(clone string) int64 {
	found, err := packs(clone)
	if err != nil {
		return 0
	}
	sum := int64(0)
	for _, pack := range found {
		if info, err := os.Stat(pack + ".pack"); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// makeRoom makes the clone anew, without what proposals have left in it, where it has
// too many packs, or too large ones. The caller holds fetching.
func (r *Repo) makeRoom(ctx context.Context) error {
	found, err := packs(r.clone())
	if err != nil || len(found) < r.maxPacks && r.proposedBytes < r.maxProposed {
		return err
	}
	from, err := r.remote.open()
	if err != nil {
		return r.explain(err)
	}
	defer from.close()
	tip, err := from.tip(ctx)
	if err != nil {
		return r.explain(err)
	}
	if err := r.refresh(ctx, from, tip); err != nil {
		return err
	}
	r.proposedBytes = 0
	return nil
}

// propose reads both sides. The caller holds mu.
func (r *Repo) propose(ctx context.Context, hash plumbing.Hash, onto Commit) (*Proposal, error) {
	head, err := readCommit(r.store, hash)
	if err != nil {
		return nil, err
	}
	head.Path = r.source.Path
	p := &Proposal{Head: head, Onto: onto, How: Ahead}
	base, err := r.common(ctx, p)
	if err != nil {
		return nil, err
	}
	tree, err := r.tree(ctx, head)
	if err != nil {
		return nil, err
	}
	p.Files = tree
	if base == nil {
		return p, nil
	}
	merging := merge{}
	var sides [2]*node
	for i, c := range []Commit{*base, onto} {
		c.Path = r.source.Path
		side, err := r.tree(ctx, c)
		switch {
		case err == nil:
			sides[i] = side.root
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	merged := merging.nodes(".", sides[0], sides[1], tree.root)
	if merging.both != nil || merged == nil {
		slices.Sort(merging.both)
		p.How, p.Both = Apart, merging.both
		return p, nil
	}
	tree.root = merged
	return p, nil
}

// common tells how the two stand to each other and, where they are to be merged, the
// commit that both were built upon. The caller holds mu.
func (r *Repo) common(ctx context.Context, p *Proposal) (*Commit, error) {
	head, onto := plumbing.NewHash(p.Head.Hash), plumbing.NewHash(p.Onto.Hash)
	if ahead, err := isAncestor(ctx, r.store, onto, head); err != nil || ahead {
		return nil, err
	}
	if older, err := isAncestor(ctx, r.store, head, onto); err != nil || older {
		p.How = Older
		return nil, err
	}
	ours, err := object.GetCommit(r.store, onto)
	if err != nil {
		return nil, err
	}
	theirs, err := object.GetCommit(r.store, head)
	if err != nil {
		return nil, err
	}
	bases, err := ours.MergeBase(theirs)
	if err != nil || len(bases) != 1 {
		// None, or several, of which git itself makes one first.
		p.How = Apart
		return nil, err
	}
	p.How = Merged
	base, err := readCommit(r.store, bases[0].Hash)
	return &base, err
}

// merge joins two trees that were made from one, file by file: what only one side has
// changed is as that side has it.
type merge struct {
	// both are the files that both have changed, otherwise.
	both []string
}

// nodes gives one entry of the merged tree; nil is none.
func (m *merge) nodes(name string, base, ours, theirs *node) *node {
	switch {
	case alike(base, theirs), alike(ours, theirs):
		return ours
	case alike(base, ours):
		return theirs
	}
	if !dir(ours) || !dir(theirs) || base != nil && !dir(base) {
		m.both = append(m.both, printable(name))
		return theirs
	}
	joined := &node{name: theirs.name, kind: theirs.kind}
	for _, child := range childNames(base, ours, theirs) {
		if one := m.nodes(path.Join(name, child), childOf(base, child), childOf(ours, child), childOf(theirs, child)); one != nil {
			joined.children = append(joined.children, one)
		}
	}
	return joined
}

func alike(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.kind == b.kind && a.hash == b.hash
}

func dir(n *node) bool { return n != nil && n.kind == fs.ModeDir }

func childOf(n *node, name string) *node {
	if n == nil {
		return nil
	}
	return n.child(name)
}

// childNames are the names in any of the folders, sorted.
func childNames(all ...*node) []string {
	var names []string
	for _, n := range all {
		if n == nil {
			continue
		}
		for _, child := range n.children {
			names = append(names, child.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
