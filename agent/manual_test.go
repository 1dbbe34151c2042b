package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
)

// TestManual writes a page of each command that --help tells of, in its words.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	var out bytes.Buffer
	s := streams{In: strings.NewReader(""), Out: &out, Err: &out, Env: func(string) string { return "" }}
	if code := run(t.Context(), s, []string{"manual", dir}); code != exitSame {
		t.Fatalf("agent manual: %d, %s", code, &out)
	}
	pages := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, pageName(c)+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		pages++
		text := string(page)
		if !strings.Contains(text, roff(c.Short)) || c.Example != "" && !strings.Contains(text, ".SH EXAMPLES\n") {
			t.Errorf("the page of %s lacks its summary or examples:\n%s", c.CommandPath(), text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			// A line that begins so is a request; in a text it vanishes.
			if word, _, _ := strings.Cut(line, " "); strings.HasPrefix(word, ".") && !strings.Contains(" .TH .nh .ad .SH .B .br .BR .PP .TP .RS .RE .nf .fi ", " "+word+" ") || strings.HasPrefix(line, "'") {
				t.Errorf("the page of %s has the request %q", c.CommandPath(), line)
			}
		}
		for _, sub := range manualOf(c) {
			look(sub)
		}
	}
	root := newRoot(s)
	root.InitDefaultCompletionCmd()
	look(root)
	if files, err := os.ReadDir(dir); err != nil || len(files) != pages || pages < 20 {
		t.Errorf("there are %d files for %d commands, %v", len(files), pages, err)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "agent-sync.1")); err != nil || !strings.Contains(string(page), ".TP\n.B \\-o, \\-\\-output string\ntext, json or markdown (default text)\n") {
		t.Errorf("%v:\n%s", err, page)
	}
	if got := roff(`.a '-' \n`); got != `\&.a \(aq\-\(aq \en` {
		t.Errorf("roff writes %s", got)
	}
	// A directory that can't be made is told of, and so is none.
	out.Reset()
	if code := run(t.Context(), s, []string{"manual", filepath.Join(dir, "agent.1", "below")}); code != exitError || !strings.Contains(out.String(), "write the manual") {
		t.Errorf("%d: %s", code, &out)
	}
	if code := run(t.Context(), s, []string{"manual"}); code != exitUsage {
		t.Errorf("without a directory: %d", code)
	}
}

// TestPackagedSettings reads the settings that packages bring: as they are, and with each
// line that is meant to be taken in.
func TestPackagedSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/packaging/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	load := func(text string) error {
		file := filepath.Join(t.TempDir(), "agent.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, err := config.Load(file, func(string) string { return "" })
		if err != nil {
			return err
		}
		return settings.Check()
	}
	if err := load(string(text)); err == nil || !strings.Contains(err.Error(), "repository.url is missing: write where the manifests are") {
		t.Errorf("nobody has written them yet: %v", err)
	}
	var taken strings.Builder
	examples := 0
	for line := range strings.Lines(string(text)) {
		example, commented := strings.CutPrefix(line, "#")
		// Words are set off by one space, or, in a list, by more than two.
		switch indent := len(example) - len(strings.TrimLeft(example, " ")); {
		case commented && strings.TrimSpace(example) != "" && (indent == 0 || indent == 2):
			taken.WriteString(example)
			examples++
		}
	}
	if err := load(taken.String()); err != nil || examples < 10 {
		t.Errorf("with its %d examples taken in: %v\n%s", examples, err, &taken)
	}
}

// TestProductUUID prefers what the service hands on to what root alone can read.
func TestProductUUID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return dir
		}
		return ""
	}
	const system = "/sys/class/dmi/id/product_uuid"
	if got := productUUID(environ); got != system {
		t.Errorf("without the credential it is read from %s", got)
	}
	file := filepath.Join(dir, "product_uuid")
	if err := os.WriteFile(file, []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := productUUID(environ); got != file {
		t.Errorf("with the credential it is read from %s", got)
	}
	if got := productUUID(func(string) string { return "" }); got != system {
		t.Errorf("outside of a service it is read from %s", got)
	}
}
