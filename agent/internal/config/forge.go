package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"berth/agent/internal/forge"
)

// Forge is the place that hosts the repository, where it is told how commits fare, and
// what open pull requests would do.
type Forge struct {
	// Kind is one of [forge.Kinds]; it is known for github.com, gitlab.com, bitbucket.org
	// and codeberg.org.
	Kind string `yaml:"kind"`
	// URL is where the forge is, or its API, Repository the repository there, as
	// owner/name; both follow from the repository's URL.
	URL        string `yaml:"url"`
	Repository string `yaml:"repository"`
	// Token is the access token: a file, or {secret: NAME}.
	Token Credential `yaml:"token"`
	// CA are the authorities to judge it by; those of the repository unless set.
	CA string `yaml:"ca"`
	// Status sets the status of commits; true unless set.
	Status *bool `yaml:"status"`
	// Plans writes the plan of pull requests as a comment.
	Plans Plans `yaml:"plans"`
}

// Plans is for which pull requests plans are made; the zero value is for none.
type Plans struct {
	On bool `yaml:"-"`
	// Drafts and Forks are those pull requests besides those of the same repository.
	Drafts bool `yaml:"drafts"`
	Forks  bool `yaml:"forks"`
}

// UnmarshalYAML reads true, false, or {drafts, forks}.
func (p *Plans) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		if err := node.Decode(&p.On); err != nil {
			return fmt.Errorf("line %d: plans: write true, false, or {drafts: true, forks: true}", node.Line)
		}
		return nil
	}
	p.On = true
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		to := map[string]*bool{"drafts": &p.Drafts, "forks": &p.Forks}[key.Value]
		if to == nil {
			return fmt.Errorf("line %d: plans: %q is not known: write drafts or forks", key.Line, key.Value)
		}
		if err := value.Decode(to); err != nil {
			return fmt.Errorf("line %d: plans: %s: write true or false", value.Line, key.Value)
		}
	}
	return nil
}

// Statuses tells whether commits get one.
func (f Forge) Statuses() bool { return f.Status == nil || *f.Status }

// ForgeOf is where the forge is, and what it is; ok is false where none is configured.
func (s *Settings) ForgeOf() (place forge.Place, ok bool) {
	f := s.Forge
	if f == (Forge{}) {
		return forge.Place{}, false
	}
	place = forge.PlaceOf(s.Repository.URL, forge.Kind(f.Kind))
	if f.URL != "" {
		place.URL = f.URL
	}
	if f.Repository != "" {
		place.Repository = f.Repository
	}
	return place, true
}

func (s *Settings) checkForge(say complaint) {
	place, ok := s.ForgeOf()
	if !ok {
		return
	}
	var kinds []string
	for _, k := range forge.Kinds() {
		kinds = append(kinds, string(k))
	}
	switch known := strings.Join(kinds, ", "); {
	case place.Kind == "":
		say("forge", "forge.kind is missing: write which it is: %s", known)
	case !strings.Contains(", "+known+",", ", "+string(place.Kind)+","):
		say("forge.kind", "forge.kind: %q: it is one of %s", place.Kind, known)
	case place.URL == "" || place.Repository == "":
		say("forge", "where the forge is can't be told from repository.url: write url: https://git.example.com and repository: OWNER/NAME")
	default:
		if _, err := forge.New(forge.Options{Kind: place.Kind, URL: place.URL, Repository: place.Repository, Token: func() ([]byte, error) { return nil, nil }}); err != nil {
			say("forge", "%v", err)
		}
	}
	if s.Forge.Token == (Credential{}) {
		say("forge", "forge.token is missing: make one at the forge, write it into a file that others can't read, and token: FILE")
	}
	if !s.Forge.Statuses() && !s.Forge.Plans.On {
		say("forge", "forge: with status: false and no plans there is nothing to do: take it out, or write plans: true")
	}
}
