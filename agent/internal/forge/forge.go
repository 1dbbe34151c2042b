// Package forge speaks to the place that hosts the manifests' repository: it sets the
// status of commits, lists open pull requests, and keeps one comment on each. It only
// ever calls out, by few requests, and needs no port that anybody can reach.
//
// The requests are those that the forges document; none of their libraries is used.
package forge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kind is which forge it is.
type Kind string

// The forges that are known. GitHub Enterprise is GitHub with a URL of its own.
const (
	GitHub      Kind = "github"
	GitLab      Kind = "gitlab"
	Gitea       Kind = "gitea"
	Forgejo     Kind = "forgejo"
	Bitbucket   Kind = "bitbucket"
	BitbucketDC Kind = "bitbucket-dc"
)

// Kinds lists all of them, as people write them.
func Kinds() []Kind { return []Kind{GitHub, GitLab, Gitea, Forgejo, Bitbucket, BitbucketDC} }

// State is how a commit fares. Each forge has words of its own for it.
type State string

// The states that a commit can have.
const (
	Pending State = "pending"
	Success State = "success"
	Failure State = "failure"
)

// Status is what a commit is marked with.
type Status struct {
	// Commit is a full hash.
	Commit string
	// Context tells the statuses of one commit from each other, as "berth/home".
	Context string
	State   State
	// Description is for people, in a line; what is longer than 140 characters is cut.
	Description string
}

// PullRequest is an open pull or merge request.
type PullRequest struct {
	Number int
	Title  string
	Author string
	// Head is the newest commit of it. Bitbucket Cloud gives only its beginning.
	Head string
	// Branch is where that is from, Base the branch that it is to go into.
	Branch, Base string
	// Ref is what the repository itself has the head under, as "refs/pull/7/head"; "" where
	// it has none, as of a fork at Bitbucket Cloud.
	Ref string
	// Fork tells that it comes from another repository, or from one that is gone.
	Fork  bool
	Draft bool
}

// Comment is a comment on a pull request.
type Comment struct {
	ID     string
	Body   string
	Author string
}

// Options are what a Client is made with.
type Options struct {
	Kind Kind
	// URL is where the forge is, or its API; "" stands for the public one of Kind.
	URL string
	// Repository is the repository's path there, as "owner/name".
	Repository string
	// Token gives the access token, read afresh for each request. TokenName says in
	// errors where it comes from.
	Token     func() ([]byte, error)
	TokenName string
	// CA are PEM certificates that are trusted besides the system's; CAName is their file.
	CA     []byte
	CAName string
	// Transport comes in place of the network's; nil is the usual.
	Transport http.RoundTripper
	// Asked is told how each request ended, repeated ones each time; nil is told nothing.
	Asked func(err error)
	// Timeout is how long one request may take; 20 s unless set.
	Timeout time.Duration
}

// dialect is how one kind of forge is spoken to.
type dialect interface {
	setStatus(ctx context.Context, s Status) error
	// pulls gives the open pull requests into a branch, page by page, until yield says
	// no.
	pulls(ctx context.Context, base string, yield func(PullRequest) bool) error
	comments(ctx context.Context, number int, yield func(Comment) bool) error
	// write makes a comment, or changes the one whose ID is set.
	write(ctx context.Context, number int, c Comment) (Comment, error)
	// self is the name of who the token belongs to; "" where that can't be told.
	self(ctx context.Context) (string, error)
}

// Client speaks to one repository of one forge. It may be used by many at once.
type Client struct {
	api *api
	dialect
}

// New checks the options and reaches nothing.
func New(o Options) (*Client, error) {
	if !slices.Contains(Kinds(), o.Kind) {
		return nil, fmt.Errorf("forge kind %q: it is one of %s", o.Kind, words(Kinds()))
	}
	base, err := apiBase(o.Kind, o.URL)
	if err != nil {
		return nil, err
	}
	if parts := strings.Split(o.Repository, "/"); len(parts) < 2 || slices.Contains(parts, "") || o.Kind != GitLab && len(parts) != 2 {
		return nil, fmt.Errorf("forge repository %q: write it as OWNER/NAME", o.Repository)
	}
	if o.Token == nil {
		return nil, errors.New("forge token: missing")
	}
	a, err := newAPI(o, base)
	if err != nil {
		return nil, err
	}
	c := &Client{api: a}
	owner, name, _ := strings.Cut(o.Repository, "/")
	switch o.Kind {
	case GitHub, Gitea, Forgejo:
		c.dialect = &hub{api: a, repo: a.join("repos", owner, name)}
	case GitLab:
		c.dialect = &gitLab{api: a, project: a.join("projects", o.Repository)}
	case Bitbucket:
		c.dialect = &bitbucket{api: a, repo: a.join("repositories", owner, name), page: "https://bitbucket.org/" + owner + "/" + name}
	case BitbucketDC:
		c.dialect = newBitbucketDC(a, base, owner, name)
	}
	return c, nil
}

