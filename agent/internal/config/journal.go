package config

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"berth/agent/internal/history"
	"berth/agent/internal/journal"
	"berth/desired"
)

// Journal is how much is kept of what the agent did. A turn is removed when it is
// beyond any of the bounds; the newest few are kept in any case.
type Journal struct {
	// Keep is how many turns are kept of those that went well, and how many of those that
	// did not.
	Keep int `yaml:"keep"`
	// KeepFor is how long a turn that went well is kept, KeepFailures any other.
	KeepFor      Interval `yaml:"keepFor"`
	KeepFailures Interval `yaml:"keepFailures"`
	// MaxSize bounds all of them together, with their logs and outputs.
	MaxSize Size `yaml:"maxSize"`
	// History is how long the lines of `agent history RESOURCE` are kept.
	History Interval `yaml:"history"`
}

// Size is a number of bytes, written as in manifests: "512MiB", "1GiB".
type Size int64

// UnmarshalYAML reads a size, and tells where it stands if it is none.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	size, err := desired.ParseSize(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*s = Size(size)
	return nil
}

func (j *Journal) defaults() {
	if j.Keep == 0 {
		j.Keep = journal.DefaultKeep
	}
	if j.KeepFor == 0 {
		j.KeepFor = Interval(journal.DefaultKeepFor)
	}
	if j.KeepFailures == 0 {
		j.KeepFailures = max(Interval(journal.DefaultKeepFailures), j.KeepFor)
	}
	if j.MaxSize == 0 {
		j.MaxSize = journal.DefaultMaxSize
	}
	if j.History == 0 {
		j.History = Interval(history.DefaultFor)
	}
}

func (j *Journal) check(say complaint) {
	if j.Keep < 0 {
		say("journal.keep", "journal.keep: %d: write how many turns are kept, as 200", j.Keep)
	}
	if j.KeepFailures < j.KeepFor {
		say("journal.keepFailures", "journal.keepFailures: turns that failed would go before those that went well: write no less than keepFor, which is %s", desired.Duration(j.KeepFor))
	}
	if j.MaxSize < Size(desired.MiB) {
		say("journal.maxSize", "journal.maxSize: %s holds no turn with its output: write 1MiB or more", desired.Size(j.MaxSize))
	}
}
