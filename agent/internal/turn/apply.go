package turn

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/journal"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// resumeFor bounds how long a turn waits for tasks of earlier ones. What runs on
// is seen by the appliers, who leave it alone, and waited for again next time.
const resumeFor = 30 * time.Second

// resume waits for what an earlier life of the agent had begun, so that nothing
// is begun twice. What can't be waited for keeps nothing else from going on.
func (t *Turner) resume(ctx context.Context, kinds map[string]applyers.Applyer, fleet *desired.Fleet) error {
	left, err := t.Journal.Unfinished()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	waiting, stop := context.WithTimeout(ctx, resumeFor)
	defer stop()
	over := make([]bool, len(left))
	var tasks sync.WaitGroup
	for i, l := range left {
		tasks.Go(func() { over[i] = t.seen(waiting, kinds, fleet, l) })
	}
	tasks.Wait()
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	// A turn is settled as a whole, when nothing of it is left.
	open := make(map[string]bool)
	for i, l := range left {
		open[l.Turn] = open[l.Turn] || !over[i]
	}
	for _, turn := range sortedKeys(open) {
		if open[turn] {
			continue
		}
		if err := t.Journal.Settle(turn); err != nil {
			return fmt.Errorf("write the journal: %w", err)
		}
	}
	return nil
}

// seen waits for the tasks of one step, and tells whether all are over.
func (t *Turner) seen(ctx context.Context, kinds map[string]applyers.Applyer, fleet *desired.Fleet, l journal.Left) bool {
	r, ok := kinds[l.ID.Kind()].(applyers.Resumer)
	if !ok {
		return true
	}
	ctx = applyers.ForResource(ctx, l.ID)
	log := t.Log.With(slog.String("earlier", l.Turn), slog.String("step", string(l.Step)))
	for _, task := range l.Tasks {
		log.InfoContext(ctx, "waiting for a task of an earlier turn", slog.String("task", task))
		if err := r.Resume(ctx, fleet, task); err != nil {
			log.WarnContext(ctx, "task of an earlier turn not seen to its end", slog.String("task", task), slog.Any("error", err))
			return false
		}
	}
	return true
}

// apply carries the plan out, looks whether it took, and keeps the report.
func (t *Turner) apply(ctx context.Context, req Request, rep *report.Report, src *source, kinds map[string]applyers.Applyer, input drift.Input, finish func()) error {
	entry, err := t.Journal.Begin(journal.Turn{
		ID: rep.Turn, Started: rep.Started, Commit: src.commit.Hash, Mode: string(rep.Mode), Why: req.why(), Plan: rep.Plan,
	})
	if err != nil {
		return fmt.Errorf("write the journal, nothing was done: %w", err)
	}
	world, planned := input.World(), make(map[drift.Key]bool)
	for _, c := range rep.Plan.Changes {
		planned[c.Key] = c.Held != ""
	}
	rep.Outcomes, err = applyers.Execute(ctx, applyers.Execution{
		Plan: rep.Plan, World: world, Appliers: kinds,
		Confirm:    func(ctx context.Context, c drift.Change) string { return t.confirm(ctx, src, c) },
		Superseded: t.superseded(src),
		// The plan may have been made, and its earlier steps begun, while a window
		// was open that is shut by now.
		Shut: func(c drift.Change) string { return world.Shut(c, t.Now()) },
		Events: func(e applyers.Event) error {
			t.tell(applyers.ForResource(ctx, e.ID), planned, e)
			return entry.Event(e)
		},
		Alive:  t.Alive,
		Output: func(k drift.Key) applyers.Output { return t.Journal.Output(rep.Turn, k) },
		Now:    t.Now,
	})
	if err == nil && ctx.Err() == nil {
		t.again.learn(t.verify(ctx, req, rep, kinds, input), t.Now())
	}
	t.backoff.learn(rep.Plan, rep.Outcomes, t.Now())
	if err != nil {
		rep.Error = err.Error()
		t.again.learn(true, t.Now())
	}
	finish()
	defer t.ended(ctx, req, rep)
	text, marshalErr := json.Marshal(rep)
	if marshalErr != nil {
		return fmt.Errorf("write the report: %w", marshalErr)
	}
	if endErr := entry.End(text); endErr != nil && rep.Error == "" {
		rep.Error = fmt.Sprintf("write the journal: %v", endErr)
	}
	return nil
}

// confirm looks at the tip once more before a destructive step: a newer commit
// may have brought the manifest back.
func (t *Turner) confirm(ctx context.Context, src *source, c drift.Change) string {
	tip, err := t.Repository.Fetch(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("the repository can't be asked once more before %s: %v", c.Key, err)
	case tip.Hash == src.commit.Hash:
		return ""
	case tip.Hash == src.tip:
		return fmt.Sprintf("the newest commit, %s, is refused, and so what it says about this is not known", tip.Short())
	}
	return newer(tip)
}

func newer(tip checkout.Commit) string {
	return fmt.Sprintf("a newer commit, %s, has come in; the next turn decides", tip.Short())
}

