package pvesim

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bodyLimit is how much of a form the HTTP layer takes (FACTS 1).
const bodyLimit = 512 << 10

// answer is what goes back over the connection.
type answer struct {
	status int
	reason string
	header http.Header
	body   []byte
	drop   bool // break the connection instead
	cut    int  // break it after so many bytes of the body; zero: don't
	close  bool
}

// call is one request on its way through the simulator.
type call struct {
	*Cluster
	ctx    context.Context //nolint:containedctx // a call lives exactly as long as its request
	method string
	path   string
	query  url.Values
	params map[string]any
	args   map[string]string // parameters after verification, with those of the path
	node   string
	auth   auth
	header http.Header
	body   []byte
	seq    int
	// What a multipart body holds: its fields, and the file.
	sent     map[string]string
	file     []byte
	partsErr error
	fault    *faultState
	ep       *endpoint
	known    map[string]map[string]bool // rights that were looked up, see have
	paths    map[string]bool
}

// null is the answer of calls that have nothing to say.
type null struct{}

// MarshalJSON implements json.Marshaler.
func (null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// list is an answer with a total beside the data.
type list struct {
	Data  any
	Total int
	extra map[string]any
}

// ServeHTTP implements http.Handler for /api2/json and /api2/extjs.
//
// Reason phrases carry the error texts of Proxmox VE, which net/http does not
// write; such answers take over the connection, so errors close it, as they do
// on a real server.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := c.respond(r)
	custom := a.drop || a.cut > 0 || a.reason != http.StatusText(a.status)
	if custom {
		if hj, ok := w.(http.Hijacker); ok {
			conn, _, err := hj.Hijack()
			if err == nil {
				defer conn.Close()
				if a.drop {
					return
				}
				_, _ = conn.Write(a.raw())
				return
			}
		}
		if a.drop {
			return
		}
	}
	maps.Copy(w.Header(), a.header)
	// pveproxy tells the length of every answer, however long (recorded in all).
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (a *answer) raw() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status, a.reason)
	h := a.header.Clone()
	h.Set("Connection", "close")
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	_ = h.Write(&b)
	b.WriteString("\r\n")
	if a.cut > 0 && a.cut < len(a.body) {
		b.Write(a.body[:a.cut])
	} else {
		b.Write(a.body)
	}
	return b.Bytes()
}

// respond takes a request through authentication, routing, verification and work.
func (c *Cluster) respond(r *http.Request) *answer {
	q := &call{Cluster: c, ctx: r.Context(), method: r.Method, header: r.Header}
	format := ""
	rest, ok := strings.CutPrefix(r.URL.Path, "/api2/")
	if ok {
		format, rest, _ = strings.Cut(rest, "/")
	}
	q.path = "/" + strings.Join(split(rest), "/")
	q.query, _ = url.ParseQuery(r.URL.RawQuery)

	bodyErr := q.read(r)
	c.lock()
	q.record()
	q.fault = c.nextFault(q.method, q.path)
	c.unlock()
	if a := q.before(); a != nil {
		return q.finish(a)
	}
	a := q.answer(format, ok, bodyErr)
	if err := q.ctx.Err(); err != nil {
		a.drop = true
	}
	return q.finish(q.after(a))
}

func (q *call) answer(format string, isAPI bool, bodyErr error) *answer {
	if q.method == http.MethodHead || q.method == http.MethodOptions {
		return q.render(format, nil, &apiError{status: 501, message: fmt.Sprintf("method '%s' not available", q.method), empty: true})
	}
	if !isAPI || (format != "json" && format != "extjs") {
		return q.render(format, nil, &apiError{status: 501, message: fmt.Sprintf("no formatter for uri %s, %s", q.path, format), plain: true})
	}
	if bodyErr != nil {
		return q.render(format, nil, bodyErr)
	}
	patience := q.opts.LockWait
	data, wait, err := q.work(patience > 0)
	for wait > 0 {
		wait = min(patience, wait)
		if !q.sleep(wait) {
			return &answer{drop: true}
		}
		patience -= wait
		data, wait, err = q.work(patience > 0)
	}
	if slow := (slowCall{}); errors.As(err, &slow) {
		data, err = null{}, q.wait(slow.task)
	}
	return q.render(format, data, err)
}

