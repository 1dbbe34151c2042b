package pvesim

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Fault is an accident that happens to some requests.
//
// What it matches: Method ("" matches all, "write" all but GET) and Path, a
// pattern in which * stands for one segment and a final ** for any rest ("" and
// "**" match everything). Of the requests that match, the Nth is hit (zero: the
// first), and Count of them from there on (zero: one; negative: all).
type Fault struct {
	Method string
	Path   string
	Nth    int
	Count  int

	// Delay comes before everything else.
	Delay time.Duration
	// Lock puts this lock on the guest that the path names.
	Lock string
	// Drop breaks the connection, Status answers with it, Reason and Body instead
	// of what the server would have said. With AfterWork the work is done first:
	// the client never learns of it.
	Drop      bool
	Status    int
	Reason    string
	Body      string
	Type      string // Content-Type of Body; empty means text/html
	AfterWork bool
	// Cut breaks the connection after so many bytes of the answer's body.
	Cut int
	// TaskError lets the task that the request starts fail with this text, after
	// an answer of 200. The work of the task is not done.
	TaskError string
	// TaskWarnings lets the task do its work and end with so many warnings.
	TaskWarnings int
	// Full lets every allocation of the request fail as a full storage does.
	Full bool
	// Hotplug lets hotplug of the request's changes to these keys fail with the text.
	Hotplug map[string]string
	// Then is called when the fault hits, before anything else happens.
	Then func()
}

type faultState struct {
	Fault
	seen int
}

// Inject adds a fault. Several may be active; the first that hits a request is
// the one that acts.
func (c *Cluster) Inject(f Fault) {
	c.lock()
	defer c.unlock()
	c.faults = append(c.faults, &faultState{Fault: f})
}

// Heal removes all faults.
func (c *Cluster) Heal() {
	c.lock()
	defer c.unlock()
	c.faults = nil
}

func (c *Cluster) nextFault(method, path string) *faultState {
	var hit *faultState
	for _, f := range c.faults {
		if !f.matches(method, path) {
			continue
		}
		f.seen++
		first := max(f.Nth, 1)
		count := f.Count
		if count == 0 {
			count = 1
		}
		if hit == nil && f.seen >= first && (count < 0 || f.seen < first+count) {
			hit = f
		}
	}
	return hit
}

func (f *faultState) matches(method, p string) bool {
	if f.Method == "write" && method == http.MethodGet {
		return false
	}
	if f.Method != "" && f.Method != "write" && f.Method != method {
		return false
	}
	pattern, rest := strings.CutSuffix(f.Path, "**")
	if f.Path == "" || rest && pattern == "" {
		return true
	}
	if rest {
		n := len(split(pattern))
		have := split(p)
		if len(have) < n {
			return false
		}
		p = "/" + strings.Join(have[:n], "/")
		pattern = strings.TrimSuffix(pattern, "/")
	}
	ok, err := path.Match(pattern, p)
	return err == nil && ok
}

// before lets a fault act ahead of the work. An answer that is not nil is final.
func (q *call) before() *answer {
	f := q.fault
	if f == nil {
		return nil
	}
	if f.Then != nil {
		f.Then()
	}
	if f.Delay > 0 && !q.sleep(f.Delay) {
		return &answer{drop: true}
	}
	if f.Lock != "" {
		q.lock()
		if g := q.guests[guestInPath(q.path)]; g != nil {
			g.conf["lock"] = f.Lock
		}
		q.unlock()
	}
	if f.AfterWork {
		return nil
	}
	return f.answer()
}

// after lets a fault spoil the answer.
func (q *call) after(a *answer) *answer {
	f := q.fault
	if f == nil {
		return a
	}
	if f.AfterWork {
		if b := f.answer(); b != nil {
			return b
		}
	}
	if f.Cut > 0 {
		a.cut = f.Cut
	}
	return a
}

func (f *faultState) answer() *answer {
	if f.Drop {
		return &answer{drop: true}
	}
	if f.Status == 0 {
		return nil
	}
	reason := f.Reason
	if reason == "" {
		reason = http.StatusText(f.Status)
	}
	if reason == "" && f.Status == 596 {
		reason = "Connection timed out"
	}
	kind := f.Type
	if kind == "" {
		kind = "text/html"
	}
	h := http.Header{}
	if f.Body != "" {
		h.Set("Content-Type", kind)
	}
	return &answer{status: f.Status, reason: reason, header: h, body: []byte(f.Body), close: f.Status >= 400, cut: f.Cut}
}

// guestInPath returns the VMID that a path names, or zero.
func guestInPath(p string) int {
	parts := split(p)
	i := slices.IndexFunc(parts, func(s string) bool { return s == "qemu" || s == "lxc" })
	if i < 0 || i+1 >= len(parts) {
		return 0
	}
	return atoi(parts[i+1])
}
