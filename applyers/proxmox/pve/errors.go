package pve

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

// Error is the status, unless it speaks of success, the message and the parameters.
func (e *APIError) Error() string {
	var b strings.Builder
	if e.Status/100 != 2 {
		fmt.Fprintf(&b, "%d ", e.Status)
	}
	b.WriteString(e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Params)) {
		fmt.Fprintf(&b, "; %s: %s", oneLine(name), oneLine(e.Params[name]))
	}
	return shortened(b.String(), longestText)
}

// longestText is how many bytes of what a server says are told: enough for a mistake in
// each of an answer's parameters, too little for a page.
const longestText = 2000

// oneLine is a text without the ends of its lines.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// shortened is the beginning of a text, whole characters of it.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// TaskError is a task that came to a bad end.
type TaskError struct {
	upid, exit string
}

// Error is the text with which it ended.
func (e *TaskError) Error() string { return e.exit }

// UPID is the task's, under which its log is found.
func (e *TaskError) UPID() string { return e.upid }

// LostError is a write of which no answer of Proxmox's own came: it may have been
// carried out.
type LostError struct{ err error }

func (e *LostError) Error() string { return e.err.Error() }

// Unwrap is what came instead.
func (e *LostError) Unwrap() error { return e.err }

// notSentError is a request that never left: it may be sent again.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

// Says tells whether Proxmox, in an answer or in a task's end, used any of the
// words: absence and conflict have no status of their own.
func Says(err error, words ...string) bool {
	var text string
	var api *APIError
	var task *TaskError
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

// Absent tells whether a guest's configuration is not there.
func Absent(err error) bool {
	return Says(err, "unable to find configuration file") ||
		Says(err, "Configuration file '") && Says(err, "does not exist")
}

// Occupied tells whether a VMID is in use.
func Occupied(err error) bool { return Says(err, "already exists") }

// Stale tells whether somebody else wrote in between. A file's wrong checksum
// begins with the same words.
func Stale(err error) bool {
	return Says(err, "checksum mismatch (file change by other user?)", "detected modified configuration")
}

// GotSum is the checksum that Proxmox found at a file, where that is not the one
// it was told of: "checksum mismatch: got 'ab…' != expect 'cd…'" (FACTS 7).
func GotSum(err error) (sum string, ok bool) {
	task, ok := errors.AsType[*TaskError](err)
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

// Locked tells whether a lock, on the guest or on its file, stood in the way.
func Locked(err error) bool { return Says(err, "is locked (", "can't lock file") }

// Status is the status of the answer; 0 if there was none.
func Status(err error) int {
	if api, ok := errors.AsType[*APIError](err); ok {
		return api.Status
	}
	return 0
}

// Unanswered tells whether a write may have been carried out although no answer
// of Proxmox's own came: then only a look tells. pveproxy answers 596 after 30 s
// while the work goes on (FACTS 5); 595 means that the node was not reached.
func Unanswered(err error) bool {
	if err == nil {
		return false
	}
	var unsent *notSentError
	var task *TaskError
	if errors.As(err, &unsent) || errors.As(err, &task) {
		return false
	}
	switch code := Status(err); code {
	case 502, 503, 504, 596:
		return true
	default:
		// No status at all, or a success whose body was cut off.
		return code < 300
	}
}

// DeniedPath takes path and privileges out of "Permission check failed
// (/vms/101, VM.Audit)".
func DeniedPath(err error) (path, privilege string, ok bool) {
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
