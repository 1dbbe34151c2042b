package forge

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// bitbucketDC is Bitbucket Data Center's API, version 1.0.
type bitbucketDC struct {
	*api
	repo, page string
}

func newBitbucketDC(a *api, base *url.URL, project, name string) *bitbucketDC {
	page := *base
	page.Path = strings.TrimSuffix(page.Path, "/rest") + "/projects/" + project + "/repos/" + name
	return &bitbucketDC{api: a, repo: a.join("api", "1.0", "projects", project, "repos", name), page: page.String()}
}

func (b *bitbucketDC) setStatus(ctx context.Context, s Status) error {
	_, err := b.do(ctx, http.MethodPost, b.join("build-status", "1.0", "commits", s.Commit), nil, map[string]string{
		"key": s.Context, "name": s.Context, "state": bitbucketState(s.State), "description": s.Description,
		"url": b.page + "/commits/" + s.Commit,
	}, nil)
	return err
}

// dcPage is one page of a list.
type dcPage[T any] struct {
	Values []T  `json:"values"`
	Last   bool `json:"isLastPage"`
	Next   int  `json:"nextPageStart"`
}

func dcPaged[T any](ctx context.Context, a *api, path string, query url.Values, yield func(T) bool) error {
	return pages(query, func(query url.Values) ([]T, url.Values, error) {
		var page dcPage[T]
		if _, err := a.get(ctx, path, query, &page); err != nil || page.Last || page.Next == 0 {
			return page.Values, nil, err
		}
		query.Set("start", strconv.Itoa(page.Next))
		return page.Values, query, nil
	}, yield)
}

type dcSide struct {
	ID           string `json:"id"`
	DisplayID    string `json:"displayId"`
	LatestCommit string `json:"latestCommit"`
	Repository   struct {
		Slug    string `json:"slug"`
		Project struct {
			Key string `json:"key"`
		} `json:"project"`
	} `json:"repository"`
}

func (b *bitbucketDC) pulls(ctx context.Context, base string, yield func(PullRequest) bool) error {
	type pull struct {
		ID     int    `json:"id"`
		Title  string `json:"title"`
		Draft  bool   `json:"draft"`
		Author struct {
			User struct {
				Name string `json:"name"`
			} `json:"user"`
		} `json:"author"`
		From dcSide `json:"fromRef"`
		To   dcSide `json:"toRef"`
	}
	query := url.Values{"state": {"OPEN"}, "at": {"refs/heads/" + base}, "direction": {"INCOMING"}, "limit": {"100"}}
	return dcPaged(ctx, b.api, sub(b.repo, "pull-requests"), query, func(p pull) bool {
		return yield(PullRequest{
			Number: p.ID, Title: p.Title, Author: p.Author.User.Name, Head: p.From.LatestCommit,
			Branch: strings.TrimPrefix(p.From.ID, "refs/heads/"), Base: strings.TrimPrefix(p.To.ID, "refs/heads/"),
			Ref:  "refs/pull-requests/" + strconv.Itoa(p.ID) + "/from",
			Fork: p.From.Repository != p.To.Repository, Draft: p.Draft,
		})
	})
}

type dcComment struct {
	ID      int64  `json:"id"`
	Version int    `json:"version"`
	Text    string `json:"text"`
	Author  struct {
		Name string `json:"name"`
	} `json:"author"`
}

func (c dcComment) comment() Comment {
	return Comment{ID: strconv.FormatInt(c.ID, 10), Body: c.Text, Author: c.Author.Name}
}

// comments are among what has happened to a pull request.
func (b *bitbucketDC) comments(ctx context.Context, number int, yield func(Comment) bool) error {
	type activity struct {
		Action  string    `json:"action"`
		Comment dcComment `json:"comment"`
	}
	query := url.Values{"limit": {"100"}}
	return dcPaged(ctx, b.api, sub(b.repo, "pull-requests", strconv.Itoa(number), "activities"), query, func(a activity) bool {
		return a.Action != "COMMENTED" || yield(a.Comment.comment())
	})
}

func (b *bitbucketDC) write(ctx context.Context, number int, c Comment) (Comment, error) {
	path := sub(b.repo, "pull-requests", strconv.Itoa(number), "comments")
	var done dcComment
	if c.ID == "" {
		_, err := b.do(ctx, http.MethodPost, path, nil, map[string]any{"text": c.Body}, &done)
		return done.comment(), err
	}
	path = sub(path, c.ID)
	if _, err := b.get(ctx, path, nil, &done); err != nil {
		return Comment{}, err
	}
	_, err := b.do(ctx, http.MethodPut, path, nil, map[string]any{"text": c.Body, "version": done.Version}, &done)
	return done.comment(), err
}

// self is told by a header of every answer.
func (b *bitbucketDC) self(ctx context.Context) (string, error) {
	got, err := b.get(ctx, b.repo, nil, nil)
	if err != nil {
		return "", err
	}
	return got.header.Get("X-Ausername"), nil
}
