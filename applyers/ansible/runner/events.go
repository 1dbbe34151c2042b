package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// event is one line of the callback in callback/berth_events.py.
type event struct {
	// Event is play, task, failed, unreachable, host or stats.
	Event   string `json:"event"`
	Name    string `json:"name"`
	Host    string `json:"host"`
	Task    string `json:"task"`
	Path    string `json:"path"`
	Msg     string `json:"msg"`
	Ignored truth  `json:"ignored"`
	tally
}

// tally is how many tasks of a host ended how.
type tally struct {
	OK          int `json:"ok"`
	Changed     int `json:"changed"`
	Failures    int `json:"failures"`
	Unreachable int `json:"unreachable"`
	Skipped     int `json:"skipped"`
	Rescued     int `json:"rescued"`
}

// truth is true or a number of tasks: Ansible calls both "ignored".
type truth bool

// UnmarshalJSON takes 0, null and false for no.
func (f *truth) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "false", "0", "null":
		*f = false
	default:
		*f = true
	}
	return nil
}

func parseEvent(line []byte) (event, error) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return event{}, fmt.Errorf("read an event: %w", err)
	}
	if e.Event == "" {
		return event{}, errors.New("read an event: it names none")
	}
	return e, nil
}

// lastPlay is the name of the play that is run after the playbook's own. It only
// begins if no play before it was broken off.
const lastPlay = "berth: the playbook has run to its end"

// Host is what happened on one host: how many of its tasks ended how.
type Host struct {
	OK, Changed, Failures, Unreachable, Skipped, Rescued int
	// Err is the failure that nothing made good, the last of several; nil where
	// all went well.
	Err *TaskError
}

// TaskError is why a host failed.
type TaskError struct {
	// Task is the task's name, Path where it stands: FILE:LINE. Both are empty
	// where no more is known than that something failed.
	Task, Path string
	// Msg is what Ansible says.
	Msg string
	// Unreachable tells that the host could not be spoken to.
	Unreachable bool
}

// Error names the task.
func (e *TaskError) Error() string {
	switch {
	case e.Unreachable:
		return "can't be reached: " + e.Msg
	case e.Task == "":
		return e.Msg
	default:
		return fmt.Sprintf("task %q (%s): %s", e.Task, e.Path, e.Msg)
	}
}

// watch is what has been seen of a run.
type watch struct {
	say func(string)
	// tidy puts a text from Ansible into words for people.
	tidy    func(string) string
	ended   bool // the last play has begun
	stats   bool // the sums have come
	tallies map[string]tally
	trouble map[string]event
	junk    int
}

func newWatch(say func(string), tidy func(string) string) *watch {
	return &watch{say: limited(say), tidy: tidy, tallies: make(map[string]tally), trouble: make(map[string]event)}
}

func (w *watch) line(text []byte) {
	e, err := parseEvent(text)
	if err != nil {
		w.junk++
		return
	}
	switch e.Event {
	case "play":
		if e.Name == lastPlay {
			w.ended = true
		} else {
			w.say("play " + w.tidy(e.Name))
		}
	case "task":
		w.say("task " + w.tidy(e.Name))
	case "failed", "unreachable":
		e.Host, e.Msg, e.Task, e.Path = w.tidy(e.Host), w.tidy(e.Msg), w.tidy(e.Task), w.tidy(e.Path)
		word := e.Event
		if e.Ignored {
			word += ", which the playbook ignores"
		} else {
			w.trouble[e.Host] = e
		}
		if changed := "REMOTE HOST IDENTIFICATION HAS CHANGED"; strings.Contains(e.Msg, changed) {
			e.Msg = changed
		}
		w.say(fmt.Sprintf("%s: %s: %s", e.Host, word, e.Msg))
	case "host":
		w.tallies[e.Host] = e.tally
	case "stats":
		w.stats = true
	}
}

// maxSaid bounds what a run may add to the journal, in lines.
const maxSaid = 2000

// limited passes on as many lines as a report can bear.
func limited(say func(string)) func(string) {
	said := 0
	return func(line string) {
		said++
		switch {
		case said < maxSaid:
			say(line)
		case said == maxSaid:
			say("and more, which is left out")
		}
	}
}

// failed lists the hosts with failures that nothing made good.
func (w *watch) failed() []string {
	var hosts []string
	for _, host := range slices.Sorted(maps.Keys(w.tallies)) {
		if t := w.tallies[host]; t.Failures > 0 || t.Unreachable > 0 {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// result sums up what has been seen.
func (w *watch) result() *Result {
	r := &Result{Hosts: make(map[string]*Host), Whole: w.ended}
	for name, t := range w.tallies {
		r.Hosts[name] = &Host{
			OK: t.OK, Changed: t.Changed, Failures: t.Failures, Unreachable: t.Unreachable,
			Skipped: t.Skipped, Rescued: t.Rescued, Err: w.failure(name),
		}
	}
	return r
}

// failure is what went wrong last on a host; nil if nothing did that nothing made
// good.
func (w *watch) failure(host string) *TaskError {
	sums, what := w.tallies[host], w.trouble[host]
	switch {
	case sums.Unreachable > 0:
		return &TaskError{Task: what.Task, Path: what.Path, Msg: what.Msg, Unreachable: true}
	case sums.Failures == 0:
		return nil
	case what.Task == "" && sums.Failures == 1:
		return &TaskError{Msg: "1 task failed"}
	case what.Task == "":
		return &TaskError{Msg: fmt.Sprintf("%d tasks failed", sums.Failures)}
	default:
		return &TaskError{Task: what.Task, Path: what.Path, Msg: what.Msg}
	}
}

// ring keeps the last lines of the program's output.
type ring struct {
	lines []string
}

const (
	ringLines = 40
	lineLimit = 500
)

func (r *ring) line(text []byte) {
	line := clean(string(text), lineLimit)
	if line == "" {
		return
	}
	if len(r.lines) == ringLines {
		r.lines = r.lines[1:]
	}
	r.lines = append(r.lines, line)
}

// reason picks the lines that say why the program ended: from its first error
// on, else the last ones.
func (r *ring) reason() string {
	begin := slices.IndexFunc(r.lines, func(l string) bool {
		return strings.HasPrefix(l, "ERROR!") || strings.HasPrefix(l, "[ERROR]")
	})
	if begin < 0 {
		begin = max(0, len(r.lines)-3)
	}
	text := strings.Join(r.lines[begin:min(len(r.lines), begin+6)], " ")
	if text == "" {
		return "it said nothing"
	}
	return text
}

// clean makes a foreign text one printable line of at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