const (
	// lookEvery is how often the tip is looked at while a plan is carried out.
	lookEvery = 500 * time.Millisecond
	// lookFor bounds a look: a repository that hangs must not hold steps up.
	lookFor = 2 * time.Second
)

// superseded looks at the tip now and then: what has not begun when a newer commit
// comes in is left to the next turn.
func (t *Turner) superseded(src *source) func(context.Context) string {
	var mu sync.Mutex
	looked, reason, blind := t.Now(), "", false
	return func(ctx context.Context) string {
		if resting := t.rests(); resting != "" {
			return resting
		}
		if !mu.TryLock() {
			return "" // Another step is looking.
		}
		defer mu.Unlock()
		if reason != "" || blind || t.Now().Sub(looked) < lookEvery {
			return reason
		}
		ctx, stop := context.WithTimeout(ctx, lookFor)
		defer stop()
		tip, err := t.Repository.Fetch(ctx)
		looked = t.Now()
		switch {
		case err != nil:
			// What can't be asked has nothing newer to say: nobody waits for it again.
			blind = true
		case tip.Hash != src.tip && tip.Hash != src.commit.Hash:
			reason = newer(tip)
		}
		return reason
	}
}

// tell logs what happens, and tells whoever watches. What the plan held, as
// planned says, has not happened: [Turner.aloud] tells of it.
func (t *Turner) tell(ctx context.Context, planned map[drift.Key]bool, e applyers.Event) {
	step := slog.String("step", string(e.Step))
	switch {
	case e.Outcome == nil:
		if e.Task != "" {
			t.Log.DebugContext(ctx, "task started", step, slog.String("task", e.Task))
		}
	case e.Outcome.Status == drift.Held && planned[e.Key]:
	case e.Outcome.Status == drift.Done:
		t.Log.InfoContext(ctx, "step done", step, slog.Duration("duration", e.Outcome.Ended.Sub(e.Outcome.Started)))
	case e.Outcome.Status == drift.Failed:
		t.Log.ErrorContext(ctx, "step failed", step, slog.String("error", e.Outcome.Reason))
	default:
		t.Log.WarnContext(ctx, "step not done", step, slog.String("status", string(e.Outcome.Status)), slog.String("reason", e.Outcome.Reason))
	}
	if t.Events != nil {
		t.Events(e)
	}
}

// verify observes what was changed again. A step that the same plan would make
// once more did not take. It tells whether there is more to do.
func (t *Turner) verify(ctx context.Context, req Request, rep *report.Report, kinds map[string]applyers.Applyer, input drift.Input) (more bool) {
	done, failed := make(map[drift.Key]*drift.Outcome), make(map[drift.Key]*drift.Outcome)
	locked := make(map[drift.Key]bool)
	for i := range rep.Outcomes {
		o := &rep.Outcomes[i]
		switch o.Status {
		case drift.Failed:
			failed[o.Key] = o
		case drift.Done:
			done[o.Key] = o
		case drift.Held:
			locked[o.Key] = desired.WaitsForUnlock(o.Reason)
		case drift.Skipped, drift.Left:
		}
		more = more || o.Status == drift.Left
	}
	if len(done) == 0 {
		return more
	}
	input.Observed, input.Now = observe(ctx, unique(kinds), input.Fleet, input.Previous, applyers.Scope{Quick: req.Quick}), t.Now()
	after, err := drift.Make(input)
	if err != nil || ctx.Err() != nil {
		rep.Plan.Notes = append(rep.Plan.Notes, drift.Note{Text: "what was done could not be looked at once more; the next turn does"})
		return true
	}
	t.know(&input)
	maps.Copy(rep.Plan.Counts, after.Counts)
	heard(rep, after)
	more = unverified(rep, done, after) || more
	for i := range after.Changes {
		c := &after.Changes[i]
		if !c.Goes() || locked[c.Key] || backsOff(c, failed[c.Key]) {
			continue
		}
		more = true
		if o := done[c.Key]; o != nil && same(rep.Plan.Change(c.Key), c) {
			o.Status = drift.Failed
			o.Reason = "it was done, yet looked at again the same is still to do; the next turn tries once more"
		}
	}
	return more
}

// backsOff tells whether all that is left of a change is what has just failed: that
// has a time of its own to be tried again at.
func backsOff(c *drift.Change, failed *drift.Outcome) bool {
	if failed == nil {
		return false
	}
	return failed.Results == nil || !slices.ContainsFunc(c.Fields, func(f drift.Field) bool {
		return f.Held == "" && (failed.Results[f.Path] == "" || slices.Contains(failed.Untried, f.Path))
	})
}

// same tells whether two changes would do the same.
func same(a, b *drift.Change) bool {
	if len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		if a.Fields[i].Path != b.Fields[i].Path || a.Fields[i].Before.Text != b.Fields[i].Before.Text {
			return false
		}
	}
	return true
}

// unique lists each applyer once.
func unique(kinds map[string]applyers.Applyer) []applyers.Applyer {
	var all []applyers.Applyer
	seen := make(map[applyers.Applyer]bool)
	for _, kind := range sortedKeys(kinds) {
		if a := kinds[kind]; !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	return all
}
