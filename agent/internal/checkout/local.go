package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/revlist"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// local reads a repository in a directory of this machine. go-git's own file
// transport runs the git program, which need not be there.
type local struct{ source Source }

func (l *local) open() (session, error) {
	named, err := l.source.dir()
	if err != nil {
		return nil, err
	}
	dir, err := gitDir(named)
	if err != nil {
		return nil, &FetchError{
			Source: l.source.id(), Kind: ErrNotFound, Detail: err.Error(),
			Remedy: "correct the directory in the settings",
		}
	}
	store := openStorage(dir)
	settings, err := store.Config()
	if err != nil {
		return nil, l.unreadable(fmt.Errorf("read its config: %w", err))
	}
	// Two storage formats that go-git would take for a broken repository.
	if settings.Raw != nil && settings.Raw.HasSection("extensions") {
		for _, option := range settings.Raw.Section("extensions").Options {
			key, value := strings.ToLower(option.Key), strings.ToLower(option.Value)
			if key == "objectformat" && value != "sha1" || key == "refstorage" && value != "files" {
				return nil, l.unreadable(fmt.Errorf("extensions.%s = %s is not supported", option.Key, option.Value))
			}
		}
	}
	return &localSession{local: l, store: store}, nil
}

func (l *local) close() {}

func (l *local) unreadable(err error) error {
	return &FetchError{
		Source: l.source.id(), Kind: ErrUnreachable, Detail: printable(err.Error()),
		Remedy: "check that the agent may read the directory and that it is a whole repository",
	}
}

// gitDir finds the repository that a directory is, or has in .git.
func gitDir(dir string) (string, error) {
	for _, candidate := range []string{filepath.Join(dir, ".git"), dir} {
		if info, err := os.Stat(candidate); err != nil || !info.IsDir() {
			continue
		}
		if info, err := os.Stat(filepath.Join(candidate, "objects")); err == nil && info.IsDir() {
			return candidate, nil
		}
	}
	if info, err := os.Stat(filepath.Join(dir, ".git")); err == nil && info.Mode().IsRegular() {
		return "", errors.New("it is a linked worktree or submodule; name the main repository's directory")
	}
	if _, err := os.Stat(dir); err != nil {
		return "", err
	}
	return "", errors.New("the directory is not a Git repository")
}

// openStorage opens a clone. One pack stays open, so that a thousand files of it are
// read without opening it a thousand times; what is read is read again only as the
// base of another object.
func openStorage(dir string) *filesystem.Storage { return openStorageOver(dir, newBases()) }

// newBases makes room for the objects that were read last.
func newBases() *cache.ObjectLRU { return cache.NewObjectLRU(8 * cache.MiByte) }

func openStorageOver(dir string, bases *cache.ObjectLRU) *filesystem.Storage {
	plain := osfs.New(dir)
	return filesystem.NewStorageWithOptions(files{plain, dir}, bases, filesystem.Options{
		MaxOpenDescriptors: 1,
		AlternatesFS:       plain, // go-git knows its paths by its type.
	})
}

type localSession struct {
	*local
	store *filesystem.Storage
}

func (s *localSession) tip(ctx context.Context) (plumbing.Hash, error) {
	if err := ctx.Err(); err != nil {
		return plumbing.ZeroHash, err
	}
	if s.source.anyRef {
		return s.refTip(ctx)
	}
	ref, err := storer.ResolveReference(s.store, plumbing.NewBranchReferenceName(s.source.Branch))
	if err == nil {
		return ref.Hash(), nil
	}
	if !errors.Is(err, plumbing.ErrReferenceNotFound) {
		return plumbing.ZeroHash, s.unreadable(err)
	}
	refs, err := s.store.IterReferences()
	if err != nil {
		return plumbing.ZeroHash, s.unreadable(err)
	}
	var names []string
	if err := refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference {
			names = append(names, ref.Name().String())
		}
		return nil
	}); err != nil {
		return plumbing.ZeroHash, s.unreadable(err)
	}
	if len(names) == 0 {
		return plumbing.ZeroHash, &FetchError{
			Source: s.source.id(), Kind: ErrEmpty,
			Remedy: "commit to the branch first",
		}
	}
	return plumbing.ZeroHash, noBranch(s.source, names)
}

func (s *localSession) pull(ctx context.Context, wants, haves []plumbing.Hash, into storer.Storer) error {
	err := copyObjects(ctx, s.store, wants, haves, into)
	if err == nil || ctx.Err() != nil || isLocal(err) || isContent(err) {
		return err
	}
	return s.unreadable(err)
}

func (s *localSession) close() { _ = s.store.Close() }

// copyObjects carries commits or tags with all that they need from one storage to another
// that has the haves.
func copyObjects(ctx context.Context, from storer.EncodedObjectStorer, wants, haves []plumbing.Hash, into storer.Storer) error {
	var common []plumbing.Hash
	for _, have := range haves {
		if from.HasEncodedObject(have) == nil {
			common = append(common, have)
		}
	}
	known, err := revlist.Objects(from, common, nil)
	if err != nil {
		return fmt.Errorf("list known objects: %w", err)
	}
	objects, err := revlist.Objects(from, wants, known)
	if err != nil {
		return fmt.Errorf("list objects of %s: %w", wants, err)
	}
	return send(ctx, from, objects, into)
}

// send carries objects from one storage to another, as a pack.
func send(ctx context.Context, from storer.EncodedObjectStorer, objects []plumbing.Hash, into storer.Storer) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("copy objects: %w", err)
	}
	pr, pw := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = pw.CloseWithError(ctx.Err()) })
	defer stop()
	encoded := make(chan struct{})
	go func() {
		defer close(encoded)
		_ = pw.CloseWithError(writePack(pw, from, objects)) // CloseWithError never fails.
	}()
	err := defaultUnfolds().store(into, pr)
	_ = pr.Close() // Frees the encoder if the storage gave up first.
	<-encoded
	if err != nil {
		return fmt.Errorf("copy objects: %w", err)
	}
	return nil
}
