package seed

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// mapping is a YAML map that keeps the order in which it was written.
type mapping struct {
	keys   []string
	values []any
}

// add appends a key.
func (m *mapping) add(key string, value any) {
	m.keys = append(m.keys, key)
	m.values = append(m.values, value)
}

// addIf appends a key whose value says something.
func (m *mapping) addIf(says bool, key string, value any) {
	if says {
		m.add(key, value)
	}
}

func (m *mapping) encode(heading string) ([]byte, error) {
	root, err := node(*m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(heading)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// node turns a value into YAML. It goes down to the scalars itself, since the
// library writes some texts of several lines in a way that it can't read.
func node(value any) (*yaml.Node, error) {
	out := &yaml.Node{}
	switch v := value.(type) {
	case mapping:
		out.Kind = yaml.MappingNode
		for i, key := range v.keys {
			if err := pair(out, key, v.values[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		out.Kind = yaml.MappingNode
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := pair(out, key, v[key]); err != nil {
				return nil, err
			}
		}
	case []mapping:
		return list(v)
	case []string:
		return list(v)
	case []any:
		return list(v)
	case string:
		return scalar(v)
	default:
		if err := out.Encode(v); err != nil {
			return nil, fmt.Errorf("encode a %T: %w", v, err)
		}
	}
	return out, nil
}

func pair(out *yaml.Node, key string, value any) error {
	name, err := scalar(key)
	if err != nil {
		return err
	}
	of, err := node(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	out.Content = append(out.Content, name, of)
	return nil
}

func list[T any](values []T) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range values {
		item, err := node(v)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, item)
	}
	return out, nil
}

// scalar writes lines as a block where that is safe, for people to read.
func scalar(text string) (*yaml.Node, error) {
	out := &yaml.Node{}
	switch {
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("%q is no UTF-8 text", text)
	case !strings.Contains(text, "\n"):
		// The library knows which words YAML 1.1 takes for something else only
		// when it encodes a string.
		if err := out.Encode(text); err != nil {
			return nil, fmt.Errorf("encode %q: %w", text, err)
		}
	case plain(text) && !strings.ContainsAny(text[:1], " \t\n"):
		*out = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.LiteralStyle}
	default:
		*out = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
	}
	return out, nil
}

// plain tells whether every YAML reader gives the text back as it was.
func plain(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
