package web

import (
	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift/report"
)

// Left tells what a turn left undone: what failed and is tried again, and what waits for
// an unlock. waits are what is tried again by itself.
func Left(rep *report.Report, waits []turn.Wait) ([]Failing, []Waiting) {
	waiting, _ := held(rep, waits)
	return failing(rep, waits), waiting
}

// HostOf is the host that a field of a playbook is about; "" for any other field.
func HostOf(path desired.Path) string { return host(path) }
