package checkout

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // It is how Git marks its packs.
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	git "github.com/go-git/go-git/v5"
)

// The clone's directories below the repository's. Only cloneDir is there between
// fetches; freshDir is a clone in the making, and oldDir the one it takes the place of.
const (
	cloneDir = "clone"
	freshDir = "clone.new"
	oldDir   = "clone.old"
)

// recoverClone puts the directories right after a kill at any moment, and makes an
// empty clone if there is none.
func recoverClone(dir, branch string) error {
	clone, old := filepath.Join(dir, cloneDir), filepath.Join(dir, oldDir)
	for _, unfinished := range []string{freshDir, tagsDir} {
		if err := os.RemoveAll(filepath.Join(dir, unfinished)); err != nil {
			return fmt.Errorf("remove unfinished clone: %w", err)
		}
	}
	_, err := os.Stat(clone)
	if errors.Is(err, fs.ErrNotExist) {
		// Killed between the two renames of a swap: the old clone is still good for reading.
		if err := os.Rename(old, clone); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("restore clone: %w", err)
		}
		// A half-made empty clone would never be looked at again, so it appears whole.
		fresh := filepath.Join(dir, freshDir)
		if err := makeClone(fresh, branch); err != nil {
			return err
		}
		if err := os.Rename(fresh, clone); err != nil {
			return fmt.Errorf("make clone: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("open clone: %w", err)
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove replaced clone: %w", err)
	}
	return nil
}

// makeClone makes an empty bare repository.
func makeClone(dir, branch string) error {
	if err := os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o700); err != nil {
		return fmt.Errorf("make clone: %w", err)
	}
	_, err := git.InitWithOptions(openStorage(dir), nil, git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName(branch)})
	if err != nil {
		return fmt.Errorf("make clone: %w", err)
	}
	return nil
}

// swapClone puts the fresh clone in the place of the old one. What of the old
// one cannot be removed now is removed at the next start.
func swapClone(dir string) error {
	clone, old := filepath.Join(dir, cloneDir), filepath.Join(dir, oldDir)
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove replaced clone: %w", err)
	}
	if err := os.Rename(clone, old); err != nil {
		return fmt.Errorf("set damaged clone aside: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, freshDir), clone); err != nil {
		return errors.Join(fmt.Errorf("put fresh clone in place: %w", err), os.Rename(old, clone))
	}
	return nil
}

// tidyPacks removes what an interrupted fetch leaves behind, which go-git never does.
func tidyPacks(clone string) error {
	pack := filepath.Join(clone, "objects", "pack")
	entries, err := os.ReadDir(pack)
	if err != nil {
		return fmt.Errorf("tidy clone: %w", err)
	}
	have := map[string]bool{}
	for _, entry := range entries {
		have[entry.Name()] = true
	}
	for name := range have {
		base, isIndex := strings.CutSuffix(name, ".idx")
		// go-git writes the index before the pack has its name. One without a pack may be
		// half written, and go-git would keep it when the same pack comes again.
		if strings.HasPrefix(name, "tmp_pack_") || isIndex && !have[base+".pack"] {
			if err := os.Remove(filepath.Join(pack, name)); err != nil {
				return fmt.Errorf("tidy clone: %w", err)
			}
		}
	}
	return nil
}

// packs lists the clone's packs by their path without the ending.
func packs(clone string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(clone, "objects", "pack", "pack-*.pack"))
	if err != nil {
		return nil, fmt.Errorf("list packs: %w", err)
	}
	for i := range found {
		found[i] = strings.TrimSuffix(found[i], ".pack")
	}
	return found, nil
}

// verifyClone reads every pack and index once and compares their checksums: a file
// cut short by a power failure is found here, not in the middle of a turn.
func verifyClone(clone string) error {
	found, err := packs(clone)
	if err != nil {
		return err
	}
	for _, pack := range found {
		sum, err := verifyFile(pack + ".pack")
		if err != nil {
			return err
		}
		if filepath.Base(pack) != "pack-"+sum {
			return fmt.Errorf("verify %s: the checksum is %s", filepath.Base(pack)+".pack", sum)
		}
		if _, err := verifyFile(pack + ".idx"); err != nil {
			return err
		}
	}
	return nil
}

// verifyFile checks the SHA-1 that a pack or an index ends with, and returns it.
func verifyFile(name string) (sum string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("verify clone: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("verify clone: %w", err)
	}
	digest := sha1.New() //nolint:gosec // See above.
	if info.Size() < sha1.Size {
		return "", fmt.Errorf("verify %s: it is cut short", filepath.Base(name))
	}
	if _, err := io.CopyN(digest, f, info.Size()-sha1.Size); err != nil {
		return "", fmt.Errorf("verify %s: %w", filepath.Base(name), err)
	}
	trailer := make([]byte, sha1.Size)
	if _, err := io.ReadFull(f, trailer); err != nil {
		return "", fmt.Errorf("verify %s: %w", filepath.Base(name), err)
	}
	if !bytes.Equal(digest.Sum(nil), trailer) {
		return "", fmt.Errorf("verify %s: the checksum does not match", filepath.Base(name))
	}
	return hex.EncodeToString(trailer), nil
}

// keepRef names a commit in the clone. go-git itself never collects what is not
// named; the names keep it from a person's `git gc`, and are where the next
// fetch starts from. Nothing else relies on them.
func keepRef(store storer.ReferenceStorer, name plumbing.ReferenceName, commit plumbing.Hash) error {
	if err := store.SetReference(plumbing.NewHashReference(name, commit)); err != nil {
		return fmt.Errorf("name commit %s in the clone: %w", commit, err)
	}
	return nil
}

// isLocal reports whether an error comes from this machine's files rather than from what they hold.
func isLocal(err error) bool {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	return (errors.As(err, &pathErr) || errors.As(err, &linkErr) || errors.Is(err, syscall.ENOSPC)) &&
		!errors.Is(err, fs.ErrNotExist)
}