func words(kinds []Kind) string {
	var all []string
	for _, k := range kinds {
		all = append(all, string(k))
	}
	return strings.Join(all, ", ")
}

// String names the forge, as in errors.
func (c *Client) String() string { return c.api.name }

// Exposed tells whether the token travels readable by others.
func (c *Client) Exposed() bool {
	host := c.api.base.Hostname()
	ip := net.ParseIP(host)
	return c.api.base.Scheme == "http" && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// HTML tells whether comments may hold HTML: both Bitbuckets show it as it is written.
func (c *Client) HTML() bool { return c.api.kind != Bitbucket && c.api.kind != BitbucketDC }

// maxDescription is what GitHub takes; the other forges take more.
const maxDescription = 140

// SetStatus marks a commit. To set the same twice is no error.
func (c *Client) SetStatus(ctx context.Context, s Status) error {
	s.Description = clip(s.Description, maxDescription)
	return c.setStatus(ctx, s)
}

// maxPulls bounds how many pull requests are listed.
const maxPulls = 500

// PullRequests lists the open ones into a branch, at most 500, in the forge's order.
func (c *Client) PullRequests(ctx context.Context, base string) ([]PullRequest, error) {
	var all []PullRequest
	err := c.pulls(ctx, base, func(p PullRequest) bool {
		if p.Base == base {
			all = append(all, p)
		}
		return len(all) < maxPulls
	})
	return all, err
}

// Comment makes the one comment that has a marker in it say body, which has it, too. id
// is what this call gave the last time, or "": then the marker is looked for among the
// comments that the token's owner wrote. A comment that somebody has removed is made
// anew, and so is one of which nobody can tell whose it is.
func (c *Client) Comment(ctx context.Context, number int, id, marker, body string) (string, error) {
	known := Comment{ID: id}
	if id == "" {
		var err error
		if known, err = c.find(ctx, number, marker); err != nil {
			return "", err
		}
		if known.ID != "" && known.Body == body {
			return known.ID, nil
		}
	}
	known.Body = body
	done, err := c.write(ctx, number, known)
	if gone, ok := errors.AsType[*Error](err); ok && known.ID != "" && (gone.Status == http.StatusNotFound || gone.Status == http.StatusGone) {
		done, err = c.write(ctx, number, Comment{Body: body})
	}
	return done.ID, err
}

// find looks for our comment. Somebody else may have copied the marker: what was written
// into that comment could be changed by them afterwards.
func (c *Client) find(ctx context.Context, number int, marker string) (Comment, error) {
	me, err := c.self(ctx)
	if err != nil || me == "" {
		return Comment{}, err
	}
	var found Comment
	err = c.comments(ctx, number, func(one Comment) bool {
		if strings.Contains(one.Body, marker) && one.Author == me {
			found = one
		}
		return found.ID == ""
	})
	return found, err
}

// apiBase is where the API is.
func apiBase(kind Kind, raw string) (*url.URL, error) {
	suffix := map[Kind]string{GitHub: "/api/v3", GitLab: "/api/v4", Gitea: "/api/v1", Forgejo: "/api/v1", Bitbucket: "/2.0", BitbucketDC: "/rest"}[kind]
	if raw == "" {
		raw = map[Kind]string{GitHub: "https://api.github.com", GitLab: "https://gitlab.com", Bitbucket: "https://api.bitbucket.org"}[kind]
	}
	if raw == "" {
		return nil, fmt.Errorf("forge url: missing: write where the %s is, as in https://git.example.com", kind)
	}
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("forge url: write a URL that begins with https://, without user, password or query")
	}
	u.Host = strings.ToLower(u.Host)
	switch {
	case kind == GitHub && (u.Host == "github.com" || u.Host == "www.github.com"):
		u.Host, u.Path = "api.github.com", ""
	case kind == GitHub && u.Host == "api.github.com":
	case kind == Bitbucket && u.Host == "bitbucket.org":
		u.Host, u.Path = "api.bitbucket.org", suffix
	case !strings.HasSuffix(u.Path, suffix):
		u.Path += suffix
	}
	u.RawPath = ""
	return u, nil
}

// clip cuts a text to so many characters, on one line.
func clip(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
