package config

import (
	"fmt"

	"berth/desired"
)

// SweepAt is when everything is compared besides, by the clock.
type SweepAt struct {
	// Cron is minute, hour, day of the month, month and day of the week (0 is Sunday), or
	// @hourly, @daily, @weekly, @monthly, @yearly. In spring a time that the clocks skip
	// does not come that day; in autumn one that comes twice is heeded twice.
	Cron string `yaml:"cron"`
	// Zone is the time zone of Cron; "" is the host's.
	Zone string `yaml:"zone"`
}

// Sweeps are the schedules of sweepAt. Those that Check finds wrong are left out.
func (s *Settings) Sweeps() []desired.Schedule {
	var all []desired.Schedule
	for _, at := range s.SweepAt {
		if schedule, err := desired.ParseSchedule(at.Cron, at.Zone); err == nil {
			all = append(all, schedule)
		}
	}
	return all
}

func (s *Settings) checkSweepAt(say complaint) {
	for i, at := range s.SweepAt {
		path := fmt.Sprintf("sweepAt.%d", i)
		if at.Cron == "" {
			say(path, "sweepAt: cron is missing: write when everything is compared, as in {cron: \"0 3 * * *\", zone: Europe/Berlin}")
			continue
		}
		if _, err := desired.ParseSchedule(at.Cron, ""); err != nil {
			say(path+".cron", "sweepAt: cron: %v", err)
			continue
		}
		if _, err := desired.ParseSchedule(at.Cron, at.Zone); err != nil {
			say(path+".zone", "sweepAt: %v", err)
		}
	}
}
