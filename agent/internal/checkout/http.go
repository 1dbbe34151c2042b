package checkout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

const (
	// tokenUser is the user name that GitHub, GitLab, Gitea and Forgejo all take beside a token.
	tokenUser = "x-access-token"
	maxCAFile = 4 << 20
)

// web reaches a repository over HTTP. It keeps its connections between fetches.
type web struct {
	source Source
	base   *http.Transport
	roots  string // The CA file's content that base was made with.
}

// open starts one fetch: it reads the token and the CA file afresh.
func (w *web) open() (session, error) {
	token := ""
	if w.source.token.Read != nil {
		var err error
		if token, err = w.source.token.oneLine(); err != nil {
			return nil, err
		}
	}
	if w.source.TokenFile != "" {
		var err error
		if token, err = readToken(w.source.TokenFile); err != nil {
			return nil, err
		}
	}
	roots := ""
	if w.source.CAFile != "" {
		raw, err := readBounded(w.source.CAFile, maxCAFile, 0)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		roots = string(raw)
	}
	if w.base == nil || roots != w.roots {
		base, err := newTransport(roots, w.source.CAFile)
		if err != nil {
			return nil, err
		}
		w.close()
		w.base, w.roots = base, roots
	}
	return w.session(token)
}

func (w *web) session(token string) (session, error) {
	u, err := url.Parse(w.source.URL)
	if err != nil {
		return nil, fmt.Errorf("parse repository URL: %w", err)
	}
	endpoint, err := transport.NewEndpoint(w.source.URL)
	if err != nil {
		return nil, fmt.Errorf("parse repository URL: %w", err)
	}
	endpoint.Path = u.EscapedPath() // The endpoint is printed as it is, so escapes must stay.
	var auth transport.AuthMethod
	if token != "" {
		auth = &githttp.BasicAuth{Username: tokenUser, Password: token}
	}
	client := githttp.NewClient(&http.Client{Transport: &patient{base: w.base, silence: w.source.Timeout}})
	upload, err := client.NewUploadPackSession(endpoint, auth)
	if err != nil {
		return nil, fmt.Errorf("prepare fetch: %w", err)
	}
	return &webSession{source: w.source, token: token, endpoint: endpoint, upload: upload}, nil
}

func (w *web) close() {
	if w.base != nil {
		w.base.CloseIdleConnections()
	}
}

func newTransport(roots, file string) (*http.Transport, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		base = &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	base = base.Clone()
	if roots == "" {
		return base, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM([]byte(roots)) {
		return nil, fmt.Errorf("read CA file %s: no PEM certificate in it", file)
	}
	base.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return base, nil
}

// webSession is one fetch.
type webSession struct {
	source     Source
	token      string
	endpoint   *transport.Endpoint // Shared with upload, which changes it to follow a redirect.
	upload     transport.UploadPackSession
	advertised *packp.AdvRefs
}

// tip asks for the branch's newest commit: one request.
func (s *webSession) tip(ctx context.Context) (plumbing.Hash, error) {
	refs, err := s.upload.AdvertisedReferencesContext(ctx)
	if err != nil {
		return plumbing.ZeroHash, s.explain(ctx, err)
	}
	s.advertised = refs
	// go-git has replaced the path by that of the answer's URL, and left its escapes out.
	s.endpoint.Path = (&url.URL{Path: s.endpoint.Path}).EscapedPath()
	return branchTip(s.source, refs)
}

// tags lists the tags on some commits.
func (s *webSession) tags(_ context.Context, on map[plumbing.Hash]bool) ([]tagRef, error) {
	return toldTags(s.advertised, on), nil
}

// pull stores commits or tags with all that they need and that the haves do not bring: one request.
func (s *webSession) pull(ctx context.Context, wants, haves []plumbing.Hash, into storer.Storer) (err error) {
	req, err := packRequest(s.advertised, wants, haves)
	if err != nil {
		return err
	}
	answer, err := s.upload.UploadPack(ctx, req)
	if err != nil {
		return s.explain(ctx, err)
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	switch err := storePack(answer, req, into); {
	case err == nil, isContent(err):
		return err
	case isLocal(err):
		return fmt.Errorf("store fetched objects: %w", err)
	default:
		return s.explain(ctx, err)
	}
}

// close leaves the connection open for the next fetch.
func (s *webSession) close() {}

// explain puts what went wrong on the way into the words of this package.
func (s *webSession) explain(ctx context.Context, err error) error {
	if ended := ended(ctx); ended != nil {
		return ended
	}
	out := &FetchError{Source: s.source.id()}
	var unknownCA x509.UnknownAuthorityError
	var status *githttp.Err
	switch err = peel(err); {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		out.Kind = ErrAuth
		out.Remedy = "name a token file in the settings"
		if s.source.TokenFile != "" {
			out.Remedy = "check that the token in " + s.source.TokenFile + " has not expired and may read the repository"
		}
	case errors.Is(err, transport.ErrRepositoryNotFound):
		out.Kind = ErrNotFound
		out.Remedy = "check the URL, and whether the repository is private: servers answer the same when the token may not see it"
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		out.Kind = ErrEmpty
		out.Remedy = "push a first commit to the branch"
		return out
	case errors.As(err, &unknownCA):
		out.Kind = ErrUnreachable
		out.Remedy = "if the server has a certificate of your own CA, name that CA's file as repository.ca of the settings"
	case errors.As(err, &status):
		out.Kind = ErrUnreachable
		out.Detail = "the server answers " + answered(status.StatusCode())
		out.Remedy = "check the URL, and see to the server and whatever stands before it"
		out.busy(status.Response, time.Now())
		return out
	default:
		out.Kind = ErrUnreachable
		out.Remedy = "check the URL, the network and the server"
	}
	out.Detail = printable(scrub(err.Error(), s.token))
	return out
}

// answered is a status as people know it: "502 Bad Gateway".
func answered(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// peel removes go-git's wrappers, which errors.Is and errors.As cannot look through.
func peel(err error) error {
	for {
		var unexpected *plumbing.UnexpectedError
		var permanent *plumbing.PermanentError
		switch {
		case errors.As(err, &unexpected):
			err = unexpected.Err
		case errors.As(err, &permanent):
			err = permanent.Err
		default:
			return err
		}
	}
}
