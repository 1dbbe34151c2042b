package checkout

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// refTip finds the commit that a source's branch, tag or commit is. refs are the
// references of a server, and peeled the commits of its annotated tags.
func refTip(source Source, refs, peeled map[string]plumbing.Hash) (plumbing.Hash, error) {
	ref := source.Branch
	found := map[string]plumbing.Hash{}
	for _, name := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		hash, ok := refs[name]
		usual := strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")
		if !ok || !usual && (!source.anyName || !strings.HasPrefix(name, "refs/")) {
			continue
		}
		if commit, annotated := peeled[name]; annotated {
			hash = commit
		}
		found[name] = hash
	}
	branch, tag := found["refs/heads/"+ref], found["refs/tags/"+ref]
	switch {
	case len(found) == 2 && branch != tag:
		return plumbing.ZeroHash, &FetchError{
			Source: source.id(), Kind: ErrBranch, Detail: "a branch and a tag have this name, and differ",
			Remedy: "write refs/heads/" + ref + " or refs/tags/" + ref,
		}
	case len(found) > 0:
		for _, hash := range found {
			return hash, nil
		}
	case plumbing.IsHash(ref):
		// Servers tell commits that no name leads to at once as well, most of them.
		return plumbing.NewHash(ref), nil
	}
	return plumbing.ZeroHash, noRef(source, refs)
}

// maxNames is how many names an error tells.
const maxNames = 8

func noRef(source Source, refs map[string]plumbing.Hash) error {
	var names []string
	for ref := range refs {
		if name := plumbing.ReferenceName(ref); name.IsBranch() || name.IsTag() {
			names = append(names, name.Short())
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	detail := "it has no branches and no tags"
	if n := len(names); n > maxNames {
		detail = fmt.Sprintf("it has %d, among them %s", n, strings.Join(names[n-maxNames:], ", "))
	} else if n > 0 {
		detail = "it has " + strings.Join(names, ", ")
	}
	return &FetchError{Source: source.id(), Kind: ErrBranch, Detail: printable(detail), Remedy: refRemedy(source.Branch, "correct its name, or push it")}
}

// refRemedy says what to do about a name that is none, which may be the beginning of a
// hash: no server finds a commit by that.
func refRemedy(ref, other string) string {
	const fewest = 7
	if len(ref) >= fewest && len(ref) < len(plumbing.ZeroHash.String()) && strings.Trim(ref, "0123456789abcdef") == "" {
		return "a commit is named by all 40 digits of its hash"
	}
	return other
}

// refTip is the same for a directory of this machine.
func (s *localSession) refTip(ctx context.Context) (plumbing.Hash, error) {
	refs, peeled := map[string]plumbing.Hash{}, map[string]plumbing.Hash{}
	iter, err := s.store.IterReferences()
	if err != nil {
		return plumbing.ZeroHash, s.unreadable(err)
	}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		name := ref.Name().String()
		refs[name] = ref.Hash()
		if commit, annotated := taggedCommit(s.store, ref.Hash()); annotated {
			peeled[name] = commit
		}
		return nil
	})
	if err != nil {
		return plumbing.ZeroHash, s.unreadable(err)
	}
	tip, err := refTip(s.source, refs, peeled)
	if err == nil && s.store.HasEncodedObject(tip) != nil {
		err = noRef(s.source, refs)
	}
	return tip, err
}

// taggedCommit is the commit of an annotated tag.
func taggedCommit(store storer.EncodedObjectStorer, hash plumbing.Hash) (commit plumbing.Hash, annotated bool) {
	for range maxDepth { // A tag may be of a tag.
		tag, err := object.GetTag(store, hash)
		if err != nil {
			return hash, annotated
		}
		hash, annotated = tag.Target, true
	}
	return hash, annotated
}

// advertisedFor is what a server is asked for to get a commit. Over SSH it gives only
// what it has named, and that is, of an annotated tag's commit, the tag.
func advertisedFor(refs, peeled map[string]plumbing.Hash, commit plumbing.Hash) plumbing.Hash {
	for _, hash := range refs {
		if hash == commit {
			return commit
		}
	}
	for name, hash := range peeled {
		if tag, ok := refs[name]; ok && hash == commit {
			return tag
		}
	}
	return commit
}
