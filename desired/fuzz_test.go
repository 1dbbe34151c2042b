package desired

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
)

// FuzzLoad holds that no manifest makes the loader panic, that every mistake
// has a place and a text of one line, that mistakes come sorted and once, and
// that the same manifests give the same answer.
func FuzzLoad(f *testing.F) {
	archives, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if isManifest(file.Name) {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		fsys := fstest.MapFS{
			"base.yaml":       &fstest.MapFile{Data: []byte(base)},
			"a.yaml":          &fstest.MapFile{Data: []byte(text)},
			"x":               &fstest.MapFile{Data: []byte("x")},
			"p/.berthignore":  &fstest.MapFile{},
			"p/play.yml":      &fstest.MapFile{Data: []byte("- hosts: all")},
			"files/a/b/c.txt": &fstest.MapFile{Data: []byte("x")},
		}
		fleet, err := Load(fsys)
		first := outcome(fleet, err)
		if second := outcome(Load(fsys)); first != second {
			t.Fatalf("two answers:\n%s\n%s", first, second)
		}
		if err == nil {
			checkFleet(t, fleet)
			return
		}
		var found Problems
		if !errors.As(err, &found) {
			t.Fatalf("no Problems: %v", err)
		}
		for i, p := range found {
			if p.Text == "" || strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("text %q", p.Text)
			}
			if p.Source.File != "" && (p.Source.Line < 1 || p.Source.Col < 1) {
				t.Errorf("no place: %s", p)
			}
			if slices.Contains(found[:i], p) {
				t.Errorf("twice: %s", p)
			}
		}
	})
}

// checkFleet holds what every fleet that loads holds to.
func checkFleet(t *testing.T, f *Fleet) {
	t.Helper()
	for i, r := range f.Resources {
		if i > 0 && f.Resources[i-1].ID >= r.ID {
			t.Errorf("%s after %s", r.ID, f.Resources[i-1].ID)
		}
		if f.Resource(r.ID) != r {
			t.Errorf("%s is not found", r.ID)
		}
		for _, need := range r.Needs {
			if f.Resource(need) == nil {
				t.Errorf("%s needs %s, which is no resource", r.ID, need)
			}
		}
		for p, src := range r.Set.All() {
			if src.File == "" || src.Line < 1 {
				t.Errorf("%s %s has no source", r.ID, p)
			}
		}
		if g := f.Machine(r.ID); g != nil {
			checkMachine(t, f, r.ID, g)
		}
	}
}

// checkMachine holds what of every guest and data VM is known after loading.
func checkMachine(t *testing.T, f *Fleet, id ID, g *Guest) {
	t.Helper()
	if g.VMID < minVMID || g.VMID > maxVMID || g.Site == "" || g.State == "" || g.Hostname == "" {
		t.Errorf("%s: vmid %d, site %q, state %q, called %q", id, g.VMID, g.Site, g.State, g.Hostname)
	}
	for key, d := range g.Disks {
		if d.Volume == "" {
			continue
		}
		data, _, _, ok := f.Volume(d.Volume)
		if !ok || !slices.Contains(f.Resource(id).Needs, data.ID) {
			t.Errorf("%s %s: %s is no volume, or not needed", id, key, d.Volume)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"512MiB", "32G", "1.5GiB", "", "0KiB", "-1GiB", "9223372036854775807TiB", "1e3MiB", "1..2GiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseSize(text)
		if err != nil {
			return
		}
		again, err := ParseSize(size.String())
		if err != nil || again != size || size < 0 {
			t.Errorf("%q is %d, which reads as %q", text, size, size.String())
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"0", "90s", "1h30m", "7d", "2w", "1w1d1h1m1s", "", "1", "s", "30m1h", "99999999999d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		again, err := ParseDuration(d.String())
		if err != nil || again != d || d < 0 {
			t.Errorf("%q is %d, which reads as %q", text, d, d.String())
		}
	})
}

func FuzzParseRate(f *testing.F) {
	f.Add("100MiB/s")
	f.Add("1/s")
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := ParseRate(text)
		if err != nil {
			return
		}
		if again, err := ParseRate(rate.String()); err != nil || again != rate {
			t.Errorf("%q is %d, which reads as %q", text, rate, rate.String())
		}
	})
}

// FuzzPath holds that a path's keys are those it was made of.
func FuzzPath(f *testing.F) {
	f.Add("tls", "routes", ".lab.example.net")
	f.Add("cloudInit", "files", "/etc/x")
	f.Add("a", "", "b c")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		keys := []string{a, b, c}
		var p Path
		for _, key := range keys {
			p = p.Sub(key)
		}
		if got := p.Keys(); !slices.Equal(got, keys) {
			t.Errorf("%q: keys %q of %q", p, got, keys)
		}
		if !p.Within(Path("").Sub(a)) {
			t.Errorf("%q is not within its first key", p)
		}
	})
}

// FuzzPattern holds that patterns never break the matcher.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"all", "a:!b", "a:&b,c", "!", ":", "&&a", "a[0]", "~x", "a*", "[ab]", "[!a]?", "g[1:]", "g[-1]", "~(", "*[0-1]", "[", "[]", "[^a]"} {
		f.Add(s)
	}
	c := &crowd{
		members: []member{{name: "a", id: "host/a"}, {name: "b", id: "host/b"}},
		hosts:   map[string]int{"a": 0, "b": 1}, groups: map[string][]int{"g": {0, 1}}, all: []int{0, 1},
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		names := c.match(pattern).named
		if !slices.IsSortedFunc(names, func(a, b member) int { return strings.Compare(a.name, b.name) }) {
			t.Errorf("%q: %v", pattern, names)
		}
	})
}

// FuzzBeside holds that no path leads out of the manifests.
func FuzzBeside(f *testing.F) {
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "outside"), []byte("secret"), 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "in", "sub"), 0o755); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"../outside", "../../outside", "./../../outside", "sub/../../../outside", "/outside", `..\outside`, ""} {
		f.Add(s)
	}
	l := &loader{fsys: os.DirFS(filepath.Join(dir, "in"))}
	f.Fuzz(func(t *testing.T, rel string) {
		if text, err := l.readBeside(Source{File: "sub/a.yaml"}, rel); err == nil && text == "secret" {
			t.Errorf("%q leads out", rel)
		}
	})
}
