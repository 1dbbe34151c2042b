package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// What all manifests together, and a file that they name, may hold at most.
const (
	maxTotal  = 64 << 20
	maxBeside = 1 << 20
)

// ignoreFile marks a directory whose YAML is not Berth's.
const ignoreFile = ".berthignore"

// readAll reads every manifest of the tree into documents.
func (l *loader) readAll() error {
	err := fs.WalkDir(l.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return l.skipIgnored(name)
		case d.IsDir():
			// What git and others keep for themselves.
			if strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return l.skipIgnored(name)
		case strings.HasPrefix(d.Name(), "."):
			return nil
		case !isManifest(name) && isManifest(strings.ToLower(name)):
			l.shouted(name)
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			l.link(name)
			return nil
		case !isManifest(name):
			return nil
		}
		return l.readManifest(name)
	})
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	return nil
}

// content reads a manifest. One that is refused, as too large ones are, is a
// mistake of the manifests: ok is false.
func (l *loader) content(name string) (data []byte, ok bool, err error) {
	data, err = readFile(l.fsys, name, maxFile+1)
	if refused, is := errors.AsType[interface {
		error
		Refusal() string
	}](err); is {
		l.lostAny = true
		l.report(Source{File: name, Line: 1, Col: 1}, "", refused.Refusal())
		return nil, false, nil
	}
	return data, err == nil, err
}

// within counts a file for the limits on all of them.
func (l *loader) within(size, values int) error {
	l.bytes += size
	l.values += values
	if l.bytes > maxTotal || l.values > maxAllValues {
		return fmt.Errorf("there are more than %d MiB, or %d values, of them", maxTotal>>20, maxAllValues)
	}
	return nil
}

// link refuses a symbolic link to a manifest or a directory: what is behind it
// would be left out unseen.
func (l *loader) link(name string) {
	info, err := fs.Stat(l.fsys, name)
	if !isManifest(name) && (err != nil || !info.IsDir()) {
		return
	}
	l.lostAny = true
	l.report(Source{File: name, Line: 1, Col: 1}, "", "a symbolic link, which is not followed: put what it leads to here")
}

// shouted refuses a manifest whose extension is in upper case: other programs
// take it for YAML, and it would be left out unseen.
func (l *loader) shouted(name string) {
	ext := path.Ext(name)
	l.lostAny = true
	l.report(Source{File: name, Line: 1, Col: 1}, "", "files that end in "+ext+" are not read: rename it to end in "+strings.ToLower(ext))
}

// isManifest tells whether a file is read as a manifest.
func isManifest(name string) bool {
	ext := path.Ext(name)
	return ext == ".yaml" || ext == ".yml"
}

// skipIgnored leaves a directory out that holds a .berthignore, and counts what
// is left out.
func (l *loader) skipIgnored(dir string) error {
	if !l.ignored(dir) {
		return nil
	}
	err := fs.WalkDir(l.fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && isManifest(name) {
			l.fleet.Ignored++
		}
		return err
	})
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// ignored tells whether a directory holds a .berthignore.
func (l *loader) ignored(dir string) bool {
	_, err := fs.Stat(l.fsys, path.Join(dir, ignoreFile))
	return err == nil
}

// readFile reads a file, but no more than limit bytes of it.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	if held, ok := f.(interface{ Bytes() []byte }); ok {
		// A commit's files are in memory already.
		data := held.Bytes()
		return data[:min(int64(len(data)), limit)], f.Close()
	}
	var data []byte
	if info, statErr := f.Stat(); statErr == nil {
		data = make([]byte, 0, min(max(info.Size(), 0), limit)+bytes.MinRead)
	}
	text := bytes.NewBuffer(data)
	_, err = text.ReadFrom(io.LimitReader(f, limit))
	data = text.Bytes()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return data, err
}

// readFile reads the documents of one file.
func (l *loader) readFile(name string, data []byte) []*tree {
	p := parser{file: name, report: l.report}
	trees := p.parse(data, func(kindWord, docName string) {
		if k := l.kinds[kindWord]; k != nil && docName != "" {
			l.lost[MakeID(k.short, docName)] = true
			return
		}
		l.lostAny = true
	})
	for _, t := range trees {
		l.fleet.Documents++
		l.identify(t)
	}
	return trees
}

// beside finds a file that a manifest names: relative to the directory of the
// manifest, inside the tree, and no link.
func (l *loader) beside(src Source, rel string) (name string, info fs.FileInfo, err error) {
	if rel == "" || path.IsAbs(rel) || strings.Contains(rel, `\`) {
		return "", nil, fmt.Errorf("%q is no path from this manifest's directory: write one, as in files/x", rel)
	}
	name = path.Join(path.Dir(src.File), rel)
	if !fs.ValidPath(name) {
		return "", nil, fmt.Errorf("%q leads out of the manifests: move the file in", rel)
	}
	for at := 0; at <= len(name); at++ {
		if at < len(name) && name[at] != '/' {
			continue
		}
		info, err = fs.Lstat(l.fsys, name[:at])
		if err != nil {
			return "", nil, l.noFile(src, name, rel)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return "", nil, fmt.Errorf("%s is a symbolic link: name the file itself", name[:at])
		}
	}
	return name, info, nil
}

// noFile says that a file is missing, and where it is if the path was meant
// from the root.
func (l *loader) noFile(src Source, name, rel string) error {
	if rel = path.Clean(rel); rel != name && fs.ValidPath(rel) {
		if _, err := fs.Stat(l.fsys, rel); err == nil {
			up := strings.Repeat("../", strings.Count(path.Clean(src.File), "/"))
			return fmt.Errorf("there is no file %s, but %s: write %s, paths go from this manifest's directory", name, rel, up+rel)
		}
	}
	return fmt.Errorf("there is no file %s: add it, or correct the path (it goes from this manifest's directory)", name)
}

// readBeside reads a file that a manifest names.
func (l *loader) readBeside(src Source, rel string) (string, error) {
	text, err := l.readBesideOf(src, rel)
	if l.looking != nil && err == nil && l.remembers {
		l.looking.besides = append(l.looking.besides, beside{src.File, rel, contentDigest([]byte(text))})
	}
	return text, err
}

func (l *loader) readBesideOf(src Source, rel string) (string, error) {
	name, info, err := l.beside(src, rel)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file: name one", name)
	}
	data, err := readFile(l.fsys, name, maxBeside+1)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxBeside {
		return "", fmt.Errorf("%s is larger than %d MiB: fetch it from elsewhere", name, maxBeside>>20)
	}
	return string(data), nil
}
