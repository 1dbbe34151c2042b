package checkout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// What a file of a commit is refused with when it is opened; errors.Is finds
// them inside the fs.PathError.
var (
	// ErrSymlink: symbolic links are listed and never followed.
	ErrSymlink = errors.New("it is a symbolic link; put the file itself there")
	// ErrSubmodule: submodules are listed and never fetched.
	ErrSubmodule = errors.New("it is a submodule; put its files there")
	// ErrTooLarge: the file, or all files read so far, exceed the limit.
	ErrTooLarge = errors.New("too large")
)

const (
	// maxEntries bounds the files and folders of one commit: a few kilobytes of
	// Git objects can unfold to billions.
	maxEntries = 100_000
	maxDepth   = 64
)

// Tree gives the files of a commit below its Path to read. The whole tree is
// listed at once; files are read when they are opened, after their size was
// checked. It goes on working whatever is fetched or accepted later, and may be
// read from several goroutines. Symbolic links and submodules are listed with
// fs.ModeSymlink and fs.ModeIrregular, and cannot be opened.
func (r *Repo) Tree(ctx context.Context, c Commit) (fs.FS, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hash := plumbing.NewHash(c.Hash); !r.needs(hash) && errors.Is(r.store.HasEncodedObject(hash), plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("read commit %s: the clone does not have it: the branch has led past it, or to it no more", c.Short())
	}
	root, err := r.tree(ctx, c)
	if err != nil {
		r.suspect(err)
		if r.damaged != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("read commit %s: the clone in %s is damaged, and is made afresh as soon as the repository can be reached: %w", c.Short(), r.clone(), err)
		}
		return nil, fmt.Errorf("read commit %s: %w", c.Short(), err)
	}
	return root, nil
}

// contentError is a mistake in what was committed, as opposed to damage of the clone.
type contentError struct{ error }

func (e contentError) Unwrap() error { return e.error }

// needs tells whether the clone is damaged without a commit: any other may have gone with
// history that was rewritten. The caller holds mu.
func (r *Repo) needs(hash plumbing.Hash) bool {
	if r.accepted != nil && r.accepted.Commit.Hash == hash.String() {
		return true
	}
	tip, err := r.store.Reference(r.tipRef())
	return err != nil || tip.Hash() == hash
}

// tree builds the listing. The caller holds mu.
func (r *Repo) tree(ctx context.Context, c Commit) (*treeFS, error) {
	commit, err := object.GetCommit(r.store, plumbing.NewHash(c.Hash))
	if err != nil {
		return nil, err
	}
	at := &node{name: ".", kind: fs.ModeDir, hash: commit.TreeHash}
	b := builder{store: r.store, trees: map[plumbing.Hash]*object.Tree{}}
	below := path.Clean(c.Path)
	if below != "." {
		for name := range strings.SplitSeq(below, "/") {
			if err := b.list(at); err != nil {
				return nil, err
			}
			next := at.child(name)
			if next == nil || next.kind != fs.ModeDir {
				return nil, contentError{fmt.Errorf("it has no folder %q: %w; correct repository.path of the settings, or add the folder", below, fs.ErrNotExist)}
			}
			at = next
		}
	}
	at.name = "."
	b.entries = 0
	if err := b.unfold(ctx, at, 0); err != nil {
		return nil, err
	}
	return &treeFS{
		repo: r, root: at, commit: c.Short(), when: commit.Committer.When.UTC(),
		maxFile: r.source.MaxFile, left: r.source.MaxTotal, opened: map[*node]bool{},
	}, nil
}

// node is one entry of the listing.
type node struct {
	name     string
	kind     fs.FileMode // Type bits, and 0o111 for an executable file.
	hash     plumbing.Hash
	children []*node // Sorted by name.
}

func (n *node) child(name string) *node {
	i, ok := slices.BinarySearchFunc(n.children, name, func(c *node, name string) int { return strings.Compare(c.name, name) })
	if !ok {
		return nil
	}
	return n.children[i]
}

// builder makes a listing. A tree that occurs in many places is read once.
type builder struct {
	store   storer.EncodedObjectStorer
	trees   map[plumbing.Hash]*object.Tree
	entries int
}

func (b *builder) read(dir *node) (*object.Tree, error) {
	if tree := b.trees[dir.hash]; tree != nil {
		return tree, nil
	}
	tree, err := object.GetTree(b.store, dir.hash)
	if err != nil {
		return nil, fmt.Errorf("read folder %s: %w", printable(dir.name), err)
	}
	b.trees[dir.hash] = tree
	return tree, nil
}

// unfold lists a folder and all below it.
func (b *builder) unfold(ctx context.Context, dir *node, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return contentError{fmt.Errorf("its folders are nested deeper than %d", maxDepth)}
	}
	if err := b.list(dir); err != nil {
		return err
	}
	for _, child := range dir.children {
		if child.kind == fs.ModeDir {
			if err := b.unfold(ctx, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads one folder's entries.
func (b *builder) list(dir *node) error {
	tree, err := b.read(dir)
	if err != nil {
		return err
	}
	if b.entries += len(tree.Entries); b.entries > maxEntries {
		return contentError{fmt.Errorf("it has more than %d files and folders; narrow the path in the settings", maxEntries)}
	}
	dir.children = make([]*node, 0, len(tree.Entries))
	for _, entry := range tree.Entries {
		// Git's tools make no such names, and a hostile commit can.
		if !fs.ValidPath(entry.Name) || strings.ContainsAny(entry.Name, "/\x00") || entry.Name == "." || !utf8.ValidString(entry.Name) {
			return contentError{fmt.Errorf("it has a file named %q, which is no file name; rename it", entry.Name)}
		}
		child := &node{name: entry.Name, hash: entry.Hash}
		switch entry.Mode {
		case filemode.Dir:
			child.kind = fs.ModeDir
		case filemode.Executable:
			child.kind = 0o111
		case filemode.Regular, filemode.Deprecated:
		case filemode.Symlink:
			child.kind = fs.ModeSymlink
		default:
			child.kind = fs.ModeIrregular
		}
		dir.children = append(dir.children, child)
	}
	slices.SortFunc(dir.children, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	for i := range len(dir.children) - 1 {
		if dir.children[i].name == dir.children[i+1].name {
			return contentError{fmt.Errorf("it has two files named %q in one folder", dir.children[i].name)}
		}
	}
	return nil
}

// info describes one entry; size is that of a file's content.
type info struct {
	*node
	size int64
	when time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.when }
func (i info) IsDir() bool        { return i.kind.IsDir() }
func (i info) Sys() any           { return nil }

// Mode shows everything as readable and nothing as writable.
func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o555
	}
	return i.kind | 0o444
}
