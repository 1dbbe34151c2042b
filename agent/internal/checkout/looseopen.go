package checkout

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
)

// files is a repository's directory. What it opens of single objects it opens
// straight: go-git asks for one before it looks into the packs, and go-billy takes a
// path apart for symbolic links, folder by folder, each time, to find that nothing is
// there. An object is judged by its hash, not by where it lies.
type files struct {
	billy.Filesystem
	dir string
}

// Open implements billy.Basic.
func (f files) Open(name string) (billy.File, error) {
	if !singleObject(name) {
		return f.Filesystem.Open(name)
	}
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	return readFile{file}, nil
}

// singleObject tells whether a path is that of an object in a file of its own:
// "objects/", two hexadecimal digits, "/", and the other 38.
func singleObject(name string) bool {
	hash, ok := strings.CutPrefix(filepath.ToSlash(name), "objects/")
	if !ok || len(hash) != 41 || hash[2] != '/' {
		return false
	}
	for i, c := range []byte(hash) {
		if i != 2 && (c < '0' || c > '9' && c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// readFile is a file that is only read, which nobody needs to lock.
type readFile struct{ *os.File }

// Lock implements billy.File.
func (readFile) Lock() error { return nil }

// Unlock implements billy.File.
func (readFile) Unlock() error { return nil }
