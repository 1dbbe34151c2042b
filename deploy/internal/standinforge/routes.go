package standinforge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// routes are what the API knows.
func (f *Forge) routes() {
	f.mux = http.NewServeMux()
	repo := "/repos/" + Owner + "/" + Name
	f.mux.HandleFunc("GET /user", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusOK, map[string]any{"login": User})
	})
	f.mux.HandleFunc("POST "+repo+"/statuses/{sha}", f.setStatus)
	f.mux.HandleFunc("GET "+repo+"/commits/{sha}/statuses", f.listStatuses)
	f.mux.HandleFunc("GET "+repo+"/pulls", f.listPulls)
	f.mux.HandleFunc("POST "+repo+"/pulls", f.openPull)
	f.mux.HandleFunc("PATCH "+repo+"/pulls/{number}", f.editPull)
	f.mux.HandleFunc(map[string]string{Gitea: "POST ", GitHub: "PUT "}[f.kind]+repo+"/pulls/{number}/merge", f.merge)
	f.mux.HandleFunc("GET "+repo+"/issues/{number}/comments", f.listComments)
	f.mux.HandleFunc("POST "+repo+"/issues/{number}/comments", f.addComment)
	f.mux.HandleFunc("PATCH "+repo+"/issues/comments/{id}", f.editComment)
	deleteBranch := map[string]string{Gitea: "/branches/{branch}", GitHub: "/git/refs/heads/{branch}"}[f.kind]
	f.mux.HandleFunc("DELETE "+repo+deleteBranch, func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.in(r.Context(), "update-ref", "-d", "refs/heads/"+r.PathValue("branch")); err != nil {
			wrong(w, err.Error())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func say(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func wrong(w http.ResponseWriter, why string) {
	say(w, http.StatusUnprocessableEntity, map[string]string{"message": why})
}

// body reads a request, strictly.
func body(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		wrong(w, "the body can't be read: "+err.Error())
		return false
	}
	return true
}

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

func (f *Forge) setStatus(w http.ResponseWriter, r *http.Request) {
	var in struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		TargetURL   string `json:"target_url"`
	}
	if !body(w, r, &in) {
		return
	}
	sha := r.PathValue("sha")
	_, err := f.in(r.Context(), "cat-file", "-e", sha+"^{commit}")
	switch {
	case !fullHash.MatchString(sha) || err != nil:
		wrong(w, "No commit found for SHA: "+sha)
	case !slices.Contains([]string{"pending", "success", "error", "failure"}, in.State):
		wrong(w, "Validation Failed: state")
	case len([]rune(in.Description)) > 140:
		wrong(w, "Validation Failed: description is too long (maximum is 140 characters)")
	default:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.next++
		s := status{ID: f.next, State: in.State, Status: in.State, Context: cmp.Or(in.Context, "default"), Description: in.Description}
		f.statuses[sha] = append([]status{s}, f.statuses[sha]...)
		say(w, http.StatusCreated, f.shown(s))
	}
}

// shown is a status as the forge writes it: Gitea calls the state status.
func (f *Forge) shown(s status) any {
	if f.kind == Gitea {
		return map[string]any{"id": s.ID, "status": s.State, "context": s.Context, "description": s.Description, "creator": map[string]string{"login": User}}
	}
	return map[string]any{"id": s.ID, "state": s.State, "context": s.Context, "description": s.Description, "creator": map[string]string{"login": User}}
}

func (f *Forge) listStatuses(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []any{}
	for _, s := range f.statuses[r.PathValue("sha")] {
		all = append(all, f.shown(s))
	}
	say(w, http.StatusOK, all)
}

// told is a pull request as the API tells it.
func (f *Forge) told(ctx context.Context, p *pull) map[string]any {
	side := func(branch string) map[string]any {
		sha, _ := f.in(ctx, "rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
		return map[string]any{"ref": branch, "sha": sha, "repo": map[string]string{"full_name": Owner + "/" + Name}}
	}
	return map[string]any{
		"number": p.number, "title": p.title, "state": p.state, "draft": p.draft, "merged": p.merged,
		"user": map[string]string{"login": p.author}, "head": side(p.head), "base": side(p.to), "created_at": p.opened,
	}
}

func (f *Forge) listPulls(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.URL.Query()
	all := []any{}
	for _, p := range f.pulls {
		state := cmp.Or(query.Get("state"), "open")
		if (state == "all" || p.state == state) && (query.Get("base") == "" || query.Get("base") == p.to) {
			all = append(all, f.told(r.Context(), p))
		}
	}
	// Pages, as both have them.
	size, _ := strconv.Atoi(cmp.Or(query.Get("per_page"), query.Get("limit"), "30"))
	number, _ := strconv.Atoi(cmp.Or(query.Get("page"), "1"))
	start := min(max(0, (number-1)*size), len(all))
	end := min(start+size, len(all))
	if end < len(all) {
		query.Set("page", strconv.Itoa(number+1))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s%s?%s>; rel="next"`, r.Host, f.base(), r.URL.Path, query.Encode()))
	}
	say(w, http.StatusOK, all[start:end])
}

func (f *Forge) openPull(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Title string `json:"title"`
		Head  string `json:"head"`
		Base  string `json:"base"`
		Body  string `json:"body"`
		Draft bool   `json:"draft"`
	}
	if !body(w, r, &in) {
		return
	}
	branches, err := f.branches(r.Context())
	if err != nil || branches["refs/heads/"+in.Head] == "" || branches["refs/heads/"+in.Base] == "" {
		wrong(w, "Validation Failed: head or base")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &pull{number: len(f.pulls) + 1, title: in.Title, head: in.Head, to: in.Base, state: "open", draft: in.Draft, opened: time.Now(), author: User}
	if _, err := f.in(r.Context(), "update-ref", fmt.Sprintf("refs/pull/%d/head", p.number), branches["refs/heads/"+in.Head]); err != nil {
		wrong(w, err.Error())
		return
	}
	f.pulls = append(f.pulls, p)
	say(w, http.StatusCreated, f.told(r.Context(), p))
}

// pull finds the pull request of a request. The caller holds mu.
func (f *Forge) pull(w http.ResponseWriter, r *http.Request) *pull {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number < 1 || number > len(f.pulls) {
		say(w, http.StatusNotFound, map[string]string{"message": "Not Found"})
		return nil
	}
	return f.pulls[number-1]
}

func (f *Forge) editPull(w http.ResponseWriter, r *http.Request) {
	var in struct {
		State string `json:"state"`
	}
	if !body(w, r, &in) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pull(w, r); p != nil {
		p.state = in.State
		say(w, http.StatusOK, f.told(r.Context(), p))
	}
}

// merge makes a merge commit.
func (f *Forge) merge(w http.ResponseWriter, r *http.Request) {
	ctx := context.WithoutCancel(r.Context())
	before, err := f.branches(ctx)
	if err != nil {
		wrong(w, err.Error())
		return
	}
	f.mu.Lock()
	p := f.pull(w, r)
	if p == nil {
		f.mu.Unlock()
		return
	}
	onto, head := before["refs/heads/"+p.to], before["refs/heads/"+p.head]
	tree, err := f.in(ctx, "merge-tree", "--write-tree", onto, head)
	var commit string
	if err == nil {
		commit, err = f.in(ctx, "commit-tree", "-p", onto, "-p", head, "-m", fmt.Sprintf("Merge pull request #%d", p.number), strings.Fields(tree)[0])
	}
	if err == nil {
		_, err = f.in(ctx, "update-ref", "refs/heads/"+p.to, commit, onto)
	}
	if err == nil {
		p.state, p.merged = "closed", true
	}
	f.mu.Unlock()
	if err != nil {
		say(w, http.StatusMethodNotAllowed, map[string]string{"message": "Pull Request is not mergeable: " + err.Error()})
		return
	}
	f.moved(ctx, before)
	say(w, http.StatusOK, map[string]any{"merged": true, "sha": commit})
}

func shownComment(c *comment) map[string]any {
	return map[string]any{"id": c.id, "body": c.body, "user": map[string]string{"login": User}}
}

func (f *Forge) listComments(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pull(w, r)
	if p == nil {
		return
	}
	all := []any{}
	for _, c := range f.comments {
		if c.number == p.number {
			all = append(all, shownComment(c))
		}
	}
	say(w, http.StatusOK, all)
}

// maxComment is what GitHub takes.
const maxComment = 65536

func (f *Forge) addComment(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Body string `json:"body"`
	}
	if !body(w, r, &in) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pull(w, r)
	if p == nil {
		return
	}
	if in.Body == "" || len([]rune(in.Body)) > maxComment {
		wrong(w, "Validation Failed: body is too long (maximum is 65536 characters)")
		return
	}
	f.next++
	c := &comment{id: f.next, number: p.number, body: in.Body}
	f.comments = append(f.comments, c)
	say(w, http.StatusCreated, shownComment(c))
}

func (f *Forge) editComment(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Body string `json:"body"`
	}
	if !body(w, r, &in) {
		return
	}
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.comments {
		if c.id == id {
			c.body = in.Body
			say(w, http.StatusOK, shownComment(c))
			return
		}
	}
	say(w, http.StatusNotFound, map[string]string{"message": "Not Found"})
}
