package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// defaultMaxPacks is when the clone is made afresh: each fetch adds a pack, and
// go-git never joins them.
const defaultMaxPacks = 100

const acceptedRef = plumbing.ReferenceName("refs/berth/accepted")

// Fetch returns the newest commit of the branch, with all its objects in the
// clone. It costs one request when there is nothing new, and two when there is.
//
// It fails with a FetchError, whose Kind says what is wrong; with a
// RewrittenError or an UntrustedError; with a SourceChangedError before any request is
// made; or with the
// context's error. The accepted commit stays readable whatever happens.
func (r *Repo) Fetch(ctx context.Context) (Commit, error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	r.mu.Lock()
	err := r.sourceChanged()
	r.mu.Unlock()
	if err != nil {
		return Commit{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.maxFetch, fmt.Errorf("%w: the fetch was not done after %s", ErrUnreachable, r.maxFetch))
	defer cancel()
	from, err := r.remote.open()
	if err != nil {
		return Commit{}, r.explain(err)
	}
	defer from.close()
	tip, err := from.tip(ctx)
	if err != nil {
		return Commit{}, r.explain(err)
	}
	c, err := r.take(ctx, from, tip)
	if r.broken(ctx, err) && r.hopeless != tip {
		// History that nobody had looked at was damaged: a fresh clone now, not at the next turn.
		if c, err = r.take(ctx, from, tip); r.broken(ctx, err) {
			r.hopeless = tip
		}
	}
	if err != nil {
		return Commit{}, r.explain(err)
	}
	return c, nil
}

// take brings the commit into the clone and judges its history. The caller holds fetching.
func (r *Repo) take(ctx context.Context, from session, tip plumbing.Hash) (Commit, error) {
	if err := r.bring(ctx, from, tip); err != nil {
		return Commit{}, err
	}
	c, doubtful, err := r.look(ctx, tip)
	// A tag may have come for a commit that was refused, and one may have gone.
	if len(doubtful) > 0 && r.source.Verify.Tags {
		changed, tagErr := r.bringTags(ctx, from, doubtful)
		if tagErr != nil {
			return Commit{}, tagErr
		}
		if changed {
			c, _, err = r.look(ctx, tip)
		}
	}
	return c, err
}

// look judges a commit that is in the clone, and its history. doubtful are the commits that
// only tags can vouch for. The caller holds fetching.
func (r *Repo) look(ctx context.Context, tip plumbing.Hash) (c Commit, doubtful []plumbing.Hash, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err = readCommit(r.store, tip)
	if err == nil {
		c.Path = r.source.Path
		if err = r.follows(ctx, c); err == nil {
			doubtful, err = r.proven(ctx, c)
		}
	}
	if err != nil {
		r.suspect(err)
		return Commit{}, doubtful, err
	}
	r.noteRewrite(ctx, c)
	return c, doubtful, nil
}

// broken reports whether a fetch failed for damage of the clone, which a fresh one may repair.
func (r *Repo) broken(ctx context.Context, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fetch *FetchError
	return err != nil && r.damaged != nil && ctx.Err() == nil && !errors.As(err, &fetch)
}

// explain names the source in errors that do not yet.
func (r *Repo) explain(err error) error {
	var fetch *FetchError
	if errors.As(err, &fetch) || errors.Is(err, ErrRewritten) || errors.Is(err, ErrUntrusted) {
		return err
	}
	return fmt.Errorf("fetch %s branch %s: %w", r.source.URL, r.source.Branch, r.roomFor(err))
}

// roomFor adds to the error of a full disk what to do about it.
func (r *Repo) roomFor(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: free some space for %s", err, r.dir)
	}
	return err
}

// noteRewrite logs, once, an allowed rewriting of history. The caller holds both locks.
func (r *Repo) noteRewrite(ctx context.Context, tip Commit) {
	base, ok := r.base()
	hash := plumbing.NewHash(tip.Hash)
	if !ok || !r.source.AllowRewrite || base.Hash == tip.Hash || r.warned == hash {
		return
	}
	if contains, err := isAncestor(ctx, r.store, plumbing.NewHash(base.Hash), hash); err == nil && !contains {
		r.warned = hash
		r.log.WarnContext(ctx, "history was rewritten, which the settings allow", slog.String("accepted", base.Hash), slog.String("tip", tip.Hash))
	}
}

// suspect notes that the clone is damaged if an error from reading it says so. The caller holds mu.
func (r *Repo) suspect(err error) {
	var content contentError
	switch {
	case err == nil, errors.Is(err, ErrRewritten), errors.Is(err, ErrUntrusted), errors.As(err, &content), isLocal(err),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	default:
		r.damaged = err
	}
}

