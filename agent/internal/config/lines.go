package config

import (
	"strconv"

	"gopkg.in/yaml.v3"
)

// linesOf tells on which line each field of the settings stands, by its dotted path,
// as in "notify.0.webhook".
func linesOf(text []byte) map[string]int {
	lines := make(map[string]int)
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) == nil && len(doc.Content) > 0 {
		locate(lines, "", doc.Content[0])
	}
	return lines
}

// locate goes one level down at a time; what an alias repeats stands elsewhere.
func locate(lines map[string]int, path string, node *yaml.Node) {
	below := func(word string) string {
		if path == "" {
			return word
		}
		return path + "." + word
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			lines[below(key.Value)] = key.Line
			locate(lines, below(key.Value), node.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			lines[below(strconv.Itoa(i))] = item.Line
			locate(lines, below(strconv.Itoa(i)), item)
		}
	default:
	}
}

// at is the place of a field: its file and, where it stands in that, its line.
func (s *Settings) at(field string) string {
	if line, stands := s.lines[field]; stands {
		return s.where() + ":" + strconv.Itoa(line)
	}
	return s.where()
}

// Place is where a field stands, by its dotted path: "/etc/berth/agent.yaml:12".
func (s *Settings) Place(field string) string { return s.at(field) }
