package pve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/luthermonson/go-proxmox"

	"berth/applyers"
)

// grace is what a write that is under way still gets when the agent is told to
// stop, so that it ends within two seconds.
const grace = 1500 * time.Millisecond

// Client asks one cluster's API, whichever of its endpoints answers. It is safe for
// concurrent use.
type Client struct {
	name string
	wire *wire
	api  *proxmox.Client
	http *http.Client
	poll time.Duration
	// Now is our clock.
	Now func() time.Time
	// Ledger remembers the tasks that are begun; nil remembers none.
	Ledger *Ledger
}

// FirstPoll is how soon a task is first asked after, where nothing else is said.
const FirstPoll = 100 * time.Millisecond

// New makes a client of the site called name. Every request goes through base
// to one of the endpoints, and is counted. poll is how soon a task is first asked
// after.
func New(name string, base http.RoundTripper, endpoints []string, count *Counter, now func() time.Time, poll time.Duration) (*Client, error) {
	w, err := newWire(base, endpoints, count, now)
	if err != nil {
		return nil, err
	}
	hc := &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	// The wire puts the endpoint's own address in.
	api := proxmox.NewClient(baseURL, proxmox.WithHTTPClient(hc), proxmox.WithUserAgent("berth"))
	return &Client{name: name, wire: w, api: api, http: hc, Now: now, poll: poll}, nil
}

// Observe has somebody told of each request. It is called before the first.
func (c *Client) Observe(o Observer) { c.wire.site, c.wire.observer = c.name, o }

// Begin starts a turn with a token, "user@realm!id=uuid": one that was refused is
// tried again.
func (c *Client) Begin(token string) { c.wire.begin(token) }

// Refused is the first 401 since the turn began; nil if there was none. What was
// asked after it was not sent: each that is refused takes three seconds (FACTS 1).
func (c *Client) Refused() error {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	return c.wire.refused
}

// Refuses tells whether a token was refused, and not tried anew since.
func (c *Client) Refuses(token string) bool {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	return c.wire.refused != nil && c.wire.token == token
}

// Next turns to another endpoint.
func (c *Client) Next() { c.wire.next() }

// Clock tells how far the cluster's clock is ahead of ours, as of the last answer
// with a date.
func (c *Client) Clock() (ahead time.Duration, known bool) { return c.wire.clock() }

// TokenName is "user@realm!id", without the secret.
func (c *Client) TokenName() string { return c.wire.tokenName() }

const baseURL = "https://proxmox.invalid/api2/json"

// Params are an option's name and value. Everything is sent as text, which
// Proxmox checks as it checks a form.
type Params map[string]string

// Get reads into a value, as encoding/json does unless it is [Decoded]; nil reads
// past the answer.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	got := carried{into: into}
	err := c.api.Get(context.WithValue(ctx, carriedKey{}, &got), path, nil)
	if err == nil {
		err = got.err
	}
	return plain("read "+path, err)
}

// Write sends a change. Once it is under way it gets its time to end although
// ctx is done; before, nothing is sent.
func (c *Client) Write(ctx context.Context, method, path string, p Params, into any) error {
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	ctx, stop := lingering(ctx)
	defer stop()
	var err error
	switch method {
	case http.MethodPost:
		err = c.api.Post(ctx, path, p, into)
	case http.MethodPut:
		err = c.api.Put(ctx, path, p, into)
	case http.MethodDelete:
		// Parameters of a DELETE go into the query: a body is refused (FACTS 1).
		if len(p) > 0 {
			query := url.Values{}
			for k, v := range p {
				query.Set(k, v)
			}
			path += "?" + query.Encode()
		}
		err = c.api.Delete(ctx, path, into)
	default:
		return errors.New("no such method")
	}
	if err = lost(err); err != nil {
		c.miss(err, guestOf(path, p))
	}
	return plain(strings.ToLower(method)+" "+path, err)
}

// miss remembers a write whose answer never came.
func (c *Client) miss(err error, guest string) {
	if unanswered := new(LostError); errors.As(err, &unanswered) {
		c.Ledger.lose(guest, c.Now())
	}
}

// lost marks the error of a write that may have been carried out.
func lost(err error) error {
	if Unanswered(err) {
		return &LostError{err}
	}
	return err
}

// lingering is ctx, ended a little later.
func lingering(ctx context.Context) (context.Context, func()) {
	linger, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-linger.Done():
		}
	})
	return linger, func() { stop(); cancel() }
}

// Upload sends a file to a storage and answers the task's id. The fields must
// come in this order (FACTS 7), which a map can't promise: hence no go-proxmox.
func (c *Client) Upload(ctx context.Context, node, store, content, name string, data []byte, sum string) (upid string, err error) {
	if ctx.Err() != nil {
		return "", applyers.ErrLeft
	}
	ctx, stop := lingering(ctx)
	defer stop()
	var body bytes.Buffer
	body.Grow(len(data) + 2048) // The fields before it take less.
	form := multipart.NewWriter(&body)
	for _, field := range [][2]string{{"content", content}, {"checksum-algorithm", "sha256"}, {"checksum", sum}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			return "", err
		}
	}
	part, err := form.CreateFormFile("filename", name)
	if err != nil {
		return "", err
	}
	if _, err := part.Write(data); err != nil {
		return "", err
	}
	if err := form.Close(); err != nil {
		return "", err
	}
	path := fmt.Sprintf("/nodes/%s/storage/%s/upload", node, store)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, baseURL+path, &body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	res, err := c.http.Do(req)
	if err != nil {
		err = lost(err)
		c.miss(err, "")
		return "", plain("post "+path, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", plain("post "+path, err)
	}
	err = decodeData(text, &upid)
	c.Ledger.Begun(upid, c.Now())
	return upid, err
}

// plain takes the wrappings of net/http, which repeat method and address, off an
// error.
func plain(what string, err error) error {
	if err == nil {
		return nil
	}
	outer, wrapped := errors.AsType[*url.Error](err)
	_, write := errors.AsType[*LostError](err)
	switch {
	case wrapped && write:
		err = &LostError{outer.Err}
	case wrapped:
		err = outer.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}
