package report

import (
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

func TestAFailureIsSaidOnce(t *testing.T) {
	const why = `task "Install nginx" (ansible/base.yml:3): no such package`
	fields := []drift.Field{{Path: "hosts.web-1", After: drift.Value{Text: "a"}}, {Path: "hosts.web-2", After: drift.Value{Text: "a"}}}
	key := drift.Key{ID: "play/base", Step: drift.Run}
	for name, row := range map[string]struct {
		results map[desired.Path]string
		reason  string
		want    string
	}{
		"one": {
			results: map[desired.Path]string{"hosts.web-1": "", "hosts.web-2": why},
			reason:  "1 of 2 hosts: web-2: " + why,
			want:    "✗ run failed: 1 of 2 hosts\n",
		},
		"all": {
			results: map[desired.Path]string{"hosts.web-1": why, "hosts.web-2": "can't be reached: timed out"},
			reason:  "2 of 2 hosts: web-1: " + why + " (all: web-1 web-2)",
			want:    "✗ run failed: 2 of 2 hosts\n",
		},
		"as a whole": {nil, "ansible-playbook is not there: " + why, "✗ run failed: ansible-playbook is not there: " + why},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Report{
				Version: Version, Mode: Run, Plan: &drift.Plan{Changes: []drift.Change{{Key: key, Fields: fields, Source: desired.Source{File: "play.yaml", Line: 1}}}},
				Outcomes: []drift.Outcome{{Key: key, Status: drift.Failed, Reason: row.reason, Results: row.results, Lines: []string{"PLAY [all]", "web-2: " + why}}},
			}
			var page strings.Builder
			if err := Text(&page, r, TextOptions{Width: 200}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(page.String(), row.want) || !strings.Contains(page.String(), "│ PLAY [all]\n") {
				t.Errorf("nothing says %q in\n%s", row.want, page.String())
			}
			if n := strings.Count(page.String(), why); row.results != nil && n != 1 && name == "one" {
				t.Errorf("it is said %d times in\n%s", n, page.String())
			}
			page.Reset()
			if err := Markdown(&page, r); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(page.String(), "no such package"); name == "one" && n != 1 {
				t.Errorf("it is said %d times in\n%s", n, page.String())
			}
		})
	}
}
