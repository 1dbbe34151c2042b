package desired

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is when something comes, as five words of cron say in a time zone. The zero
// Schedule never comes.
type Schedule struct{ spec *cron.SpecSchedule }

// ParseSchedule reads a schedule as windows and playbooks have them, for what is no
// manifest. Without a zone it is the host's.
func ParseSchedule(words, zone string) (Schedule, error) {
	spec, err := parseCron(words)
	if err != nil {
		return Schedule{}, err
	}
	spec.Location = time.Local
	if zone != "" {
		if !isZone(zone) {
			return Schedule{}, fmt.Errorf("zone: %q is no time zone: write it as in Europe/Berlin", zone)
		}
		if spec.Location, err = time.LoadLocation(zone); err != nil {
			return Schedule{}, fmt.Errorf("zone: %w", err)
		}
	}
	return Schedule{spec}, nil
}

// Next is when it comes first after a time, in its own zone; zero if that is more than
// five years ahead.
func (s Schedule) Next(after time.Time) time.Time {
	if s.spec == nil {
		return time.Time{}
	}
	return s.spec.Next(after.In(s.spec.Location))
}
