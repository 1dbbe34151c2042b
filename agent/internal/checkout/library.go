package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Library holds repositories besides the one that is followed: those that
// manifests take playbooks from. Each has a clone, which all its branches, tags and
// commits share.
type Library struct {
	o LibraryOptions

	mu      sync.Mutex
	shelves map[string]*shelf // By canonical URL.
}

// LibraryOptions are what a library is made with.
type LibraryOptions struct {
	// Dir holds the clones, and nothing else.
	Dir string
	// KnownHosts and Learn are as in [SSH], CAFile and Timeout as in [Source].
	KnownHosts string
	Learn      bool
	CAFile     string
	Timeout    time.Duration
	Log        *slog.Logger
}

// Other names a state of a repository of a library.
type Other struct {
	// URL is as in [Source], save that a directory is named whole.
	URL string
	// Ref is a branch, a tag or a commit's 40 hexadecimal digits; refs/heads/x and
	// refs/tags/x are told apart where a branch and a tag have one name.
	Ref string
	// Key is the private key for an SSH address, and for an http(s) URL the token. The
	// zero value is none.
	Key Credential
}

const (
	// A repository of playbooks has more and larger files than one of manifests.
	otherMaxFile  = 32 << 20
	otherMaxTotal = 256 << 20
	// otherMaxFetch ends a fetch that trickles on: a turn waits for it.
	otherMaxFetch = 10 * time.Minute
	// unused is after how long a clone that nobody asked for is removed.
	unused = 30 * 24 * time.Hour
)

// shelf is one repository of a library.
type shelf struct {
	mu   sync.Mutex // Admits one at a time.
	repo *Repo
	// seen are the answers of this turn, by what was asked for.
	seen map[asked]answer
}

// asked is what an answer is to: a ref, and by whose key.
type asked struct{ ref, key string }

type answer struct {
	tree   fs.FS
	commit string
	err    error
}

// OpenLibrary touches no network. Clones that nobody has asked for in a month are
// removed.
func OpenLibrary(o LibraryOptions) (*Library, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of playbooks' repositories: %w", err)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of playbooks' repositories: %w", err)
	}
	for _, e := range entries {
		// A directory's time is that of its last use.
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > unused {
			if err := os.RemoveAll(filepath.Join(o.Dir, e.Name())); err != nil {
				o.Log.Warn("cannot remove an unused clone", slog.Any("error", err))
			}
		}
	}
	return &Library{o: o, shelves: make(map[string]*shelf)}, nil
}

// Turn begins a turn: until the next one each branch and tag is asked for once, and
// what could not be had then is not asked for again.
func (l *Library) Turn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shelves {
		s.mu.Lock()
		s.seen = make(map[asked]answer)
		s.mu.Unlock()
	}
}

// Close frees what is open. The library is not used afterwards.
func (l *Library) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shelves {
		s.mu.Lock()
		s.repo.Close()
		s.mu.Unlock()
	}
}

