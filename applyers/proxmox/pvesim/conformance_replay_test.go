package pvesim

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// replay plays one recording against one simulator.
type replay struct {
	t       *testing.T
	list    []exchange
	c       *Cluster
	base    time.Time
	at      int // index of the exchange being played
	secrets map[string]string
	upids   map[string]string // recorded to ours
	macs    map[string]string // recorded to ours
	taken   map[string]bool
	texts   map[string]string // recorded to ours, for what the recording did not keep
	cookie  string
	csrf    string
	digests map[string]string // recorded to ours
	learnt  bool              // the exchange told of a change made outside of the API
}

func newReplay(t *testing.T, list []exchange) *replay {
	t.Helper()
	r := &replay{
		t: t, list: list, base: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC),
		secrets: map[string]string{}, upids: map[string]string{}, macs: map[string]string{},
		taken: map[string]bool{}, digests: map[string]string{}, texts: map[string]string{},
	}
	r.seed()
	return r
}

// now is the simulator's clock, see clock.
func (r *replay) now() time.Time { return r.clock(r.at) }

// clock is the server's at an exchange: what its Date says, to the second, and
// within a second the order of the exchanges.
func (r *replay) clock(i int) time.Time {
	at := r.base
	if i < len(r.list) && r.list[i].Request != nil {
		for _, h := range r.list[i].Response.Headers {
			if d, err := http.ParseTime(h[1]); h[0] == "Date" && err == nil {
				at = d
			}
		}
	}
	return at.Add(time.Duration(i) * time.Millisecond)
}

// run returns, for every exchange that counts, what differs.
func (r *replay) run() map[int]string {
	last := map[string]int{}
	for i, e := range r.list {
		if u := polled(e); u != "" {
			last[u] = i
		}
	}
	out := map[int]string{}
	for i, e := range r.list {
		if e.Request == nil {
			continue
		}
		r.at = i
		r.learnt = false
		r.outside(e)
		diff := r.play(e)
		if r.learnt && diff == "" {
			diff = "told of a lock that was set outside of the API"
		}
		// Polls of a task count once, by their final state.
		if u := polled(e); u != "" && last[u] != i {
			continue
		}
		out[i] = diff
	}
	return out
}

var pollRE = regexp.MustCompile(`/tasks/(UPID[^/]*)/status$`)

// polled returns the UPID that a successful status poll is about.
func polled(e exchange) string {
	if e.Request == nil || e.Response.Status != 200 {
		return ""
	}
	m := pollRE.FindStringSubmatch(e.Request.URL)
	if m == nil {
		return ""
	}
	u, err := url.PathUnescape(m[1])
	if err != nil {
		return ""
	}
	return u
}

// outside applies the one kind of change that recordings show without a request
// for it: a lock that was set at the node's console. The exchange that told of it
// does not count as reproduced.
func (r *replay) outside(e exchange) {
	id := guestInPath(e.Request.URL)
	data, ok := body(e)["data"].(map[string]any)
	if e.Request.Method != "GET" || !ok || id == 0 || !strings.HasSuffix(e.Request.URL, "/config") {
		return
	}
	g, exists := r.c.Guest(id)
	want, _ := data["lock"].(string)
	if !exists || g.Lock == want || want == "create" || want == "clone" || g.Lock == "create" || g.Lock == "clone" {
		return
	}
	r.c.Edit("root@pam", id, map[string]string{"lock": want})
	r.learnt = true
}

func body(e exchange) map[string]any {
	m, _ := e.Response.JSON.(map[string]any)
	return m
}

// duration is how long the task that this exchange starts ran in the recording,
// by what later exchanges show of it: polls that say running, locks of a stub,
// lists with the task in them, file locks after the proxy gave up on a call. Most tasks had ended at the first look.
func (r *replay) duration(string) time.Duration {
	e := r.list[r.at]
	upid, _ := body(e)["data"].(string)
	gaveUp := e.Response.Status == 596
	if !strings.HasPrefix(upid, "UPID:") && !gaveUp {
		return 0
	}
	last := -1
	if gaveUp {
		last = r.at
	}
	for j := r.at + 1; j < len(r.list); j++ {
		o := r.list[j]
		if o.Request == nil {
			continue
		}
		if upid != "" && polled(o) == upid {
			if d, _ := body(o)["data"].(map[string]any); d["status"] == "stopped" {
				break
			}
			last = j
		}
		if gaveUp && guestInPath(o.Request.URL) == guestInPath(e.Request.URL) && strings.Contains(o.Response.Reason, "can't lock file") {
			last = j
		}
		if showsRunning(body(o), upid) || stub(o, e) || r.interrupts(o, upid) {
			last = j
		}
	}
	if last < 0 {
		return 0
	}
	return r.clock(last).Sub(r.now()) + time.Microsecond
}

