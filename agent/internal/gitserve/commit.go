package gitserve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Commit adds one commit to DefaultBranch and returns its hash: each file is written
// with its content, or deleted where that is nil. Files not named stay as they are.
// It is the server's own doing and calls no OnPush.
func (s *Server) Commit(files map[string]*string, message string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	branch := plumbing.NewBranchReferenceName(DefaultBranch)
	entries := map[string]object.TreeEntry{}
	var parents []plumbing.Hash
	tip, err := s.store.Reference(branch)
	switch {
	case errors.Is(err, plumbing.ErrReferenceNotFound):
	case err != nil:
		return "", fmt.Errorf("read branch %s: %w", DefaultBranch, err)
	default:
		parents = []plumbing.Hash{tip.Hash()}
		if err := s.readTree(tip.Hash(), entries); err != nil {
			return "", err
		}
	}
	for name, content := range files {
		if !fs.ValidPath(name) || name == "." {
			return "", fmt.Errorf("commit file %q: not a path below the repository", name)
		}
		if content == nil {
			delete(entries, name)
			continue
		}
		hash, err := s.write(plumbing.BlobObject, func(o plumbing.EncodedObject) error {
			return writeAll(o, *content)
		})
		if err != nil {
			return "", fmt.Errorf("commit file %s: %w", name, err)
		}
		entries[name] = object.TreeEntry{Mode: filemode.Regular, Hash: hash}
	}
	root, err := s.writeTree(entries)
	if err != nil {
		return "", err
	}
	who := object.Signature{Name: "Berth", Email: "berth@localhost", When: time.Now()}
	commit := &object.Commit{Author: who, Committer: who, Message: message, TreeHash: root, ParentHashes: parents}
	hash, err := s.write(plumbing.CommitObject, commit.Encode)
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	if err := s.store.SetReference(plumbing.NewHashReference(branch, hash)); err != nil {
		return "", fmt.Errorf("move branch %s: %w", DefaultBranch, err)
	}
	return hash.String(), nil
}

// readTree collects what is in a commit by its full path, directories left out.
func (s *Server) readTree(commit plumbing.Hash, into map[string]object.TreeEntry) error {
	c, err := object.GetCommit(s.store, commit)
	if err != nil {
		return fmt.Errorf("read commit %s: %w", commit, err)
	}
	tree, err := c.Tree()
	if err != nil {
		return fmt.Errorf("read tree of %s: %w", commit, err)
	}
	iter := object.NewTreeWalker(tree, true, nil)
	defer iter.Close()
	for {
		name, entry, err := iter.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read tree of %s: %w", commit, err)
		}
		if entry.Mode != filemode.Dir {
			into[name] = entry
		}
	}
}

// writeTree writes one directory and all below it, and returns its hash.
func (s *Server) writeTree(entries map[string]object.TreeEntry) (plumbing.Hash, error) {
	below := map[string]map[string]object.TreeEntry{}
	tree := &object.Tree{}
	for name, entry := range entries {
		dir, rest, nested := strings.Cut(name, "/")
		if nested {
			if below[dir] == nil {
				below[dir] = map[string]object.TreeEntry{}
			}
			below[dir][rest] = entry
			continue
		}
		entry.Name = name
		tree.Entries = append(tree.Entries, entry)
	}
	for dir, inside := range below {
		if _, clash := entries[dir]; clash {
			return plumbing.ZeroHash, fmt.Errorf("commit %s: it is a file and a directory", dir)
		}
		hash, err := s.writeTree(inside)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: hash})
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	hash, err := s.write(plumbing.TreeObject, tree.Encode)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("write tree: %w", err)
	}
	return hash, nil
}

func (s *Server) write(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	obj := s.store.NewEncodedObject()
	obj.SetType(kind)
	if err := encode(obj); err != nil {
		return plumbing.ZeroHash, err
	}
	return s.store.SetEncodedObject(obj)
}

func writeAll(obj plumbing.EncodedObject, content string) error {
	w, err := obj.Writer()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return err
	}
	return w.Close()
}
