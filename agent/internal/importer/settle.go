package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing/fstest"

	"berth/desired"
	"berth/drift"
)

// rounds is how often what was written is mended before it is given up: each
// round takes something out of at least one guest, and most need two.
const rounds = 50

// settle takes out of the manifests what the language refuses, and what would not
// read back as it is, until loading them finds no mistake and comparing them with
// what was read finds no difference.
func (m *maker) settle() error {
	for range rounds {
		if len(m.docs) == 0 {
			return m.nothing()
		}
		fleet, problems, err := m.load()
		switch {
		case err != nil:
			return err
		case len(problems) > 0:
			if err := m.mend(problems); err != nil {
				return err
			}
			continue
		}
		same, err := m.compare(fleet)
		if err != nil || same {
			return err
		}
	}
	return errors.New("what was written does not come to rest: this is a mistake of Berth's, nothing was kept")
}

// load writes all manifests and reads them back.
func (m *maker) load() (*desired.Fleet, desired.Problems, error) {
	files, err := m.files()
	if err != nil {
		return nil, nil, err
	}
	tree := fstest.MapFS{}
	if m.Existing != nil {
		if err := copyFiles(tree, m.Existing); err != nil {
			return nil, nil, err
		}
	}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: text}
	}
	fleet, err := desired.Load(tree)
	if problems, ok := errors.AsType[desired.Problems](err); ok {
		return nil, problems, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read back what was written: %w", err)
	}
	return fleet, nil, nil
}

func copyFiles(into fstest.MapFS, from fs.FS) error {
	return fs.WalkDir(from, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read the manifests: %w", err)
		}
		if e.IsDir() {
			if name != "." && strings.HasPrefix(e.Name(), ".git") {
				return fs.SkipDir
			}
			return nil
		}
		if !e.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return fmt.Errorf("read the manifests: %w", err)
		}
		into[name] = &fstest.MapFile{Data: text}
		return nil
	})
}

// mend takes out what the loader refuses. What it says of a whole guest takes the
// guest out.
func (m *maker) mend(problems desired.Problems) error {
	byFile := make(map[string]*doc)
	for _, d := range m.docs {
		byFile[d.file()] = d
	}
	places := make(map[string]map[place]desired.Path)
	gone := make(map[*doc]bool)
	var site map[place]desired.Path
	var kept map[desired.Path]bool
	for _, p := range problems {
		d := byFile[p.Source.File]
		if d == nil && site == nil {
			// Where things stand changes with the first that is taken out.
			files, err := m.files()
			if err != nil {
				return err
			}
			site, kept = locate(files["site.yaml"]), maps.Clone(m.siteKeep)
		}
		if d == nil && m.mendSite(p, site, kept) {
			continue
		}
		if d == nil {
			return fmt.Errorf("what was written for the site can't be read back, which is a mistake of Berth's:\n%w", problems)
		}
		if places[p.Source.File] == nil {
			text, err := m.text1(d)
			if err != nil {
				return err
			}
			places[p.Source.File] = locate(text)
		}
		path := places[p.Source.File][place{int(p.Source.Line), int(p.Source.Col)}]
		reason := reasonOf(p.Text, path)
		if gone[d] || d.drop(path, "%s", reason) {
			continue
		}
		if path == "" || !m.gone(d, path) {
			gone[d] = true
			m.leaveOut(d.live, p.Text)
		}
	}
	m.docs = slices.DeleteFunc(m.docs, func(d *doc) bool { return gone[d] })
	return nil
}

// mendSite takes out of the site what the language refuses, and tells whether there
// was anything among what was kept of it when it was written.
func (m *maker) mendSite(p desired.Problem, at map[place]desired.Path, kept map[desired.Path]bool) bool {
	path := at[place{int(p.Source.Line), int(p.Source.Col)}]
	if p.Source.File != "site.yaml" || m.before != nil || path == "" {
		return false
	}
	mended := false
	for word := range kept {
		if word.Within(path) || path.Within(word) && word != "" {
			delete(m.siteKeep, word)
			mended = true
		}
	}
	return mended
}

// gone tells whether what stood at a path has been taken out for another mistake
// of the same round.
func (m *maker) gone(d *doc, path desired.Path) bool {
	return !slices.Contains([]string{"id", "adopt", "name", "kind", "site"}, path.Keys()[0]) &&
		slices.ContainsFunc(d.unsaid, func(u Unsaid) bool { return path.Within(desired.Path(u.Option)) })
}

// reasonOf is what the loader says, without the place.
func reasonOf(text string, path desired.Path) string {
	field, rest, ok := strings.Cut(text, ": ")
	if ok && (desired.Path(field).Within(path) || path.Within(desired.Path(field)) || field == last(path)) {
		return rest
	}
	return text
}

func last(path desired.Path) string {
	keys := path.Keys()
	if len(keys) == 0 {
		return ""
	}
	return keys[len(keys)-1]
}

// compare takes out what would be a difference, or lets it go where the language
// sets it by itself. It tells whether there was none.
func (m *maker) compare(fleet *desired.Fleet) (bool, error) {
	lives := m.survey.Lives(fleet)
	world := drift.NewWorld(fleet, lives)
	same := true
	gone := make(map[*doc]bool)
	for _, d := range m.docs {
		want, have := fleet.Resource(d.id()), world.Live(d.id())
		if want == nil || have == nil {
			return false, fmt.Errorf("%s was written and is not there: this is a mistake of Berth's", d.id())
		}
		fields, _, err := drift.Compare(world, want, have)
		if err != nil {
			return false, err
		}
		for _, f := range fields {
			same = false
			if d.drop(f.Path, "it reads back as %s, not as %s: it is kept as it is", shown(f.After.Text), shown(f.Before.Text)) {
				continue
			}
			if slices.Contains(*d.ignore, string(f.Path)) {
				// One guest that can't be said must not keep all others from it.
				if !gone[d] {
					m.leaveOut(d.live, fmt.Sprintf("%s is %s, which a manifest can neither say nor let go", f.Path, shown(f.Before.Text)))
				}
				gone[d] = true
				continue
			}
			d.let(f.Path, "live %s, which a manifest can't say: it is let go", shown(f.Before.Text))
		}
	}
	m.docs = slices.DeleteFunc(m.docs, func(d *doc) bool { return gone[d] })
	return same, nil
}

func shown(text string) string {
	if text == "" {
		return "unset"
	}
	return text
}
