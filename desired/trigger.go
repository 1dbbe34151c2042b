package desired

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"
)

// The words of a playbook's runs.
const (
	RunsCreated = "created"
	RunsChanged = "changed"
	RunsManual  = "manual"
)

// Trigger is when a playbook's hosts are due: one of the words, or a schedule.
type Trigger struct {
	// When is a word: created, changed or manual.
	When string `yaml:"when" enum:"created|changed|manual" or:"{schedule: \"0 3 * * *\"}" example:"created"`
	// Schedule says when the playbook runs whatever has changed: minute, hour, day of
	// the month, month and day of the week (0 is Sunday), or @hourly, @daily, @weekly,
	// @monthly, @yearly. What comes while the agent is down, or the host not up, is made
	// up for once.
	Schedule string `yaml:"schedule" form:"cron" example:"\"11 11 * * *\""`
	// Zone is the time zone of Schedule.
	Zone string `yaml:"zone" default:"the fleet's" example:"Europe/Berlin"`

	comes *cron.SpecSchedule
}

// Next is when a schedule comes first after a time, in its own zone; zero if the
// trigger is none, or that is more than five years ahead.
func (t *Trigger) Next(after time.Time) time.Time {
	if t.comes == nil {
		return time.Time{}
	}
	return t.comes.Next(after.In(t.comes.Location))
}

// RunsWhen tells whether a word is among the playbook's runs.
func (p *Playbook) RunsWhen(word string) bool {
	if len(p.Runs) == 0 {
		return word == RunsCreated || word == RunsChanged
	}
	return slices.ContainsFunc(p.Runs, func(t Trigger) bool { return t.When == word })
}

// Automatic tells whether the playbook runs by itself at a host that is new or
// changed.
func (p *Playbook) Automatic() bool { return p.RunsWhen(RunsCreated) || p.RunsWhen(RunsChanged) }

// Scheduled tells whether the playbook has a schedule.
func (p *Playbook) Scheduled() bool {
	return slices.ContainsFunc(p.Runs, func(t Trigger) bool { return t.comes != nil })
}

// Next is when a schedule of the playbook comes first after a time; zero where none
// does. A host on which the last run began at that time is due once it has come.
func (p *Playbook) Next(after time.Time) time.Time {
	var first time.Time
	for i := range p.Runs {
		if next := p.Runs[i].Next(after); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	return first
}
