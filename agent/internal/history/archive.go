package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"berth/agent/internal/journal"
	"berth/desired"
	"berth/drift/report"
)

// Archive is all that is kept of the past, for whoever asks: by the agent that writes
// it, or beside it.
type Archive struct {
	// Journal and History are directories.
	Journal, History string
}

// Turn is one turn in a list.
type Turn struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Why     string    `json:"why,omitempty"`
	// Commit is the one that was enforced.
	Commit report.Commit `json:"commit,omitzero"`
	// Refused is a newer one that was not.
	Refused *report.Commit `json:"refused,omitempty"`
	// Headline is what came of it in a line; Result is done, held, left, failed, refused,
	// recovered or unended.
	Headline string `json:"headline,omitempty"`
	Result   string `json:"result"`
	// Reason is why it went wrong as a whole, or why the commit is refused.
	Reason string `json:"reason,omitempty"`
	// Kept tells that its report is still there.
	Kept bool `json:"kept"`
}

// Turns are those of a list, the newest first.
type Turns struct {
	Version int    `json:"version"`
	Turns   []Turn `json:"turns"`
	// More tells that there are older ones.
	More   bool     `json:"more,omitempty"`
	Passed []string `json:"passed,omitempty"`
}

// Told is what happened to a resource.
type Told struct {
	Version  int        `json:"version"`
	Resource desired.ID `json:"resource"`
	Story
}

// Shown is one turn with all that is kept of it.
type Shown struct {
	Version int  `json:"version"`
	Turn    Turn `json:"turn"`
	// Report is one of [report.Report].
	Report json.RawMessage `json:"report"`
	// Log tells that what was logged is kept, too; Outputs are those of its steps.
	Log     bool           `json:"log"`
	Outputs []journal.File `json:"outputs,omitempty"`
}

// Story tells what happened to a resource.
func (a Archive) Story(q Query) (*Told, error) {
	story, err := Read(a.History, q)
	if err != nil {
		return nil, err
	}
	return &Told{Version: Version, Resource: q.ID, Story: *story}, nil
}

// linesPerTurn is how many lines tell of one turn as a whole, at most.
const linesPerTurn = 3

// Turns lists turns. What is not told by the history, as those of an older agent, or one
// that is being made, is read from the journal.
func (a Archive) Turns(q Query) (*Turns, error) {
	limit := q.Limit
	q.ID, q.turns = "", true
	failed := q.Failed
	q.Failed = false // What is bad of a turn is told by all its lines.
	if q.Limit = 0; limit > 0 && !failed {
		q.Limit = (limit + 1) * linesPerTurn
	}
	story, err := Read(a.History, q)
	if err != nil {
		return nil, err
	}
	told := make(map[string]*Turn)
	var ids []string
	for _, l := range slices.Backward(story.Lines) {
		if told[l.Turn] == nil {
			told[l.Turn] = &Turn{ID: l.Turn, Started: journal.Began(l.Turn)}
			ids = append(ids, l.Turn)
		}
		told[l.Turn].take(l)
	}
	in := journal.At(a.Journal)
	kept, err := in.IDs()
	if err != nil {
		return nil, err
	}
	for _, id := range kept {
		switch {
		case told[id] != nil:
			told[id].Kept = true
		case q.Before != "" && id >= q.Before, !q.Since.IsZero() && journal.Began(id).Before(q.Since):
		default:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	list := &Turns{Version: Version, Turns: []Turn{}, Passed: story.Passed}
	for _, id := range slices.Backward(ids) {
		t := told[id]
		if t == nil {
			if t, err = a.read(in, id); err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					list.Passed = append(list.Passed, err.Error())
				}
				continue
			}
		}
		if failed && t.Result != "failed" && t.Result != "refused" {
			continue
		}
		if limit > 0 && len(list.Turns) == limit {
			list.More = true
			break
		}
		list.Turns = append(list.Turns, *t)
	}
	return list, nil
}

// take takes in what a line tells of a turn.
func (t *Turn) take(l Line) {
	if l.Why != "" {
		t.Why = l.Why
	}
	switch l.What {
	case Refused:
		t.Refused = &l.Commit
		if t.Result == "" {
			t.Result, t.Reason = "refused", l.Reason
		}
	case Recovered:
		t.Commit = l.Commit
		if t.Result == "" {
			t.Result, t.Headline = "recovered", "all is well again"
		}
	case TurnEnded, TurnFailed:
		t.Commit, t.Headline, t.Result = l.Commit, l.Headline, l.Result
		if l.Reason != "" {
			t.Reason = l.Reason
		}
	case Held, Free, Failed, Unknown, Known, Renamed:
	}
}

// read reads of a turn of the journal what a list tells.
func (a Archive) read(in journal.Reader, id string) (*Turn, error) {
	record, err := in.Read(id)
	if err != nil {
		return nil, err
	}
	t, _, err := turnOf(record)
	return t, err
}

