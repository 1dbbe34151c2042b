package desired

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestReadingTogetherIsReadingEach holds that a file's documents are the same,
// place by place, whether they are read in one go or each by itself.
func TestReadingTogetherIsReadingEach(t *testing.T) {
	documents := []string{
		"kind: VM\nname: a\n", "# a comment\nkind: VM # another\n\n# and one\n", "{kind: VM, name: [a, b]}\n", "a: |\n  x\n   y\n\nb: >-\n  z\n",
		"a:\n- b\n-\n  - c\n- {d: e}\n", "\n\na: 'b'\n...\n", "...\n", "a: &b c\nd: *b\n", "- a\n", "\n", "# alone\n", "a: \"b\\n\"\r\n", "a: b\u2028c\n", "a", "a: [b\n", "? a\n: b\n", "%YAML 1.2\n", "!x a: b\n", "a: -\n", "a: 'b\n  c'\nd: e\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for i, n := 0, rapid.IntRange(1, 4).Draw(t, "documents"); i < n; i++ {
			if i > 0 || rapid.Bool().Draw(t, "marked") {
				text.WriteString(rapid.SampledFrom([]string{"---\n", "--- # so\n", "---  "}).Draw(t, "mark"))
			}
			text.WriteString(rapid.SampledFrom(documents).Draw(t, "document"))
		}
		read := func(text string) []*tree {
			p := parser{file: "f.yaml", report: func(Source, ID, string) {}}
			return p.parse([]byte(text), func(string, string) {})
		}
		var each []*tree
		for _, c := range split(text.String()) {
			for _, one := range read(c.text) {
				shift(one, int32(c.line))
				each = append(each, one)
			}
		}
		all := read(text.String())
		if len(all) != len(each) {
			t.Fatalf("%q: %d documents together, %d by themselves", text.String(), len(all), len(each))
		}
		for i := range all {
			if !alike(all[i], each[i]) {
				t.Fatalf("%q: document %d differs", text.String(), i)
			}
		}
	})
}

// shift moves a tree down.
func shift(t *tree, lines int32) {
	t.at.line += lines
	for _, item := range t.items {
		shift(item, lines)
	}
	for i := range t.entries {
		t.entries[i].at.line += lines
		shift(t.entries[i].value, lines)
	}
}

// alike tells whether trees are the same to the last place.
func alike(a, b *tree) bool {
	if a.form != b.form || a.text != b.text || a.plain != b.plain || a.empty != b.empty || a.holed != b.holed || a.src() != b.src() ||
		len(a.items) != len(b.items) || len(a.entries) != len(b.entries) {
		return false
	}
	for i := range a.items {
		if !alike(a.items[i], b.items[i]) {
			return false
		}
	}
	for i := range a.entries {
		if a.entries[i].key != b.entries[i].key || a.entries[i].src() != b.entries[i].src() || !alike(a.entries[i].value, b.entries[i].value) {
			return false
		}
	}
	return true
}