// Tree gives the files of a state of a repository, and the hash of its commit. What
// is not in the clone yet is fetched. It fails with an [OtherError] or with the
// context's error. The tree is good until the next turn, with the same limits as
// [Repo.Tree].
func (l *Library) Tree(ctx context.Context, o Other) (tree fs.FS, commit string, err error) {
	s, err := l.shelf(o)
	if err != nil {
		return nil, "", otherError(o, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	question := asked{o.Ref, o.Key.Name}
	known, ok := s.seen[question]
	if !ok {
		known.tree, known.commit, known.err = s.take(ctx, o, l.o)
		if known.err != nil && ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		s.seen[question] = known
	}
	if known.err != nil {
		return nil, "", otherError(o, known.err)
	}
	return known.tree, known.commit, nil
}

// shelf finds a repository's place, or makes it.
func (l *Library) shelf(o Other) (*shelf, error) {
	url, err := canonicalURL(o.URL)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.shelves[url]; s != nil {
		return s, nil
	}
	sum := sha256.Sum256([]byte(url))
	src, err := o.source(l.o)
	if err != nil {
		return nil, err
	}
	repo, err := Open(filepath.Join(l.o.Dir, hex.EncodeToString(sum[:8])), src, l.o.Log)
	if err != nil {
		return nil, err
	}
	repo.maxFetch = otherMaxFetch
	s := &shelf{repo: repo, seen: make(map[asked]answer)}
	l.shelves[url] = s
	return s, nil
}

// source is how a repository is reached for one state of it.
func (o Other) source(l LibraryOptions) (Source, error) {
	url, err := canonicalURL(o.URL)
	if err != nil {
		return Source{}, err
	}
	src := Source{URL: url, Branch: o.Ref, anyRef: true, Timeout: l.Timeout, MaxFile: otherMaxFile, MaxTotal: otherMaxTotal}
	switch {
	case src.local():
	case !src.ssh():
		src.CAFile, src.token = l.CAFile, o.Key
	case o.Key.Read == nil:
		return Source{}, errors.New("over SSH the agent shows a key of its own: write key: {secret: NAME} beside the URL, and let that key read the repository")
	default:
		src.SSH = &SSH{Key: o.Key, KnownHosts: l.KnownHosts, Learn: l.Learn}
	}
	return src.settle()
}

// take brings a state into the clone and opens its tree. The caller holds mu.
func (s *shelf) take(ctx context.Context, o Other, l LibraryOptions) (fs.FS, string, error) {
	src, err := o.source(l)
	if err != nil {
		return nil, "", err
	}
	s.repo.turnTo(src)
	if err := os.Chtimes(s.repo.dir, time.Time{}, time.Now()); err != nil {
		return nil, "", fmt.Errorf("note the use of the clone: %w", err)
	}
	c, ok := s.repo.held(ctx, o.Ref)
	if !ok {
		if c, err = s.repo.Fetch(ctx); err != nil {
			return nil, "", err
		}
	}
	tree, err := s.repo.Tree(ctx, c)
	return tree, c.Hash, err
}

// turnTo makes a repository of a library fetch another state of itself.
func (r *Repo) turnTo(src Source) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remote.close()
	r.source, r.remote = src, newRemote(src, r.log)
}

// held finds a commit that is named by its hash in the clone, whole: nobody need be
// asked for it.
func (r *Repo) held(ctx context.Context, ref string) (Commit, bool) {
	if !plumbing.IsHash(ref) {
		return Commit{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	hash := plumbing.NewHash(ref)
	if r.damaged != nil || r.store.HasEncodedObject(hash) != nil {
		return Commit{}, false
	}
	c, err := readCommit(r.store, hash)
	if err == nil {
		_, err = snapshot(ctx, r.store, hash)
	}
	if err != nil {
		r.suspect(err)
		return Commit{}, false
	}
	c.Path = r.source.Path
	return c, true
}

// OtherError says which repository of playbooks can't be had, why, and what to do. It
// never holds a credential.
type OtherError struct {
	// URL is "" where it is none.
	URL, Ref string
	// Kind is one of the errors of a fetch, as [ErrUnreachable]; nil for any other.
	Kind error
	text string
}

// Error is for people.
func (e *OtherError) Error() string { return e.text }

// Unwrap yields the kind alone.
func (e *OtherError) Unwrap() error { return e.Kind }

// otherError puts an error into the words of the manifests, whose writers know no
// settings of the agent.
func otherError(o Other, err error) error {
	out := &OtherError{Ref: o.Ref}
	at := "at " + printable(o.Ref)
	// What is no address may hold a password.
	if url, err := canonicalURL(o.URL); err == nil {
		out.URL = url
		at = url + " " + at
	}
	fetch, ok := errors.AsType[*FetchError](err)
	if !ok {
		out.text = fmt.Sprintf("fetch %s: %v", at, err)
		return out
	}
	out.Kind = fetch.Kind
	what, remedy := fetch.Kind.Error(), fetch.Remedy
	switch {
	case errors.Is(fetch.Kind, ErrBranch):
		what, remedy = "no such branch, tag or commit", refRemedy(o.Ref, "correct ref, or push it")
	case errors.Is(fetch.Kind, ErrEmpty):
		remedy = "push a first commit"
	case errors.Is(fetch.Kind, ErrAuth) && o.Key.Read == nil:
		remedy = "write key: {secret: NAME} beside the URL, a token that may read the repository"
	case errors.Is(fetch.Kind, ErrAuth):
		remedy = "let " + o.Key.Name + ", which key names, read the repository"
	case strings.Contains(fetch.Detail, "not our ref"):
		remedy = "the commit is not there, or the server gives none by its hash: name a branch or tag that is at it"
	case errors.Is(fetch.Kind, ErrHostKey), errors.Is(fetch.Kind, ErrUnreachable):
	default:
		remedy = "check the URL, and what key may read: servers answer the same where it may not"
	}
	out.text = fmt.Sprintf("fetch %s: %s", at, what)
	if fetch.Detail != "" {
		out.text += ": " + fetch.Detail
	}
	if remedy != "" {
		out.text += "; " + remedy
	}
	return out
}