// bring gets the commit into the clone, whole. The caller holds fetching.
func (r *Repo) bring(ctx context.Context, from session, tip plumbing.Hash) error {
	r.mu.Lock()
	damaged, has := r.damaged, r.store.HasEncodedObject(tip) == nil
	r.mu.Unlock()
	if damaged == nil && has && r.checked == tip {
		return nil
	}
	if damaged == nil {
		err := r.extend(ctx, from, tip, has)
		r.mu.Lock()
		if err == nil {
			_, err = snapshot(ctx, r.store, tip)
			r.suspect(err)
		}
		damaged = r.damaged
		r.mu.Unlock()
		if err == nil {
			r.checked = tip
			return nil
		}
		if damaged == nil {
			return err
		}
	}
	if r.hopeless == tip {
		return fmt.Errorf("the commit is not whole in a fresh clone either: %w", damaged)
	}
	r.log.WarnContext(ctx, "the clone is damaged, making it afresh", slog.Any("reason", damaged))
	if err := r.refresh(ctx, from, tip); err != nil {
		return err
	}
	r.mu.Lock()
	_, err := snapshot(ctx, r.store, tip)
	r.suspect(err)
	r.mu.Unlock()
	if err != nil {
		r.hopeless = tip
		return fmt.Errorf("the commit is not whole in a fresh clone either: %w", err)
	}
	r.checked = tip
	return nil
}

// extend fetches into the clone what it lacks of the commit.
func (r *Repo) extend(ctx context.Context, from session, tip plumbing.Hash, has bool) error {
	if !has {
		found, err := packs(r.clone())
		if err != nil {
			return err
		}
		if len(found) >= r.maxPacks {
			r.log.DebugContext(ctx, "joining the clone's packs", slog.Int("packs", len(found)))
			return r.refresh(ctx, from, tip)
		}
		if err := r.pull(ctx, from, tip); err != nil {
			return err
		}
		r.log.InfoContext(ctx, "fetched", slog.String("url", r.source.URL), slog.String("branch", r.source.Branch), slog.String("commit", tip.String()))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return keepRef(r.store, r.tipRef(), tip)
}

// tipRef is where the branch was seen last.
func (r *Repo) tipRef() plumbing.ReferenceName {
	return plumbing.NewRemoteReferenceName("origin", r.source.Branch)
}

// pull fetches through a storage of its own, so that readers need not wait for the network.
func (r *Repo) pull(ctx context.Context, from session, tip plumbing.Hash) error {
	r.mu.Lock()
	var starts []plumbing.Hash
	if ref, err := r.store.Reference(r.tipRef()); err == nil {
		starts = append(starts, ref.Hash())
	}
	if r.accepted != nil {
		starts = append(starts, plumbing.NewHash(r.accepted.Commit.Hash))
	}
	haves := newest(r.store, starts...)
	r.mu.Unlock()
	bases := newBases()
	into := openStorageOver(r.clone(), bases)
	// Storing a pack reads all indexes first; a damaged one is not the server's fault.
	if err := into.HasEncodedObject(tip); err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.suspect(err)
		return fmt.Errorf("read the clone's indexes: %w", err)
	}
	if err := from.pull(ctx, []plumbing.Hash{tip}, haves, into); err != nil {
		return errors.Join(err, tidyPacks(r.clone()))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.store.Close()            // It was only read.
	r.store, r.bases = into, bases // It knows the new pack already.
	return nil
}

// refresh makes the clone anew and puts it in the place of the old one. The
// accepted commit, which the server may have forgotten, is carried over.
func (r *Repo) refresh(ctx context.Context, from session, tip plumbing.Hash) error {
	fresh := filepath.Join(r.dir, freshDir)
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove unfinished clone: %w", err)
	}
	if err := makeClone(fresh, r.source.Branch); err != nil {
		return err
	}
	store := openStorage(fresh)
	if err := from.pull(ctx, []plumbing.Hash{tip}, nil, store); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := keepRef(store, r.tipRef(), tip); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.carryOver(ctx, store); err != nil {
		return err
	}
	if err := swapClone(r.dir); err != nil {
		return err
	}
	_ = errors.Join(store.Close(), r.store.Close()) // What they wrote is closed already.
	r.bases = newBases()
	r.store, r.damaged = openStorageOver(r.clone(), r.bases), nil
	if err := os.RemoveAll(filepath.Join(r.dir, oldDir)); err != nil {
		r.log.WarnContext(ctx, "cannot remove the replaced clone", slog.Any("error", err))
	}
	return nil
}

// carryOver brings the accepted commit into the fresh clone if the server did
// not: with its history, or else with its files alone. If not even these can be
// read any more, that is logged, as the agent is better off with what there is.
// The caller holds mu.
func (r *Repo) carryOver(ctx context.Context, fresh *filesystem.Storage) error {
	if r.accepted == nil {
		return nil
	}
	accepted := plumbing.NewHash(r.accepted.Commit.Hash)
	if fresh.HasEncodedObject(accepted) != nil {
		old := openStorage(r.clone())
		defer func() { _ = old.Close() }()
		err := copyObjects(ctx, old, []plumbing.Hash{accepted}, nil, fresh)
		if err != nil && ctx.Err() == nil {
			var files []plumbing.Hash
			if files, err = snapshot(ctx, old, accepted); err == nil {
				err = send(ctx, old, files, fresh)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := tidyPacks(filepath.Join(r.dir, freshDir)); err != nil {
			return err
		}
		if err != nil {
			r.log.WarnContext(ctx, "the accepted commit is lost: the server no longer has it, and the clone is damaged",
				slog.String("commit", accepted.String()), slog.Any("reason", err))
			return nil
		}
	}
	return keepRef(fresh, acceptedRef, accepted)
}
