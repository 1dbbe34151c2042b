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
	"strings"
	"time"

	"berth/agent/internal/retryafter"
)

const (
	// maxAnswer bounds what is read of one answer.
	maxAnswer = 8 << 20
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
}

func newAPI(o Options, base *url.URL) (*api, error) {
	a := &api{
		name: string(o.Kind) + " at " + base.Host, kind: o.Kind, base: base, token: o.Token, tokenName: o.TokenName,
		timeout: o.Timeout, own: len(o.CA) > 0, asked: o.Asked,
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
		if retryafter.Wait(ctx, pause) != nil {
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
