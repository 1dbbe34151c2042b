package checkout

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// toldTags lists the tags on some commits that a server tells of: of an annotated tag it
// says what that is on in the end.
func toldTags(refs *packp.AdvRefs, on map[plumbing.Hash]bool) []tagRef {
	var found []tagRef
	for ref, hash := range refs.References {
		name, isTag := tagName(ref)
		if !isTag {
			continue
		}
		commit, annotated := refs.Peeled[ref]
		if !annotated {
			commit = hash
		}
		if on[commit] {
			found = append(found, tagRef{name, hash, commit})
		}
	}
	return found
}

// tags lists the tags on some commits; those that are larger than is looked at are not
// among them.
func (s *localSession) tags(ctx context.Context, on map[plumbing.Hash]bool) ([]tagRef, error) {
	refs, err := s.store.IterReferences()
	if err != nil {
		return nil, s.unreadable(err)
	}
	var found []tagRef
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, isTag := tagName(ref.Name().String())
		if !isTag || ref.Type() != plumbing.HashReference {
			return nil
		}
		if commit := s.tagged(ref.Hash(), on); on[commit] {
			found = append(found, tagRef{name, ref.Hash(), commit})
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, s.unreadable(err)
	}
	return found, nil
}

// tagged is what a tag is on in the end, or the first of some commits that it leads to.
func (s *localSession) tagged(hash plumbing.Hash, on map[plumbing.Hash]bool) plumbing.Hash {
	for range maxDepth { // A tag may be of a tag.
		if on[hash] {
			break
		}
		if size, err := s.store.EncodedObjectSize(hash); err != nil || size > maxTagSize {
			break
		}
		tag, err := object.GetTag(s.store, hash)
		if err != nil {
			break // It is none.
		}
		hash = tag.Target
	}
	return hash
}
