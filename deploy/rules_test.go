package deploy_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/deploy/internal/rulecheck"
)

// ruleLists are the rules that Proxmox's unkindness taught, in a file for each part
// of FACTS.md.
const ruleLists = "../applyers/proxmox/testdata/rules/*.txtar"

// TestRules holds the lists of rules to the tree: every rule stands in its file
// once, and the tests that it names are there. What they are worth is tried by
// TestRulesAreNeeded.
func TestRules(t *testing.T) {
	t.Parallel()
	rules := readRules(t)
	names := make(map[string]string)
	for _, r := range rules {
		if other, twice := names[r.Name]; twice {
			t.Errorf("%s: rule %s stands at %s, too", r.At, r.Name, other)
		}
		names[r.Name] = r.At
		src, err := os.ReadFile(path.Join("..", r.File))
		if err != nil {
			t.Errorf("%s: rule %s: %v", r.At, r.Name, err)
			continue
		}
		if _, _, err := rulecheck.Twins(r.File, src, []rulecheck.Rule{r}); err != nil {
			t.Error(err)
		}
		for _, test := range r.Fails {
			if !hasTest(t, test) {
				t.Errorf("%s: rule %s: %s has no %s", r.At, r.Name, test.Dir, test.Name)
			}
		}
	}
	facts, err := os.ReadFile("../../shared/pve/FACTS.md")
	if err != nil {
		return // The list is the project's; the parts are not.
	}
	for _, r := range rules {
		if !strings.Contains(string(facts), fmt.Sprintf("\n## %d. ", r.Facts)) {
			t.Errorf("%s: rule %s: FACTS.md has no part %d", r.At, r.Name, r.Facts)
		}
	}
}

// TestRulesAreNeeded takes out one rule after the other and runs the tests that
// must then fail. BERTH_RULE narrows it to the rules whose names match.
func TestRulesAreNeeded(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("builds other packages' tests: set BERTH_REAL=1, or run deploy/test")
	}
	rules := readRules(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if one := os.Getenv("BERTH_RULE"); one != "" {
		only := regexp.MustCompile(one)
		rules = slices.DeleteFunc(rules, func(r rulecheck.Rule) bool { return !only.MatchString(r.Name) })
	}
	b, err := rulecheck.Build(t.Context(), root, t.TempDir(), rules)
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string][]string)
	for _, r := range rules {
		for _, test := range r.Fails {
			if !slices.Contains(named[test.Dir], test.Name) {
				named[test.Dir] = append(named[test.Dir], test.Name)
			}
		}
	}
	for dir, names := range named {
		if wrong := b.Passes(t.Context(), dir, names); wrong != "" {
			t.Fatal(wrong)
		}
	}
	var wg sync.WaitGroup
	two := make(chan struct{}, 2)
	for _, r := range rules {
		wg.Go(func() {
			two <- struct{}{}
			defer func() { <-two }()
			if wrong := b.Survives(t.Context(), r); wrong != "" {
				t.Errorf("%s: rule %s (FACTS %d): %s", r.At, r.Name, r.Facts, wrong)
			}
		})
	}
	wg.Wait()
	if !t.Failed() {
		t.Logf("%d rules, each of them needed", len(rules))
	}
}

func readRules(t *testing.T) []rulecheck.Rule {
	t.Helper()
	lists, err := filepath.Glob(ruleLists)
	if err != nil || len(lists) == 0 {
		t.Fatalf("no lists of rules match %s (%v)", ruleLists, err)
	}
	var rules []rulecheck.Rule
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		some, err := rulecheck.Parse(strings.TrimPrefix(filepath.ToSlash(list), "../"), text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, some...)
	}
	return rules
}

// hasTest tells whether a package's directory has a test, by its text.
func hasTest(t *testing.T, test rulecheck.Test) bool {
	t.Helper()
	files, err := filepath.Glob(path.Join("..", test.Dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(test.Name, "/")
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {\n")
	})
}
