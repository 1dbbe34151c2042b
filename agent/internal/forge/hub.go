package forge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// hub is GitHub's API, which Gitea and Forgejo have taken over where we use it.
type hub struct {
	*api
	repo string
}

func (h *hub) setStatus(ctx context.Context, s Status) error {
	_, err := h.do(ctx, http.MethodPost, sub(h.repo, "statuses", s.Commit), nil, map[string]string{
		"state": string(s.State), "context": s.Context, "description": s.Description,
	}, nil)
	return err
}

// hubRef is one side of a pull request. Repo is null where a fork is gone.
type hubRef struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"`
}

func (h *hub) pulls(ctx context.Context, base string, yield func(PullRequest) bool) error {
	query := url.Values{"state": {"open"}, "limit": {"50"}}
	if h.kind == GitHub {
		query = url.Values{"state": {"open"}, "base": {base}, "per_page": {"100"}}
	}
	type pull struct {
		Number int    `json:"number"`
		Title  string `json:"title"`
		Draft  bool   `json:"draft"`
		User   struct {
			Login string `json:"login"`
		} `json:"user"`
		Head hubRef `json:"head"`
		Base hubRef `json:"base"`
	}
	return paged(ctx, h.api, sub(h.repo, "pulls"), query, func(p pull) bool {
		return yield(PullRequest{
			Number: p.Number, Title: p.Title, Author: p.User.Login, Head: p.Head.SHA, Branch: p.Head.Ref, Base: p.Base.Ref,
			Ref:  "refs/pull/" + strconv.Itoa(p.Number) + "/head",
			Fork: p.Head.Repo == nil || p.Base.Repo == nil || !strings.EqualFold(p.Head.Repo.FullName, p.Base.Repo.FullName),
			// Gitea had no field for it before 1.21, only its prefixes.
			Draft: p.Draft || h.kind != GitHub && (hasPrefixFold(p.Title, "WIP:") || hasPrefixFold(p.Title, "[WIP]")),
		})
	})
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

type hubComment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	User struct {
		Login string `json:"login"`
	} `json:"user"`
}

func (c hubComment) comment() Comment {
	return Comment{ID: strconv.FormatInt(c.ID, 10), Body: c.Body, Author: c.User.Login}
}

func (h *hub) comments(ctx context.Context, number int, yield func(Comment) bool) error {
	query := url.Values{}
	if h.kind == GitHub {
		query.Set("per_page", "100")
	}
	return paged(ctx, h.api, sub(h.repo, "issues", strconv.Itoa(number), "comments"), query, func(c hubComment) bool { return yield(c.comment()) })
}

func (h *hub) write(ctx context.Context, number int, c Comment) (Comment, error) {
	method, path := http.MethodPost, sub(h.repo, "issues", strconv.Itoa(number), "comments")
	if c.ID != "" {
		method, path = http.MethodPatch, sub(h.repo, "issues", "comments", c.ID)
	}
	var done hubComment
	_, err := h.do(ctx, method, path, nil, map[string]string{"body": c.Body}, &done)
	return done.comment(), err
}

// self may be more than a token's scopes tell, as of those that GitHub's apps get.
func (h *hub) self(ctx context.Context) (string, error) {
	var me struct {
		Login string `json:"login"`
	}
	_, err := h.get(ctx, h.join("user"), nil, &me)
	return me.Login, mayNotSay(err)
}

// mayNotSay lets it pass that a token may not tell whom it belongs to.
func mayNotSay(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusForbidden && !e.limited || e.Status == http.StatusNotFound) {
		return nil
	}
	return err
}
