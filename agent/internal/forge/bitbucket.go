package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
)

// bitbucket is Bitbucket Cloud's API, version 2.0.
type bitbucket struct {
	*api
	repo string
	// page is where people see the repository: each status needs a link.
	page string
}

// bitbucketStates are the words of both Bitbuckets.
func bitbucketState(s State) string {
	return map[State]string{Pending: "INPROGRESS", Success: "SUCCESSFUL", Failure: "FAILED"}[s]
}

// maxKey is how long the key of a build may be at Bitbucket Cloud.
const maxKey = 40

// statusKey is a context as a key: a long one ends in its digest.
func statusKey(context string) string {
	if len(context) <= maxKey {
		return context
	}
	sum := sha256.Sum256([]byte(context))
	return context[:maxKey-9] + "-" + hex.EncodeToString(sum[:4])
}

func (b *bitbucket) setStatus(ctx context.Context, s Status) error {
	_, err := b.do(ctx, http.MethodPost, sub(b.repo, "commit", s.Commit, "statuses", "build"), nil, map[string]string{
		"key": statusKey(s.Context), "name": s.Context, "state": bitbucketState(s.State), "description": s.Description,
		"url": b.page + "/commits/" + s.Commit,
	}, nil)
	return err
}

// cloudPage is one page of a list.
type cloudPage[T any] struct {
	Values []T    `json:"values"`
	Next   string `json:"next"`
}

// cloudPaged reads all pages of a list. Of the address of the next page only the
// question is taken: where it is asked is known.
func cloudPaged[T any](ctx context.Context, a *api, path string, query url.Values, yield func(T) bool) error {
	return pages(query, func(query url.Values) ([]T, url.Values, error) {
		var page cloudPage[T]
		if _, err := a.get(ctx, path, query, &page); err != nil {
			return nil, nil, err
		}
		following, err := url.Parse(page.Next)
		if page.Next == "" || err != nil {
			return page.Values, nil, nil //nolint:nilerr // A page that nobody can find is none.
		}
		return page.Values, following.Query(), nil
	}, yield)
}

type cloudSide struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
	Commit struct {
		Hash string `json:"hash"`
	} `json:"commit"`
	Repository *struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

func (b *bitbucket) pulls(ctx context.Context, base string, yield func(PullRequest) bool) error {
	type pull struct {
		ID     int    `json:"id"`
		Title  string `json:"title"`
		Draft  bool   `json:"draft"`
		Author struct {
			Nickname string `json:"nickname"`
		} `json:"author"`
		Source      cloudSide `json:"source"`
		Destination cloudSide `json:"destination"`
	}
	query := url.Values{"state": {"OPEN"}, "pagelen": {"50"}, "q": {`state="OPEN" AND destination.branch.name=` + strconv.Quote(base)}}
	return cloudPaged(ctx, b.api, sub(b.repo, "pullrequests"), query, func(p pull) bool {
		from, to := p.Source.Repository, p.Destination.Repository
		pr := PullRequest{
			Number: p.ID, Title: p.Title, Author: p.Author.Nickname, Head: p.Source.Commit.Hash, Branch: p.Source.Branch.Name, Base: p.Destination.Branch.Name,
			Fork: from == nil || to == nil || from.FullName != to.FullName, Draft: p.Draft,
		}
		// It has no ref for pull requests: the branch of a fork is not in this repository,
		// and one that is called the same here is another.
		if !pr.Fork {
			pr.Ref = "refs/heads/" + pr.Branch
		}
		return yield(pr)
	})
}

type cloudComment struct {
	ID      int64 `json:"id"`
	Deleted bool  `json:"deleted"`
	Content struct {
		Raw string `json:"raw"`
	} `json:"content"`
	User struct {
		UUID string `json:"uuid"`
	} `json:"user"`
}

func (c cloudComment) comment() Comment {
	return Comment{ID: strconv.FormatInt(c.ID, 10), Body: c.Content.Raw, Author: c.User.UUID}
}

func (b *bitbucket) ofPull(number int) string {
	return sub(b.repo, "pullrequests", strconv.Itoa(number), "comments")
}

func (b *bitbucket) comments(ctx context.Context, number int, yield func(Comment) bool) error {
	return cloudPaged(ctx, b.api, b.ofPull(number), url.Values{"pagelen": {"100"}}, func(c cloudComment) bool { return c.Deleted || yield(c.comment()) })
}

func (b *bitbucket) write(ctx context.Context, number int, c Comment) (Comment, error) {
	method, path := http.MethodPost, b.ofPull(number)
	if c.ID != "" {
		method, path = http.MethodPut, sub(path, c.ID)
	}
	var done cloudComment
	_, err := b.do(ctx, method, path, nil, map[string]any{"content": map[string]string{"raw": c.Body}}, &done)
	return done.comment(), err
}

func (b *bitbucket) self(ctx context.Context) (string, error) {
	var me struct {
		UUID string `json:"uuid"`
	}
	_, err := b.get(ctx, b.join("user"), nil, &me)
	return me.UUID, mayNotSay(err)
}
