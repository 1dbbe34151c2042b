//go:build linux

package deploy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/deploy/internal/standinforge"
)

// forgeCheck is the story that an agent and a forge go through together, the agent as a
// process, on a simulated cluster. It works on a branch of its own: another that is in
// the repository is neither read nor changed.
type forgeCheck struct {
	t    *testing.T
	api  forgeAPI
	git  string // the repository's address
	dir  string
	base string // the branch that the agent follows
	bot  string // the token
	// behind is the stand-in; nil for a real forge.
	behind *standinforge.Forge
	binary string
	log    safeBuffer // of the agent
}

// forgeAPI are the parts of a forge's API that the check needs beside those of Berth.
type forgeAPI struct {
	kind, base, token string // base is up to the repository
}

// Each of GitHub's and Gitea's, of which both, Forgejo and GitHub Enterprise are.
func (a forgeAPI) call(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := a.try(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

func (a forgeAPI) try(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	scheme := "token "
	if a.kind == "github" {
		scheme = "Bearer "
	}
	req.Header.Set("Authorization", scheme+a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// forgeStatus is the status of a commit: Gitea calls the state status.
type forgeStatus struct {
	State, Status, Context, Description string
}

func (s forgeStatus) word() string { return s.State + s.Status }

// statuses are those of a commit and context, the newest first.
func (a forgeAPI) statuses(ctx context.Context, sha, name string) []forgeStatus {
	var all []forgeStatus
	// A forge that is down has none.
	_ = a.try(ctx, http.MethodGet, "/commits/"+sha+"/statuses", nil, &all)
	return slices.DeleteFunc(all, func(s forgeStatus) bool { return s.Context != name })
}

type forgeComment struct {
	ID   int64
	Body string
}

func TestForgeCheck(t *testing.T) {
	url, repo, kind, tokenFile := os.Getenv("FORGE_URL"), os.Getenv("FORGE_REPOSITORY"), os.Getenv("FORGE_KIND"), os.Getenv("FORGE_TOKEN_FILE")
	switch {
	case url != "":
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			t.Fatal(err)
		}
		c := &forgeCheck{t: t, binary: buildAgent(t), dir: t.TempDir(), bot: strings.TrimSpace(string(token)), git: strings.TrimRight(url, "/") + "/" + repo + ".git"}
		c.api = forgeAPI{kind: kind, base: apiOf(url, kind) + "/repos/" + repo, token: c.bot}
		c.run()
	case os.Getenv("BERTH_REAL") != "1":
		t.Skip("runs agents with git beside them: set BERTH_REAL=1, or run deploy/test; against a forge of your own: deploy/forge-check")
	default:
		binary := buildAgent(t)
		for _, kind := range []string{standinforge.Gitea, standinforge.GitHub} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				c := &forgeCheck{t: t, binary: binary, dir: t.TempDir(), bot: rand.Text()}
				var err error
				if c.behind, err = standinforge.New(t.Context(), kind, c.dir, c.bot); err != nil {
					t.Fatal(err)
				}
				server := httptest.NewServer(c.behind)
				t.Cleanup(func() { server.Close(); c.behind.Close() })
				c.git = server.URL + "/" + standinforge.Owner + "/" + standinforge.Name + ".git"
				c.api = forgeAPI{kind: kind, base: apiOf(server.URL, kind) + "/repos/" + standinforge.Owner + "/" + standinforge.Name, token: c.bot}
				c.run()
			})
		}
	}
}

func apiOf(url, kind string) string {
	url = strings.TrimRight(url, "/")
	switch {
	case url == "https://github.com":
		return "https://api.github.com"
	case kind == "github":
		return url + "/api/v3"
	default:
		return url + "/api/v1"
	}
}

// until waits for something to become so.
func (c *forgeCheck) until(what string, so func() bool) {
	c.t.Helper()
	for end := time.Now().Add(25 * time.Second); time.Now().Before(end); {
		if so() {
			c.t.Log(what)
			return
		}
		<-time.After(100 * time.Millisecond) // The agent is another process: there is nothing else to wait for.
	}
	c.t.Fatalf("waited in vain: %s", what)
}

