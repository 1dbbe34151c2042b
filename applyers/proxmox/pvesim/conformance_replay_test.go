package pvesim

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
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

// now is the simulator's clock: one second an exchange.
func (r *replay) now() time.Time { return r.base.Add(time.Duration(r.at) * time.Second) }

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
// lists with the task in them. Most tasks had ended at the first look.
func (r *replay) duration(string) time.Duration {
	e := r.list[r.at]
	upid, _ := body(e)["data"].(string)
	if !strings.HasPrefix(upid, "UPID:") {
		return 0
	}
	last := -1
	for j := r.at + 1; j < len(r.list); j++ {
		o := r.list[j]
		if o.Request == nil {
			continue
		}
		if polled(o) == upid {
			if d, _ := body(o)["data"].(map[string]any); d["status"] == "stopped" {
				break
			}
			last = j
		}
		if showsRunning(body(o), upid) || stub(o, e) || r.interrupts(o, upid) {
			last = j
		}
	}
	if last < 0 {
		return 0
	}
	return time.Duration(last-r.at)*time.Second + time.Second/2
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
	if e.Response.Status == 596 {
		// The proxy gave up while the work went on.
		r.c.Inject(Fault{Status: 596, AfterWork: true})
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

// request rebuilds a recorded request.
func (r *replay) request(e exchange) (*http.Request, error) {
	raw := e.Request.URL
	for from, to := range r.upids {
		raw = strings.ReplaceAll(raw, url.PathEscape(from), url.PathEscape(to))
		raw = strings.ReplaceAll(raw, strings.ReplaceAll(url.QueryEscape(from), "+", "%20"), url.PathEscape(to))
		raw = strings.ReplaceAll(raw, from, to)
	}
	kind, payload := r.payload(e)
	// Not parsed as a whole: a path may begin with two slashes.
	path, query, _ := strings.Cut(raw, "?")
	req, err := http.NewRequestWithContext(r.t.Context(), e.Request.Method, "https://pve.test", bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	if payload == nil {
		req.Body = nil
	}
	if req.URL.Path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	req.URL.RawQuery = query
	for k, v := range e.Request.Headers {
		req.Header.Set(k, v)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	r.authorize(req, e)
	return req, nil
}

// authorize puts in what was scrubbed. A secret was wrong where the server says so.
func (r *replay) authorize(req *http.Request, e exchange) {
	if c := req.Header.Get("Cookie"); strings.Contains(c, "<signature>") {
		req.Header.Set("Cookie", "PVEAuthCookie="+url.QueryEscape(r.cookie))
	}
	if req.Header.Get("Csrfpreventiontoken") != "" {
		req.Header.Set("CSRFPreventionToken", r.csrf)
	}
	if e.Request.Auth == nil {
		return
	}
	auth := *e.Request.Auth
	for name, secret := range r.secrets {
		if e.Response.Status == http.StatusUnauthorized {
			secret = "wrong"
		}
		auth = strings.ReplaceAll(auth, name+"=<secret>", name+"="+secret)
	}
	req.Header.Set("Authorization", auth)
}

// payload rebuilds the body: from the form or the JSON that was kept, or, where
// the recording kept neither, from what it says about it.
func (r *replay) payload(e exchange) (kind string, body []byte) {
	switch {
	case e.Request.Form != nil:
		f := url.Values{}
		for k, v := range e.Request.Form {
			if n, ok := v.(float64); ok {
				f.Set(k, trimFloat(n))
				continue
			}
			f.Set(k, r.mapText(fmt.Sprint(v)))
		}
		return "application/x-www-form-urlencoded", []byte(f.Encode())
	case e.Request.JSON != nil:
		b, err := json.Marshal(e.Request.JSON)
		if err != nil {
			r.t.Fatal(err)
		}
		return "application/json", b
	}
	kind = e.Request.Headers["Content-Type"]
	if strings.HasPrefix(kind, "multipart/") {
		return r.multipart(e)
	}
	return kind, r.unkept(e, kind)
}

func (r *replay) mapText(s string) string {
	if d := r.digests[s]; d != "" {
		return d
	}
	for from, to := range r.macs {
		s = strings.ReplaceAll(s, from, to)
	}
	for from, to := range r.texts {
		s = strings.ReplaceAll(s, from, to)
	}
	return s
}

// unkept is a body of which the recording has the kind and a note alone.
func (r *replay) unkept(e exchange, kind string) []byte {
	note, _ := e.Note.(string)
	switch {
	case kind == "":
		return nil
	case note == "repeated key":
		return []byte("cores=1&cores=2")
	case note == "UTF-8":
		return []byte("description=%C3%BC%E2%82%AC")
	case note == "latin-1":
		return []byte("description=%FC")
	case note == "big body":
		return []byte("description=" + strings.Repeat("x", 600_000))
	case strings.HasPrefix(kind, "application/json"):
		return []byte("{bad")
	}
	return []byte("a=b")
}

var (
	uploadNote = regexp.MustCompile(`content=(\S+) filename=(\S+)`)
	targetLine = regexp.MustCompile(`target file: (?:/\S+)?/(iso|cache|import)/(\S+)`)
	sizeLine   = regexp.MustCompile(`file size is: (\d+)`)
	expectLine = regexp.MustCompile(`!= expect '([0-9a-f]+)'`)
)

// multipart rebuilds an upload, whose body was not kept, from the note and from
// the log of its task. The file is filled with "abc".
func (r *replay) multipart(e exchange) (string, []byte) {
	note, _ := e.Note.(string)
	content, name, size, sum := "iso", "x.iso", 16, ""
	var log string
	for j := r.at + 1; j < min(r.at+4, len(r.list)); j++ {
		upid, _ := body(e)["data"].(string)
		if o := r.list[j]; o.Request != nil && upid != "" && strings.HasSuffix(o.Request.URL, "/log") && sameTask(o.Request.URL, upid) {
			log = text(o.Response.JSON)
		}
	}
	if m := uploadNote.FindStringSubmatch(note); m != nil {
		content, name = m[1], m[2]
	}
	if m := targetLine.FindStringSubmatch(log); m != nil {
		content, name = strings.Replace(m[1], "cache", "vztmpl", 1), strings.TrimSuffix(m[2], `"`)
		name, _, _ = strings.Cut(name, `"`)
	}
	if m := sizeLine.FindStringSubmatch(log); m != nil {
		size = atoi(m[1])
	}
	if strings.Contains(log, "calculating checksum") && size == 16 {
		size = 3
	}
	file := []byte(strings.Repeat("abc", size/3+1))[:size]
	if strings.Contains(log, "checksum verified") {
		sum = sumOf(string(file), "sha256")
	}
	if m := expectLine.FindStringSubmatch(log); m != nil {
		sum = m[1]
	}
	var b bytes.Buffer
	boundary := "replay"
	field := func(k, v string) {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", boundary, k, v)
	}
	field("content", content)
	switch {
	case note == "wrong checksum":
		// The order that the server does not understand.
		field("checksum", strings.Repeat("0", 64))
		field("checksum-algorithm", "sha256")
	case sum != "":
		field("checksum-algorithm", "sha256")
		field("checksum", sum)
	}
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n", boundary, name)
	b.Write(file)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return "multipart/form-data; boundary=" + boundary, b.Bytes()
}

func sameTask(at, upid string) bool {
	raw, err := url.PathUnescape(at)
	return err == nil && strings.Contains(raw, upid)
}

// download serves the file that the lab served: of the length and the virtual
// size that the recording shows; port 9 refuses, as it did.
func (r *replay) download(_ context.Context, rawURL string) (io.ReadCloser, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Port() == "9" {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return io.NopCloser(bytes.NewReader(r.image())), nil
}

// image is the stand-in for the lab's disk image.
func (r *replay) image() []byte {
	size, virtual := 4096, uint64(gib)
	for _, e := range r.list {
		if d, ok := body(e2(e))["data"].(map[string]any); ok {
			if d["mimetype"] != nil {
				if n, ok := d["size"].(float64); ok {
					size = int(n)
				}
			}
			if d["path"] != nil && d["format"] == "qcow2" {
				if n, ok := d["size"].(float64); ok {
					virtual = uint64(n)
				}
			}
		}
	}
	out := make([]byte, size)
	copy(out, "QFI\xfb\x00\x00\x00\x03")
	binary.BigEndian.PutUint64(out[24:], virtual)
	return out
}

func e2(e exchange) exchange {
	if e.Response == nil {
		e.Response = &struct {
			Status  int
			Reason  string
			Headers [][2]string
			JSON    any
			Body    *string
		}{}
	}
	return e
}
