package forge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// gitLab is GitLab's API, version 4.
type gitLab struct {
	*api
	project string
}

func (g *gitLab) setStatus(ctx context.Context, s Status) error {
	state := map[State]string{Pending: "pending", Success: "success", Failure: "failed"}[s.State]
	_, err := g.do(ctx, http.MethodPost, sub(g.project, "statuses", s.Commit), nil, map[string]string{
		"state": state, "name": s.Context, "description": s.Description,
	}, nil)
	// A state that a commit has already is refused in these words.
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusBadRequest && strings.Contains(e.Message, "Cannot transition status") {
		return nil
	}
	return err
}

func (g *gitLab) pulls(ctx context.Context, base string, yield func(PullRequest) bool) error {
	type request struct {
		IID            int    `json:"iid"`
		Title          string `json:"title"`
		Draft          bool   `json:"draft"`
		WorkInProgress bool   `json:"work_in_progress"`
		SHA            string `json:"sha"`
		SourceBranch   string `json:"source_branch"`
		TargetBranch   string `json:"target_branch"`
		SourceProject  int64  `json:"source_project_id"`
		TargetProject  int64  `json:"target_project_id"`
		Author         struct {
			Username string `json:"username"`
		} `json:"author"`
	}
	query := url.Values{"state": {"opened"}, "target_branch": {base}, "per_page": {"100"}}
	return paged(ctx, g.api, sub(g.project, "merge_requests"), query, func(r request) bool {
		return yield(PullRequest{
			Number: r.IID, Title: r.Title, Author: r.Author.Username, Head: r.SHA, Branch: r.SourceBranch, Base: r.TargetBranch,
			Ref:  "refs/merge-requests/" + strconv.Itoa(r.IID) + "/head",
			Fork: r.SourceProject != r.TargetProject || r.SourceProject == 0, Draft: r.Draft || r.WorkInProgress,
		})
	})
}

type gitLabNote struct {
	ID     int64  `json:"id"`
	Body   string `json:"body"`
	System bool   `json:"system"`
	Author struct {
		Username string `json:"username"`
	} `json:"author"`
}

func (n gitLabNote) comment() Comment {
	return Comment{ID: strconv.FormatInt(n.ID, 10), Body: n.Body, Author: n.Author.Username}
}

func (g *gitLab) notes(number int) string {
	return sub(g.project, "merge_requests", strconv.Itoa(number), "notes")
}

func (g *gitLab) comments(ctx context.Context, number int, yield func(Comment) bool) error {
	query := url.Values{"sort": {"asc"}, "order_by": {"created_at"}, "per_page": {"100"}}
	return paged(ctx, g.api, g.notes(number), query, func(n gitLabNote) bool { return n.System || yield(n.comment()) })
}

func (g *gitLab) write(ctx context.Context, number int, c Comment) (Comment, error) {
	method, path := http.MethodPost, g.notes(number)
	if c.ID != "" {
		method, path = http.MethodPut, sub(path, c.ID)
	}
	var done gitLabNote
	_, err := g.do(ctx, method, path, nil, map[string]string{"body": c.Body}, &done)
	return done.comment(), err
}

func (g *gitLab) self(ctx context.Context) (string, error) {
	var me struct {
		Username string `json:"username"`
	}
	_, err := g.get(ctx, g.join("user"), nil, &me)
	return me.Username, mayNotSay(err)
}