// run is the story.
func (c *forgeCheck) run() {
	t := c.t
	t.Helper()
	c.base = "berth-check-" + strings.ToLower(rand.Text()[:8])
	fleet := c.simulate()
	web := filepath.Join(fleet, "guests", "lab-web-001.yaml")
	first := c.push(fleet, c.base, "Begin")
	t.Cleanup(c.cleanUp)
	address := c.start()
	if c.behind != nil {
		c.behind.Hook("http://"+address+"/webhook", hookSecret)
	}
	c.wantStatus("the first commit is carried out", first, "success", "")

	// A pull request is planned, and its comment kept up to date.
	edit(t, web, "memory: 1GiB", "memory: 512MiB")
	head := c.push(fleet, c.base+"-pr", "Give it less memory")
	var pull struct{ Number int }
	c.api.call(t, http.MethodPost, "/pulls", map[string]string{"title": "Give it less memory", "head": c.base + "-pr", "base": c.base}, &pull)
	comments := fmt.Sprintf("/issues/%d/comments", pull.Number)
	var said []forgeComment
	t.Cleanup(func() {
		_ = c.api.try(context.WithoutCancel(t.Context()), http.MethodPatch, fmt.Sprintf("/pulls/%d", pull.Number), map[string]string{"state": "closed"}, nil)
	})
	c.until("the pull request has its plan", func() bool {
		c.api.call(t, http.MethodGet, comments, nil, &said)
		return len(said) == 1 && strings.Contains(said[0].Body, "Planned "+head[:7]+" onto "+first[:7]) && strings.Contains(said[0].Body, "512MiB")
	})
	c.until("its head has the status", func() bool {
		all := c.api.statuses(t.Context(), head, "berth/sim/plan")
		return len(all) == 1 && all[0].word() == "success"
	})
	edit(t, web, "memory: 512MiB", "memory: 768MiB")
	second := c.push(fleet, c.base+"-pr", "Not that little")
	was := said[0].ID
	c.until("the same comment has the new plan", func() bool {
		c.api.call(t, http.MethodGet, comments, nil, &said)
		return len(said) == 1 && said[0].ID == was && strings.Contains(said[0].Body, "Planned "+second[:7]) && strings.Contains(said[0].Body, "768MiB")
	})

	// Merged, it is applied.
	merge := map[string]string{"gitea": http.MethodPost, "forgejo": http.MethodPost, "github": http.MethodPut}[c.api.kind]
	var how any = map[string]string{"Do": "merge"}
	if c.api.kind == "github" {
		how = map[string]string{}
	}
	c.api.call(t, merge, fmt.Sprintf("/pulls/%d/merge", pull.Number), how, nil)
	merged := c.tip(c.base)
	c.wantStatus("the merge is applied", merged, "success", "")
	if all := c.api.statuses(t.Context(), merged, "berth/sim"); len(all) != 2 || all[1].word() != "pending" {
		t.Errorf("its statuses are %+v, want pending and then success", all)
	}
	if c.behind != nil && !strings.Contains(c.log.String(), `why="webhook from `) {
		t.Error("it was not the webhook that started the turn")
	}

	// A forge that is down keeps nothing from being done, and is told afterwards.
	if c.behind != nil {
		c.behind.Fail(true)
	}
	c.fetch(fleet, c.base)
	edit(t, web, "memory: 768MiB", "memory: 640MiB")
	down := c.push(fleet, c.base, "While the forge is down")
	if c.behind != nil {
		c.until("the commit is enforced meanwhile", func() bool { return strings.Contains(c.agent("status", "-o", "json"), down) })
		c.behind.Fail(false)
	}
	c.wantStatus("it is told once the forge is back", down, "success", "")

	// A commit that does not load says where.
	edit(t, web, "memory: 640MiB", "memroy: 640MiB")
	bad := c.push(fleet, c.base, "Mistype")
	c.wantStatus("a commit that does not load is refused", bad, "failure", "guests/lab-web-001.yaml:")
	if c.behind != nil {
		c.quiet()
	}
}

// quiet looks that nothing was told twice.
func (c *forgeCheck) quiet() {
	seen := make(map[string]int)
	for _, call := range c.behind.Calls() {
		if strings.HasPrefix(call, "POST ") && strings.Contains(call, "/statuses/") {
			seen[call]++
		}
	}
	for call, times := range seen {
		// Pending, success, and the tries while it was down.
		if times > 8 {
			c.t.Errorf("%s: %d times", call, times)
		}
	}
}

func (c *forgeCheck) wantStatus(what, sha, state, words string) {
	c.t.Helper()
	var last []forgeStatus
	defer func() {
		if c.t.Failed() {
			c.t.Logf("%s: the statuses of %s are %+v", what, sha, last)
		}
	}()
	c.until(what, func() bool {
		last = c.api.statuses(c.t.Context(), sha, "berth/sim")
		return len(last) > 0 && last[0].word() == state && strings.Contains(last[0].Description, words)
	})
}

