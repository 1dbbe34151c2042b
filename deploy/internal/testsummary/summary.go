package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json`, see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // Of build-output and build-fail, in place of Package.
	Test       string
	Output     string
}

// summary is what a run came to.
type summary struct {
	Failed  bool
	Skipped []string // "package.Test: reason", sorted.
}

// summarize copies to out what plain `go test` would print of the stream.
// Lines that are no events (the go command says some things outside of the
// stream) are printed as they are.
func summarize(in io.Reader, out io.Writer) (summary, error) {
	var result summary
	running := map[string]*packageOutput{}
	lines := bufio.NewReader(in)
	for {
		line, readErr := lines.ReadBytes('\n')
		if len(line) > 0 {
			text, err := result.take(running, line)
			if err != nil {
				return result, err
			}
			if _, err := io.WriteString(out, text); err != nil {
				return result, fmt.Errorf("print the summary: %w", err)
			}
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return result, fmt.Errorf("read the test stream: %w", readErr)
		}
	}
	// A package that never ended is one whose process was lost.
	for _, name := range sortedKeys(running) {
		result.Failed = true
		if _, err := io.WriteString(out, running[name].failure()+"FAIL\t"+name+" [the stream ended]\n"); err != nil {
			return result, fmt.Errorf("print the summary: %w", err)
		}
	}
	slices.Sort(result.Skipped)
	return result, nil
}

// take folds one line of the stream in and returns what is to be printed now.
func (s *summary) take(running map[string]*packageOutput, line []byte) (string, error) {
	if line[0] != '{' {
		return string(line), nil
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return "", fmt.Errorf("parse the test stream: %w", err)
	}
	switch e.Action {
	case "build-output":
		return e.Output, nil
	case "build-fail":
		s.Failed = true
		return "", nil
	}
	p := running[e.Package]
	if p == nil {
		p = &packageOutput{tests: map[string]*testOutput{}}
		running[e.Package] = p
	}
	switch {
	case e.Action == "output":
		p.add(e.Test, e.Output)
	case e.Test != "" && e.Action == "skip":
		s.Skipped = append(s.Skipped, e.Package+"."+e.Test+": "+skipReason(p.test(e.Test).text))
		p.forget(e.Test)
	case e.Test != "" && e.Action == "pass":
		p.forget(e.Test)
	case e.Test == "" && (e.Action == "pass" || e.Action == "skip"):
		delete(running, e.Package)
		return p.verdict(), nil
	case e.Test == "" && e.Action == "fail":
		s.Failed = true
		delete(running, e.Package)
		return p.failure(), nil
	}
	return "", nil
}

// packageOutput is what a package has printed and not yet been judged on.
type packageOutput struct {
	own   []string // Lines that belong to no test.
	tests map[string]*testOutput
	order []string
}

// testOutput is what one test printed.
type testOutput struct{ text []string }

func (p *packageOutput) test(name string) *testOutput {
	if p.tests[name] == nil {
		p.tests[name] = &testOutput{}
		p.order = append(p.order, name)
	}
	return p.tests[name]
}

func (p *packageOutput) add(test, text string) {
	if test == "" {
		p.own = append(p.own, text)
		return
	}
	t := p.test(test)
	t.text = append(t.text, text)
}

func (p *packageOutput) forget(test string) {
	delete(p.tests, test)
	p.order = slices.DeleteFunc(p.order, func(name string) bool { return name == test })
}

// verdict is the line that plain `go test` prints of a package that passed.
func (p *packageOutput) verdict() string {
	var text strings.Builder
	for _, line := range p.own {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t") || strings.HasPrefix(line, "\t") {
			text.WriteString(line)
		}
	}
	return text.String()
}

// failure is everything that the package said, but for the tests that passed.
// A test without an end was running when the package died, and is shown.
func (p *packageOutput) failure() string {
	var text strings.Builder
	for _, name := range p.order {
		for _, line := range p.tests[name].text {
			if !strings.HasPrefix(line, "=== ") {
				text.WriteString(line)
			}
		}
	}
	for _, line := range p.own {
		if line != "PASS\n" {
			text.WriteString(line)
		}
	}
	return text.String()
}

// logLine matches the file and line that testing puts before a message.
var logLine = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)

// skipReason is what the test said right before it was skipped.
func skipReason(output []string) string {
	var reason []string
	for _, line := range output {
		switch at := logLine.FindString(line); {
		case at != "":
			reason = []string{strings.TrimSpace(line[len(at):])}
		case reason != nil && strings.HasPrefix(line, "        "):
			reason = append(reason, strings.TrimSpace(line))
		}
	}
	if len(reason) == 0 {
		return "no reason given"
	}
	return strings.Join(reason, " ")
}

func sortedKeys(m map[string]*packageOutput) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
