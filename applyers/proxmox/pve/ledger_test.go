package pve

import (
	"slices"
	"testing"
	"time"
)

func TestLedger(t *testing.T) {
	const token = "berth@pve!agent"
	task := func(pid, kind, about string) string {
		return "UPID:pve1:" + pid + ":000186A0:386D4380:" + kind + ":" + about + ":" + token + ":"
	}
	old, mine, others := task("1", "qmstart", "4001"), task("2", "qmcreate", "4002"), task("3", "vzcreate", "4003")
	lost, again := task("4", "resize", "4004"), task("5", "resize", "4004")
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	var l Ledger
	look := func(what string, log []string, want ...string) {
		t.Helper()
		if got := l.Others(now, log); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	look("the first look knows nobody", []string{old})
	l.Begun(mine, now)
	look("ours, and another's", []string{others, mine, old}, others)
	look("each is told once", []string{others, mine, old})
	look("a log that was lost", nil)
	look("and was found", []string{others, mine, old})
	l.lose("4004", now)
	look("one whose answer was lost may be ours", []string{lost, others, mine, old})
	look("a second one is not", []string{again, lost, others, mine, old}, again)
	l.lose("4004", now)
	now = now.Add(time.Hour)
	later := task("6", "resize", "4004")
	look("nor is one that comes much later", []string{later, again, lost}, later)
	if !l.Own(mine) || l.Own(others) {
		t.Error("whose a task is was forgotten")
	}
	if kind, about := TaskWords("rubbish"); kind != "" || about != "" {
		t.Errorf("rubbish is %q %q", kind, about)
	}
	l = Ledger{}
	l.Begun(mine, now)
	look("what runs long", []string{mine, old})
	now = now.Add(25 * time.Minute)
	look("stays ours", []string{mine, old})
	if !l.Own(mine) {
		t.Error("whose a long task is was forgotten")
	}
	now = now.Add(25 * time.Hour)
	look("for a day", []string{old})
	if len(l.own) > 0 {
		t.Errorf("it is remembered for good: %v", l.own)
	}
	l = Ledger{}
	look("a first look at an empty log", nil)
	l.Begun(mine, now)
	look("knows nobody, and yet what came later", []string{others, mine}, others)
	var none *Ledger
	none.Begun(mine, now)
	if none.Others(now, []string{mine}) != nil || none.Own(mine) {
		t.Error("no ledger remembers")
	}
}
