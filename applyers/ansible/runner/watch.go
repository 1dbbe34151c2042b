package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// event is one line of the callback in callback/berth_events.py.
type event struct {
	// Event is play, task, start, a Status, host or stats.
	Event string `json:"event"`
	Name  string `json:"name"`
	Host  string `json:"host"`
	Task  string `json:"task"`
	Path  string `json:"path"`
	Msg   string `json:"msg"`
	Diff  string `json:"diff"`
	// MsgCut and DiffCut tell that the end is missing.
	MsgCut    bool        `json:"msgcut"`
	DiffCut   bool        `json:"diffcut"`
	Handler   bool        `json:"handler"`
	Rescuable bool        `json:"rescuable"`
	Unchecked bool        `json:"unchecked"`
	Items     []eventItem `json:"items"`
	More      int         `json:"more"`
	// Ignored is true of a failure, and a number of tasks of a host.
	Ignored amount `json:"ignored"`
	tally
}

type eventItem struct {
	Item   string `json:"item"`
	Status Status `json:"status"`
	Msg    string `json:"msg"`
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

// amount is a number, or true for one.
type amount int

// UnmarshalJSON takes null and false for none.
func (a *amount) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "false", "null":
		*a = 0
		return nil
	case "true":
		*a = 1
		return nil
	}
	var n int
	err := json.Unmarshal(text, &n)
	*a = amount(n)
	return err
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

// watch is what has been seen of one start of the program.
type watch struct {
	say func(string)
	// words puts texts from Ansible into words for people.
	words words
	check bool
	ended bool // the last play has begun
	stats bool // the sums have come
	hosts map[string]*seen
	room  *int
	junk  int
}

// seen is what has been seen of one host.
type seen struct {
	Host
	tallied bool
	// trouble is the last failure that nothing made good; doubtful the last of those
	// that a rescue should have made good.
	trouble, doubtful *TaskError
	// at is the task that runs now; "" for none.
	at string
}

func (w *watch) host(name string) *seen {
	if w.hosts[name] == nil {
		w.hosts[name] = &seen{}
	}
	return w.hosts[name]
}

func (w *watch) line(text []byte) {
	e, err := parseEvent(text)
	if err != nil {
		w.junk++
		return
	}
	e.Host, e.Task, e.Path, e.Name = w.words.short(e.Host), w.words.short(e.Task), w.words.short(e.Path), w.words.short(e.Name)
	switch e.Event {
	case "play":
		if e.Name == lastPlay {
			w.ended = true
		} else {
			w.say("play " + e.Name)
		}
	case "task":
		w.say("task " + e.Name)
	case "start":
		w.host(e.Host).at = fmt.Sprintf("task %q (%s)", e.Task, e.Path)
	case "ok", "changed", "skipped", "failed", "unreachable":
		w.task(e)
	case "host":
		h := w.host(e.Host)
		h.tallied = true
		h.OK, h.Changed, h.Failures, h.Unreachable = e.OK, e.Changed, e.Failures, e.Unreachable
		h.Skipped, h.Rescued, h.Ignored = e.Skipped, e.Rescued, int(e.Ignored)
	case "stats":
		w.stats = true
	}
}

// task notes how a task ended on a host.
func (w *watch) task(e event) {
	h := w.host(e.Host)
	h.at = ""
	// Where the task stands is told besides.
	e.Msg, _, _ = strings.Cut(e.Msg, "\n\nThe error appears to be in")
	t := Task{
		Name: e.Task, Path: e.Path, Status: Status(e.Event), Handler: e.Handler, MoreItems: e.More,
		Msg: w.words.message(e.Msg, e.MsgCut), Diff: w.words.diff(e.Diff, e.DiffCut),
	}
	for _, item := range e.Items {
		t.Items = append(t.Items, Item{Label: w.words.label(item.Item), Status: item.Status, Msg: w.words.message(item.Msg, true)})
	}
	trouble := &TaskError{Task: t.Name, Path: t.Path, Msg: t.Msg, Unreachable: t.Status == Unreachable}
	switch {
	case t.Status != Failed && t.Status != Unreachable:
		if t.Status == Changed {
			w.say(e.Host + ": changed: " + t.Name)
		}
		if e.Unchecked && w.check {
			h.Unchecked = append(h.Unchecked, *trouble)
		}
	case e.Ignored != 0:
		t.Status = Ignored
		w.say(fmt.Sprintf("%s: %s, which the playbook ignores: %s", e.Host, e.Event, said(t.Msg)))
	case e.Rescuable:
		t.Status, h.doubtful = Rescued, trouble
		w.say(fmt.Sprintf("%s: failed, which the playbook rescues: %s", e.Host, said(t.Msg)))
	default:
		h.trouble = trouble
		w.say(fmt.Sprintf("%s: %s: %s", e.Host, e.Event, said(t.Msg)))
	}
	w.keep(h, t)
}

