package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSummary runs the real go command over a module with tests that pass,
// fail, skip, panic and do not compile, so that a change of the stream's format
// is noticed with the Go version that brings it.
func TestSummary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":         "module example\n\ngo 1.26\n",
		"good/a_test.go": "package good\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Log(\"unseen\") }\n",
		"none/a.go":      "package none\n",
		"skip/a_test.go": `package skip
import "testing"
func TestA(t *testing.T) { t.Log("first"); t.Skip("needs ../shared") }
func TestB(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Skip("two\nlines") }) }
func TestC(t *testing.T) { t.SkipNow() }
`,
		"fail/a_test.go": `package fail
import "testing"
func TestA(t *testing.T) { t.Log("unseen") }
func TestB(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Error("seen") }) }
`,
		"panics/a_test.go": "package panics\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Log(\"before\"); panic(\"boom\") }\n",
		"broken/a_test.go": "package broken\nimport \"testing\"\nfunc TestA(t *testing.T) { undefined() }\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	stream := func(packages ...string) *bytes.Buffer {
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"test", "-json", "-vet=off", "-p=1"}, packages...)...)
		cmd.Dir, cmd.Stdout = dir, &out
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		_ = cmd.Run() // It fails where the tests do; the stream is what counts.
		return &out
	}

	var out bytes.Buffer
	skipped := filepath.Join(dir, "skipped")
	if code := run(stream("./good", "./none", "./skip"), &out, &out, []string{"-skipped", skipped}); code != 0 {
		t.Errorf("exit code of a run that passes: %d", code)
	}
	wantOut := "ok  \texample/good\tTIME\n?   \texample/none\t[no test files]\nok  \texample/skip\tTIME\n"
	if diff := cmp.Diff(wantOut, timeless(out.String())); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	got, err := os.ReadFile(skipped)
	if err != nil {
		t.Fatal(err)
	}
	want := "example/skip.TestA: needs ../shared\nexample/skip.TestB/sub: two lines\nexample/skip.TestC: no reason given\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}

	out.Reset()
	if code := run(stream("./fail", "./panics", "./broken"), &out, &out, nil); code != 1 {
		t.Errorf("exit code of a run that fails: %d", code)
	}
	for _, line := range []string{
		"--- FAIL: TestB/sub", "a_test.go:4: seen", "FAIL\texample/fail\t",
		"a_test.go:3: before", "panic: boom", "FAIL\texample/panics\t",
		"undefined: undefined", "FAIL\texample/broken [build failed]",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("a failing run does not show %q:\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "unseen") {
		t.Errorf("a failing run shows what a passing test said:\n%s", out.String())
	}
}

// TestSummaryOfALostStream shows that a stream which breaks off is a failure.
func TestSummaryOfALostStream(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	in := strings.NewReader(`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: on its way\n"}` + "\n")
	if code := run(in, &out, &out, nil); code != 1 {
		t.Errorf("exit code: %d", code)
	}
	if diff := cmp.Diff("    a_test.go:1: on its way\nFAIL\tp [the stream ended]\n", out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if code := run(strings.NewReader("{broken\n"), &out, &out, nil); code != 1 {
		t.Errorf("exit code for a stream that is no JSON: %d", code)
	}
	if code := run(strings.NewReader(""), &out, &out, []string{"-unknown"}); code != 64 {
		t.Errorf("exit code for an unknown flag: %d", code)
	}
}

var seconds = regexp.MustCompile(`(?m)\t(\d+\.\d+s|\(cached\))$`)

func timeless(text string) string { return seconds.ReplaceAllString(text, "\tTIME") }
