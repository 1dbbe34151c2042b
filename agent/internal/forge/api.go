package forge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"berth/agent/internal/retryafter"
)

const (
	// maxAnswer bounds what is read of one answer.
	maxAnswer = 8 << 20
	// maxPages bounds how many pages of one list are read.
	maxPages = 50
	// attempts is how often one request is sent at most, longestPause how long is
	// waited in between: whoever calls tries again later anyway.
	attempts     = 3
	longestPause = 30 * time.Second
	// usualTimeout is for one request.
	usualTimeout = 20 * time.Second
)

// api sends requests to one forge.
type api struct {
	name      string // "gitea at git.example.com"
	kind      Kind
	base      *url.URL
	token     func() ([]byte, error)
	tokenName string
	client    *http.Client
	timeout   time.Duration
	own       bool // it has authorities of its own
	asked     func(error)
	pause     func(ctx context.Context, d time.Duration) error
}

func newAPI(o Options, base *url.URL) (*api, error) {
	a := &api{
		name: string(o.Kind) + " at " + base.Host, kind: o.Kind, base: base, token: o.Token, tokenName: o.TokenName,
		timeout: o.Timeout, own: len(o.CA) > 0, pause: sleep, asked: o.Asked,
	}
	if a.timeout == 0 {
		a.timeout = usualTimeout
	}
	if a.tokenName == "" {
		a.tokenName = "forge.token"
	}
	transport := o.Transport
	if transport == nil {
		var err error
		if transport, err = newTransport(o.CA, o.CAName); err != nil {
			return nil, err
		}
	}
	// A redirect could carry the token to somebody else; and a POST that is redirected
	// becomes a GET, whose answer looks like success.
	a.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return a, nil
}

func newTransport(ca []byte, name string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: usualTimeout, MaxResponseHeaderBytes: 64 << 10,
	}
	if len(ca) == 0 {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("forge.ca: %s: no PEM certificate in it", name)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// join makes a path of the API; each part is escaped, slashes included.
func (a *api) join(parts ...string) string {
	return sub(a.base.EscapedPath(), parts...)
}

// sub goes on below a path.
func sub(path string, parts ...string) string {
	var b strings.Builder
	b.WriteString(path)
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// answer is what the forge said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get reads what is at a path into out, and gives the answer for its headers.
func (a *api) get(ctx context.Context, path string, query url.Values, out any) (*answer, error) {
	return a.do(ctx, http.MethodGet, path, query, nil, out)
}

// do sends a request, more than once where that can help, and reads the answer into
// out unless it is nil.
func (a *api) do(ctx context.Context, method, path string, query url.Values, in, out any) (*answer, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("%s: write the request: %w", a.name, err)
		}
	}
	wait := time.Second
	for try := 1; ; try++ {
		got, err := a.once(ctx, method, path, query, body)
		if a.asked != nil && ctx.Err() == nil {
			a.asked(err)
		}
		if err == nil && out != nil {
			if jsonErr := json.Unmarshal(got.body, out); jsonErr != nil {
				return nil, &Error{Forge: a.name, Method: method, Path: path, Status: got.status, Message: "what it answers is no JSON of this API", Remedy: "see that forge.url is where the forge is, and that nothing stands before it that answers in its place"}
			}
		}
		failed, ok := errors.AsType[*Error](err)
		if !ok || try == attempts || !failed.again(method) {
			return got, err
		}
		pause := max(wait, failed.RetryAfter)
		if pause > longestPause {
			return got, err
		}
		if a.pause(ctx, pause) != nil {
			return got, err
		}
		wait *= 2
	}
}

