package forge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/forge"
)

const token = "s3cr3t-token"

// server answers in process, so that tests can turn the clock.
type server struct {
	http.Handler
	mu   sync.Mutex
	seen []string // "POST /path?query body"
	auth []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		raw, _ := io.ReadAll(r.Body)
		body = string(raw)
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	s.mu.Lock()
	line := r.Method + " " + r.URL.RequestURI()
	if body != "" {
		// JSON may write these either way.
		line += " " + strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(body)
	}
	s.seen, s.auth = append(s.seen, line), append(s.auth, r.Header.Get("Authorization"))
	s.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func client(t *testing.T, kind forge.Kind, handle http.HandlerFunc) (*forge.Client, *server) {
	t.Helper()
	s := &server{Handler: handle}
	c, err := forge.New(forge.Options{
		Kind: kind, URL: "https://git.example.com", Repository: "owner/fleet", TokenName: "/etc/berth/forge-token",
		Token: func() ([]byte, error) { return []byte(token), nil }, Transport: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

const sha = "1111111111111111111111111111111111111111"

// Each forge is asked as its documentation says.
func TestStatus(t *testing.T) {
	for _, row := range []struct {
		kind       forge.Kind
		auth, want string
	}{
		{forge.GitHub, "Bearer " + token, `POST /api/v3/repos/owner/fleet/statuses/` + sha + ` {"context":"berth/home","description":"2 changed","state":"failure"}`},
		{forge.Gitea, "token " + token, `POST /api/v1/repos/owner/fleet/statuses/` + sha + ` {"context":"berth/home","description":"2 changed","state":"failure"}`},
		{forge.Forgejo, "token " + token, `POST /api/v1/repos/owner/fleet/statuses/` + sha + ` {"context":"berth/home","description":"2 changed","state":"failure"}`},
		{forge.GitLab, "Bearer " + token, `POST /api/v4/projects/owner%2Ffleet/statuses/` + sha + ` {"description":"2 changed","name":"berth/home","state":"failed"}`},
		{forge.Bitbucket, "Bearer " + token, `POST /2.0/repositories/owner/fleet/commit/` + sha + `/statuses/build {"description":"2 changed","key":"berth/home","name":"berth/home","state":"FAILED","url":"https://bitbucket.org/owner/fleet/commits/` + sha + `"}`},
		{forge.BitbucketDC, "Bearer " + token, `POST /rest/build-status/1.0/commits/` + sha + ` {"description":"2 changed","key":"berth/home","name":"berth/home","state":"FAILED","url":"https://git.example.com/projects/owner/repos/fleet/commits/` + sha + `"}`},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			c, s := client(t, row.kind, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
			err := c.SetStatus(t.Context(), forge.Status{Commit: sha, Context: "berth/home", State: forge.Failure, Description: "2\n changed"})
			if err != nil || len(s.seen) != 1 || s.seen[0] != row.want || s.auth[0] != row.auth {
				t.Errorf("%v\n got %q %q\nwant %q", err, s.seen, s.auth, row.want)
			}
		})
	}
}

func TestDescriptionIsCut(t *testing.T) {
	c, s := client(t, forge.GitHub, func(http.ResponseWriter, *http.Request) {})
	if err := c.SetStatus(t.Context(), forge.Status{Commit: sha, State: forge.Pending, Description: strings.Repeat("ü", 200)}); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(s.seen[0], " {")
	var fields map[string]string
	if err := json.Unmarshal([]byte("{"+body), &fields); err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(fields["description"])); n != 140 {
		t.Errorf("%d characters", n)
	}
}

// GitLab refuses a state that a commit has already: it is as was asked.
func TestGitLabSaysItIsSoAlready(t *testing.T) {
	c, _ := client(t, forge.GitLab, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message":"Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via \"enqueue\")"}`)
	})
	if err := c.SetStatus(t.Context(), forge.Status{Commit: sha, State: forge.Pending}); err != nil {
		t.Error(err)
	}
}

const hubPulls = `[
 {"number":7,"title":"More memory","draft":false,"user":{"login":"ann"},"head":{"ref":"more","sha":"aaa","repo":{"full_name":"owner/fleet"}},"base":{"ref":"main","sha":"bbb","repo":{"full_name":"owner/fleet"}}},
 {"number":8,"title":"From a fork","draft":true,"user":{"login":"eve"},"head":{"ref":"main","sha":"ccc","repo":{"full_name":"eve/fleet"}},"base":{"ref":"main","sha":"bbb","repo":{"full_name":"owner/fleet"}}},
 {"number":9,"title":"Its fork is gone","user":{"login":"eve"},"head":{"ref":"main","sha":"ddd","repo":null},"base":{"ref":"main","sha":"bbb","repo":{"full_name":"owner/fleet"}}},
 {"number":10,"title":"Into another branch","user":{"login":"ann"},"head":{"ref":"more","sha":"aaa","repo":{"full_name":"owner/fleet"}},"base":{"ref":"old","sha":"bbb","repo":{"full_name":"owner/fleet"}}}]`

const cloudPulls = `{"values":[
 {"id":7,"title":"More memory","author":{"nickname":"ann"},"source":{"branch":{"name":"more"},"commit":{"hash":"aaa"},"repository":{"full_name":"owner/fleet"}},"destination":{"branch":{"name":"main"},"commit":{"hash":"bbb"},"repository":{"full_name":"owner/fleet"}}},
 {"id":8,"title":"From a fork","draft":true,"author":{"nickname":"eve"},"source":{"branch":{"name":"main"},"commit":{"hash":"ccc"},"repository":{"full_name":"eve/fleet"}},"destination":{"branch":{"name":"main"},"commit":{"hash":"bbb"},"repository":{"full_name":"owner/fleet"}}},
 {"id":9,"title":"Its fork is gone","author":{"nickname":"eve"},"source":{"branch":{"name":"main"},"commit":{"hash":"ddd"},"repository":null},"destination":{"branch":{"name":"main"},"repository":{"full_name":"owner/fleet"}}}]}`

const gitLabPulls = `[
 {"iid":7,"title":"More memory","draft":false,"sha":"aaa","source_branch":"more","target_branch":"main","source_project_id":1,"target_project_id":1,"author":{"username":"ann"}},
 {"iid":8,"title":"From a fork","draft":true,"sha":"ccc","source_branch":"main","target_branch":"main","source_project_id":2,"target_project_id":1,"author":{"username":"eve"}},
 {"iid":9,"title":"Its fork is gone","sha":"ddd","source_branch":"main","target_branch":"main","source_project_id":null,"target_project_id":1,"author":{"username":"eve"}}]`

func dcPulls() string {
	side := func(ref, project, commit string) string {
		return fmt.Sprintf(`{"id":"refs/heads/%s","displayId":%q,"latestCommit":%q,"repository":{"slug":"fleet","project":{"key":%q}}}`, ref, ref, commit, project)
	}
	one := func(id int, title, who, branch, project, commit string, draft bool) string {
		return fmt.Sprintf(`{"id":%d,"title":%q,"draft":%t,"author":{"user":{"name":%q}},"fromRef":%s,"toRef":%s}`,
			id, title, draft, who, side(branch, project, commit), side("main", "owner", "bbb"))
	}
	return `{"isLastPage":true,"values":[` + strings.Join([]string{
		one(7, "More memory", "ann", "more", "owner", "aaa", false),
		one(8, "From a fork", "eve", "main", "~eve", "ccc", true),
		one(9, "Its fork is gone", "eve", "main", "", "ddd", false),
	}, ",") + `]}`
}

func TestPullRequests(t *testing.T) {
	for _, row := range []struct {
		kind              forge.Kind
		answer, want, ref string
	}{
		{forge.GitHub, hubPulls, "GET /api/v3/repos/owner/fleet/pulls?base=main&per_page=100&state=open", "refs/pull/7/head"},
		{forge.Gitea, hubPulls, "GET /api/v1/repos/owner/fleet/pulls?limit=50&state=open", "refs/pull/7/head"},
		{forge.GitLab, gitLabPulls, "GET /api/v4/projects/owner%2Ffleet/merge_requests?per_page=100&state=opened&target_branch=main", "refs/merge-requests/7/head"},
		{forge.Bitbucket, cloudPulls, "GET /2.0/repositories/owner/fleet/pullrequests?pagelen=50&q=state%3D%22OPEN%22+AND+destination.branch.name%3D%22main%22&state=OPEN", "refs/heads/more"},
		{forge.BitbucketDC, dcPulls(), "GET /rest/api/1.0/projects/owner/repos/fleet/pull-requests?at=refs%2Fheads%2Fmain&direction=INCOMING&limit=100&state=OPEN", "refs/pull-requests/7/from"},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			c, s := client(t, row.kind, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, row.answer) })
			all, err := c.PullRequests(t.Context(), "main")
			if err != nil || len(all) != 3 || s.seen[0] != row.want {
				t.Fatalf("%v: %+v\n%q", err, all, s.seen)
			}
			want := forge.PullRequest{Number: 7, Title: "More memory", Author: "ann", Head: "aaa", Branch: "more", Base: "main", Ref: row.ref}
			if all[0] != want {
				t.Errorf("got %+v, want %+v", all[0], want)
			}
			if !all[1].Fork || !all[1].Draft || !all[2].Fork || all[2].Draft {
				t.Errorf("a draft of a fork, and one whose fork is gone: %+v %+v", all[1], all[2])
			}
		})
	}
}

// Of an address of a next page only the question is believed: it may lead anywhere.
func TestPagesAreReadWhereTheForgeIs(t *testing.T) {
	page := func(n int) string {
		return fmt.Sprintf(`[{"number":%d,"head":{"sha":"a","repo":{"full_name":"owner/fleet"}},"base":{"ref":"main","repo":{"full_name":"owner/fleet"}}}]`, n)
	}
	c, s := client(t, forge.GitHub, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "" {
			w.Header().Set("Link", `<https://evil.example.com/repositories/1/pulls?page=2>; rel="next", <https://x/pulls?page=9>; rel="last"`)
			_, _ = io.WriteString(w, page(1))
			return
		}
		_, _ = io.WriteString(w, page(2))
	})
	all, err := c.PullRequests(t.Context(), "main")
	if err != nil || len(all) != 2 || s.seen[1] != "GET /api/v3/repos/owner/fleet/pulls?page=2" {
		t.Errorf("%v: %+v\n%q", err, all, s.seen)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	c, s := client(t, forge.GitHub, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "evil.example.com" {
			t.Error("it was followed")
		}
		http.Redirect(w, r, "https://evil.example.com/take", http.StatusTemporaryRedirect)
	})
	err := c.SetStatus(t.Context(), forge.Status{Commit: sha})
	if err == nil || !strings.Contains(err.Error(), "evil.example.com: redirects are not followed") || len(s.seen) != 1 {
		t.Errorf("%v %q", err, s.seen)
	}
}

