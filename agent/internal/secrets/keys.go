package secrets

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"berth/desired"
)

// within finds a key, dotted, in a secret that is a YAML map of values.
func within(value []byte, ref desired.SecretRef) ([]byte, error) {
	var node yaml.Node
	// The error of the parser may quote what it read.
	if yaml.Unmarshal(value, &node) != nil || len(node.Content) == 0 {
		return nil, fmt.Errorf("secret %q has no key %q: it is not a YAML map", ref.Secret, ref.Key)
	}
	at := node.Content[0]
	for key := range strings.SplitSeq(ref.Key, ".") {
		next, err := child(at, key)
		if err != nil {
			return nil, fmt.Errorf("secret %q: key %q: %w", ref.Secret, ref.Key, err)
		}
		at = next
	}
	if at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	if at.Kind == yaml.ScalarNode && at.Tag == "!!null" {
		return nil, nil
	}
	if at.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("secret %q: key %q holds several values: name one of them", ref.Secret, ref.Key)
	}
	return []byte(at.Value), nil
}

func child(at *yaml.Node, key string) (*yaml.Node, error) {
	if at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	if at.Kind != yaml.MappingNode {
		return nil, errors.New("there is no map above it")
	}
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == key {
			return at.Content[i+1], nil
		}
	}
	return nil, errors.New("it is not there")
}
