package checkout

import (
	"fmt"
	"io/fs"
	"path"
)

// Stat implements fs.StatFS. It alone follows symbolic links, as far as they stay in
// the tree: a link to a directory must not look like one to a file. One that leads
// elsewhere, or nowhere, is told as the link that it is.
func (t *treeFS) Stat(name string) (fs.FileInfo, error) {
	for at, hops := name, 0; hops < maxHops; hops++ {
		n, err := t.find("stat", at)
		if err != nil {
			break
		}
		if n.kind != fs.ModeSymlink {
			return t.Lstat(at)
		}
		to, err := t.target(n)
		if err != nil || path.IsAbs(to) {
			break
		}
		at = path.Join(path.Dir(at), to)
	}
	return t.Lstat(name)
}

// ReadLink implements fs.ReadLinkFS.
func (t *treeFS) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name)
	if err == nil && n.kind != fs.ModeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	to, err := t.target(n)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return to, nil
}

const (
	// maxHops is how many links are followed one after the other, maxLink how long a
	// path one holds: more than any system takes.
	maxHops = 10
	maxLink = 4096
)

// target is where a symbolic link leads, as it says.
func (t *treeFS) target(n *node) (string, error) {
	size, err := t.repo.blobSize(n.hash)
	if err == nil && size > maxLink {
		err = &largeError{"a symbolic link of " + bytesOf(size)}
	}
	if err != nil {
		return "", fmt.Errorf("commit %s: %w", t.commit, err)
	}
	to, err := t.repo.blob(n.hash, size)
	if err != nil {
		return "", fmt.Errorf("commit %s: %w", t.commit, err)
	}
	return string(to), nil
}
