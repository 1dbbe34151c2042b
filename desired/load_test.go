package desired

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// TestLoad reads testdata/load/*.txtar. Within an archive each directory is a
// case; the files of "common" belong to every case. The file "want" holds the
// mistakes or, if there are none, what was loaded; "show", if it is there, is a
// regular expression for the lines of it that matter.
func TestLoad(t *testing.T) {
	archives, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		group := strings.TrimSuffix(filepath.Base(name), ".txtar")
		for _, c := range casesOf(archive) {
			t.Run(group+"/"+c.name, func(t *testing.T) {
				fleet, err := Load(c.files)
				got := outcome(fleet, err)
				if err == nil {
					got = c.filter(got)
				}
				if *update {
					c.rewrite(archive, got)
					return
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

type loadCase struct {
	name  string
	files fstest.MapFS
	want  string
	show  *regexp.Regexp
}

func casesOf(archive *txtar.Archive) []*loadCase {
	common := fstest.MapFS{}
	var cases []*loadCase
	for _, f := range archive.Files {
		dir, rest, _ := strings.Cut(f.Name, "/")
		if dir == "common" {
			common[rest] = &fstest.MapFile{Data: f.Data}
			continue
		}
		i := slices.IndexFunc(cases, func(c *loadCase) bool { return c.name == dir })
		if i < 0 {
			i = len(cases)
			cases = append(cases, &loadCase{name: dir, files: fstest.MapFS{}})
		}
		switch rest {
		case "want":
			cases[i].want = string(f.Data)
		case "show":
			cases[i].show = regexp.MustCompile(strings.TrimSpace(string(f.Data)))
		default:
			cases[i].files[rest] = &fstest.MapFile{Data: f.Data}
		}
	}
	for _, c := range cases {
		for name, f := range common {
			if c.files[name] == nil {
				c.files[name] = f
			}
		}
	}
	return cases
}

func (c *loadCase) filter(text string) string {
	if c.show == nil {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if c.show.MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (c *loadCase) rewrite(archive *txtar.Archive, got string) {
	for i, f := range archive.Files {
		if f.Name == c.name+"/want" {
			archive.Files[i].Data = []byte(got)
			return
		}
	}
	last := 0
	for i, f := range archive.Files {
		if strings.HasPrefix(f.Name, c.name+"/") {
			last = i
		}
	}
	archive.Files = slices.Insert(archive.Files, last+1, txtar.File{Name: c.name + "/want", Data: []byte(got)})
}

// outcome writes what Load gave: mistakes, or all resources with what is set
// and where.
func outcome(f *Fleet, err error) string {
	if err != nil {
		var problems Problems
		if !errors.As(err, &problems) {
			return "error: " + err.Error() + "\n"
		}
		return problems.Error() + "\n"
	}
	var b strings.Builder
	for _, r := range f.Resources {
		fmt.Fprintf(&b, "%s site=%q needs=%v from %s\n", r.ID, r.Site, r.Needs, r.Source)
		values := map[Path]string{}
		for _, leaf := range Leaves(r.ID.Kind(), r.Spec) {
			values[leaf.Path] = Text(leaf.Value)
		}
		paths := make([]string, 0, r.Set.Len())
		for p := range r.Set.Paths() {
			paths = append(paths, string(p))
		}
		slices.Sort(paths)
		for _, p := range paths {
			fmt.Fprintf(&b, "%s %s = %s < %s\n", r.ID, p, values[Path(p)], r.Set.At(Path(p)))
		}
		if g := f.Machine(r.ID); g != nil && r.Set.At("id") == (Source{}) {
			fmt.Fprintf(&b, "%s id = %d, not compared\n", r.ID, g.VMID)
		}
		if len(r.Ignore) > 0 {
			fmt.Fprintf(&b, "%s ignores %v\n", r.ID, r.Ignore)
		}
	}
	for _, n := range f.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}
