package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// What a manifest may hold at most. The limits are far above what people write;
// they keep a hostile file from taking the agent's memory or time. What is read of
// a commit is bounded alike, so that agent validate refuses what the agent would.
const (
	maxFile    = 1 << 20
	maxDepth   = 64
	maxAliased = 10_000
	// maxValues bounds the memory that a file, and maxAllValues the memory that
	// all files together, are read into.
	maxValues    = 500_000
	maxAllValues = 4_000_000
)

// A document is one YAML document, with what it says about itself.
type document struct {
	kind *kind
	name string
	id   ID
	tree *tree
	// layers are a Project's, the lowest first: they lie between the profiles and
	// the document's own tree. Nil for what was written as a document.
	layers []*tree
	// src is where the document begins, nameSrc where its name stands.
	src, nameSrc Source
	// n is the guest's number among those that count makes of one document, from
	// 1; 0 without count.
	n int
	// settled is the guest as an earlier load left it, guest the one that was read
	// in this load.
	settled *settled
	guest   *guest
}

// parser reads the subset of YAML that manifests are written in.
type parser struct {
	file   string
	in     *origin // Of what stands in the file; nil until asked for.
	report func(src Source, id ID, text string)
	// chunk is the text being read, line how many lines of the file stand
	// before it.
	chunk chunk
	line  int
	// id is the chunk's document, once somebody has asked.
	id      ID
	guessed bool
	// searched counts the chunks that were searched for the line at fault.
	searched int
	aliased  int
	inside   []*yaml.Node
	// spare is room for what a document comes to.
	spare spare
}

// spot is a place in the file.
func (p *parser) spot(line, col int) spot {
	if p.in == nil {
		p.in = &origin{file: p.file}
	}
	return spot{in: p.in, line: int32(line), col: int32(col)} //nolint:gosec // Files are at most maxFile long.
}

// parse reads all documents of a file. A document with mistakes of syntax is
// reported and does not keep the others from being read; lost is called with
// what its text says it is.
func (p *parser) parse(data []byte, lost func(kind, name string)) []*tree {
	if len(data) > maxFile {
		p.complain(1, 1, fmt.Sprintf("the file is larger than %d MiB: split it", maxFile>>20))
		lost("", "")
		return nil
	}
	if valuesIn(data) > maxValues {
		p.complain(1, 1, fmt.Sprintf("the file holds more than %d values: split it", maxValues))
		lost("", "")
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if line, col, what := unreadable(data); what != "" {
		p.complain(line, col, what)
		lost("", "")
		return nil
	}
	text := string(data)
	chunks := split(text)
	if nodes := together(text, chunks); nodes != nil {
		trees := make([]*tree, 0, len(nodes))
		for i, node := range nodes {
			p.chunk, p.line, p.guessed = chunks[i], 0, false
			trees = p.add(trees, node, lost)
		}
		return trees
	}
	var trees []*tree
	for _, c := range chunks {
		p.chunk, p.line, p.guessed = c, c.line, false
		nodes, err := c.nodes()
		if err != nil {
			p.syntax(c, err)
			lost(c.says())
		}
		for _, node := range nodes {
			trees = p.add(trees, node, lost)
		}
	}
	return trees
}

// add turns a document's node into a tree.
func (p *parser) add(trees []*tree, node *yaml.Node, lost func(kind, name string)) []*tree {
	p.aliased = 0
	p.spare.measure(node)
	switch t := p.node(node, 0); t.form {
	case nullForm:
	case brokenForm:
		lost(p.chunk.says())
	default:
		trees = append(trees, t)
	}
	return trees
}

func (p *parser) complain(line, col int, text string) {
	if !p.guessed {
		p.id, p.guessed = guessID(p.chunk.says()), true
	}
	p.report(p.spot(line, col).source(), p.id, text)
}

// valuesIn is how many values a text can hold at most, counted by what parts
// them.
func valuesIn(data []byte) int {
	n := 1
	for _, c := range []byte{'\n', ',', ':', '[', '{'} {
		n += bytes.Count(data, []byte{c})
	}
	return n
}

// unreadable finds what no YAML may hold.
func unreadable(data []byte) (line, col int, what string) {
	line, col = 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return line, col, "this is no UTF-8: save the file as UTF-8"
		case r == '\n':
			line, col = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f, r == 0xfeff, r == 0xfffe, r == 0xffff, 0x80 <= r && r < 0xa0 && r != 0x85:
			return line, col, fmt.Sprintf("the character U+%04X can't be here: take it out", r)
		}
		col++
		i += size
	}
	return 0, 0, ""
}

// A chunk is the text from one "---" to the next, so that a mistake in one
// document leaves the others readable. The rule of YAML that "---" at the start
// of a line always ends a document makes the cut safe.
type chunk struct {
	text string
	line int
}

func split(text string) []chunk {
	var chunks []chunk
	start, startLine, line := 0, 0, 0
	for i := 0; i < len(text); line++ {
		end := strings.IndexByte(text[i:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += i + 1
		}
		if rest, ok := strings.CutPrefix(text[i:end], "---"); ok && i > start && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n")) {
			chunks = append(chunks, chunk{text: text[start:i], line: startLine})
			start, startLine = i, line
		}
		i = end
	}
	return append(chunks, chunk{text: text[start:], line: startLine})
}

