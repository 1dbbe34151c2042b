package config_test

import (
	"strings"
	"testing"
	"time"

	"berth/agent/internal/config"
)

func TestSweepAt(t *testing.T) {
	file := write(t, "agent.yaml", "repository: {url: x}\nsweepAt:\n- {cron: \"0 3 * * *\", zone: Europe/Berlin}\n- {cron: \"@weekly\"}\n", 0o600)
	s, err := config.Load(file, none)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Sweeps(); len(got) != 2 || got[0].Next(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)).UTC() != time.Date(2026, 7, 1, 1, 0, 0, 0, time.UTC) {
		t.Errorf("schedules: %v", got)
	}
}

func TestSweepAtMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"- {zone: UTC}":                                    "agent.yaml:2: sweepAt: cron is missing",
		"- {cron: \"0 3 * *\"}":                            `agent.yaml:2: sweepAt: cron: "0 3 * *" is no schedule`,
		"- {cron: \"CRON_TZ=Europe/Berlin\"}":              "agent.yaml:2: sweepAt: cron: \"CRON_TZ=Europe/Berlin\": a time zone has a field of its own",
		"- {cron: \"0 0 30 2 *\"}":                         "names a day that never comes",
		"- {cron: \"@every 1h\"}":                          "names no time of the day",
		"- {cron: \"@daily\"}\n- {cron: 1, zone: Berlinn}": "agent.yaml:3: sweepAt: cron: \"1\" is no schedule",
		"- cron: \"@daily\"\n  zone: Berlinn":              `agent.yaml:3: sweepAt: zone: "Berlinn" is no time zone`,
		"- \"0 3 * * *\"":                                  `agent.yaml:2: "0 3 * * *" does not fit here: write a map of cron, zone`,
		"3":                                                `agent.yaml:2: "3" does not fit here: write a list, each a map of cron, zone`,
	} {
		sep := "\n"
		if text == "3" {
			sep = ""
		}
		body := "repository: {url: x}\nsweepAt: " + text + "\n"
		if sep == "\n" {
			body = "sweepAt:\n" + text + "\nrepository: {url: x}\n"
		}
		s, err := config.Load(write(t, "agent.yaml", body, 0o600), none)
		if err == nil {
			err = s.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