func (a *api) once(ctx context.Context, method, path string, query url.Values, body []byte) (*answer, error) {
	token, err := a.token()
	if err != nil {
		return nil, &Error{Forge: a.name, Method: method, Path: path, Message: "read the token: " + err.Error(), Remedy: "correct forge.token of agent.yaml"}
	}
	defer clear(token)
	ctx, stop := context.WithTimeout(ctx, a.timeout)
	defer stop()
	target := *a.base
	target.RawQuery = query.Encode()
	if target.Path, err = url.PathUnescape(path); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	target.RawPath = path
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	req.Header.Set("User-Agent", "Berth")
	req.Header.Set("Accept", "application/json")
	if a.kind == GitHub {
		req.Header.Set("Accept", "application/vnd.github+json")
		req.Header.Set("X-Github-Api-Version", "2022-11-28")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", a.authorization(token))
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, a.unreachable(method, path, err, token)
	}
	defer resp.Body.Close()
	got := &answer{status: resp.StatusCode, header: resp.Header}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, a.unreachable(method, path, err, token)
	case len(got.body) > maxAnswer:
		return nil, &Error{Forge: a.name, Method: method, Path: path, Status: got.status, Message: fmt.Sprintf("its answer is longer than %d MiB", maxAnswer>>20)}
	case got.status >= 200 && got.status < 300:
		return got, nil
	}
	return got, a.refused(method, path, got, token)
}

func (a *api) authorization(token []byte) string {
	switch {
	case a.kind == Gitea || a.kind == Forgejo:
		return "token " + string(token)
	case a.kind == Bitbucket && bytes.IndexByte(token, ':') > 0:
		// An app password, or an API token with its user.
		user, password, _ := strings.Cut(string(token), ":")
		req := http.Request{Header: make(http.Header)}
		req.SetBasicAuth(user, password)
		return req.Header.Get("Authorization")
	default:
		return "Bearer " + string(token)
	}
}

func (a *api) unreachable(method, path string, err error, token []byte) error {
	if bare, ok := errors.AsType[*url.Error](err); ok {
		err = bare.Err
	}
	e := &Error{Forge: a.name, Method: method, Path: path, Message: plain(err.Error(), token), Remedy: "check forge.url, the network and the forge", away: true}
	var unknownCA x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknownCA) && !a.own:
		e.Remedy = "if the forge has a certificate of your own CA, name that CA's file as forge.ca (or repository.ca)"
	case errors.Is(err, context.DeadlineExceeded):
		e.Message = "no answer within " + a.timeout.String()
	}
	return e
}

// refused explains an answer that is no success.
func (a *api) refused(method, path string, got *answer, token []byte) error {
	e := &Error{Forge: a.name, Method: method, Path: path, Status: got.status, Message: plain(said(got.body), token), RetryAfter: retryAfter(got.header)}
	switch {
	case got.status == http.StatusUnauthorized:
		e.Remedy = fmt.Sprintf("the token (%s) is wrong, or has expired: make another with %s, and write it there", a.tokenName, scopes(a.kind))
	case got.status == http.StatusTooManyRequests, got.status == http.StatusForbidden && (got.header.Get("X-Ratelimit-Remaining") == "0" || got.header.Get("Retry-After") != ""):
		e.limited = true
		e.Remedy = "it is asked again later"
	case got.status == http.StatusForbidden:
		e.Remedy = fmt.Sprintf("the token (%s) may not do this: it needs %s", a.tokenName, scopes(a.kind))
	case got.status == http.StatusNotFound:
		e.Remedy = fmt.Sprintf("check forge.repository and forge.url; forges answer the same where the token (%s) may not see a repository: it needs %s", a.tokenName, scopes(a.kind))
	case got.status >= 300 && got.status < 400:
		e.Remedy = "redirects are not followed, since they may lead elsewhere: write in repository.url (or forge.url and forge.repository) where it is now"
		if to, err := url.Parse(got.header.Get("Location")); err == nil && to.Host != "" {
			e.Message = plain("it says to ask "+to.Host, token)
		}
	}
	return e
}

// scopes are what a token must be allowed to do.
func scopes(kind Kind) string {
	switch kind {
	case GitHub:
		return "read and write of commit statuses and pull requests (fine-grained), or the scope repo"
	case GitLab:
		return "the scope api and the role Developer"
	case Gitea, Forgejo:
		return "the scopes write:repository and write:issue"
	case Bitbucket:
		return "the scopes repository:write and pullrequest:write"
	default:
		return "the permission to write to the repository"
	}
}