// together reads the chunks of a file in one go, which costs half of what reading
// each does: a node for each chunk, with lines counted from the file's first. It is
// nil where that could differ from reading each by itself: where one has mistakes,
// is none or several documents, names an anchor, which would be known to those
// after it, or has lines that end otherwise.
func together(text string, chunks []chunk) []*yaml.Node {
	if len(chunks) < 2 || strings.ContainsAny(text, "&*%\r\u0085\u2028\u2029") {
		return nil
	}
	nodes, err := (chunk{text: text}).nodes()
	if err != nil || len(nodes) != len(chunks) {
		return nil
	}
	for i, node := range nodes {
		if node.Kind != yaml.MappingNode || node.Line <= chunks[i].line || i+1 < len(chunks) && node.Line > chunks[i+1].line {
			return nil
		}
	}
	return nodes
}

// nodes reads a chunk. There are several only where a document was ended by
// "...".
func (c chunk) nodes() (nodes []*yaml.Node, err error) {
	// yaml.v3 is no longer kept; what it may still panic at must not end us.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: the reader gave up: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(strings.NewReader(c.text))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, node.Content...)
	}
}

// node turns a node into a tree. What is wrong is reported, and broken in the
// tree.
func (p *parser) node(n *yaml.Node, depth int) *tree {
	line, col := n.Line+p.line, n.Column
	if depth > maxDepth {
		p.complain(line, col, fmt.Sprintf("nested more than %d deep: make it flatter", maxDepth))
		return p.lost(n)
	}
	if len(p.inside) > 0 {
		if p.aliased++; p.aliased > maxAliased {
			if p.aliased == maxAliased+1 {
				p.complain(p.inside[0].Line+p.line, p.inside[0].Column, fmt.Sprintf("aliases stand for more than %d values in this document: write a Profile instead", maxAliased))
			}
			return p.lost(n)
		}
	}
	if n.Style&yaml.TaggedStyle != 0 || n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		p.complain(line, col, tagText(n)+" is a YAML tag, which manifests do not have: leave it out, or put the text in quotes")
		return p.lost(n)
	}
	t := p.spare.tree()
	t.at = p.spot(line, col)
	switch n.Kind {
	case yaml.AliasNode:
		return p.alias(n, depth)
	case yaml.MappingNode:
		if doubleBraced(n) {
			p.complain(line, col, "{{ … }} stands here, which YAML reads as a map: write the value out, or put the text in quotes")
			return p.lost(n)
		}
		t.form = mapForm
		p.mapping(t, n, depth)
	case yaml.SequenceNode:
		t.form = listForm
		t.items = p.spare.list(len(n.Content))
		for _, item := range n.Content {
			t.items = append(t.items, p.node(item, depth+1))
		}
	default:
		t.text, t.plain = n.Value, n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
		if t.plain && n.Tag == "!!null" {
			t.form, t.empty = nullForm, n.Value == ""
		}
	}
	return t
}

// lost stands for a node that can't be used.
func (p *parser) lost(n *yaml.Node) *tree {
	return &tree{form: brokenForm, at: p.spot(n.Line+p.line, n.Column)}
}

func (p *parser) alias(n *yaml.Node, depth int) *tree {
	for _, outer := range p.inside {
		if outer.Alias == n.Alias {
			p.complain(n.Line+p.line, n.Column, fmt.Sprintf("*%s stands within itself: write it out", n.Value))
			return p.lost(n)
		}
	}
	p.inside = append(p.inside, n)
	defer func() { p.inside = p.inside[:len(p.inside)-1] }()
	return p.node(n.Alias, depth+1)
}

func (p *parser) mapping(t *tree, n *yaml.Node, depth int) {
	t.entries = p.spare.table(len(n.Content) / 2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		line, col := key.Line+p.line, key.Column
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			p.complain(line, col, "a key is one word: put it in quotes if it begins with { or [")
			t.holed = true
			continue
		case key.Tag == "!!merge":
			p.complain(line, col, "<< is not read in manifests: put what is shared into a Profile")
			t.holed = true
			continue
		case key.Style&yaml.TaggedStyle != 0:
			p.complain(line, col, tagText(key)+" is a YAML tag, which manifests do not have: leave it out, or put the text in quotes")
			t.holed = true
			continue
		}
		if before := t.position(key.Value); before >= 0 {
			p.complain(line, col, fmt.Sprintf("%q stands here twice, first in line %d: keep one", key.Value, t.entries[before].src().Line))
			continue
		}
		t.put(entry{key: key.Value, at: p.spot(line, col), value: p.node(n.Content[i+1], depth+1)})
	}
}

// doubleBraced tells whether a map is what YAML makes of an unquoted {{ word }}.
func doubleBraced(n *yaml.Node) bool {
	return n.Style&yaml.FlowStyle != 0 && len(n.Content) == 2 && n.Content[0].Kind == yaml.MappingNode && n.Content[0].Style&yaml.FlowStyle != 0
}

// tagText is a tag as it was written.
func tagText(n *yaml.Node) string {
	if n.Tag == "" {
		return "!"
	}
	return n.ShortTag()
}
