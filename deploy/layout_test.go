package deploy_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// maxLines is where a file must be split. One idea a file; a test may be long.
const maxLines = 500

// TestLayout holds the tree to the table in layoutrules_test.go. It reads the
// import declarations instead of building the packages, so it also sees files
// with build tags and works while something else does not compile.
func TestLayout(t *testing.T) {
	t.Parallel()
	packages, err := readPackages(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	// A walk that found next to nothing would pass every rule.
	if len(packages) < 3 {
		t.Fatalf("read the module's packages: only %d found, so the walk is broken", len(packages))
	}
	for _, fault := range faults(layout, packages) {
		t.Error(fault)
	}
}

// sourcePackage is what the rules need to know of one directory.
type sourcePackage struct {
	Dir     string // Relative to the module's root, with slashes.
	Files   []sourceFile
	Imports []sourceImport
}

// sourceFile is one Go file of a package.
type sourceFile struct {
	Name  string
	Test  bool
	Lines int
	Doc   bool // It carries the package comment.
}

// sourceImport is one import of a package of this module.
type sourceImport struct {
	Dir  string // Of the imported package, relative to the module's root.
	At   string // file:line of the import.
	Test bool   // It stands in a _test.go file.
}

// readPackages parses every Go file below root, sorted by directory. Folders
// that the go command ignores (testdata, a leading dot or underscore) are left
// out.
func readPackages(root fs.FS) ([]sourcePackage, error) {
	byDir := map[string]*sourcePackage{}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			base := entry.Name()
			if name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &sourcePackage{Dir: dir}
		}
		return byDir[dir].add(name, text)
	})
	if err != nil {
		return nil, err
	}
	var packages []sourcePackage
	for _, p := range byDir {
		packages = append(packages, *p)
	}
	sort.Slice(packages, func(i, j int) bool { return packages[i].Dir < packages[j].Dir })
	return packages, nil
}

// add parses one file of the package.
func (p *sourcePackage) add(name string, text []byte) error {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(name, "_test.go")
	p.Files = append(p.Files, sourceFile{
		Name:  name,
		Test:  test,
		Lines: bytes.Count(text, []byte("\n")),
		Doc:   isPackageComment(file),
	})
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		dir, ours := strings.CutPrefix(imported, modulePath+"/")
		if !ours {
			continue
		}
		at := positions.Position(spec.Pos())
		p.Imports = append(p.Imports, sourceImport{
			Dir:  dir,
			At:   at.Filename + ":" + strconv.Itoa(at.Line),
			Test: test,
		})
	}
	return nil
}

// isPackageComment says whether the file documents its package; a comment that
// holds nothing but a directive such as //go:build does not count.
func isPackageComment(file *ast.File) bool {
	return file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != ""
}
