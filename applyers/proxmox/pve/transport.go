package pve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// RequestTimeout is above the 30 s after which pveproxy itself gives up (FACTS 2).
	RequestTimeout = 45 * time.Second
	// AtOnce is how many requests one endpoint gets at once: more gain nothing (FACTS 9).
	AtOnce = 4
	// bodyLimit is far above the largest list that a cluster can answer with.
	bodyLimit = 64 << 20
	tries     = 4
	// patience is how long one read is tried again: a site that is down must not
	// hold the others up.
	patience = 15 * time.Second
)

// wire is the strict transport below go-proxmox, which takes 404, 502, 595, 596
// and cut bodies for success. It adds the token, so that nothing above it knows
// it, tries the endpoints in turn, repeats reads and never writes.
type wire struct {
	base      http.RoundTripper
	endpoints []*url.URL
	count     *Counter
	now       func() time.Time
	slots     chan struct{}
	rooms     sync.Pool // of *bytes.Buffer

	mu      sync.Mutex
	current int
	token   string
	refused error     // the first 401: each more would cost 3 s (FACTS 1)
	said    string    // the date that an answer told last
	at      time.Time // the same, read
	skew    time.Duration
	dated   bool
}

func newWire(base http.RoundTripper, endpoints []string, count *Counter, now func() time.Time) (*wire, error) {
	w := &wire{base: base, count: count, now: now, slots: make(chan struct{}, AtOnce)}
	for _, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil {
			return nil, fmt.Errorf("read endpoint: %w", err)
		}
		w.endpoints = append(w.endpoints, u)
	}
	if len(w.endpoints) == 0 {
		return nil, errors.New("the site has no endpoint")
	}
	return w, nil
}

// begin starts a turn: a token that was refused is tried again.
func (w *wire) begin(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token, w.refused = token, nil
}

// next turns to another endpoint.
func (w *wire) next() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = (w.current + 1) % len(w.endpoints)
}

// clock tells how far the server's clock is ahead of ours, as of the last answer
// with a date.
func (w *wire) clock() (ahead time.Duration, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skew, w.dated
}

// tokenName is the token's name, without the secret.
func (w *wire) tokenName() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	name, _, _ := strings.Cut(w.token, "=")
	return name
}

// RoundTrip gives back only whole answers with a 2xx status.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, &notSentError{err}
		}
	}
	if req.Method != http.MethodGet {
		return w.once(req, body)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 2*time.Second
	return backoff.Retry(req.Context(), func() (*http.Response, error) {
		res, err := w.once(req, body)
		if err != nil && !passing(err) {
			return nil, backoff.Permanent(err)
		}
		return res, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(patience))
}

// passing tells whether a read is worth another try.
func passing(err error) bool {
	if errors.Is(err, context.Canceled) || Distrusted(err) {
		return false
	}
	switch code := Status(err); code {
	case 502, 503, 595:
		return true
	default:
		return code < 300
	}
}

// once sends the request to the first endpoint that can be reached.
func (w *wire) once(req *http.Request, body []byte) (*http.Response, error) {
	select {
	case w.slots <- struct{}{}:
	case <-req.Context().Done():
		return nil, &notSentError{req.Context().Err()}
	}
	defer func() { <-w.slots }()

	w.mu.Lock()
	refused, first := w.refused, w.current
	w.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	var err error
	for i := range w.endpoints {
		at := (first + i) % len(w.endpoints)
		var res *http.Response
		res, err = w.send(req, body, w.endpoints[at])
		if err == nil || Status(err) != 0 || !elsewhere(req.Method, err) || req.Context().Err() != nil {
			w.mu.Lock()
			w.current = at
			w.mu.Unlock()
			return res, err
		}
	}
	return nil, err
}

// elsewhere tells whether another endpoint may be asked: a write only if it
// never left.
func elsewhere(method string, err error) bool {
	var unsent *notSentError
	return method == http.MethodGet || errors.As(err, &unsent)
}

// send makes one attempt and reads the answer whole.
func (w *wire) send(req *http.Request, body []byte, to *url.URL) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), RequestTimeout)
	defer cancel()
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host = to.Scheme, to.Host, ""
	if body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
		out.ContentLength = int64(len(body))
	}
	w.mu.Lock()
	out.Header.Set("Authorization", "PVEAPIToken="+w.token)
	w.mu.Unlock()
	w.count.Add(req.Method)
	res, err := w.base.RoundTrip(out)
	if err != nil {
		return nil, sendError(err)
	}
	room := w.room()
	defer w.leave(room)
	text, err := readBody(res, room)
	_ = res.Body.Close()
	w.date(res.Header)
	if err == nil && res.ContentLength > int64(len(text)) {
		err = io.ErrUnexpectedEOF
	}
	carried, _ := req.Context().Value(carriedKey{}).(*carried)
	if failure := judge(res, text, err, carried); failure != nil {
		if failure.Status == http.StatusUnauthorized {
			w.mu.Lock()
			w.refused = failure
			w.mu.Unlock()
		}
		return nil, failure
	}
	res.Request = req
	if carried != nil {
		text = nil
	}
	res.Body = io.NopCloser(bytes.NewReader(bytes.Clone(text)))
	res.ContentLength = int64(len(text))
	return res, nil
}

