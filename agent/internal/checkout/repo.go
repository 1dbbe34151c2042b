// Package checkout follows one branch of a Git repository: it fetches the newest
// commit, refuses rewritten history, remembers the commit that was accepted last,
// and gives a commit's files to read without ever writing them to disk.
// A [Library] holds other repositories, which manifests take playbooks from.
package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

const defaultMaxFetch = 30 * time.Minute

// remote is where commits come from.
type remote interface {
	open() (session, error)
	close()
}

// session is one fetch: tip first, then pull a few times at most, then close.
type session interface {
	tip(ctx context.Context) (plumbing.Hash, error)
	// tags lists the tags on some commits, as they were when tip was asked for.
	tags(ctx context.Context, on map[plumbing.Hash]bool) ([]tagRef, error)
	pull(ctx context.Context, wants, haves []plumbing.Hash, into storer.Storer) error
	close()
}

// Repo is a followed repository with its clone on disk. Its methods may be called
// from several goroutines; a running Fetch does not hold the others up.
type Repo struct {
	dir    string
	source Source
	log    *slog.Logger
	remote remote

	maxPacks    int           // Fixed before the first Fetch, as are:
	maxProposed int64         // How many bytes proposals leave in the clone before it is made anew.
	maxFetch    time.Duration // When a fetch that trickles on for ever is ended.

	// fetching admits one Fetch at a time, and guards checked, hopeless and warned.
	fetching sync.Mutex
	// proposedBytes are what proposals have left in the clone; fetching guards them, too.
	proposedBytes int64
	checked       plumbing.Hash // The tip whose commit and trees were found whole.
	hopeless      plumbing.Hash // The tip that not even a fresh clone could make whole.
	warned        plumbing.Hash // The tip whose rewritten history was logged.

	// mu guards what follows. go-git's storage is not safe for concurrent use.
	mu          sync.Mutex
	store       *filesystem.Storage
	bases       *cache.ObjectLRU // What was read of store last; see treeFS.Rest.
	damaged     error            // Why the clone must be made afresh; nil while it is whole.
	accepted    *record
	takesSource bool // AcceptSource was called for the configured source.
	judged      judged
	tags        map[plumbing.Hash]tagsOn // What is known of those on commits that are in doubt.
}

// Open prepares the clone in dir, which belongs to this Repo alone, and does not touch the
// network. What a killed process left behind is removed; damage is noted, and
// repaired by the next Fetch. It fails for settings that cannot work and for a
// record of the accepted commit that cannot be understood.
func Open(dir string, src Source, log *slog.Logger) (*Repo, error) {
	src, err := src.settle()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make clone directory: %w", err)
	}
	accepted, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	if err := recoverClone(dir, src.Branch); err != nil {
		return nil, err
	}
	r := &Repo{dir: dir, source: src, log: log, accepted: accepted, maxPacks: defaultMaxPacks, maxProposed: defaultMaxProposed, maxFetch: defaultMaxFetch}
	r.remote = newRemote(src, log)
	if src.exposesToken() {
		log.Warn("the token travels unencrypted; use an https URL", slog.String("url", src.URL))
	}
	if err := tidyPacks(r.clone()); err != nil {
		r.damaged = err
	} else if err := verifyClone(r.clone()); err != nil {
		r.damaged = err
	}
	r.bases = newBases()
	r.store = openStorageOver(r.clone(), r.bases)
	return r, nil
}

// newRemote reaches a source in its own way.
func newRemote(src Source, log *slog.Logger) remote {
	switch {
	case src.local():
		return &local{source: src}
	case src.ssh():
		return &sshRemote{source: src, log: log}
	default:
		return &web{source: src}
	}
}

// Close frees the connections to the server and the clone's open files. The Repo is not used afterwards.
func (r *Repo) Close() {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	r.remote.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.store.Close() // It was only read.
}

func (r *Repo) clone() string { return filepath.Join(r.dir, cloneDir) }

// Source returns what is configured, in canonical form.
func (r *Repo) Source() ID { return r.source.id() }

// Accepted returns the commit that was accepted last, and whether there is one.
// It may be from another source than the configured one; its Path is where its
// manifests were then.
func (r *Repo) Accepted() (Commit, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accepted == nil {
		return Commit{}, false
	}
	return r.accepted.Commit, true
}

// AcceptSource confirms, until the process ends, that commits of the configured
// source may follow the accepted one of another. The next Accept makes it last.
func (r *Repo) AcceptSource() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takesSource = true
}

// sourceChanged reports an unconfirmed change of source. The caller holds mu.
func (r *Repo) sourceChanged() error {
	if r.accepted == nil || r.takesSource || r.accepted.Source == r.source.id() {
		return nil
	}
	return &SourceChangedError{Accepted: r.accepted.Source, Configured: r.source.id()}
}

// base returns the commit that the branch must still contain, if any. The caller holds mu.
func (r *Repo) base() (Commit, bool) {
	if r.accepted == nil || r.accepted.Source != r.source.id() {
		return Commit{}, false
	}
	return r.accepted.Commit, true
}

// Accept makes a fetched commit the one to go back to and to build upon. A
// commit that its predecessor is no ancestor of, or that is not signed as it must be, is
// refused, as by Fetch.
func (r *Repo) Accept(ctx context.Context, c Commit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.sourceChanged(); err != nil {
		return err
	}
	next := &record{Version: recordVersion, Source: r.source.id(), Commit: c}
	if r.accepted != nil && *r.accepted == *next {
		return nil
	}
	if !plumbing.IsHash(c.Hash) {
		return fmt.Errorf("accept commit %q: not a full commit hash", c.Hash)
	}
	if c.Path != r.source.Path {
		return fmt.Errorf("accept commit %s: it was fetched for path %s, and %s is configured", c.Short(), c.Path, r.source.Path)
	}
	if _, err := readCommit(r.store, plumbing.NewHash(c.Hash)); err != nil {
		return fmt.Errorf("accept commit %s: %w", c.Short(), err)
	}
	if err := r.follows(ctx, c); err != nil {
		return fmt.Errorf("accept commit %s: %w", c.Short(), err)
	}
	if _, err := r.proven(ctx, c); err != nil {
		return fmt.Errorf("accept commit %s: %w", c.Short(), err)
	}
	if err := keepRef(r.store, acceptedRef, plumbing.NewHash(c.Hash)); err != nil {
		return fmt.Errorf("accept commit %s: %w", c.Short(), r.roomFor(err))
	}
	if err := next.write(r.dir); err != nil {
		return fmt.Errorf("accept commit %s: %w", c.Short(), r.roomFor(err))
	}
	r.accepted, r.tags = next, nil
	return nil
}

// follows returns a RewrittenError unless the commit contains the one it must
// contain, or rewriting is allowed. The caller holds mu.
func (r *Repo) follows(ctx context.Context, c Commit) error {
	base, ok := r.base()
	if !ok || r.source.AllowRewrite || base.Hash == c.Hash {
		return nil
	}
	contains, err := isAncestor(ctx, r.store, plumbing.NewHash(base.Hash), plumbing.NewHash(c.Hash))
	if err != nil {
		return err
	}
	if !contains {
		return &RewrittenError{Source: r.source.id(), Accepted: base, Tip: c}
	}
	return nil
}
