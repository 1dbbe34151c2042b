package rulecheck_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/deploy/internal/rulecheck"
)

const module = "module example\n\ngo 1.26\n"

const code = `package small

// Add adds what is not negative.
func Add(more ...int) (sum int) {
	for _, n := range more {
		if n < 0 {
			continue
		}
		sum += n
	}
	return sum
}

type Box struct{ n int }

func (b *Box) Full() bool { return b.n > 8 }

func (b *Box) Put(n int) {
	if n > 9 {
		n = 9
	}
	b.n = n
}
`

const tests = `package small

import "testing"

func TestAdd(t *testing.T) {
	t.Run("negative", func(t *testing.T) {
		if Add(1, -1, 2) != 3 {
			t.Error("adds what is negative")
		}
	})
}

func TestPut(t *testing.T) {
	var b Box
	if b.Put(3); b.n != 3 {
		t.Error("does not keep it")
	}
	if b.Put(9); !b.Full() {
		t.Error("is not full")
	}
}

func TestPanic(t *testing.T) {
	var b Box
	b.Put(12)
	_ = make([]int, 10)[b.n]
}
`

const list = `Words for people.
-- negative --
facts: 2
why: One
why: sentence.
file: small/small.go
fails: small TestAdd/negative

 	for _, n := range more {
-		if n < 0 {
-			continue
-		}
-- most --
facts: 3
why: Another.
file: small/small.go
fails: small TestPut

-	if n > 9 {
+	if n > 99 {
-- panics --
facts: 3
why: Another.
file: small/small.go
fails: small TestPanic

-	if n > 9 {
+	if n > 99 {
-- full --
facts: 3
why: A function on one line.
file: small/small.go
fails: small TestPut

-func (b *Box) Full() bool { return b.n > 8 }
+func (b *Box) Full() bool { return b.n > 9 }
`

// TestSurvives builds a small module once and takes four rules out: one that a
// test notices, one that none does, and one whose test panics, which says nothing; the
// last is a whole function.
func TestSurvives(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "go.mod", module)
	write(t, root, "small/small.go", code)
	write(t, root, "small/small_test.go", tests)
	rules, err := rulecheck.Parse("list.txtar", []byte(list))
	if err != nil {
		t.Fatal(err)
	}
	if r := rules[1]; len(rules) != 4 || r.At != "list.txtar:13" || rules[0].Why != "One sentence." {
		t.Fatalf("rules are read as %+v", rules)
	}
	b, err := rulecheck.Build(t.Context(), root, t.TempDir(), rules)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := b.Passes(t.Context(), "small", []string{"TestAdd/negative", "TestPut"}); wrong != "" {
		t.Error(wrong)
	}
	if wrong := b.Passes(t.Context(), "small", []string{"TestNone"}); wrong == "" {
		t.Error("a test that is not there passes")
	}
	for i, want := range []string{"", "TestPut of small passes without it", "TestPanic of small panics without it", ""} {
		if got := b.Survives(t.Context(), rules[i]); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("rule %s: %q, want %q", rules[i].Name, got, want)
		}
	}
}

// TestBadRules reads lists that say too little, and rules that no longer fit.
func TestBadRules(t *testing.T) {
	t.Parallel()
	const head = "-- r --\nfacts: 1\nwhy: So.\nfile: a.go\nfails: . TestA\n\n"
	for text, want := range map[string]string{
		"-- r --\nfacts: x\n\n- a\n":     "is no part",
		"-- r --\nfacts: 1\n\n- a\n":     "write facts, why, file and fails",
		"-- r --\nfact: 1\n\n- a\n":      "is not known",
		"-- r --\nfails: TestA\n\n- a\n": "is not a package's directory",
		"-- r --\nfacts: 1\n":            "after an empty line",
		head + " same\n":                 `no line begins with "-"`,
		head + "unsigned\n":              "begins with neither",
	} {
		if _, err := rulecheck.Parse("l", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	const src = "package a\n\nvar x = 1\n\nfunc f(int) {\n\ty()\n}\n\nfunc g() {\n\tz()\n\ty(2)\n\tz()\n}\n"
	for with, want := range map[string]string{
		"var x = 1\n": "not within one function",
		"\ty()\n":     "a parameter without a name",
		"\tz()\n":     "2 times in a.go",
		"\tgone()\n":  "not in a.go",
	} {
		_, _, err := rulecheck.Twins("a.go", []byte(src), []rulecheck.Rule{{Name: "r", File: "a.go", With: with}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", with, err, want)
		}
	}
}

// TestPattern matches tests as a whole, and subtests alone only where no test is
// meant as a whole.
func TestPattern(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"^(TestA|TestB)$":       {"TestA", "TestB/one"},
		"^(TestA)$/^(one|two)$": {"TestA/one", "TestA/two"},
	} {
		if got := rulecheck.Pattern(names); got != want {
			t.Errorf("%v: %s, want %s", names, got, want)
		}
	}
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
