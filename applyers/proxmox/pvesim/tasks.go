package pvesim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// task is a worker of pvedaemon.
type task struct {
	upid, node, kind, id string
	auth                 auth
	pid, pstart          int
	start, end           time.Time
	done                 bool
	exit                 string
	lines                []string
	warnings             int

	work    func(t *task) error
	cleanup func()
	abort   func() string
	holds   []*guest
	// until is the request that first sees the task's work, for a task of which
	// the client is not told.
	until int
	// hidden is the work of a call that answers when it is done, see Options.SyncLimit.
	hidden bool
	err    error

	// real is a task whose work the runtime does, acting that it is about it. ctx
	// ends it, and aborted tells that somebody has.
	real, acting, aborted bool
	ctx                   context.Context //nolint:containedctx // The task is what runs.
	cancel                context.CancelFunc
}

func (t *task) logf(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

// work is what a task does, and what has to be undone when it is stopped.
type job struct {
	kind, id string
	run      func(t *task) error
	cleanup  func()
	holds    []*guest // whose file locks the task has while it runs
	silent   bool     // the client is not told of the task
	abort    func() string
}

// silentRequests is for how many more requests the work of a task goes unseen, of
// which the client is not told: a read right after the answer shows no change.
const silentRequests = 2

// spawn starts a task and returns its UPID. Without a task time it has ended
// before the answer goes out.
func (q *call) spawn(j job) string {
	now := q.now()
	pid := q.nextPID()
	// The clock may stand before the cluster's birth, when a test turns it back.
	t := &task{
		node: q.node, kind: j.kind, id: j.id, auth: q.auth, pid: pid,
		pstart: int(max(now.Sub(q.born), 0)/(10*time.Millisecond))%0x7fffffff + 100000,
		start:  now, end: now, work: j.run, cleanup: j.cleanup, holds: j.holds,
	}
	if f := q.fault; f != nil {
		t.warnings = f.TaskWarnings
	}
	if f := q.fault; f != nil && f.TaskError != "" {
		text := f.TaskError
		t.work = func(*task) error {
			if j.cleanup != nil {
				j.cleanup()
			}
			return fail("%s", text)
		}
	}
	t.upid = fmt.Sprintf("UPID:%s:%08X:%08X:%08X:%s:%s:%s:", q.node, pid, t.pstart, now.Unix(), j.kind, j.id, q.auth.full())
	if q.opts.TaskTime != nil {
		t.end = now.Add(q.opts.TaskTime(j.kind))
	}
	q.tasks = append(q.tasks, t)
	q.event(q.node, q.auth.full(), "starting task "+t.upid)
	if j.silent {
		// It goes on for a moment after the answer (FACTS 2).
		t.until = len(q.requests) + silentRequests
	}
	t.abort = j.abort
	t.real = slices.ContainsFunc(t.holds, func(g *guest) bool { return g.real })
	if t.end.After(now) || j.silent {
		for _, g := range t.holds {
			g.holder = t
		}
	} else {
		q.finishTask(t)
	}
	return t.upid
}

// slowCall is returned by a handler whose work goes on under the guest's file lock
// while the client waits for the answer.
type slowCall struct{ *task }

func (slowCall) Error() string { return "the work goes on" }

// slowly does the work of a call that answers when it is done.
func (q *call) slowly(g *guest, d time.Duration, run func(*task) error) error {
	now := q.now()
	t := &task{node: q.node, auth: q.auth, start: now, end: now.Add(d), work: run, holds: []*guest{g}, hidden: true}
	g.holder = t
	q.tasks = append(q.tasks, t)
	return slowCall{t}
}

// wait is the client's side of a slow call.
func (q *call) wait(t *task) error {
	d := t.end.Sub(t.start)
	if !q.sleep(min(d, q.opts.SyncLimit)) {
		return nil
	}
	if d > q.opts.SyncLimit {
		return &apiError{status: 596, message: "Connection timed out", empty: true}
	}
	q.lock()
	defer q.unlock()
	return t.err
}

// advance ends the tasks that are due, in the order of their ends.
func (c *Cluster) advance() {
	for {
		now := c.now()
		var next *task
		for _, t := range c.tasks {
			if !t.done && !t.acting && !t.end.After(now) && len(c.requests) > t.until && (next == nil || t.end.Before(next.end)) {
				next = t
			}
		}
		if next == nil {
			return
		}
		c.finishTask(next)
	}
}

func (c *Cluster) finishTask(t *task) {
	if t.real {
		c.act(t)
		return
	}
	t.done = true
	for _, g := range t.holds {
		if g.holder == t {
			g.holder = nil
		}
	}
	c.conclude(t, t.work(t))
}

// conclude writes down how a task has ended.
func (c *Cluster) conclude(t *task, err error) {
	t.done = true
	if t.hidden {
		t.err = err
		return
	}
	switch {
	case err != nil:
		text := strings.TrimSuffix(err.Error(), "\n")
		t.exit = strings.ReplaceAll(text, "\n", " ")
		t.logf("TASK ERROR: %s", t.exit)
	case t.warnings > 0:
		t.exit = fmt.Sprintf("WARNINGS: %d", t.warnings)
		t.logf("TASK WARNINGS: %d", t.warnings)
	default:
		t.exit = "OK"
		t.logf("TASK OK")
	}
	c.event(t.node, t.auth.full(), "end task "+t.upid+" "+t.exit)
}

func (c *Cluster) abort(t *task) {
	if t.done {
		return
	}
	if t.acting {
		t.aborted = true
		t.cancel()
		return
	}
	t.end = c.now()
	for _, g := range t.holds {
		if g.holder == t {
			g.holder = nil
		}
	}
	if t.cleanup != nil {
		t.cleanup()
	}
	c.interrupted(t)
}

// interrupted writes down that a task was stopped.
func (c *Cluster) interrupted(t *task) {
	t.done, t.exit = true, "interrupted by signal"
	if t.abort != nil {
		t.exit = t.abort() + " failed: interrupted by signal"
	}
	t.logf("TASK ERROR: %s", t.exit)
	c.event(t.node, t.auth.full(), "end task "+t.upid+" "+t.exit)
}

// Tasks returns all tasks, the oldest first.
func (c *Cluster) Tasks() []Task {
	c.lock()
	defer c.unlock()
	out := make([]Task, 0, len(c.tasks))
	for _, t := range c.tasks {
		if t.hidden {
			continue
		}
		e := Task{UPID: t.upid, Node: t.node, Type: t.kind, ID: t.id, User: t.auth.full(), Started: t.start, Exit: t.exit, Log: slices.Clone(t.lines)}
		if t.done {
			e.Ended = t.end
		}
		out = append(out, e)
	}
	return out
}

func (q *call) task() (*task, error) {
	upid := q.args["upid"]
	if !matches("upid", upid) {
		return nil, badParam("upid", "unable to parse worker upid")
	}
	for _, t := range q.tasks {
		if t.upid == upid {
			if t.auth != q.auth && t.auth.user != q.auth.user {
				if err := q.check("/nodes/"+t.node, "Sys.Audit"); err != nil {
					return nil, err
				}
			}
			return t, nil
		}
	}
	return nil, badParam("upid", "no such task")
}

func (q *call) taskStatus() (any, error) {
	t, err := q.task()
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"upid": t.upid, "node": t.node, "pid": t.pid, "pstart": t.pstart, "starttime": t.start.Unix(),
		"type": t.kind, "id": t.id, "user": t.auth.user, "status": "running",
	}
	if t.auth.token != "" {
		out["tokenid"] = t.auth.token
	}
	if t.done {
		out["status"], out["exitstatus"] = "stopped", t.exit
	}
	return out, nil
}

