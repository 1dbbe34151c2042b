package notify_test

import (
	"strings"
	"testing"

	"berth/agent/internal/notify"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// everything is a turn in which much happened.
func everything() notify.Look {
	key := func(id desired.ID, step drift.Step) drift.Key { return drift.Key{ID: id, Step: step} }
	live := drift.Field{Path: "memory.size", Before: drift.Value{Text: "4GiB"}, After: drift.Value{Text: "2GiB"}, Origin: drift.FromLive, By: "root@pam"}
	held := live
	held.Held = "it waits for a maintenance window: the next opens Mon 1 Dec 2026"
	rep := &report.Report{
		Version: 1, Mode: report.Run, Turn: "t9", Fleet: "lab", Commit: report.Commit{Hash: "3f2a91c00aa", Subject: "Less memory"},
		Refused: &report.Refusal{Commit: report.Commit{Hash: "9c1ddddddd", Subject: "Oops"}, Reason: "it does not load", Problems: []string{"a.yaml:1:1: vm/a: unknown field", "b.yaml:2:1: x"}},
		Plan: &drift.Plan{
			Changes: []drift.Change{
				{Key: key("vm/applied", drift.Online), Site: "home", Fields: []drift.Field{live}},
				{Key: key("vm/made", drift.Create), Site: "home", Fields: []drift.Field{{Path: "id", After: drift.Value{Text: "104"}}, {Path: "password", After: drift.Value{Text: "hunter2", Secret: true}}}},
				{Key: key("vm/made", drift.Ready), Site: "home"},
				{Key: key("vm/drifted", drift.Reboot), Site: "home", Fields: []drift.Field{held}},
				{Key: key("vm/doomed", drift.Archive), Site: "home", Held: "it is protected: take the protection off"},
				{Key: key("edge/main", drift.Drain), Held: "waits for vm/doomed archive, which is held", Wait: []drift.Key{key("vm/doomed", drift.Archive)}},
				{Key: key("play/base", drift.Run), Fields: []drift.Field{
					{Path: "hosts.web-1", Held: "waiting for unlock: run `agent unlock`"},
					{Path: "hosts.web-2"},
				}},
				{Key: key("vm/broken", drift.Start), Site: "home"},
			},
			Blind: []drift.Blind{{Site: "away", Reason: "no route to host", Remedy: "look at its switch"}, {ID: "vm/locked", Reason: "waiting for unlock: run `agent unlock`"}},
		},
		Outcomes: []drift.Outcome{
			{Key: key("vm/applied", drift.Online), Status: drift.Done},
			{Key: key("vm/made", drift.Create), Status: drift.Done},
			{Key: key("vm/made", drift.Ready), Status: drift.Done},
			{Key: key("play/base", drift.Run), Status: drift.Failed, Reason: "1 host failed", Results: map[desired.Path]string{"hosts.web-2": "unreachable"}},
			{Key: key("vm/broken", drift.Start), Status: drift.Failed, Reason: "no space left"},
		},
	}
	rep.Summarize()
	return notify.Look{Turn: "t9", Report: rep}
}

func TestWhatATurnTells(t *testing.T) {
	s := notify.See(everything())
	events, _ := notify.Next(notify.Told{}, &s, notify.Policy{}, noon)
	var got strings.Builder
	for _, e := range events {
		got.WriteString(string(e.Kind) + ": " + e.Title + "\n")
		for _, item := range e.Items {
			got.WriteString("  " + item.String() + "\n")
		}
		if e.Kind == notify.CommitRefused {
			got.WriteString(e.Text + "\n")
		}
		if e.Version != 1 || e.Fleet != "lab" || e.Turn != "t9" || e.Commit != "3f2a91c00aa" || e.Level == "" || !e.At.Equal(noon) {
			t.Errorf("%+v", e)
		}
	}
	want := `failure: Failed: 2 resources
  play/base: 1 host failed
  vm/broken: no space left
site-unknown: Could not look: site/away
  site/away: no route to host: look at its switch
commit-refused: A commit is refused
  9c1dddd "Oops": it does not load
The last good commit stays in force.
a.yaml:1:1: vm/a: unknown field
b.yaml:2:1: x
waiting-for-unlock: Waiting for somebody to unlock the agent: 2 resources
  play/base on web-1: waiting for unlock: run ` + "`agent unlock`" + `
  vm/locked: waiting for unlock: run ` + "`agent unlock`" + `
held-for-approval: Held: vm/doomed
  vm/doomed: it is protected: take the protection off
drift-found: Changed behind Git's back: vm/drifted
  vm/drifted: memory.size 4GiB → 2GiB (changed live, by root@pam)
change-applied: 3f2a91c applied: 1 created, 1 changed, 2 failed, 3 held, 1 waiting for unlock, 2 unknown
  vm/applied: changed: memory.size 4GiB → 2GiB (changed live, by root@pam)
  vm/made: created · on home, 104
`
	if got.String() != want {
		t.Errorf("it tells\n%s\nwant\n%s", got.String(), want)
	}
}
