package checkout

import (
	"io"
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
	return &readFile{File: file}, nil
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

// readFile is a file that is only read, from its beginning on, which nobody needs to
// lock. Most objects are small: what unpacks one would take a buffer eight times as
// large for itself, if it could not be read byte by byte.
type readFile struct {
	*os.File
	read int // How much of buffer was read, of what it
	held int // holds.

	buffer [512]byte
}

// Read implements billy.File.
func (f *readFile) Read(p []byte) (int, error) {
	if f.read == f.held {
		if len(p) >= len(f.buffer) {
			return f.File.Read(p)
		}
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.buffer[f.read:f.held])
	f.read += n
	return n, nil
}

// ReadByte implements io.ByteReader.
func (f *readFile) ReadByte() (byte, error) {
	if f.read == f.held {
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	f.read++
	return f.buffer[f.read-1], nil
}

func (f *readFile) fill() error {
	n, err := f.File.Read(f.buffer[:])
	f.read, f.held = 0, n
	if n > 0 {
		return nil
	}
	return err
}

// Seek implements billy.File.
func (f *readFile) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		offset -= int64(f.held - f.read)
	}
	f.read, f.held = 0, 0
	return f.File.Seek(offset, whence)
}

// Lock implements billy.File.
func (f *readFile) Lock() error { return nil }

// Unlock implements billy.File.
func (f *readFile) Unlock() error { return nil }