func (q *call) taskLog() (any, error) {
	t, err := q.task()
	if err != nil {
		return nil, err
	}
	start, limit := atoi(q.args["start"]), 50
	if l, ok := q.args["limit"]; ok {
		limit = atoi(l)
	}
	if limit == 0 {
		limit = len(t.lines)
	}
	lines := []any{}
	for i := start; i < len(t.lines) && i < start+limit; i++ {
		lines = append(lines, map[string]any{"n": i + 1, "t": t.lines[i]})
	}
	return list{Data: lines, Total: len(t.lines)}, nil
}

func (q *call) taskStop() (any, error) {
	t, err := q.task()
	if err != nil {
		return nil, err
	}
	if t.auth.user != q.auth.user {
		if err := q.check("/nodes/"+t.node, "Sys.Modify"); err != nil {
			return nil, err
		}
	}
	q.abort(t)
	return null{}, nil
}

// mine reports whether the author may see a task.
func (q *call) seesTask(t *task) bool {
	return t.auth.user == q.auth.user || q.may("/nodes/"+t.node, "Sys.Audit")
}

// tasksBy lists what runs, the oldest first, or what has ended, the newest first.
func (q *call) tasksBy(done bool) []*task {
	var out []*task
	for _, t := range q.tasks {
		if t.done == done && !t.hidden {
			out = append(out, t)
		}
	}
	if done {
		slices.Reverse(out)
	}
	return out
}