// work does what the request asks for. A wait tells that nothing was done, since
// a task holds the file lock of the guest for so long and the caller is patient.
func (q *call) work(patient bool) (data any, wait time.Duration, err error) {
	q.lock()
	defer q.unlock()
	q.known, q.paths = nil, nil
	if err := q.authenticate(); err != nil {
		return nil, 0, err
	}
	ep, vars, err := q.route()
	if err != nil {
		return nil, 0, err
	}
	q.ep = ep
	if err := q.collect(vars); err != nil {
		return nil, 0, err
	}
	if ep.perm != nil {
		if err := ep.perm(q); err != nil {
			return nil, 0, err
		}
	}
	if n, ok := vars["node"]; ok {
		if !q.hasNode(n) && n != "localhost" {
			return nil, 0, fail("hostname lookup '%s' failed - failed to get address info for: %s: Name or service not known", n, n)
		}
		if n == "localhost" {
			n = q.nodes[0]
		}
		q.node = n
		if q.offline[n] {
			return nil, 0, &apiError{status: 595, message: "No route to host", empty: true}
		}
	}
	if q.noQuorum && q.method != http.MethodGet && !strings.HasPrefix(q.path, "/access/ticket") {
		return nil, 0, fail("cluster not ready - no quorum?")
	}
	if err := q.verify(vars); err != nil {
		return nil, 0, err
	}
	if held := q.heldFor(); held > 0 {
		if patient {
			return nil, held, nil
		}
		return nil, 0, q.lockTimeout()
	}
	data, err = ep.handle(q)
	return data, 0, err
}

func (q *call) record() {
	form := url.Values{}
	for k, v := range q.params {
		form[k] = asList(v)
	}
	for k, v := range q.sent {
		form.Set(k, v)
	}
	q.seq = len(q.requests)
	q.requests = append(q.requests, Request{Seq: q.seq, Time: q.now(), Method: q.method, Path: q.path, Form: form})
}

// finish writes down how the request ended.
func (q *call) finish(a *answer) *answer {
	q.lock()
	defer q.unlock()
	r := &q.requests[q.seq]
	r.Token = q.auth.full()
	if !a.drop {
		r.Status = a.status
		if a.status >= 400 {
			r.Message = a.reason
		}
	}
	return a
}

// render turns a result into an answer.
func (q *call) render(format string, data any, err error) *answer {
	a := &answer{status: 200, reason: "OK", header: http.Header{}}
	a.header.Set("Server", "pve-api-daemon/3.0")
	a.header.Set("Cache-Control", "max-age=0")
	a.header.Set("Pragma", "no-cache")
	a.header.Set("Date", q.now().UTC().Format(http.TimeFormat))
	body := map[string]any{"data": data}
	if l, ok := data.(list); ok {
		body = map[string]any{"data": l.Data}
		if l.Total > 0 {
			body["total"] = l.Total
		}
		maps.Copy(body, l.extra)
	}
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{status: 500, message: err.Error() + "\n"}
		}
		if e.status == http.StatusUnauthorized && q.opts.AuthDelay > 0 {
			// Every refused login is held back, so that guessing takes long.
			if !q.sleep(q.opts.AuthDelay) {
				return &answer{drop: true}
			}
		}
		a.status, a.reason, a.close = e.status, e.reason(), true
		if e.empty || e.plain {
			if !e.empty {
				a.body = []byte(e.message)
			}
			a.header.Set("Connection", "close")
			return a
		}
		body = map[string]any{"data": nil, "message": e.message}
		if e.errors != nil {
			body["errors"] = e.errors
		}
	}
	if format == "extjs" {
		a.extjs(body, err)
	}
	// Calls that pveproxy hands to pvedaemon close the connection (FACTS 1).
	if q.ep != nil && (q.method != http.MethodGet || q.ep.forwarded) {
		a.close = true
	}
	if a.close {
		a.header.Set("Connection", "close")
	}
	out, merr := appendJSON(make([]byte, 0, 512), body)
	if merr != nil {
		a.status, a.reason, out = 500, "unable to encode", nil
	}
	a.body = out
	a.header.Set("Content-Type", "application/json;charset=UTF-8")
	if len(out) > 1024 && strings.Contains(q.header.Get("Accept-Encoding"), "gzip") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(out)
		_ = z.Close()
		a.body = b.Bytes()
		a.header.Set("Content-Encoding", "gzip")
	}
	return a
}

// extjs wraps an answer the way the browser's library wants it: always 200.
func (a *answer) extjs(body map[string]any, err error) {
	if err == nil {
		body["success"] = 1
		return
	}
	body["success"], body["status"] = 0, a.status
	a.status, a.reason, a.close = 200, "OK", false
}

// sleep waits for d, or until the client has gone away.
func (q *call) sleep(d time.Duration) bool {
	if d <= 0 {
		return q.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.ctx.Done():
		return false
	}
}

func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}