func edit(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		t.Fatalf("%s has no %q:\n%s", file, from, text)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// simulate starts a simulated cluster, and gives the directory of a fleet for it.
func (c *forgeCheck) simulate() string {
	t := c.t
	t.Helper()
	out := filepath.Join(c.dir, "sim")
	cmd := exec.CommandContext(t.Context(), c.binary, "sim", "--guests", "2", "--nodes", "1", "--out", out, "--listen", "127.0.0.1:0")
	c.process(cmd, io.Discard)
	c.until("the cluster answers", func() bool { _, err := os.Stat(filepath.Join(out, "agent.yaml")); return err == nil })
	fleet := filepath.Join(out, "fleet")
	c.runGit(fleet, "checkout", "--quiet", "--orphan", "check")
	return fleet
}

// process runs a program until the test ends.
func (c *forgeCheck) process(cmd *exec.Cmd, errs io.Writer) {
	c.t.Helper()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	c.t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); <-ended })
}

// start starts the agent, and tells where it hears webhooks.
func (c *forgeCheck) start() (address string) {
	t := c.t
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"bot": c.bot, "hook": hookSecret} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	poll := "2s"
	if c.behind != nil {
		poll = "3s"
	}
	settings := fmt.Sprintf(`repository: {url: %q, branch: %s, token: bot}
state: state
socket: agent.sock
poll: %s
secrets: {pve: sim/token}
http: {listen: %q, webhooks: {secrets: [hook]}}
forge: {kind: %s, token: bot, plans: true}
`, c.git, c.base, poll, address, c.api.kind)
	if err := os.WriteFile(filepath.Join(c.dir, "agent.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the agent's log:\n%s", c.log.String())
		}
		if strings.Contains(c.log.String(), c.bot) {
			t.Error("the token is in the agent's log")
		}
	})
	c.process(exec.CommandContext(t.Context(), c.binary, "run", "--config", filepath.Join(c.dir, "agent.yaml")), &c.log)
	return address
}

// hookSecret signs what the stand-in tells of pushes.
const hookSecret = "a secret of the webhook"

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// agent runs one of its commands.
func (c *forgeCheck) agent(args ...string) string {
	out, _ := exec.CommandContext(c.t.Context(), c.binary, append(args, "--config", filepath.Join(c.dir, "agent.yaml"))...).Output()
	return string(out)
}

// runGit runs git in a directory. The token is in its environment alone.
func (c *forgeCheck) runGit(dir string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", append([]string{
		// A helper that is set elsewhere is not asked.
		"-c", "credential.helper=", "-c", `credential.helper=!f() { echo username=x-access-token; echo "password=$FORGE_BOT"; }; f`, "-C", dir,
	}, args...)...)
	cmd.Env = append(os.Environ(), "FORGE_BOT="+c.bot, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Berth", "GIT_AUTHOR_EMAIL=berth@localhost", "GIT_COMMITTER_NAME=Berth", "GIT_COMMITTER_EMAIL=berth@localhost")
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// push commits what there is, and pushes it to a branch.
func (c *forgeCheck) push(dir, branch, message string) string {
	c.t.Helper()
	c.runGit(dir, "add", "--all")
	c.runGit(dir, "commit", "--quiet", "--message", message)
	c.runGit(dir, "push", "--quiet", c.git, "HEAD:refs/heads/"+branch)
	return c.runGit(dir, "rev-parse", "HEAD")
}

// fetch goes on from where a branch is.
func (c *forgeCheck) fetch(dir, branch string) {
	c.t.Helper()
	c.runGit(dir, "fetch", "--quiet", c.git, "refs/heads/"+branch)
	c.runGit(dir, "checkout", "--quiet", "--detach", "FETCH_HEAD")
}

// tip is where a branch is.
func (c *forgeCheck) tip(branch string) string {
	c.t.Helper()
	hash, _, _ := strings.Cut(c.runGit(c.dir, "ls-remote", c.git, "refs/heads/"+branch), "\t")
	return hash
}

// cleanUp takes the branches away.
func (c *forgeCheck) cleanUp() {
	ctx, stop := context.WithTimeout(context.WithoutCancel(c.t.Context()), 30*time.Second)
	defer stop()
	for _, branch := range []string{c.base + "-pr", c.base} {
		path := "/branches/" + branch
		if c.api.kind == "github" {
			path = "/git/refs/heads/" + branch
		}
		if err := c.api.try(ctx, http.MethodDelete, path, nil, nil); err != nil {
			c.t.Logf("take the branch %s away yourself: %v", branch, err)
		}
	}
}