// talk is a pull request's comments, as each forge tells of them.
func talk(kind forge.Kind, all ...[3]string) string {
	var out []string
	for _, c := range all {
		id, who, text := c[0], c[1], fmt.Sprintf("%q", c[2])
		switch kind {
		case forge.GitLab:
			out = append(out, fmt.Sprintf(`{"id":%s,"body":%s,"author":{"username":%q}}`, id, text, who))
		case forge.Bitbucket:
			out = append(out, fmt.Sprintf(`{"id":%s,"content":{"raw":%s},"user":{"uuid":%q}}`, id, text, who))
		case forge.BitbucketDC:
			out = append(out, fmt.Sprintf(`{"action":"COMMENTED","comment":{"id":%s,"text":%s,"version":3,"author":{"name":%q}}}`, id, text, who))
		default:
			out = append(out, fmt.Sprintf(`{"id":%s,"body":%s,"user":{"login":%q}}`, id, text, who))
		}
	}
	list := "[" + strings.Join(out, ",") + "]"
	if kind == forge.Bitbucket || kind == forge.BitbucketDC {
		return `{"isLastPage":true,"values":` + list + `}`
	}
	return list
}

// A comment is found by its marker and its author, and changed in place.
func TestComment(t *testing.T) {
	for _, row := range []struct {
		kind           forge.Kind
		list, make, on string
	}{
		{forge.GitHub, "/issues/7/comments", `POST /api/v3/repos/owner/fleet/issues/7/comments {"body":"new <!--m-->"}`, `PATCH /api/v3/repos/owner/fleet/issues/comments/12 {"body":"new <!--m-->"}`},
		{forge.Gitea, "/issues/7/comments", `POST /api/v1/repos/owner/fleet/issues/7/comments {"body":"new <!--m-->"}`, `PATCH /api/v1/repos/owner/fleet/issues/comments/12 {"body":"new <!--m-->"}`},
		{forge.GitLab, "/merge_requests/7/notes", `POST /api/v4/projects/owner%2Ffleet/merge_requests/7/notes {"body":"new <!--m-->"}`, `PUT /api/v4/projects/owner%2Ffleet/merge_requests/7/notes/12 {"body":"new <!--m-->"}`},
		{forge.Bitbucket, "/pullrequests/7/comments", `POST /2.0/repositories/owner/fleet/pullrequests/7/comments {"content":{"raw":"new <!--m-->"}}`, `PUT /2.0/repositories/owner/fleet/pullrequests/7/comments/12 {"content":{"raw":"new <!--m-->"}}`},
		{forge.BitbucketDC, "/pull-requests/7/activities", `POST /rest/api/1.0/projects/owner/repos/fleet/pull-requests/7/comments {"text":"new <!--m-->"}`, `PUT /rest/api/1.0/projects/owner/repos/fleet/pull-requests/7/comments/12 {"text":"new <!--m-->","version":4}`},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			ours := false
			c, s := client(t, row.kind, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Ausername", "bot")
				said := strings.ReplaceAll(r.URL.EscapedPath(), "%2F", "/")
				unescaped := strings.ReplaceAll(unescape(said), "%2F", "/")
				switch {
				case strings.HasSuffix(r.URL.Path, "/user"):
					_, _ = io.WriteString(w, `{"login":"bot","username":"bot","uuid":"bot"}`)
				case r.Method == http.MethodGet && strings.HasSuffix(unescaped, row.list) && ours:
					_, _ = io.WriteString(w, talk(row.kind, [3]string{"11", "eve", "mine <!--m-->"}, [3]string{"12", "bot", "old <!--m-->"}))
				case r.Method == http.MethodGet && strings.HasSuffix(unescaped, row.list):
					_, _ = io.WriteString(w, talk(row.kind, [3]string{"11", "eve", "a copy <!--m-->"}))
				case r.Method == http.MethodGet:
					_, _ = io.WriteString(w, `{"id":12,"version":4}`)
				default:
					_, _ = io.WriteString(w, `{"id":12,"version":5}`)
				}
			})
			write := func(id, want string) {
				t.Helper()
				got, err := c.Comment(t.Context(), 7, id, "<!--m-->", "new <!--m-->")
				if last := s.seen[len(s.seen)-1]; err != nil || got != "12" || last != want {
					t.Errorf("%v: comment %q by\n %s, want\n %s", err, got, last, want)
				}
			}
			write("", row.make)
			ours = true
			write("", row.on)
			before := len(s.seen)
			write("12", row.on)
			if n := len(s.seen) - before; n > 2 {
				t.Errorf("what is known is not looked for: %d requests", n)
			}
		})
	}
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// A comment that somebody has removed is made anew.
func TestRemovedCommentIsMadeAnew(t *testing.T) {
	c, s := client(t, forge.Gitea, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"id":13}`)
	})
	if id, err := c.Comment(t.Context(), 7, "12", "m", "new"); err != nil || id != "13" {
		t.Errorf("%q %v %q", id, err, s.seen)
	}
}

// Errors tell forge, request and remedy, and never the token.
func TestErrors(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"401", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message":"no such token: `+token+`\u001b[31m\nx"}`)
		}, "gitea at git.example.com: POST /api/v1/repos/owner/fleet/statuses/" + sha + ": 401 Unauthorized: no such token: [token] [31m x: the token (/etc/berth/forge-token) is wrong, or has expired: make another with the scopes write:repository and write:issue, and write it there"},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403 Forbidden: the token (/etc/berth/forge-token) may not do this: it needs the scopes write:repository and write:issue"},
		{"404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "404 Not Found: check forge.repository and forge.url"},
		{"a flood", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, forever{}, 9<<20) }, "its answer is longer than 8 MiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, _ := client(t, forge.Gitea, row.answer)
			err := c.SetStatus(t.Context(), forge.Status{Commit: sha})
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), token) {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
	c, _ := client(t, forge.Gitea, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>log in") })
	if _, err := c.PullRequests(t.Context(), "main"); err == nil || !strings.Contains(err.Error(), "no JSON of this API: see that forge.url") {
		t.Errorf("a page in place of JSON: %v", err)
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

// What a forge answers when it is down or has enough of us is sent again, later; a
// comment that may have been made is not made twice.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		codes, header := []int{}, http.Header{}
		c, s := client(t, forge.GitHub, func(w http.ResponseWriter, _ *http.Request) {
			code := 201
			if len(codes) > 0 {
				code, codes = codes[0], codes[1:]
			}
			if code > 299 {
				maps.Copy(w.Header(), header)
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{}`)
		})
		status := func() error { return c.SetStatus(t.Context(), forge.Status{Commit: sha}) }
		comment := func() error { _, err := c.Comment(t.Context(), 7, "12", "m", "x"); return err }
		for _, row := range []struct {
			name     string
			codes    []int
			header   http.Header
			do       func() error
			requests int
			took     time.Duration
			fails    bool
		}{
			{"once down", []int{500}, nil, status, 2, time.Second, false},
			{"down", []int{502, 502, 502}, nil, status, 3, 3 * time.Second, true},
			{"too many", []int{429}, http.Header{"Retry-After": {"7"}}, status, 2, 7 * time.Second, false},
			{"too many, for long", []int{429}, http.Header{"Retry-After": {"600"}}, status, 1, 0, true},
			{"too many, GitHub's way", []int{403}, http.Header{"X-Ratelimit-Remaining": {"0"}}, status, 2, time.Second, false},
			{"forbidden", []int{403}, nil, status, 1, 0, true},
			{"a comment changed", []int{500}, nil, comment, 2, time.Second, false},
		} {
			codes, header, s.seen = row.codes, row.header, nil
			began := time.Now()
			err := row.do()
			if (err != nil) != row.fails || len(s.seen) != row.requests || time.Since(began) != row.took {
				t.Errorf("%s: %v after %d requests and %v", row.name, err, len(s.seen), time.Since(began))
			}
			if failed, ok := errors.AsType[*forge.Error](err); row.name == "too many, for long" && (!ok || failed.RetryAfter != 10*time.Minute) {
				t.Errorf("it says for how long: %v", err)
			}
		}
		posts := 0
		made, _ := client(t, forge.Gitea, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				posts++
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			if strings.HasSuffix(r.URL.Path, "/user") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			_, _ = io.WriteString(w, `[]`)
		})
		if _, err := made.Comment(t.Context(), 7, "", "m", "x"); err == nil || posts != 1 {
			t.Errorf("a comment that may have been made: %v after %d", err, posts)
		}
	})
}

func TestPlaceOf(t *testing.T) {
	for _, row := range []struct {
		address string
		kind    forge.Kind
		want    forge.Place
	}{
		{"https://github.com/owner/fleet.git", "", forge.Place{Kind: forge.GitHub, URL: "https://github.com", Repository: "owner/fleet"}},
		{"git@github.com:owner/fleet.git", "", forge.Place{Kind: forge.GitHub, URL: "https://github.com", Repository: "owner/fleet"}},
		{"ssh://git@codeberg.org:22/owner/fleet", "", forge.Place{Kind: forge.Forgejo, URL: "https://codeberg.org", Repository: "owner/fleet"}},
		{"https://gitlab.com/group/sub/fleet.git", "", forge.Place{Kind: forge.GitLab, URL: "https://gitlab.com", Repository: "group/sub/fleet"}},
		{"https://bitbucket.org/team/fleet", "", forge.Place{Kind: forge.Bitbucket, URL: "https://bitbucket.org", Repository: "team/fleet"}},
		{"http://Git.lan:3000/git/owner/fleet.git", forge.Gitea, forge.Place{Kind: forge.Gitea, URL: "http://git.lan:3000/git", Repository: "owner/fleet"}},
		{"https://bb.lan/ctx/scm/OPS/fleet.git", forge.BitbucketDC, forge.Place{Kind: forge.BitbucketDC, URL: "https://bb.lan/ctx", Repository: "OPS/fleet"}},
		{"ssh://git@bb.lan:7999/OPS/fleet.git", forge.BitbucketDC, forge.Place{Kind: forge.BitbucketDC, URL: "https://bb.lan", Repository: "OPS/fleet"}},
		{"/srv/fleet.git", forge.Gitea, forge.Place{Kind: forge.Gitea}},
		{"https://git.lan/owner/fleet.git", "", forge.Place{URL: "https://git.lan", Repository: "owner/fleet"}},
	} {
		if got := forge.PlaceOf(row.address, row.kind); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.address, got, row.want)
		}
	}
}
