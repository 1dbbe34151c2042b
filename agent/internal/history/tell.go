package history

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Ended is a turn that has ended, or of which no plan could be made.
type Ended struct {
	ID  string
	At  time.Time
	Why string
	// Paused tells that the agent only looked, since somebody has paused it: what it found
	// is told as held.
	Paused bool
	// Report is nil where Err is not. Refused is the commit that Err is about, if it is
	// about one.
	Report  *report.Report
	Err     error
	Refused *report.Refusal
	// Asked tells, of a turn that is about some resources alone, whether one was asked
	// for; nil is that all were.
	Asked func(desired.ID) bool
}

const (
	// mostFields is how many fields one line tells of, mostText how many bytes of a
	// value or a reason, mostTroubles how many reasons are told between two good turns.
	mostFields   = 100
	mostText     = 300
	mostTroubles = 16
)

// lines tells what happened in a turn, and takes it into what stands.
func (s *standing) lines(e Ended) []Line {
	var all []Line
	add := func(l Line) {
		l.At, l.Turn = e.At, e.ID
		// What is refused is never what is enforced, also where it is no commit: a branch that is gone.
		if l.Commit == (report.Commit{}) && e.Report != nil && l.What != Refused {
			l.Commit = e.Report.Commit
		}
		l.Reason = cut(l.Reason)
		all = append(all, l)
	}
	if e.Report != nil && e.Report.Plan != nil {
		t := teller{standing: s, Ended: e, add: add, outcomes: make(map[drift.Key]*drift.Outcome), touched: make(map[desired.ID]bool)}
		for i := range e.Report.Outcomes {
			t.outcomes[e.Report.Outcomes[i].Key] = &e.Report.Outcomes[i]
		}
		t.plan()
	}
	s.turn(e, add)
	return all
}

// turn tells of the turn as a whole.
func (s *standing) turn(e Ended, add func(Line)) {
	rep := e.Report
	refused := e.Refused
	wrong := ""
	switch {
	case e.Err != nil && refused == nil:
		wrong = e.Err.Error()
	case e.Err == nil:
		wrong = rep.Error
	}
	if rep != nil {
		refused = rep.Refused
	}
	if refused != nil && s.trouble(refused.Commit.Hash+" "+refused.Reason) {
		reason := strings.Join(append([]string{refused.Reason}, refused.Problems...), "\n")
		add(Line{What: Refused, Commit: refused.Commit, Reason: reason, Why: e.Why})
	}
	line := Line{What: TurnEnded, Why: e.Why, Reason: wrong, Result: result(rep)}
	if rep != nil {
		line.Headline = rep.Headline()
	}
	switch {
	case wrong != "" && (s.trouble(wrong) || rep != nil && len(rep.Outcomes) > 0):
		line.What, line.Result = TurnFailed, "failed"
		add(line)
	case wrong == "" && rep != nil && len(rep.Outcomes) > 0:
		add(line)
	}
	if wrong == "" && refused == nil && len(s.Troubles) > 0 {
		s.Troubles = nil
		add(Line{What: Recovered, Why: e.Why})
	}
}

// result is how a turn went, in a word.
func result(rep *report.Report) string {
	switch {
	case rep == nil || rep.Error != "" || rep.Summary.Failed > 0:
		return "failed"
	case rep.Summary.Left > 0:
		return "left"
	case rep.Summary.Held > 0 || rep.Summary.Waiting > 0:
		return "held"
	}
	return "done"
}

// teller tells of one plan and what became of it.
type teller struct {
	*standing
	Ended
	add      func(Line)
	outcomes map[drift.Key]*drift.Outcome
	// touched are those of which something was done.
	touched map[desired.ID]bool
}

func (t *teller) plan() {
	plan := t.Report.Plan
	for i := range plan.Changes {
		c := &plan.Changes[i]
		if o := t.outcomes[c.Key]; o != nil {
			t.outcome(c, o)
		}
	}
	t.holds()
	t.blinds()
}

// outcome tells what was done, and what failed, of a change.
func (t *teller) outcome(c *drift.Change, o *drift.Outcome) {
	var done, failed []drift.Field
	for _, f := range c.Fields {
		reason, told := o.Results[f.Path]
		switch {
		case f.Held != "" || slices.Contains(o.Untried, f.Path):
		case told && reason == "", !told && o.Status == drift.Done && len(o.Results) == 0:
			done = append(done, f)
		case told && !desired.WaitsForUnlock(reason):
			f.Reason = reason
			failed = append(failed, f)
		}
	}
	whole := len(c.Fields) == 0 || len(o.Results) == 0
	if o.Status == drift.Done && whole || len(done) > 0 {
		t.done(c, done)
	}
	if o.Status == drift.Failed && (whole || len(failed) > 0) {
		t.failed(c, o, failed)
	}
}

func (t *teller) done(c *drift.Change, fields []drift.Field) {
	t.touched[c.ID] = true
	times := t.Failing[c.String()].Times
	delete(t.Failing, c.String())
	if c.Step == drift.Ready && times == 0 {
		return // It stands already by what was done before.
	}
	line := Line{ID: c.ID, Step: c.Step, What: What(report.Past(c.Step)), Reason: c.Reason, Times: times}
	if c.Step == drift.Adopt && len(fields) == 1 {
		_, former, _ := strings.Cut(fields[0].Before.Text, "/")
		if id := desired.ID(former); id.Kind() != "" && id.Name() != "" && id != c.ID {
			line.What, line.Former = Renamed, id
		}
	}
	if c.Step != drift.Create && c.Step != drift.Restore {
		line.Fields, line.More = told(fields)
	}
	t.add(line)
}

func (t *teller) failed(c *drift.Change, o *drift.Outcome, fields []drift.Field) {
	line := Line{ID: c.ID, Step: c.Step, What: Failed, Reason: o.Reason}
	line.Fields, line.More = told(fields)
	reason := failure(line)
	before, again := t.Failing[c.String()]
	if t.Failing == nil {
		t.Failing = make(map[string]trial)
	}
	t.Failing[c.String()] = trial{reason, before.Times + 1}
	if again && before.Reason == reason {
		return
	}
	t.add(line)
}

// failure is what a line of one says, without what differs each time.
func failure(l Line) string {
	all := []string{same(l.Reason)}
	for _, f := range l.Fields {
		all = append(all, string(f.Path)+" "+same(f.Reason))
	}
	return strings.Join(all, "\n")
}

// told are fields as a line tells them.
func told(fields []drift.Field) (all []Field, more int) {
	for _, f := range fields {
		if len(all) == mostFields {
			return all, len(fields) - mostFields
		}
		one := Field{Path: f.Path, Origin: f.Origin, By: f.By, Reason: cut(f.Reason), Secret: f.Before.Secret || f.After.Secret}
		if !one.Secret && !hashed(f.Path) {
			one.Before, one.After = cut(f.Before.Text), cut(cmp.Or(f.After.Text, f.After.From))
		}
		one.About = slices.Clone(f.Needs)
		for _, id := range f.Frees {
			if !slices.Contains(one.About, id) {
				one.About = append(one.About, id)
			}
		}
		all = append(all, one)
	}
	return all, 0
}

// hashed tells of a path that its values are digests, which tell nobody anything.
func hashed(path desired.Path) bool {
	return path == "cloudInit" || path.Host() != ""
}

func cut(text string) string { return report.Clip(text, mostText) }
