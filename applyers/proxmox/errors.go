package proxmox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// APIError is an answer of Proxmox that is no success: every status but 2xx,
// and every answer that is cut off or not Proxmox's own.
type APIError struct {
	Status int
	// Message is the body's message, else the reason phrase, on one line.
	Message string
	// Params tells what is wrong with single parameters.
	Params map[string]string
}

// Error is the status, the message and the parameters.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", e.Status, e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Params)) {
		fmt.Fprintf(&b, "; %s: %s", name, strings.Join(strings.Fields(e.Params[name]), " "))
	}
	return b.String()
}

// taskError is a task that came to a bad end.
type taskError struct {
	upid, exit string
}

func (e *taskError) Error() string { return e.exit }

// notSentError is a request that never left: it may be sent again.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

// says tells whether Proxmox, in an answer or in a task's end, used any of the
// words: absence and conflict have no status of their own.
func says(err error, words ...string) bool {
	var text string
	var api *APIError
	var task *taskError
	switch {
	case errors.As(err, &api):
		text = api.Error()
	case errors.As(err, &task):
		text = task.exit
	default:
		return false
	}
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// absent tells whether a guest's configuration is not there.
func absent(err error) bool {
	return says(err, "unable to find configuration file") ||
		says(err, "Configuration file '") && says(err, "does not exist")
}

func occupied(err error) bool { return says(err, "already exists") }

// stale tells whether somebody else wrote in between. A file's wrong checksum
// begins with the same words.
func stale(err error) bool {
	return says(err, "checksum mismatch (file change by other user?)", "detected modified configuration")
}

// gotSum is the checksum that Proxmox found at a file, where that is not the one
// it was told of: "checksum mismatch: got 'ab…' != expect 'cd…'" (FACTS 7).
func gotSum(err error) (sum string, ok bool) {
	task, ok := errors.AsType[*taskError](err)
	if !ok {
		return "", false
	}
	_, rest, ok := strings.Cut(task.exit, "checksum mismatch: got '")
	if !ok {
		return "", false
	}
	sum, _, ok = strings.Cut(rest, "'")
	return sum, ok
}

// locked tells whether a lock, on the guest or on its file, stood in the way.
func locked(err error) bool { return says(err, "is locked (", "can't lock file") }

// status is the status of the answer; 0 if there was none.
func status(err error) int {
	if api, ok := errors.AsType[*APIError](err); ok {
		return api.Status
	}
	return 0
}

// unanswered tells whether a write may have been carried out although no answer
// of Proxmox's own came: then only a look tells. pveproxy answers 596 after 30 s
// while the work goes on (FACTS 5); 595 means that the node was not reached.
func unanswered(err error) bool {
	if err == nil {
		return false
	}
	var unsent *notSentError
	var task *taskError
	if errors.As(err, &unsent) || errors.As(err, &task) {
		return false
	}
	switch code := status(err); code {
	case 502, 503, 504, 596:
		return true
	default:
		// No status at all, or a success whose body was cut off.
		return code < 300
	}
}

// deniedPath takes path and privileges out of "Permission check failed
// (/vms/101, VM.Audit)".
func deniedPath(err error) (path, privilege string, ok bool) {
	var api *APIError
	if !errors.As(err, &api) || api.Status != 403 {
		return "", "", false
	}
	_, rest, found := strings.Cut(api.Message, "(/")
	rest, _, closed := strings.Cut(rest, ")")
	if !found || !closed {
		return "", "", false
	}
	path, privilege, ok = strings.Cut("/"+rest, ", ")
	return path, privilege, ok
}
