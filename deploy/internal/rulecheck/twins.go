package rulecheck

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// Variable chooses the rule that a built test goes without, by name.
const Variable = "BERTH_WITHOUT_RULE"

// chosen is the name's variable in a package with twins.
const chosen = "berthWithoutRule"

// Switch is a file that a package needs beside the twins in its files.
func Switch(pkg string) []byte {
	return fmt.Appendf(nil, "package %s\n\nimport \"os\"\n\nvar %s = os.Getenv(%q)\n", pkg, chosen, Variable)
}

// Twins gives each function of a file that holds one of the rules a twin without
// that rule, which is called in its stead where [Variable] names the rule. It
// answers the package's name, too, for [Switch].
func Twins(file string, src []byte, rules []Rule) (text []byte, pkg string, err error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, src, parser.ParseComments)
	if err != nil {
		return nil, "", err
	}
	type insertion struct {
		at   int
		text string
	}
	var insertions []insertion
	var twins bytes.Buffer
	for i, r := range rules {
		at, err := Find(src, r)
		if err != nil {
			return nil, "", err
		}
		f, err := holder(fset, tree, at, at+len(r.With))
		if err != nil {
			return nil, "", fmt.Errorf("%s: rule %s: %s: %w", r.At, r.Name, r.File, err)
		}
		offset := func(p token.Pos) int { return fset.Position(p).Offset }
		twin := fmt.Sprintf("%sWithoutRule%d", f.Name.Name, i)
		call, err := callTwin(f, twin)
		if err != nil {
			return nil, "", fmt.Errorf("%s: rule %s: %s: %w", r.At, r.Name, r.File, err)
		}
		insertions = append(insertions, insertion{offset(f.Body.Lbrace) + 1, fmt.Sprintf(" if %s == %q { %s };", chosen, r.Name, call)})
		// The compiler then names the rule where its code does not compile.
		fmt.Fprintf(&twins, "\n//line without rule %s:1\n", r.Name)
		from, to := offset(f.Pos()), offset(f.End())+1
		without := string(src[from:at]) + r.Without + string(src[at+len(r.With):to])
		// A rule may be all of a function that stands on one line, its name included.
		named := strings.Replace(without, f.Name.Name+"(", twin+"(", 1)
		if named == without {
			return nil, "", fmt.Errorf("%s: rule %s: without it %s is no function any more", r.At, r.Name, f.Name.Name)
		}
		twins.WriteString(named)
		twins.WriteString("\n")
	}
	slices.SortStableFunc(insertions, func(a, b insertion) int { return b.at - a.at })
	text = src
	for _, in := range insertions {
		text = slices.Concat(text[:in.at], []byte(in.text), text[in.at:])
	}
	text = slices.Concat(text, twins.Bytes())
	if _, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution); err != nil {
		return nil, "", fmt.Errorf("%s without its rules: %w", file, err)
	}
	return text, tree.Name.Name, nil
}

// Find is where a rule stands in its file, which must be but once.
func Find(src []byte, r Rule) (int, error) {
	// A rule is whole lines: what stands before one ends the line before it.
	lines, found, from := []byte("\n"+r.With), 0, 0
	var at int
	for {
		next := bytes.Index(src[from:], lines)
		if next < 0 {
			break
		}
		at, from, found = from+next+1, from+next+1, found+1
	}
	switch found {
	case 1:
		return at, nil
	case 0:
		return 0, fmt.Errorf("%s: rule %s: its lines are not in %s: write them anew from there", r.At, r.Name, r.File)
	default:
		return 0, fmt.Errorf("%s: rule %s: its lines are %d times in %s: add some that stand around it", r.At, r.Name, found, r.File)
	}
}

// holder is the function that holds what stands between two offsets.
func holder(fset *token.FileSet, tree *ast.File, from, to int) (*ast.FuncDecl, error) {
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Body != nil && fset.Position(f.Pos()).Offset <= from && to <= fset.Position(f.End()).Offset+1 {
			return f, nil
		}
	}
	return nil, errors.New("its lines are not within one function")
}

// callTwin is the statement that calls a function's twin with what it was given.
func callTwin(f *ast.FuncDecl, twin string) (string, error) {
	var given []string
	for _, field := range f.Type.Params.List {
		if len(field.Names) == 0 {
			return "", fmt.Errorf("%s has a parameter without a name", f.Name.Name)
		}
		for _, name := range field.Names {
			if name.Name == "_" {
				return "", fmt.Errorf("%s has a parameter without a name", f.Name.Name)
			}
			word := name.Name
			if _, more := field.Type.(*ast.Ellipsis); more {
				word += "..."
			}
			given = append(given, word)
		}
	}
	if f.Recv != nil {
		if len(f.Recv.List[0].Names) == 0 {
			return "", fmt.Errorf("%s has a receiver without a name", f.Name.Name)
		}
		twin = f.Recv.List[0].Names[0].Name + "." + twin
	}
	call := twin + "(" + strings.Join(given, ", ") + ")"
	if f.Type.Results == nil {
		return call + "; return", nil
	}
	return "return " + call, nil
}
