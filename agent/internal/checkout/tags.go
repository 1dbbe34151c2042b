package checkout

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Whoever may push, or runs the server, may put tags on a commit without end.
const (
	maxTagsOn  = 32       // Of one commit, by name.
	maxTags    = 128      // Of all commits together, those on the oldest first.
	maxTagSize = 64 << 10 // Of one, in bytes.
	maxTagPack = 16 << 20 // As they come, together.
	maxTold    = 3        // Of one commit, in an error.
)

// tagsDir is where tags are on their way, beside the clone.
const tagsDir = "tags.new"

// tagRef is a tag as a server tells of it.
type tagRef struct {
	name string // Without refs/tags/.
	// object is the tag, and commit what it is on in the end, the same for a lightweight one.
	object, commit plumbing.Hash
}

// tagsOn are the tags on a commit. The zero value is that there is none.
type tagsOn struct {
	told [sha256.Size]byte // Of what the server tells of them.
	all  []knownTag
	// plain is the name of a lightweight one, if any, and left how many of the others are
	// not looked at.
	plain string
	left  int
}

// knownTag is an annotated tag.
type knownTag struct {
	name string
	hash plumbing.Hash
	raw  []byte
	// missing is why raw is not there.
	missing string
}

// tagsFrom is what a server tells of one commit's.
func tagsFrom(told []tagRef) tagsOn {
	slices.SortFunc(told, func(a, b tagRef) int { return cmp.Compare(a.name, b.name) })
	on, sum := tagsOn{}, sha256.New()
	for _, t := range told {
		_, _ = fmt.Fprintf(sum, "%q %s\n", t.name, t.object) // A hash takes everything.
		switch {
		case t.object == t.commit:
			on.plain = cmp.Or(on.plain, t.name)
		case len(on.all) == maxTagsOn:
			on.left++
		default:
			on.all = append(on.all, knownTag{name: t.name, hash: t.object})
		}
	}
	on.told = [sha256.Size]byte(sum.Sum(nil))
	return on
}

// vouch finds the tag that vouches for a commit, or adds to what is doubted of the commit
// itself what is wrong with each. by is the tag's name.
func (o tagsOn) vouch(t *trust, commit plumbing.Hash, own *doubt) (by string, wrong *doubt) {
	out := *own
	out.tag = "git tag -s NAME " + commit.String()[:7]
	for i, tag := range o.all {
		tagger, wrong := "", &doubt{what: tag.missing}
		if tag.missing == "" {
			tagger, wrong = t.judgeTag(tag.raw, tag.name, commit)
		}
		if wrong == nil {
			return tag.name, nil
		}
		out.key, out.unknown = cmp.Or(out.key, wrong.key), cmp.Or(out.unknown, wrong.unknown)
		if i >= maxTold {
			continue
		}
		out.what += "; of its tag " + printable(tag.name)
		if tagger != "" {
			out.what += " by " + tagger
		}
		out.what += ": " + wrong.what
	}
	switch more := len(o.all) - maxTold; {
	case o.left > 0:
		out.what += fmt.Sprintf("; and %d more tags are on it, which are too many to be looked at: delete those that are not needed", o.left)
	case more > 0:
		out.what += fmt.Sprintf("; and so on, %d more", more)
	case len(o.all) > 0:
	case o.plain != "":
		out.what += ", and its tag " + printable(o.plain) + " is a lightweight one, which holds no signature"
	default:
		out.what += ", and no tag is on it"
	}
	return "", &out
}