func (q *call) nodeTasks() (any, error) {
	var rows []any
	src := q.args["source"]
	if src == "" {
		src = "archive"
	}
	for _, done := range []bool{false, true} {
		if src == "archive" && !done || src == "active" && done {
			continue
		}
		for _, t := range q.tasksBy(done) {
			if t.node != q.node || !q.seesTask(t) || !q.filterTask(t) {
				continue
			}
			row := map[string]any{
				"upid": t.upid, "node": t.node, "pid": t.pid, "pstart": t.pstart, "starttime": t.start.Unix(),
				"type": t.kind, "id": t.id, "user": t.auth.user,
			}
			if done {
				row["endtime"], row["status"] = t.end.Unix(), t.exit
				if t.auth.token != "" {
					row["tokenid"] = t.auth.token
				}
			} else {
				row["status"], row["saved"], row["user"] = "RUNNING", "0", t.auth.full()
			}
			rows = append(rows, row)
		}
	}
	total := len(rows)
	start, limit := atoi(q.args["start"]), 50
	if l, ok := q.args["limit"]; ok {
		limit = atoi(l)
	}
	rows = rows[min(start, len(rows)):]
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	if rows == nil {
		rows = []any{}
	}
	return list{Data: rows, Total: total}, nil
}

func (q *call) filterTask(t *task) bool {
	if id, ok := q.args["vmid"]; ok && t.id != id {
		return false
	}
	if k, ok := q.args["typefilter"]; ok && t.kind != k {
		return false
	}
	if u, ok := q.args["userfilter"]; ok && !strings.Contains(t.auth.full(), u) {
		return false
	}
	if s, ok := q.args["since"]; ok && t.start.Unix() < int64(atoi(s)) {
		return false
	}
	if s, ok := q.args["until"]; ok && t.start.Unix() > int64(atoi(s)) {
		return false
	}
	return q.args["errors"] != "1" || t.done && t.exit != "OK"
}

func (q *call) clusterTasks() (any, error) {
	rows := []any{}
	for _, done := range []bool{false, true} {
		for _, t := range q.tasksBy(done) {
			if t.auth.user != q.auth.user && !q.may("/", "Sys.Audit") || len(rows) >= 25 {
				continue
			}
			row := map[string]any{
				"upid": t.upid, "node": t.node, "starttime": t.start.Unix(), "type": t.kind, "id": t.id,
				"user": t.auth.user, "saved": "0",
			}
			if t.auth.token != "" {
				row["tokenid"] = t.auth.token
			}
			if done {
				row["endtime"], row["status"], row["saved"] = t.end.Unix(), t.exit, "1"
			} else {
				row["pid"] = t.pid
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
