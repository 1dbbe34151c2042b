package main

import (
	"fmt"
	"strings"

	"berth/agent/internal/web"
	"berth/drift/report"
)

// headline is how an agent stands in one line, as `systemctl status` shows it.
func headline(s web.Status) string {
	var all []string
	say := func(n int, what string) {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	switch {
	case s.Lock.State == web.LockLocked && len(s.Waiting) > 0:
		all = append(all, fmt.Sprintf("locked, %d wait for agent unlock", len(s.Waiting)))
	case s.Lock.State == web.LockLocked:
		all = append(all, "locked")
	default:
		say(len(s.Waiting), "waiting")
	}
	if s.Paused != nil {
		all = append(all, "paused")
	}
	say(len(s.Failing), "failing")
	say(len(s.Held), "held")
	say(len(s.Unknown), "unknown")
	switch {
	case s.Refused.Unreachable():
		all = append(all, "the repository can't be asked")
	case s.Refused != nil:
		all = append(all, "commit "+report.ShortHash(s.Refused.Commit.Hash)+" refused")
	}
	switch {
	case s.Last == nil && s.Now != nil:
		all = append(all, "the first turn is under way")
	case s.Last == nil:
		all = append(all, "no turn yet")
	case s.Last.Error != "":
		all = append(all, "the last turn went wrong: "+s.Last.Error)
	case s.Commit.Hash != "" && len(all) == 0:
		all = append(all, s.Fleet+" is as Git says, at "+report.ShortHash(s.Commit.Hash))
	case s.Commit.Hash != "":
		all = append(all, s.Fleet+" at "+report.ShortHash(s.Commit.Hash))
	}
	if s.Now != nil && s.Last != nil {
		all = append(all, "a turn is under way ("+s.Now.Why+")")
	}
	return strings.TrimSpace(strings.Join(all, "; "))
}