// keep adds a task, if there is room. Those that changed nothing go first.
func (w *watch) keep(h *seen, t Task) {
	size := 64 + len(t.Name) + len(t.Path) + len(t.Msg) + len(t.Diff)
	for _, item := range t.Items {
		size += 32 + len(item.Label) + len(item.Msg)
	}
	if quiet := t.Status == OK || t.Status == Skipped; *w.room < size || quiet && *w.room < maxKept/2 {
		h.More++
		return
	}
	*w.room -= size
	h.Tasks = append(h.Tasks, t)
}

// maxKept bounds what is kept of all tasks of a run, in bytes.
const maxKept = 8 << 20

// said is the part of a message that is worth a line: what ssh writes of a changed
// key is a whole page.
func said(msg string) string {
	if changed := "REMOTE HOST IDENTIFICATION HAS CHANGED"; strings.Contains(msg, changed) {
		return changed
	}
	return msg
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
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.hosts)), func(host string) bool {
		h := w.hosts[host]
		return h.Failures == 0 && h.Unreachable == 0
	})
}

// running tells which task runs where, for the first few hosts; "" for nowhere.
func (w *watch) running() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		if at := w.hosts[name].at; at != "" {
			all = append(all, name+" was at "+at)
		}
	}
	if rest := len(all) - 3; rest > 0 {
		all = append(all[:3], fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(all, ", ")
}

// result judges each host of limit, and those that the playbook added.
func (w *watch) result(file string, limit []string) *Result {
	r := &Result{Hosts: make(map[string]*Host), Whole: w.ended}
	for name, h := range w.hosts {
		if h.tallied {
			h.Err = h.failure()
			r.Hosts[name] = &h.Host
		}
	}
	broken := strings.Join(w.failed(), " ")
	for _, name := range limit {
		h, there := r.Hosts[name]
		if !there {
			h = &Host{}
			r.Hosts[name] = h
		}
		switch {
		case h.Err != nil:
		case !w.ended && !w.check:
			h.Err = &TaskError{Left: true, Msg: "the playbook was broken off, since others had failed: " + broken}
		case !w.ended:
			h.Short = true
			h.Unchecked = append(h.Unchecked, TaskError{Left: true, Msg: "the playbook was broken off, since others had failed: " + broken})
		case !there:
			h.Err = &TaskError{Msg: fmt.Sprintf("no play in %s is for it: their own hosts: name neither it nor a group of it", file)}
		}
	}
	if w.check {
		for _, h := range r.Hosts {
			if h.Err != nil && !h.Err.Unreachable && h.Failures > 0 {
				h.Unchecked, h.Err, h.Short = append(h.Unchecked, *h.Err), nil, true
			}
		}
	}
	return r
}

// failure is what went wrong last on a host; nil if nothing did that nothing made
// good.
func (h *seen) failure() *TaskError {
	what := h.trouble
	if what == nil {
		what = h.doubtful
	}
	switch {
	case h.Unreachable > 0 && what == nil:
		return &TaskError{Unreachable: true}
	case h.Unreachable > 0:
		return &TaskError{Task: what.Task, Path: what.Path, Msg: what.Msg, Unreachable: true}
	case h.Failures == 0:
		return nil
	case what == nil && h.Failures == 1:
		return &TaskError{Msg: "1 task failed"}
	case what == nil:
		return &TaskError{Msg: fmt.Sprintf("%d tasks failed", h.Failures)}
	default:
		return &TaskError{Task: what.Task, Path: what.Path, Msg: what.Msg}
	}
}
