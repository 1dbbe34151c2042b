package runner

import "fmt"

// Result is what a run has done.
type Result struct {
	// Hosts tells of each host that was to be run for, and of those that the
	// playbook added, by name.
	Hosts map[string]*Host
	// Whole tells that the playbook came to its end, on all hosts that it did not
	// fail on. If not, the Err of those that lack tasks says so.
	Whole bool
}

// Host is what happened on one host.
type Host struct {
	// How many tasks ended how, as Ansible's recap has it: a task that changed
	// something is OK as well.
	OK, Changed, Failures, Unreachable, Skipped, Rescued, Ignored int
	// Err is why it has not come to a good end, the last of several failures; nil
	// where all went well. In check mode a task that fails is none: see Unchecked.
	Err *TaskError
	// Tasks are all tasks that ended there, in their order.
	Tasks []Task
	// More is how many tasks are left out of Tasks, since there were too many.
	More int
	// Unchecked are tasks of which check mode can't tell what they would do, because
	// their module has no check mode (as commands, shells, scripts and raw), or
	// because they failed there, as those do that need what an earlier task would
	// have made.
	Unchecked []TaskError
	// Short tells that check mode has not looked at the host's last tasks, since one
	// before them failed. That no task would change anything is then not known.
	Short bool
}

// Status is how a task ended on a host.
type Status string

// The ways in which a task ends. A failure is Ignored where the playbook says so,
// and Rescued where a rescue made it good.
const (
	OK          Status = "ok"
	Changed     Status = "changed"
	Skipped     Status = "skipped"
	Failed      Status = "failed"
	Unreachable Status = "unreachable"
	Ignored     Status = "ignored"
	Rescued     Status = "rescued"
)

// Task is one task on one host. In check mode Changed means that it would change
// something.
type Task struct {
	// Name is what the playbook calls it; Path where it stands, as FILE:LINE.
	Name, Path string
	Status     Status
	// Handler tells that it ran because something else changed.
	Handler bool
	// Msg is what Ansible says of a task that failed or was skipped.
	Msg string
	// Items are those of a loop; MoreItems how many are left out.
	Items     []Item
	MoreItems int
	// Diff shows what changed, in several lines; "" where that is not known, as it is
	// without check mode. A long one is cut.
	Diff string
}

// Item is one turn of a loop.
type Item struct {
	Label  string
	Status Status
	Msg    string
}

// TaskError is why a host failed.
type TaskError struct {
	// Task is the task's name, Path where it stands: FILE:LINE. Both are empty
	// where it is not one task that failed.
	Task, Path string
	// Msg is what Ansible says, and what to do where that is known.
	Msg string
	// Unreachable tells that the host could not be spoken to.
	Unreachable bool
	// Left tells that nothing failed on the host itself: others had failed before,
	// and the playbook was not begun or not ended there.
	Left bool
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
