package pve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// RequestTimeout is above the 30 s after which pveproxy itself gives up (FACTS 2).
	RequestTimeout = 45 * time.Second
	// AtOnce is how many requests one endpoint gets at once: more gain nothing (FACTS 9).
	AtOnce = 4
	// bodyLimit is far above the largest list that a cluster can answer with.
	bodyLimit = 64 << 20
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
	site      string
	observer  Observer // nil if nobody watches

	mu      sync.Mutex
	current int
	token   string
	says    http.Header // what the last read said of itself
	sends   http.Header // the same with the token; nil before a turn's first read
	refused error       // the first 401: each more would cost 3 s (FACTS 1)
	said    string      // the date that an answer told last
	at      time.Time   // the same, read
	skew    time.Duration
	dated   bool
	// certificates are until when those that endpoints showed are valid.
	certificates map[string]time.Time
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
	w.token, w.refused, w.sends = token, nil, nil
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
		body, err = readRequest(req)
		_ = req.Body.Close()
		if err != nil {
			return nil, &notSentError{err}
		}
	}
	if req.Method != http.MethodGet {
		return w.once(req, body)
	}
	began := time.Now()
	res, err := w.once(req, body)
	if err != nil && passing(err) {
		return w.again(req, body, err, patience-time.Since(began))
	}
	return res, err
}

// readRequest reads the body of a request. That of an upload is large: it is copied but
// once.
func readRequest(req *http.Request) ([]byte, error) {
	var text bytes.Buffer
	if req.ContentLength > 0 {
		text.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	_, err := text.ReadFrom(req.Body)
	return text.Bytes(), err
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
		began := time.Now()
		res, err = w.send(req, body, w.endpoints[at])
		w.observe(req, began, res, err)
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
	out := req.WithContext(ctx)
	at := *req.URL
	at.Scheme, at.Host = to.Scheme, to.Host
	out.URL, out.Host = &at, ""
	out.Header = w.header(req)
	if body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
		out.ContentLength = int64(len(body))
	}
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
	w.shown(to.String(), res.TLS)
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
	// The request holds the token, and of any other go-proxmox would write the address
	// out, for a log that there is not.
	res.Request = nil
	res.Body, res.ContentLength = http.NoBody, 0
	if carried == nil {
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(bytes.Clone(text))), int64(len(text))
	}
	return res, nil
}

// header is what a request says of itself, and the token. All reads of a turn say the
// same, and share one set, which nobody changes.
func (w *wire) header(req *http.Request) http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	read := req.Method == http.MethodGet
	if read && w.sends != nil && maps.EqualFunc(req.Header, w.says, slices.Equal) {
		return w.sends
	}
	sends := req.Header.Clone()
	sends.Set("Authorization", "PVEAPIToken="+w.token)
	if read {
		w.says, w.sends = req.Header.Clone(), sends
	}
	return sends
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

// sendError keeps apart what never left from what may have arrived.
func sendError(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &dns) || Distrusted(err) || errors.As(err, &op) && op.Op == "dial" {
		return &notSentError{err}
	}
	return err
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
