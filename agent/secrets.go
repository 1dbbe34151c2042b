package main

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"berth/agent/internal/config"
	"berth/desired"
)

// secrets resolves what manifests refer to: by the Secret document of that name,
// else by the host's own settings.
type secrets struct {
	settings  *config.Settings
	env       func(string) string
	documents map[string]*desired.SecretPlace
}

// read gives a secret, or the value of a key within one. No error holds any of
// it.
func (s secrets) read(ref desired.SecretRef) ([]byte, error) {
	value, err := s.whole(ref.Secret)
	if err == nil && ref.Key != "" {
		value, err = within(value, ref)
	}
	switch {
	case err != nil:
		return nil, err
	case len(value) == 0 && ref.Key != "":
		return nil, fmt.Errorf("secret %q: key %q is empty: a secret that is empty protects nothing", ref.Secret, ref.Key)
	case len(value) == 0:
		return nil, fmt.Errorf("secret %q is empty: write it where it is looked for", ref.Secret)
	}
	return value, nil
}

func (s secrets) whole(name string) ([]byte, error) {
	doc := s.documents[name]
	switch {
	case doc == nil:
		return s.settings.Secret(name, s.env)
	case doc.File != "":
		return s.settings.DocumentFile(name, doc.File)
	case doc.Credential != "":
		return s.settings.DocumentCredential(name, doc.Credential, s.env)
	case doc.Env != "":
		return s.settings.DocumentEnv(name, doc.Env, s.env)
	}
	return nil, fmt.Errorf("secret %q: its document says no place", name)
}

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
