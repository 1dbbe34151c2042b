package desired

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"slices"
)

// A Loader loads the manifests of one repository again and again, as commits come.
// It gives exactly what [Load] gives. Of the newest tree that had no mistake it
// remembers, by file and digest, the guests as they were loaded: those of files
// that did not change are not read again, as long as nothing but guests did. What
// one guest may not share with another is checked every time.
//
// Fleets that it gave share what did not change, and guests the disks that are the
// same, so that nobody may write to one.
// The zero Loader has loaded nothing. A Loader is for one goroutine at a time.
type Loader struct{ last *memory }

// Load reads the manifests below fsys, as [Load] does.
func (r *Loader) Load(fsys fs.FS) (*Fleet, error) {
	if r.last != nil {
		l := newLoader(fsys)
		l.remembers, l.known, l.before = true, r.last, r.last.contents
		if fleet, err := l.load(); err == nil {
			r.last = l.remember()
			return fleet, nil
		}
		// Mistakes are told by a load that sees everything.
	}
	l := newLoader(fsys)
	l.remembers = true
	if r.last != nil {
		l.before = r.last.contents
	}
	fleet, err := l.load()
	if err == nil {
		r.last = l.remember()
	}
	return fleet, err
}

// Digests is for file systems that tell the content of a file without reading it,
// as Git's trees do. The same digest must mean the same content, whatever file it
// is of. What can't be opened has none.
type Digests interface {
	Digest(name string) (string, error)
}

// errAnew ends a load that can't go by what is remembered: it is to be done anew.
var errAnew = errors.New("what is remembered does not tell")

// A memory is what a load leaves for the next one.
type memory struct {
	files map[string]*knownFile
	// others are the files that hold more than guests, in their order. Guests follow
	// from them, so that none is remembered once one has changed.
	others []*knownFile
	// documents and guests are how many there were.
	documents, guests int
	// runs are what playbooks must have run, by name.
	runs map[string]knownRuns
	// contents are the files of playbooks that were read.
	contents map[string]content
}

// A knownFile is a manifest that was read.
type knownFile struct {
	name, digest string
	// size and values count for the limits on all files; made are the guests that
	// count makes in it.
	size, values, made int
	// guests are the file's documents where it holds guests alone; else trees are.
	guests []*settled
	trees  []*tree
	other  bool
	// sealed is set where it is encrypted, and no manifest.
	sealed *sealedFile
	// from and to are the file's documents among those of the load that reads it.
	from, to int
}

// knownRuns are what a playbook must have run on each guest, given the files beside
// it.
type knownRuns struct {
	files string
	due   map[string]Run
}

// digestOf tells the content of a file; "" where only reading it does.
func (l *loader) digestOf(name string) string {
	if d, ok := l.fsys.(Digests); ok {
		if digest, err := d.Digest(name); err == nil {
			return "named " + digest
		}
	}
	return ""
}

// contentDigest is the digest of a file that was read.
func contentDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return string(sum[:])
}

// readManifest reads a file, or remembers it.
func (l *loader) readManifest(name string) error {
	if l.known != nil && l.known.files[name] != nil {
		if known := l.sameAs(name, l.digestOf(name)); known != nil {
			return l.readAgain(known)
		}
	}
	data, ok, err := l.content(name)
	if !ok {
		return err
	}
	digest := ""
	if l.remembers {
		if digest = l.digestOf(name); digest == "" {
			digest = contentDigest(data)
		}
	}
	if known := l.sameAs(name, digest); known != nil {
		return l.readAgain(known)
	}
	if err := l.within(len(data), valuesIn(data)); err != nil {
		return err
	}
	return l.readAnew(&knownFile{name: name, digest: digest, size: len(data), values: valuesIn(data), from: len(l.docs)}, data)
}

// sameAs finds what is remembered of a file; nil if its content, or that of a file
// which it names, is another.
func (l *loader) sameAs(name, digest string) *knownFile {
	if l.known == nil || digest == "" {
		return nil
	}
	known := l.known.files[name]
	if known == nil || known.digest != digest || !known.other && !l.besidesAreSame(known) {
		return nil
	}
	return known
}

// readAnew reads the documents of a file.
func (l *loader) readAnew(file *knownFile, data []byte) error {
	if file.sealed = sealedAmong(file.name, data); file.sealed != nil {
		l.sealed = append(l.sealed, file.sealed)
		file.to = len(l.docs)
		l.files = append(l.files, file)
		return nil
	}
	made := l.made
	trees := l.readFile(file.name, data)
	if !l.remembers {
		return nil
	}
	file.to, file.made = len(l.docs), l.made-made
	file.other = len(trees) == 0 || slices.ContainsFunc(l.docs[file.from:], func(doc *document) bool { return !doc.kind.guest() })
	if file.other {
		file.trees = trees
		if l.known != nil {
			return errAnew
		}
	}
	l.files = append(l.files, file)
	return nil
}

// readAgain takes the documents of a file that did not change.
func (l *loader) readAgain(known *knownFile) error {
	if err := l.within(known.size, known.values); err != nil {
		return err
	}
	l.files = append(l.files, known)
	if known.sealed != nil {
		l.sealed = append(l.sealed, known.sealed)
		return nil
	}
	if known.other {
		for _, t := range known.trees {
			l.fleet.Documents++
			l.identify(t)
		}
		return nil
	}
	l.made += known.made
	if l.made > maxProducts {
		l.doubt = true
	}
	for _, s := range known.guests {
		if s.doc.n <= 1 {
			l.fleet.Documents++
		}
		if l.onlyOne(s.doc) {
			l.docs = append(l.docs, s.doc)
		}
	}
	return nil
}

// sameOthers tells whether the files that hold more than guests are those of the
// last load.
func (l *loader) sameOthers() bool {
	at := 0
	for _, file := range l.files {
		if file.other {
			if at == len(l.known.others) || l.known.others[at] != file {
				return false
			}
			at++
		}
	}
	return at == len(l.known.others)
}

// remember keeps what the next load may go by. Nothing that this one read is kept
// but what it gave, and the trees of the few documents that are no guests.
func (l *loader) remember() *memory {
	m := &memory{files: make(map[string]*knownFile, len(l.files)), documents: len(l.docs), guests: len(l.guests), runs: l.runs, contents: l.contents}
	for _, file := range l.files {
		m.files[file.name] = file
		switch {
		case file.other:
			m.others = append(m.others, file)
		case file.guests == nil:
			file.guests = make([]*settled, 0, file.to-file.from)
			for _, doc := range l.docs[file.from:file.to] {
				file.guests = append(file.guests, settle(doc.guest))
			}
		}
	}
	return m
}