// turnOf is what a list tells of a turn, and its report.
func turnOf(record *journal.Record) (*Turn, *report.Report, error) {
	t := &Turn{ID: record.ID, Started: record.Started, Why: record.Why, Commit: report.Commit{Hash: record.Commit}, Kept: true}
	if t.Started.IsZero() {
		t.Started = journal.Began(record.ID)
	}
	if record.Report == nil {
		t.Result = "unended"
		rep := &report.Report{
			Version: report.Version, Turn: record.ID, Mode: report.Mode(record.Mode), Commit: t.Commit, Plan: record.Plan, Started: record.Started,
			Error: "its end was not written down: it is under way, or was cut off; what it did is told as far as it is known",
		}
		for _, s := range record.Steps {
			if s.Outcome != nil {
				rep.Outcomes = append(rep.Outcomes, *s.Outcome)
			}
		}
		rep.Summarize()
		t.Headline = rep.Headline()
		return t, rep, nil
	}
	rep, err := report.Read(bytes.NewReader(record.Report))
	if err != nil {
		return nil, nil, fmt.Errorf("turn %s: %w", record.ID, err)
	}
	t.Commit, t.Headline, t.Result, t.Reason = rep.Commit, rep.Headline(), result(rep), rep.Error
	if rep.Refused != nil {
		t.Refused = &rep.Refused.Commit
		if len(rep.Outcomes) == 0 && rep.Error == "" {
			t.Result, t.Reason = "refused", rep.Refused.Reason
		}
	}
	return t, rep, nil
}

// UnknownTurnError says that no such turn is kept, or that there are several.
type UnknownTurnError struct{ text string }

// Error says what there is.
func (e *UnknownTurnError) Error() string { return e.text }

// Find finds the turn that people mean: by its id, or a beginning that no other has,
// "last", or "last-failed".
func (a Archive) Find(word string) (id string, err error) {
	in := journal.At(a.Journal)
	ids, err := in.IDs()
	if err != nil {
		return "", err
	}
	if len(ids) == 0 {
		return "", &UnknownTurnError{"no turn is kept yet: one that has nothing to do leaves nothing behind"}
	}
	switch word {
	case "last":
		return ids[0], nil
	case "last-failed":
		for _, id := range ids {
			if t, err := a.read(in, id); err == nil && (t.Result == "failed" || t.Result == "refused") {
				return id, nil
			}
		}
		return "", &UnknownTurnError{"none of the turns that are kept failed"}
	}
	var like []string
	for _, id := range ids {
		if word != "" && strings.HasPrefix(id, word) {
			like = append(like, id)
		}
	}
	switch {
	case len(like) == 1:
		return like[0], nil
	case len(like) > 1:
		text := fmt.Sprintf("%d turns begin with %q: %s", len(like), word, strings.Join(like[:min(len(like), 5)], ", "))
		if len(like) > 5 {
			text += ", …"
		}
		return "", &UnknownTurnError{text}
	case word != "" && word < ids[len(ids)-1] && word[0] == '2':
		return "", &UnknownTurnError{fmt.Sprintf("turn %s is kept no more, the oldest is %s; what it did to a resource is told by `agent history RESOURCE`", word, ids[len(ids)-1])}
	}
	return "", &UnknownTurnError{fmt.Sprintf("no turn begins with %q: `agent history` lists them; last and last-failed are words, too", word)}
}

// Show tells all of a turn; word is as in [Archive.Find].
func (a Archive) Show(word string) (*Shown, error) {
	id, err := a.Find(word)
	if err != nil {
		return nil, err
	}
	in := journal.At(a.Journal)
	record, err := in.Read(id)
	if err != nil {
		return nil, err
	}
	t, rep, err := turnOf(record)
	if err != nil {
		return nil, err
	}
	text := record.Report
	if text == nil {
		if text, err = json.Marshal(rep); err != nil {
			return nil, fmt.Errorf("show turn %s: %w", id, err)
		}
	}
	shown := &Shown{Version: Version, Turn: *t, Report: text}
	if shown.Outputs, err = in.Files(id); err != nil {
		return nil, err
	}
	if log, err := in.Log(id); err == nil {
		shown.Log = true
		_ = log.Close()
	}
	return shown, nil
}

// Log opens what was logged while a turn was made, a line of JSON each.
func (a Archive) Log(word string) (io.ReadCloser, error) {
	id, err := a.Find(word)
	if err != nil {
		return nil, err
	}
	log, err := journal.At(a.Journal).Log(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &UnknownTurnError{fmt.Sprintf("of turn %s no log is kept", id)}
	}
	return log, err
}

// Output opens what a step of a turn has put out.
func (a Archive) Output(word, name string) (io.ReadCloser, error) {
	id, err := a.Find(word)
	if err != nil {
		return nil, err
	}
	in := journal.At(a.Journal)
	out, err := in.Output(id, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	all, err := in.Files(id)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("turn %s has no output %q", id, name)
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	if len(names) > 0 {
		text += ": it has " + strings.Join(names, ", ")
	} else {
		text += ", nor any other"
	}
	return nil, &UnknownTurnError{text}
}