// Error is that a forge did not do what it was asked for.
type Error struct {
	Forge, Method, Path string
	// Status is what it answered; 0 where it did not.
	Status int
	// Message is what it said, Remedy what to do. Neither holds the token.
	Message, Remedy string
	// RetryAfter is for how long it wants to be left alone; 0 where it does not say.
	RetryAfter time.Duration

	away, limited bool
}

// Error says who, what and what to do.
func (e *Error) Error() string {
	s := e.Forge + ": " + e.Method + " " + e.Path + ":"
	if e.Status != 0 {
		s += " " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status))
		if e.Message != "" {
			s += ":"
		}
	}
	if e.Message != "" {
		s += " " + e.Message
	}
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// again tells whether to send the same once more at once can help, and does no harm: a
// comment that may have been made is not made twice.
func (e *Error) again(method string) bool {
	if e.limited {
		return true
	}
	if method == http.MethodPost && !strings.Contains(e.Path, "/status") && !strings.Contains(e.Path, "build-status") {
		return e.Status == http.StatusServiceUnavailable
	}
	return e.away || e.Status >= 500 || e.Status == http.StatusRequestTimeout
}

// retryAfter is how long a forge wants to be left alone.
func retryAfter(h http.Header) time.Duration {
	if wait := retryafter.Read(h, time.Now()); wait > 0 {
		return wait
	}
	if reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil && h.Get("X-Ratelimit-Remaining") == "0" {
		return min(max(time.Until(time.Unix(reset, 0)), 0), retryafter.Longest)
	}
	return 0
}

// said is what the body of an error says: forges put it into one of a few fields.
func said(body []byte) string {
	var fields struct {
		Message          any `json:"message"`
		Error            any `json:"error"`
		ErrorDescription any `json:"error_description"`
		Errors           []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return ""
	}
	for _, one := range []any{fields.ErrorDescription, fields.Message, fields.Error} {
		switch v := one.(type) {
		case string:
			if v != "" {
				return v
			}
		case map[string]any:
			if s, ok := v["message"].(string); ok {
				return s
			}
			if raw, err := json.Marshal(v); err == nil {
				return string(raw)
			}
		}
	}
	if len(fields.Errors) > 0 {
		return fields.Errors[0].Message
	}
	return ""
}

// plain makes foreign text fit for a line, and takes the token out.
func plain(s string, token []byte) string {
	if len(token) > 3 {
		s = strings.ReplaceAll(s, string(token), "[token]")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
	return clip(s, 300)
}

// next finds the page that follows in a Link header (RFC 8288), if it is of the same
// path: no other is asked.
func next(h http.Header, path string) (url.Values, bool) {
	for _, link := range h.Values("Link") {
		for one := range strings.SplitSeq(link, ",") {
			target, params, _ := strings.Cut(strings.TrimSpace(one), ";")
			if !slices.ContainsFunc(strings.Split(params, ";"), func(p string) bool { return strings.ReplaceAll(strings.TrimSpace(p), `"`, "") == "rel=next" }) {
				continue
			}
			u, err := url.Parse(strings.Trim(target, "<> "))
			if err != nil || !sameTail(u.EscapedPath(), path) {
				continue
			}
			return u.Query(), true
		}
	}
	return nil, false
}

// sameTail tells whether two paths are of the same list. GitHub writes a repository by
// its number in links, so that only what follows is compared.
func sameTail(a, b string) bool {
	return a[strings.LastIndexByte(a, '/')+1:] == b[strings.LastIndexByte(b, '/')+1:]
}

// paged reads all pages of a list whose answers name the next one in a header.
func paged[T any](ctx context.Context, a *api, path string, query url.Values, yield func(T) bool) error {
	for range maxPages {
		var page []T
		got, err := a.get(ctx, path, query, &page)
		if err != nil {
			return err
		}
		for _, one := range page {
			if !yield(one) {
				return nil
			}
		}
		following, more := next(got.header, path)
		if !more || len(page) == 0 {
			return nil
		}
		query = following
	}
	return nil
}
