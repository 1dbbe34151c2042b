package importer

import (
	"gopkg.in/yaml.v3"

	"berth/desired"
)

// place is where something stands in a file.
type place struct{ line, col int }

// locate tells what stands where in the text of one document.
func locate(text []byte) map[place]desired.Path {
	out := make(map[place]desired.Path)
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return out
	}
	walk(out, "", doc.Content[0])
	delete(out, place{doc.Content[0].Line, doc.Content[0].Column})
	return out
}

func walk(out map[place]desired.Path, at desired.Path, n *yaml.Node) {
	out[place{n.Line, n.Column}] = at
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			below := at.Sub(n.Content[i].Value)
			out[place{n.Content[i].Line, n.Content[i].Column}] = below
			walk(out, below, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			walk(out, at, item)
		}
	default:
	}
}
