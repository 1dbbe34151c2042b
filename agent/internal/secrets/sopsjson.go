package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"gopkg.in/yaml.v3"
)

// maxJSONDepth bounds how deep JSON may be nested.
const maxJSONDepth = 200

// jsonTree reads JSON into the tree that YAML has, the order of its names kept.
func jsonTree(text []byte) (*yaml.Node, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	token, err := decoder.Token()
	if err != nil || token != json.Delim('{') {
		return nil, errNoSOPS
	}
	root, err := jsonNode(decoder, token, maxJSONDepth)
	if err != nil {
		return nil, errNoSOPS
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoSOPS
	}
	return root, checkTree(root)
}

// jsonNode reads what a token begins.
func jsonNode(decoder *json.Decoder, token json.Token, depth int) (*yaml.Node, error) {
	switch token := token.(type) {
	case string:
		return newString(token), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: token.String()}, nil
	case bool:
		node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "false"}
		if token {
			node.Value = "true"
		}
		return node, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
	node := newMap()
	if token == json.Delim('[') {
		node = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	if depth == 0 {
		return nil, errors.New("nested too deep")
	}
	for {
		next, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		if next == json.Delim('}') || next == json.Delim(']') {
			return node, nil
		}
		// Names are strings: the decoder has seen to that.
		below, err := jsonNode(decoder, next, depth-1)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, below)
	}
}

// writeJSON writes a tree as JSON, the order of its names kept.
func writeJSON(out *bytes.Buffer, at *yaml.Node) error {
	open, end := byte('['), byte(']')
	if at.Kind == yaml.MappingNode {
		open, end = '{', '}'
	}
	if at.Kind == yaml.ScalarNode {
		var value any = at.Value
		if at.ShortTag() != "!!str" {
			value = json.RawMessage(at.Value)
		}
		text, err := json.Marshal(value)
		out.Write(text)
		return err
	}
	out.WriteByte(open)
	for i, below := range at.Content {
		switch {
		case i > 0 && at.Kind == yaml.MappingNode && i%2 == 1:
			out.WriteByte(':')
		case i > 0:
			out.WriteByte(',')
		}
		if err := writeJSON(out, below); err != nil {
			return err
		}
	}
	out.WriteByte(end)
	return nil
}
