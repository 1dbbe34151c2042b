package rulecheck

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Rule is one rule, and what must go wrong without it.
type Rule struct {
	Name string
	// At is file:line of the rule in its list.
	At string
	// Facts is the part of FACTS.md that it is drawn from, from 1 on.
	Facts int
	// Why is what it is there for.
	Why string
	// File holds the rule; relative to the module's root, with slashes.
	File string
	// Fails are the tests that must fail without the rule; at least one.
	Fails []Test
	// With is what stands in the file, Without what would stand there without the
	// rule. Both are whole lines.
	With, Without string
}

// Test is a test, or a subtest ("TestX/some_case"), of a package, which is named by
// its directory, relative to the module's root.
type Test struct{ Dir, Name string }

// Parse reads a list of rules; file is its name, for errors.
func Parse(file string, text []byte) ([]Rule, error) {
	archive := txtar.Parse(text)
	line := 1 + strings.Count(string(archive.Comment), "\n")
	var rules []Rule
	for _, section := range archive.Files {
		r, err := parseRule(section.Name, string(section.Data))
		r.At = file + ":" + strconv.Itoa(line)
		if err != nil {
			return nil, fmt.Errorf("%s: rule %s: %w", r.At, section.Name, err)
		}
		rules = append(rules, r)
		line += 1 + strings.Count(string(section.Data), "\n")
	}
	return rules, nil
}

func parseRule(name, text string) (Rule, error) {
	r := Rule{Name: name}
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		return r, errors.New("write what changes below the words, after an empty line")
	}
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		if err := r.word(key, strings.TrimSpace(value)); err != nil {
			return r, err
		}
	}
	changes := false
	for line := range strings.Lines(strings.Trim(body, "\n") + "\n") {
		switch sign, rest := line[0], line[1:]; sign {
		case ' ':
			r.With, r.Without = r.With+rest, r.Without+rest
		case '-':
			r.With, changes = r.With+rest, true
		case '+':
			r.Without, changes = r.Without+rest, true
		case '\n':
			r.With, r.Without = r.With+line, r.Without+line
		default:
			return r, fmt.Errorf(`%q begins with neither " ", "-" nor "+"`, strings.TrimSpace(line))
		}
	}
	switch {
	case r.Facts == 0, r.Why == "", r.File == "", len(r.Fails) == 0:
		return r, errors.New("write facts, why, file and fails")
	case !changes:
		return r, errors.New(`no line begins with "-" or "+"`)
	}
	return r, nil
}

func (r *Rule) word(key, value string) error {
	switch key {
	case "facts":
		part, err := strconv.Atoi(value)
		if err != nil || part < 1 {
			return fmt.Errorf("facts: %q is no part of FACTS.md", value)
		}
		r.Facts = part
	case "why":
		r.Why = strings.TrimSpace(r.Why + " " + value)
	case "file":
		r.File = value
	case "fails":
		dir, name, ok := strings.Cut(value, " ")
		if !ok || !strings.HasPrefix(name, "Test") {
			return fmt.Errorf("fails: %q is not a package's directory and a test", value)
		}
		r.Fails = append(r.Fails, Test{Dir: dir, Name: name})
	default:
		return fmt.Errorf("%q is not known: write facts, why, file or fails", key)
	}
	return nil
}