// interrupts tells the request that stopped a task, by how the task ended.
func (r *replay) interrupts(o exchange, upid string) bool {
	if o.Request.Method != http.MethodDelete || !sameTask(o.Request.URL, upid) {
		return false
	}
	return slices.ContainsFunc(r.list, func(x exchange) bool {
		d, _ := body(e2(x))["data"].(map[string]any)
		exit, _ := d["exitstatus"].(string)
		return d["upid"] == upid && strings.Contains(exit, "interrupted")
	})
}

func showsRunning(v any, upid string) bool {
	switch v := v.(type) {
	case map[string]any:
		if v["upid"] == upid {
			_, ended := v["endtime"]
			return v["status"] == "RUNNING" || v["status"] == "running" || !ended && v["status"] == nil
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), func(x any) bool { return showsRunning(x, upid) })
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return showsRunning(x, upid) })
	}
	return false
}

// stub tells that an exchange shows the stub, or the lock, of a guest that
// another exchange is making.
func stub(o, start exchange) bool {
	id := start.Request.Form["newid"]
	if id == nil {
		id = start.Request.Form["vmid"]
	}
	if id == nil || guestInPath(o.Request.URL) != atoi(fmt.Sprint(id)) {
		return false
	}
	switch d := body(o)["data"].(type) {
	case map[string]any:
		return d["lock"] == "create" || d["lock"] == "clone"
	case []any:
		return slices.ContainsFunc(d, func(x any) bool {
			row, _ := x.(map[string]any)
			return row["key"] == "lock" && (row["value"] == "create" || row["value"] == "clone")
		})
	}
	return strings.Contains(o.Response.Reason, "can't lock file")
}

// play sends one recorded request and compares the answers.
func (r *replay) play(e exchange) string {
	req, err := r.request(e)
	if err != nil {
		return err.Error()
	}
	resp, err := r.c.Transport().RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	_ = resp.Body.Close()
	_, reason, _ := strings.Cut(resp.Status, " ")
	var got any
	if json.Unmarshal(raw, &got) != nil {
		got = nil
	}
	r.remember(e, got)
	if resp.StatusCode != e.Response.Status {
		return fmt.Sprintf("status %d %s, recorded %d %s", resp.StatusCode, reason, e.Response.Status, e.Response.Reason)
	}
	if w, g := r.maskText("", e.Response.Reason, true), r.maskText("", reason, false); w != g {
		return fmt.Sprintf("reason %q, recorded %q", g, w)
	}
	if e.Response.Body != nil && *e.Response.Body != string(raw) {
		return fmt.Sprintf("body %q, recorded %q", raw, *e.Response.Body)
	}
	if e.Response.JSON == nil {
		return ""
	}
	r.learnMACs(e.Response.JSON, got)
	r.learnDigests(body(e)["data"], data(got))
	return compare("", r.mask("", e.Response.JSON, true), r.mask("", got, false))
}

func data(v any) any {
	m, _ := v.(map[string]any)
	return m["data"]
}

// learnDigests pairs recorded digests with ours, for requests that send them.
func (r *replay) learnDigests(want, got any) {
	w, _ := want.(map[string]any)
	g, _ := got.(map[string]any)
	a, _ := w["digest"].(string)
	b, _ := g["digest"].(string)
	if a != "" && b != "" {
		r.digests[a] = b
	}
}

// compare returns the first few fields that differ.
func compare(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		var out []string
		for _, k := range slices.Sorted(maps.Keys(merge2(w, g))) {
			if d := compare(at+"."+k, w[k], g[k]); d != "" {
				out = append(out, d)
			} else if _, ok := w[k]; !ok {
				out = append(out, at+"."+k+" is extra")
			} else if _, ok := g[k]; !ok {
				out = append(out, at+"."+k+" is missing")
			}
		}
		return strings.Join(out[:min(len(out), 4)], "; ")
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		var out []string
		if len(g) != len(w) {
			out = append(out, fmt.Sprintf("%s has %d rows, recorded %d", at, len(g), len(w)))
		}
		for i := range min(len(w), len(g)) {
			if d := compare(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); d != "" {
				out = append(out, d)
			}
		}
		return strings.Join(out[:min(len(out), 3)], "; ")
	}
	if text(want) != text(got) {
		return fmt.Sprintf("%s = %.300s, recorded %.300s", at, text(got), text(want))
	}
	return ""
}

func merge2(a, b map[string]any) map[string]any {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// remember keeps what later requests of the recording refer to.
func (r *replay) remember(e exchange, got any) {
	g, _ := got.(map[string]any)
	if u, ok := body(e)["data"].(string); ok && strings.HasPrefix(u, "UPID:") {
		if ours, ok := g["data"].(string); ok {
			r.upids[u] = ours
		}
	}
	if d, ok := g["data"].(map[string]any); ok && d["ticket"] != nil {
		r.cookie, _ = d["ticket"].(string)
		r.csrf, _ = d["CSRFPreventionToken"].(string)
	}
}
