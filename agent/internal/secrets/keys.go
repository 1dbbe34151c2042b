package secrets

import (
	"errors"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxSegments bounds how deep a key goes, in names between dots.
const maxSegments = 32

var errNoMap = errors.New("it is not a YAML map")

// within finds a key, dotted, in a secret that is a YAML map. No error holds any of
// it.
func within(value []byte, key string) ([]byte, error) {
	var node yaml.Node
	// The error of the parser may quote what it read.
	if yaml.Unmarshal(value, &node) != nil || len(node.Content) == 0 {
		return nil, errNoMap
	}
	at, err := find(node.Content[0], key)
	if err != nil {
		return nil, err
	}
	return scalar(at)
}

// scalar is the value of a node that holds just one; null is none.
func scalar(at *yaml.Node) ([]byte, error) {
	if at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	switch {
	case at.Kind != yaml.ScalarNode:
		return nil, errors.New("it holds several values: name one of them")
	case at.ShortTag() == "!!null":
		return nil, nil
	}
	return []byte(at.Value), nil
}

// find follows a key, dotted, from a node downwards. Names of the map may have dots
// themselves, as those of domains have.
func find(at *yaml.Node, key string) (*yaml.Node, error) {
	segments := strings.Split(key, ".")
	if len(segments) > maxSegments {
		return nil, errors.New("it has more dots than any map is deep")
	}
	s := search{segments: segments, failed: make(map[place]error)}
	return s.from(at, 0)
}

// search is one walk for a key. What has failed from a place fails from there again:
// names with dots, and aliases, lead there by many ways.
type search struct {
	segments []string
	failed   map[place]error
}

type place struct {
	at   *yaml.Node
	done int
}

func (s *search) from(at *yaml.Node, done int) (*yaml.Node, error) {
	if at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	if done == len(s.segments) {
		return at, nil
	}
	here := place{at, done}
	if err := s.failed[here]; err != nil {
		return nil, err
	}
	err := errors.New("it is not there")
	if at.Kind != yaml.MappingNode {
		err = errors.New("there is no map above it")
	} else {
		for end := done + 1; end <= len(s.segments); end++ {
			next := child(at, strings.Join(s.segments[done:end], "."))
			if next == nil {
				continue
			}
			found, below := s.from(next, end)
			if below == nil {
				return found, nil
			}
			err = below
		}
	}
	s.failed[here] = err
	return nil, err
}

// child is the value of a map's name; nil is none.
func child(at *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == name {
			return at.Content[i+1]
		}
	}
	return nil
}
