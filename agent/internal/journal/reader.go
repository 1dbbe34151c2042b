package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Reader reads a journal that may be another process's, without its lock: it writes
// nothing and has nobody wait. A turn that is being written is read as far as it is.
type Reader struct{ j *Journal }

// At reads the journal of a directory, which need not be there.
func At(dir string) Reader { return Reader{&Journal{dir: dir}} }

// IDs are the turns that are kept, the newest first.
func (r Reader) IDs() ([]string, error) {
	names, err := r.j.files()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, advise(r.j.dir, err)
	}
	var ids []string
	for _, t := range slices.Backward(names) {
		if !t.strange && (len(ids) == 0 || ids[len(ids)-1] != t.id) {
			ids = append(ids, t.id)
		}
	}
	return ids, nil
}

// Read reads a turn; the error is [fs.ErrNotExist] for one that is not kept, and
// [ErrDamaged] for one whose file makes no sense.
func (r Reader) Read(id string) (*Record, error) {
	record, err := r.j.Read(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, advise(r.j.dir, err)
	}
	return record, err
}

// Log opens what was logged while a turn was made, a line of JSON each. The error is
// [fs.ErrNotExist] where nothing was kept.
func (r Reader) Log(id string) (io.ReadCloser, error) {
	if !isID(id) {
		return nil, fs.ErrNotExist
	}
	return r.open(id + logSuffix)
}

// File is what a step of a turn has put out.
type File struct {
	// Name is the file's, without the turn's: "play.base.run.log".
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Files are what the steps of a turn have put out, sorted by name.
func (r Reader) Files(id string) ([]File, error) {
	if !isID(id) {
		return nil, nil
	}
	entries, err := os.ReadDir(r.j.dir)
	if err != nil {
		return nil, fmt.Errorf("list the outputs of turn %s: %w", id, advise(r.j.dir, err))
	}
	var all []File
	for _, e := range entries {
		name, of := strings.CutPrefix(e.Name(), id+".")
		if !of || !strings.HasSuffix(name, outputSuffix) || "."+name == logSuffix || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // It was removed just now.
		}
		all = append(all, File{Name: name, Size: info.Size()})
	}
	return all, nil
}

// Output opens what a step of a turn has put out, as it came. The error is
// [fs.ErrNotExist] for a name that [Reader.Files] does not list.
func (r Reader) Output(id, name string) (io.ReadCloser, error) {
	all, err := r.Files(id)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(f File) bool { return f.Name == name }) {
		return nil, fs.ErrNotExist
	}
	return r.open(id + "." + name)
}

func (r Reader) open(name string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(r.j.dir, name))
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	return f, nil
}
