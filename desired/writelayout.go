package desired

import (
	"bytes"
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"
)

// layOut chooses what stands in one line and what below each other; used is how
// much of the line is taken.
func layOut(n *yaml.Node, used, depth int) {
	table := n.Tag == tableTag
	if table {
		n.Tag = ""
	}
	if n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
		return
	}
	width, flat := flowWidth(n)
	alone := !table || len(n.Content) <= 2
	if len(n.Content) == 0 || flat && alone && (used+width <= lineWidth || wordsOnly(n)) {
		n.Style |= yaml.FlowStyle
		clearTables(n)
		return
	}
	indent := 2 * (depth + 1)
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			layOut(item, indent+2, depth+1)
		}
		return
	}
	for i := 1; i < len(n.Content); i += 2 {
		layOut(n.Content[i], indent+len(n.Content[i-1].Value)+2, depth+1)
	}
}

// wordsOnly tells a list of plain words, which can be broken into lines.
func wordsOnly(n *yaml.Node) bool {
	return n.Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content, func(item *yaml.Node) bool {
		return item.Kind != yaml.ScalarNode || item.Style != 0 || !regexpPlainWord.MatchString(item.Value)
	})
}

var regexpPlainWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_./-]{0,60}$`)

func clearTables(n *yaml.Node) {
	if n.Tag == tableTag {
		n.Tag = ""
	}
	for _, below := range n.Content {
		clearTables(below)
	}
}

// flowWidth is about how wide a node is in one line; flat tells whether it may
// stand in one.
func flowWidth(n *yaml.Node) (width int, flat bool) {
	if n.Kind == yaml.ScalarNode {
		return len(n.Value) + 2, n.Style&yaml.LiteralStyle == 0 && n.LineComment == ""
	}
	flat = true
	for _, below := range n.Content {
		w, ok := flowWidth(below)
		width, flat = width+w, flat && ok
	}
	return width + 2, flat
}

var regexpLongList = regexp.MustCompile(`^( *)[A-Za-z0-9]+: \[[A-Za-z0-9_., /-]*\]$`)

// wrapped breaks lists of words that are too long for a line.
func wrapped(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		m := regexpLongList.FindSubmatch(bytes.TrimRight(line, "\n"))
		if m == nil || len(line) <= lineWidth {
			out.Write(line)
			continue
		}
		used := 0
		for i, word := range bytes.SplitAfter(line, []byte(", ")) {
			if i > 0 && used+len(word) > lineWidth {
				out.Truncate(out.Len() - 1) // The blank.
				out.WriteString("\n" + string(m[1]) + "  ")
				used = len(m[1]) + 2
			}
			out.Write(word)
			used += len(word)
		}
	}
	return out.Bytes()
}
