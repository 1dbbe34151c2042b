package rulecheck

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bench holds the test binaries of some rules, built with twins.
type Bench struct {
	root, dir string
}

// Build builds the tests of all rules below root, the module's directory, and
// keeps them in dir, which the caller removes.
func Build(ctx context.Context, root, dir string, rules []Rule) (*Bench, error) {
	byFile, packages := make(map[string][]Rule), make(map[string]bool)
	for _, r := range rules {
		byFile[r.File] = append(byFile[r.File], r)
		for _, t := range r.Fails {
			packages[t.Dir] = true
		}
	}
	replace := make(map[string]string)
	put := func(file string, text []byte) error {
		copied := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		replace[filepath.Join(root, filepath.FromSlash(file))] = copied
		return os.WriteFile(copied, text, 0o600) //nolint:gosec // A list names files of the project.
	}
	for file, held := range byFile {
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return nil, err
		}
		text, pkg, err := Twins(file, src, held)
		if err != nil {
			return nil, err
		}
		if err := put(file, text); err != nil {
			return nil, err
		}
		if err := put(path.Join(path.Dir(file), "zz_without_rule.go"), Switch(pkg)); err != nil {
			return nil, err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return nil, err
	}
	b := &Bench{root: root, dir: dir}
	for pkg := range packages {
		build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+list, "-o", b.binary(pkg), "./"+pkg)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the tests of %s with twins: %w\n%s", pkg, err, out)
		}
	}
	return b, nil
}

func (b *Bench) binary(pkg string) string {
	return filepath.Join(b.dir, strings.ReplaceAll(pkg, "/", "-")+".test")
}

// limit is far above what a test that a rule names takes.
const limit = 60 * time.Second

// Passes runs tests of one package with all rules in place, and answers what is
// wrong: "" if all of them ran and passed.
func (b *Bench) Passes(ctx context.Context, pkg string, names []string) string {
	out, err := b.run(ctx, "", pkg, names)
	if err != nil {
		return fmt.Sprintf("with every rule in place the tests of %s don't pass: %v\n%s", pkg, err, tail(out))
	}
	for _, name := range names {
		if !strings.Contains(out, "--- PASS: "+name+" ") {
			return fmt.Sprintf("%s has no test %s, or it was skipped", pkg, name)
		}
	}
	return ""
}

// Survives runs a rule's tests without it, and answers what is wrong: "" if each
// of them failed, as a test fails, and neither panicked nor ran out of time.
func (b *Bench) Survives(ctx context.Context, r Rule) string {
	for _, t := range r.Fails {
		out, err := b.run(ctx, r.Name, t.Dir, []string{t.Name})
		switch {
		case err == nil:
			return fmt.Sprintf("%s of %s passes without it", t.Name, t.Dir)
		case strings.Contains(out, "\npanic: ") || strings.HasPrefix(out, "panic: "):
			return fmt.Sprintf("%s of %s panics without it, or takes too long:\n%s", t.Name, t.Dir, tail(out))
		case !strings.Contains(out, "--- FAIL: "+t.Name+" "):
			return fmt.Sprintf("%s of %s ended badly without it, but no test failed: %v\n%s", t.Name, t.Dir, err, tail(out))
		}
	}
	return ""
}

// run runs tests of a package without a rule; "" is none.
func (b *Bench) run(ctx context.Context, without, pkg string, names []string) (string, error) {
	test := exec.CommandContext(ctx, b.binary(pkg), "-test.v", "-test.count=1", "-test.timeout="+limit.String(), "-test.run="+Pattern(names))
	test.Dir = filepath.Join(b.root, filepath.FromSlash(pkg))
	test.Env = append(os.Environ(), Variable+"="+without)
	out, err := test.CombinedOutput()
	return string(out), err
}

// Pattern is the -run pattern of tests and subtests. Where subtests are among
// them, more may match: all with one of the first names and one of the seconds.
func Pattern(names []string) string {
	var levels [][]string
	whole := false
	for _, name := range names {
		parts := strings.Split(name, "/")
		whole = whole || len(parts) == 1
		for i, part := range parts {
			if i == len(levels) {
				levels = append(levels, nil)
			}
			if part = regexp.QuoteMeta(part); !slices.Contains(levels[i], part) {
				levels[i] = append(levels[i], part)
			}
		}
	}
	var all []string
	for i, level := range levels {
		if i > 0 && whole {
			break // A test that is meant with all its subtests.
		}
		all = append(all, "^("+strings.Join(level, "|")+")$")
	}
	return strings.Join(all, "/")
}

// tail is the end of an output.
func tail(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