// bringTags gets the tags on commits that are in doubt, the oldest first, and tells whether
// they are others than before. The caller holds fetching.
func (r *Repo) bringTags(ctx context.Context, from session, doubtful []plumbing.Hash) (changed bool, err error) {
	on := make(map[plumbing.Hash]bool, len(doubtful))
	for _, commit := range doubtful {
		on[commit] = true
	}
	told, err := from.tags(ctx, on)
	if err != nil {
		return false, err
	}
	by := map[plumbing.Hash][]tagRef{}
	for _, t := range told {
		by[t.commit] = append(by[t.commit], t)
	}
	r.mu.Lock()
	known := r.tags
	r.mu.Unlock()
	now, left := map[plumbing.Hash]tagsOn{}, maxTags
	var lacking []*knownTag
	var haves []plumbing.Hash
	for _, commit := range doubtful {
		here := tagsFrom(by[commit])
		before, ok := known[commit]
		switch {
		case ok && before.told == here.told:
			here = before
		case !ok && len(by[commit]) == 0:
			continue
		default:
			changed = true
			fit := min(len(here.all), left)
			here.all, here.left = here.all[:fit], here.left+len(here.all)-fit
			for i := range here.all {
				lacking = append(lacking, &here.all[i])
			}
			if fit > 0 {
				haves = append(haves, commit)
			}
		}
		left = max(left-len(here.all), 0)
		now[commit] = here
	}
	if !changed {
		return false, nil
	}
	if err := r.fetchTags(ctx, from, lacking, haves); err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// A turn may be about to accept what was judged before.
	for commit, tags := range r.tags {
		if n := len(tags.all); !on[commit] && n > 0 && n <= left {
			now[commit], left = tags, left-n
		}
	}
	r.tags, r.judged = now, judged{}
	return true, nil
}

// fetchTags reads tags of which the server has told, by a storage that is gone afterwards:
// once their commit is accepted nobody needs them.
func (r *Repo) fetchTags(ctx context.Context, from session, tags []*knownTag, haves []plumbing.Hash) (err error) {
	if len(tags) == 0 {
		return nil
	}
	dir := filepath.Join(r.dir, tagsDir)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove former tags: %w", err)
	}
	if err := makeClone(dir, r.source.Branch); err != nil {
		return err
	}
	store := openStorage(dir)
	defer func() {
		_ = store.Close() // It was only read.
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	wants := make([]plumbing.Hash, len(tags))
	for i, tag := range tags {
		wants[i] = tag.hash
	}
	into := &boundedStore{Storage: store, left: maxTagPack}
	err = from.pull(ctx, wants, haves, into)
	large := into.full || isContent(err)
	if err != nil && !large {
		return err
	}
	for _, tag := range tags {
		if large {
			tag.missing = "it is too large, or another on these commits is: delete that"
			continue
		}
		if tag.raw, tag.missing, err = readTag(store, tag.hash); err != nil {
			return err
		}
	}
	return nil
}

// readTag reads a tag as it is stored, or tells why there is none.
func readTag(store storer.EncodedObjectStorer, hash plumbing.Hash) (raw []byte, missing string, err error) {
	size, err := store.EncodedObjectSize(hash)
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, "the server has told of it, and not sent it", nil
	case err != nil:
		return nil, "", fmt.Errorf("read tag %s: %w", hash, err)
	case size > maxTagSize:
		return nil, fmt.Sprintf("it has more than %d KiB", maxTagSize>>10), nil
	}
	stored, err := store.EncodedObject(plumbing.TagObject, hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, "it is no tag, whatever the server says", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read tag %s: %w", hash, err)
	}
	from, err := stored.Reader()
	if err != nil {
		return nil, "", fmt.Errorf("read tag %s: %w", hash, err)
	}
	defer from.Close()
	if raw, err = io.ReadAll(from); err != nil {
		return nil, "", fmt.Errorf("read tag %s: %w", hash, err)
	}
	return raw, "", nil
}

// boundedStore takes packs up to a size.
type boundedStore struct {
	*filesystem.Storage
	left int64
	full bool
}

var errFull = errors.New("more tags than are taken")

// PackfileWriter implements storer.PackfileWriter.
func (b *boundedStore) PackfileWriter() (io.WriteCloser, error) {
	w, err := b.Storage.PackfileWriter()
	if err != nil {
		return nil, err
	}
	return &boundedPack{w, b}, nil
}

type boundedPack struct {
	io.WriteCloser
	of *boundedStore
}

// Write implements io.Writer.
func (b *boundedPack) Write(p []byte) (int, error) {
	if b.of.left -= int64(len(p)); b.of.left < 0 {
		b.of.full = true
		return 0, errFull
	}
	return b.WriteCloser.Write(p)
}

// tagName is the name of a tag, if a reference is one.
func tagName(ref string) (string, bool) { return strings.CutPrefix(ref, "refs/tags/") }
