package main

import (
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// listener hears of each turn, dry runs included. It keeps no turn waiting: each of its
// methods comes back at once.
type listener interface {
	// Began is told of a turn that begins.
	Began(req turn.Request)
	// Planned is told what a turn is about to do, before its first step; neither of a dry
	// run nor where there is nothing to be done. The report is whole but for what comes of it,
	// and belongs to the turn: what is to be kept of it is copied.
	Planned(req turn.Request, rep *report.Report)
	// Ended is told what came of a turn: its report, or why there is none. waits are what
	// is tried again by itself.
	Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait)
}

// audience are those who hear of each turn, in this order.
type audience []listener

// Began tells all of them.
func (a audience) Began(req turn.Request) {
	for _, l := range a {
		l.Began(req)
	}
}

// Planned tells all of them.
func (a audience) Planned(req turn.Request, rep *report.Report) {
	for _, l := range a {
		l.Planned(req, rep)
	}
}

// Ended tells all of them.
func (a audience) Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait) {
	for _, l := range a {
		l.Ended(req, rep, err, waits)
	}
}