// room is where an answer is read to. That of a former one is used again.
func (w *wire) room() *bytes.Buffer {
	if room, ok := w.rooms.Get().(*bytes.Buffer); ok {
		room.Reset()
		return room
	}
	return new(bytes.Buffer)
}

// keptRoom is the most that is kept for answers to come, in bytes: the lists of a
// thousand guests fit, and those of ten thousand are not worth keeping room for.
const keptRoom = 2 << 20

func (w *wire) leave(room *bytes.Buffer) {
	if room.Cap() <= keptRoom {
		w.rooms.Put(room)
	}
}

// readBody reads an answer whole, with room for what it says that it holds.
func readBody(res *http.Response, room *bytes.Buffer) ([]byte, error) {
	if res.ContentLength > 0 && res.ContentLength <= bodyLimit {
		room.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	_, err := room.ReadFrom(io.LimitReader(res.Body, bodyLimit))
	return room.Bytes(), err
}

// carried takes what an answer holds past go-proxmox, which would read and check the
// body three times more. It travels in the request's context, under carriedKey.
type carried struct {
	into any
	err  error // Why a good answer could not be read into it.
}

type carriedKey struct{}

// read reads a body and tells whether it is what Proxmox would answer.
func (c *carried) read(text []byte) (ok bool) {
	if c == nil {
		return json.Valid(text)
	}
	c.err = decodeData(text, c.into)
	return !errors.Is(c.err, errMalformed)
}

// sendError keeps apart what never left from what may have arrived.
func sendError(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &dns) || Distrusted(err) || errors.As(err, &op) && op.Op == "dial" {
		return &notSentError{err}
	}
	return err
}

// judge turns an answer that is no success into an error, and reads one that is.
func judge(res *http.Response, text []byte, cut error, carried *carried) *APIError {
	failure := &APIError{Status: res.StatusCode}
	var answer struct {
		Message string            `json:"message"`
		Errors  map[string]string `json:"errors"`
	}
	switch {
	case res.StatusCode/100 != 2:
		_ = json.Unmarshal(text, &answer) // Proxies answer in other words.
		_, reason, _ := strings.Cut(res.Status, " ")
		failure.Message = shortened(cmp.Or(oneLine(answer.Message), oneLine(reason)), longestText)
		failure.Params = answer.Errors
		return failure
	case cut != nil:
		failure.Message = "the answer broke off: " + cut.Error()
		return failure
	case !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) || !carried.read(text):
		failure.Message = "the answer is not Proxmox's (" + shortened(oneLine(res.Header.Get("Content-Type")), 100) + ")"
		return failure
	}
	return nil
}

// date remembers how far the clocks are apart.
func (w *wire) date(h http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if said := h.Get("Date"); said != w.said {
		at, err := http.ParseTime(said)
		if err != nil {
			return
		}
		w.said, w.at = said, at
	}
	if w.said != "" {
		w.skew, w.dated = w.at.Sub(w.now()), true
	}
}
