package checkout

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// treeFS is one commit's files below one folder.
type treeFS struct {
	repo    *Repo
	root    *node
	commit  string
	when    time.Time
	maxFile int64

	mu     sync.Mutex
	left   int64          // Bytes that may still be read of files not opened yet.
	opened map[*node]bool // Files that were counted already.
}

var (
	_ fs.ReadDirFS  = (*treeFS)(nil)
	_ fs.ReadFileFS = (*treeFS)(nil)
	_ fs.StatFS     = (*treeFS)(nil)
	_ fs.ReadLinkFS = (*treeFS)(nil)
)

// Open implements fs.FS.
func (t *treeFS) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.kind == fs.ModeDir {
		return &openDir{tree: t, node: n, path: name}, nil
	}
	content, err := t.content(n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{whole: content, content: bytes.NewReader(content), info: info{node: n, size: int64(len(content)), when: t.when}, path: name}, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *treeFS) ReadFile(name string) ([]byte, error) {
	n, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	content, err := t.content(n)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return content, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if n.kind != fs.ModeDir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNotDir}
	}
	return t.list(n), nil
}

// Lstat implements fs.ReadLinkFS. Unlike Open it reads nothing, so it works for files beyond the limits.
func (t *treeFS) Lstat(name string) (fs.FileInfo, error) {
	n, err := t.find("lstat", name)
	if err != nil {
		return nil, err
	}
	i, err := t.describe(n)
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return i, nil
}

// Digest implements desired.Digests: it tells what is in a file without reading it,
// within the limits for those that are read.
func (t *treeFS) Digest(name string) (string, error) {
	n, err := t.find("digest", name)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	opened := t.opened[n]
	t.mu.Unlock()
	if !opened {
		if _, err := t.admit(n); err != nil {
			return "", &fs.PathError{Op: "digest", Path: name, Err: err}
		}
	}
	return n.hash.String(), nil
}

// Rest is for when all files have been read that are likely to be: it lets go of what
// makes reading the next one cheap, which is as large as they are.
func (t *treeFS) Rest() {
	t.repo.mu.Lock()
	defer t.repo.mu.Unlock()
	t.repo.bases.Clear()
}

const (
	errNotDir = pathError("not a directory")
	errIsDir  = pathError("is a directory")
)

// pathError is the reason inside an fs.PathError.
type pathError string

func (e pathError) Error() string { return string(e) }

// refusal says why an entry is listed and never looked into.
func (n *node) refusal() error {
	if n.kind == fs.ModeSymlink {
		return ErrSymlink
	}
	if n.kind == fs.ModeIrregular {
		return ErrSubmodule
	}
	return nil
}

func (t *treeFS) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at := t.root
	if name == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if err := at.refusal(); err != nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: err}
		}
		if at = at.child(part); at == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return at, nil
}

// admit lets a file be read whose size is within the limits.
func (t *treeFS) admit(n *node) (size int64, err error) {
	if n.kind == fs.ModeDir {
		return 0, errIsDir
	}
	if err := n.refusal(); err != nil {
		return 0, err
	}
	size, err = t.repo.blobSize(n.hash)
	if err != nil {
		return 0, fmt.Errorf("commit %s: %w", t.commit, err)
	}
	if size > t.maxFile {
		return 0, &largeError{fmt.Sprintf("%s, and the limit for one file is %s: split it, or keep it elsewhere", bytesOf(size), bytesOf(t.maxFile))}
	}
	return size, t.count(n, size)
}

// content reads a file after its size was found to be within the limits.
func (t *treeFS) content(n *node) ([]byte, error) {
	size, err := t.admit(n)
	if err != nil {
		return nil, err
	}
	content, err := t.repo.blob(n.hash, size)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", t.commit, err)
	}
	return content, nil
}

// largeError refuses a file for its size alone.
type largeError struct{ why string }

func (e *largeError) Error() string { return ErrTooLarge.Error() + ": " + e.why }
func (e *largeError) Unwrap() error { return ErrTooLarge }

// Refusal says why the file is not read: it is the file's mistake, and no damage.
func (e *largeError) Refusal() string { return e.Error() }

// bytesOf writes a size as people do where it is large.
func bytesOf(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// count charges a file to the total the first time it is opened.
func (t *treeFS) count(n *node, size int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened[n] {
		return nil
	}
	if size > t.left {
		return &largeError{fmt.Sprintf("with this file the commit's files exceed the limit of %s for all that are read: keep some elsewhere", bytesOf(t.repo.source.MaxTotal))}
	}
	t.left -= size
	t.opened[n] = true
	return nil
}

// describe finds out a file's size without reading it.
func (t *treeFS) describe(n *node) (info, error) {
	i := info{node: n, when: t.when}
	if n.kind == fs.ModeDir || n.kind == fs.ModeIrregular {
		return i, nil
	}
	var err error
	i.size, err = t.repo.blobSize(n.hash)
	return i, err
}

func (t *treeFS) list(dir *node) []fs.DirEntry {
	entries := make([]fs.DirEntry, 0, len(dir.children))
	for _, child := range dir.children {
		entries = append(entries, dirEntry{node: child, tree: t})
	}
	return entries
}

type dirEntry struct {
	*node
	tree *treeFS
}

func (e dirEntry) Name() string               { return e.name }
func (e dirEntry) IsDir() bool                { return e.kind.IsDir() }
func (e dirEntry) Type() fs.FileMode          { return e.kind.Type() }
func (e dirEntry) Info() (fs.FileInfo, error) { return e.tree.describe(e.node) }
func (e dirEntry) String() string             { return fs.FormatDirEntry(e) }

// openFile is a file that was read whole when it was opened.
type openFile struct {
	whole   []byte
	content *bytes.Reader // nil once the file is closed.
	info    info
	path    string
}

// Bytes is the file's content, for who wants all of it and does not write to it.
func (f *openFile) Bytes() []byte { return f.whole }

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

func (f *openFile) Close() error {
	if f.content == nil {
		return &fs.PathError{Op: "close", Path: f.path, Err: fs.ErrClosed}
	}
	f.content = nil
	return nil
}

func (f *openFile) Read(p []byte) (int, error) {
	if f.content == nil {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: fs.ErrClosed}
	}
	return f.content.Read(p)
}

type openDir struct {
	tree *treeFS
	node *node
	path string
	next int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.tree.describe(d.node) }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errIsDir}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.tree.list(d.node)[d.next:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	d.next += len(rest)
	return rest, nil
}

// blobSize looks a file's size up without reading the file.
func (r *Repo) blobSize(hash plumbing.Hash) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size, err := r.store.EncodedObjectSize(hash)
	if err != nil {
		r.suspect(err)
		return 0, fmt.Errorf("look up object %s: %w", hash, err)
	}
	return size, nil
}

// blob reads a file and checks it against its hash, which go-git leaves out.
func (r *Repo) blob(hash plumbing.Hash, size int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	content, err := r.readBlob(hash, size)
	if err != nil {
		r.suspect(err)
		return nil, fmt.Errorf("read object %s: %w", hash, err)
	}
	return content, nil
}

func (r *Repo) readBlob(hash plumbing.Hash, size int64) (content []byte, err error) {
	obj, err := r.store.EncodedObject(plumbing.BlobObject, hash)
	if err != nil {
		return nil, err
	}
	reader, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	room := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err = room.ReadFrom(io.LimitReader(reader, size+1))
	if closeErr := reader.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	content = room.Bytes()
	if plumbing.ComputeHash(plumbing.BlobObject, content) != hash {
		return nil, pathError("its content does not match its hash")
	}
	return content, nil
}
