package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/webhook"
)

// taker is a handler whose turns are counted.
type taker struct {
	webhook.Handler
	secrets []string
	unread  error
	whys    []string
	seen    []string
	log     bytes.Buffer
}

func newTaker() *taker {
	t := &taker{secrets: []string{secret, coming}}
	t.Secrets = func() ([][]byte, error) {
		var all [][]byte
		for _, s := range t.secrets {
			all = append(all, []byte(s))
		}
		return all, t.unread
	}
	t.Follow = webhook.Follow{URL: "https://forge.example/git/home/fleet.git", Branch: "main"}
	t.Start = func(why string) string {
		t.whys = append(t.whys, why)
		return fmt.Sprintf("turn-%d", len(t.whys))
	}
	t.Seen = func(forge string, result webhook.Result) { t.seen = append(t.seen, forge+" "+string(result)) }
	t.Log = slog.New(slog.NewTextHandler(&t.log, nil))
	return t
}

// take hands a delivery over.
func (t *taker) take(r *http.Request) (int, webhook.Answer) {
	w := httptest.NewRecorder()
	t.ServeHTTP(w, r)
	var answer webhook.Answer
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		panic(fmt.Sprintf("the answer is no JSON: %q", w.Body))
	}
	return w.Code, answer
}

// want hands a delivery over, and looks at what becomes of it.
func (t *taker) want(tb testing.TB, what string, r *http.Request, status int, result webhook.Result, text string) {
	tb.Helper()
	turns, counted := len(t.whys), len(t.seen)
	code, answer := t.take(r)
	said := answer.Turn + answer.Ignored + answer.Error
	if code != status || !strings.Contains(said, text) {
		tb.Errorf("%s: answered %d %q, want %d and %q", what, code, said, status, text)
	}
	if started := len(t.whys) > turns; started != (result == webhook.Started) || started != (answer.Turn != "") {
		tb.Errorf("%s: started a turn: %t, and was told %+v", what, started, answer)
	}
	if got := t.seen[counted:]; len(got) != 1 || !strings.HasSuffix(got[0], " "+string(result)) {
		tb.Errorf("%s: counted %q, want one %s", what, got, result)
	}
}

// Of everything that each sender may send, the good alone starts a turn.
func TestOnlyGoodDeliveriesStartATurn(t *testing.T) {
	for name, d := range deliveries() {
		t.Run(name, func(t *testing.T) {
			h := newTaker()
			good := d.signed(secret)
			h.want(t, "not signed", d.request(), 401, webhook.Unsigned, "not signed")
			h.want(t, "wrong secret", d.signed("somebody-else's-secret").request(), 403, webhook.Refused, "none of the agent's secrets")
			if name != "gitlab-token" {
				h.want(t, "altered", good.saying(good.body+" ").request(), 403, webhook.Refused, "none of the agent's secrets")
				h.want(t, "truncated on its way", good.saying(good.body[:len(good.body)-1]).request(), 403, webhook.Refused, "")
			}
			large := d.saying(d.body + strings.Repeat(" ", webhook.MaxBody)).signed(secret)
			h.want(t, "oversized", large.request(), 413, webhook.Oversized, "1048576 bytes")
			chunked := large.request()
			chunked.Body, chunked.ContentLength = io.NopCloser(chunked.Body), -1
			h.want(t, "oversized, and not said to be", chunked, 413, webhook.Oversized, "1048576 bytes")
			cut := good.request()
			cut.Body = io.NopCloser(io.MultiReader(strings.NewReader(good.body[:1]), failing{}))
			h.want(t, "broken off", cut, 400, webhook.Malformed, "ends early")
			if d.forge != "generic" && d.forge != "standard" {
				for _, body := range []string{"", "null", "[]", "{}", `"x"`, `{"ref":5}`, `{"repository":[]}`, `{"push":{"changes":[{}]}}`, `{"changes":[{"ref":null}]}`, d.body[:len(d.body)/2], strings.Repeat("[", 100000)} {
					h.want(t, "malformed", d.saying(body).signed(secret).request(), malformed(d, body), malformedResult(d, body), "")
				}
			}
			h.want(t, "good", good.request(), 202, webhook.Started, "turn-1")
			h.want(t, "replayed", good.request(), 200, webhook.Repeated, "taken before")
			if d.forge != "standard" && name != "gitlab" && d.idHeader != "" {
				h.want(t, "replayed under another id", good.with(d.idHeader, "another").request(), 200, webhook.Repeated, "taken before")
			}
			next := d.saying(strings.ReplaceAll(d.body, commitB, commitA) + " ")
			if d.idHeader != "" {
				h.want(t, "another body, the same id", next.signed(secret).request(), 200, webhook.Repeated, "taken before")
				next = next.with(d.idHeader, "next")
			}
			h.want(t, "the next, by the other secret", next.signed(coming).request(), 202, webhook.Started, "turn-2")
			for _, counted := range h.seen {
				if !strings.HasPrefix(counted, d.forge+" ") {
					t.Errorf("counted %q, want %s", counted, d.forge)
				}
			}
			if strings.Contains(h.log.String(), secret) || strings.Contains(h.log.String(), coming) {
				t.Errorf("a secret is logged: %s", &h.log)
			}
		})
	}
}

// malformed: GitLab's hooks tell of much else in the same shape.
func malformed(d delivery, body string) int {
	if malformedResult(d, body) == webhook.Ignored {
		return 202
	}
	return 400
}

func malformedResult(d delivery, body string) webhook.Result {
	if d.forge == "gitlab" && (body == "null" || body == "{}" || strings.HasPrefix(body, `{"push"`) || strings.HasPrefix(body, `{"repository"`) || strings.HasPrefix(body, `{"changes"`)) {
		return webhook.Ignored
	}
	return webhook.Malformed
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// What is signed and not ours is taken, and said to be ignored.
func TestWhatIsNotFollowedIsIgnored(t *testing.T) {
	all := deliveries()
	foreign := strings.ReplaceAll(push("refs/heads/main"), "Home/Fleet", "home/other")
	none := strings.Repeat("0", 40)
	for _, row := range []struct {
		name, sender, event, body string
		status                    int
		result                    webhook.Result
		text                      string
	}{
		{"another branch", "github", "", push("refs/heads/next"), 202, webhook.Ignored, `the branch "next", and main is followed`},
		{"a branch that begins alike", "github", "", push("refs/heads/main2"), 202, webhook.Ignored, `the branch "main2"`},
		{"a tag", "github", "", push("refs/tags/main"), 202, webhook.Ignored, `the tag "main"`},
		{"a note", "github", "", push("refs/notes/x"), 202, webhook.Ignored, `"refs/notes/x"`},
		{"a deleted branch", "github", "", strings.Replace(push("refs/heads/main"), `"deleted":false`, `"deleted":true`, 1), 202, webhook.Ignored, "the branch main was deleted"},
		{"a deleted branch", "gitea", "", strings.Replace(push("refs/heads/main"), `"after":"`+commitB, `"after":"`+none, 1), 202, webhook.Ignored, "the branch main was deleted"},
		{"another repository", "forgejo", "", foreign, 202, webhook.Ignored, `it is of the repository "home/other", and git/home/fleet is followed`},
		{"an issue", "github", "issues", `{"action":"opened"}`, 202, webhook.Ignored, `this is "issues"`},
		{"no JSON that is no push", "gitea", "release", `{`, 202, webhook.Ignored, `this is "release"`},
		{"no event", "gogs", "", push("refs/heads/main"), 202, webhook.Started, "turn"},
		{"a ping", "github", "ping", `{"zen":"Keep it logically awesome.","hook_id":1}`, 200, webhook.Pinged, "hears GitHub"},
		{"a ping", "bitbucket-dc", "diagnostics:ping", `{"test":true}`, 200, webhook.Pinged, "hears Bitbucket"},
		{"a tag", "gitlab", "Tag Push Hook", gitlab("tag_push", "refs/tags/v1", commitB), 202, webhook.Ignored, `the tag "v1"`},
		{"a deleted branch", "gitlab", "", gitlab("push", "refs/heads/main", none), 202, webhook.Ignored, "the branch main was deleted"},
		{"a merge request", "gitlab", "Merge Request Hook", `{}`, 202, webhook.Ignored, `this is "Merge Request Hook"`},
		{"a system hook of a push", "gitlab", "System Hook", gitlab("push", "refs/heads/main", commitB), 202, webhook.Started, "turn"},
		{"a system hook of another", "gitlab", "System Hook", `{"event_name":"user_create"}`, 202, webhook.Ignored, `this is "user_create"`},
		{"a mirror that was brought up to date", "bitbucket-dc", "mirror:repo_synchronized", bitbucketDC("refs/heads/main", "UPDATE"), 202, webhook.Started, "turn"},
		{"a deleted branch", "bitbucket-dc", "", bitbucketDC("refs/heads/main", "DELETE"), 202, webhook.Ignored, "the branch main was deleted"},
		{"a tag", "bitbucket", "", bitbucket(moved("tag", "main", false)), 202, webhook.Ignored, `the tag "main"`},
		{"ours among several", "bitbucket", "", bitbucket(moved("branch", "a", false), moved("branch", "main", false), moved("tag", "v1", false)), 202, webhook.Started, "turn"},
		{"ours not among several", "bitbucket", "", bitbucket(moved("branch", "a", false), moved("tag", "v1", false)), 202, webhook.Ignored, "none of its 2 branches and tags"},
		{"ours deleted among several", "bitbucket", "", bitbucket(moved("branch", "main", true), moved("tag", "v1", false)), 202, webhook.Ignored, "the branch main was deleted"},
		{"another branch", "generic", "", `{"ref":"refs/heads/next"}`, 202, webhook.Ignored, `the branch "next"`},
		{"another repository", "generic", "", `{"repository":"home/other"}`, 202, webhook.Ignored, `the repository "home/other"`},
		{"fields of another kind", "generic", "", `{"ref":1,"repository":{"name":"x"}}`, 202, webhook.Started, "turn"},
		{"an empty body", "generic", "", ``, 202, webhook.Started, "turn"},
	} {
		t.Run(row.sender+" "+row.name, func(t *testing.T) {
			d := all[row.sender]
			events := []string{"X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gogs-Event", "X-Gitlab-Event", "X-Event-Key"}
			for _, name := range events {
				if d.headers[name] != "" && row.event != "" {
					d = d.with(name, row.event)
				}
			}
			h := newTaker()
			h.want(t, row.name, d.saying(row.body).signed(secret).request(), row.status, row.result, row.text)
		})
	}
}

// A forge may know the repository by another address than the agent does.
func TestTheRepositoryIsKnownByItsName(t *testing.T) {
	d := deliveries()["github"].signed(secret)
	for _, row := range []struct {
		url   string
		names []string
		ours  bool
	}{
		{url: "https://forge.example/home/fleet", ours: true},
		{url: "ssh://git@10.0.0.3:2222/home/fleet.git", ours: true},
		{url: "https://forge.example/gitea/HOME/FLEET.git", ours: true},
		{url: "file:///srv/git/anything.git", ours: true},
		{url: "https://forge.example/home/fleet2"},
		{url: "https://forge.example/fleet"},
		{url: "https://forge.example/athome/fleet"},
		{url: "https://mirror.example/m/fleet"},
		{url: "https://mirror.example/m/fleet", names: []string{"other/one", "home/Fleet.git"}, ours: true},
	} {
		h := newTaker()
		h.Follow.URL, h.Follow.Names = row.url, row.names
		if _, answer := h.take(d.request()); (answer.Turn != "") != row.ours {
			t.Errorf("%s %v: %+v, want a turn: %t", row.url, row.names, answer, row.ours)
		}
	}
}

func TestProofsThatAreNotTaken(t *testing.T) {
	all := deliveries()
	sum := hexMAC(secret, all["github"].body)
	for _, row := range []struct {
		name string
		d    delivery
		code int
		text string
	}{
		{"SHA-1 alone", all["github"].with("X-Hub-Signature", "sha1="+sum[:40]), 403, "SHA-1"},
		{"SHA-1 in a good header", all["github"].with("X-Hub-Signature-256", "sha1="+sum[:40]), 403, "SHA-1"},
		{"SHA-1 by Bitbucket", all["bitbucket"].with("X-Hub-Signature", "sha1="+sum[:40]), 403, "SHA-1"},
		{"MD5", all["generic"].with("X-Signature", "md5="+sum[:32]), 403, `"md5"`},
		{"an empty digest", all["gitea"].with("X-Gitea-Signature", "").with("X-Hub-Signature-256", "sha256=").with("X-Hub-Signature", "sha1="), 401, "not signed"},
		{"a short digest", all["github"].with("X-Hub-Signature-256", "sha256="+sum[:62]), 403, "no digest"},
		{"no digest", all["github"].with("X-Hub-Signature-256", "sha256=zz"), 403, "no digest"},
		{"a digest of other length", all["github"].with("X-Hub-Signature-256", "sha512="+sum), 403, "no digest"},
		{"GitHub's token, as GitLab's", all["github"].with("X-Gitlab-Token", secret), 401, "not signed"},
		{"no id", all["standard"].signed(secret).with("Webhook-Id", ""), 403, "webhook-id"},
		{"no time", all["standard"].signed(secret).with("Webhook-Timestamp", ""), 403, "webhook-timestamp"},
		{"another time", all["standard"].signed(secret).with("Webhook-Timestamp", strconv.FormatInt(time.Now().Unix()+1, 10)), 403, "none of"},
		{"another id", all["standard"].signed(secret).with("Webhook-Id", "x"), 403, "none of"},
		{"no signature of v1", all["standard"].signed(secret).with("Webhook-Signature", "v2,eA== eA=="), 403, "v1,"},
		{"a right token beside a wrong signature", all["gitlab"].signed("another-secret-than-ours").with("X-Gitlab-Token", secret), 403, "Webhook-Signature"},
		{"a form of Gitea's", all["gitea"].with("Content-Type", "application/x-www-form-urlencoded").signed(secret).saying("payload=x"), 403, "send application/json"},
		{"a form without payload", all["github-form"].saying("pay=1").signed(secret), 400, "payload"},
		{"nothing at all", delivery{headers: map[string]string{}}, 401, "not signed"},
	} {
		h := newTaker()
		code, answer := h.take(row.d.request())
		if code != row.code || !strings.Contains(answer.Error, row.text) || len(h.whys) > 0 {
			t.Errorf("%s: %d %+v, want %d and %q", row.name, code, answer, row.code, row.text)
		}
	}
	h := newTaker()
	if code, answer := h.take(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/webhook", nil)); code != 405 || answer.Error == "" {
		t.Errorf("GET: %d %+v", code, answer)
	}
}

// The secret of Standard Webhooks and of GitLab is written as whsec_BASE64, and as such
// given to the agent.
func TestCodedSecrets(t *testing.T) {
	for _, name := range []string{"gitlab", "standard"} {
		const coded = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		h := newTaker()
		h.secrets = []string{coded}
		h.want(t, name, deliveries()[name].signed(coded).request(), 202, webhook.Started, "turn-1")
		h.want(t, name, deliveries()[name].signed(secret).request(), 403, webhook.Refused, "")
	}
}

func TestOldAndEarlyDeliveriesOfStandardWebhooks(t *testing.T) {
	for _, row := range []struct {
		off    time.Duration
		status int
	}{{4 * time.Minute, 202}, {6 * time.Minute, 403}, {-4 * time.Minute, 202}, {-6 * time.Minute, 403}} {
		synctest.Test(t, func(t *testing.T) {
			h := newTaker()
			d := deliveries()["standard"]
			if row.off > 0 {
				d = d.signed(secret)
				pass(row.off)
			} else {
				// Signed by a clock that goes ahead.
				at := strconv.FormatInt(time.Now().Add(-row.off).Unix(), 10)
				d = d.with("Webhook-Timestamp", at).with("Webhook-Signature", standardAt(d, at))
			}
			if code, answer := h.take(d.request()); code != row.status {
				t.Errorf("%s off: %d %+v", row.off, code, answer)
			}
		})
	}
}

func standardAt(d delivery, at string) string {
	d = d.with("", "")
	signStandard(&d, secret)
	return "v1," + base64MAC(d.headers["Webhook-Id"]+"."+at+"."+d.body)
}

// Secrets change while the agent runs: each delivery is judged by those there are.
func TestSecretsAreReadAtEachDelivery(t *testing.T) {
	h, d := newTaker(), deliveries()["generic-hub"]
	h.secrets = []string{secret}
	h.want(t, "not yet there", d.signed(coming).request(), 403, webhook.Refused, "")
	h.secrets = []string{secret, coming}
	h.want(t, "both", d.signed(coming).request(), 202, webhook.Started, "")
	h.want(t, "both", d.saying("2").signed(secret).request(), 202, webhook.Started, "")
	h.secrets = []string{coming}
	h.want(t, "gone", d.saying("3").signed(secret).request(), 403, webhook.Refused, "")
	h.secrets, h.unread = []string{coming}, errors.New("no such file a")
	h.want(t, "the other can't be read", d.saying("4").signed(coming).request(), 202, webhook.Started, "")
	if !strings.Contains(h.log.String(), "no such file a") {
		t.Errorf("it is not logged: %s", &h.log)
	}
	for _, secrets := range [][]string{nil, {""}, {"short"}} {
		h.secrets = secrets
		h.want(t, "none", d.saying("5").signed("short").request(), 503, webhook.Unavailable, "can't read its own secrets")
	}
	if strings.Contains(h.log.String(), secret) || strings.Contains(h.log.String(), coming) {
		t.Errorf("a secret is logged: %s", &h.log)
	}
}

// Deliveries of one body may come again after a while; ids do not, and what is kept of
// them is bounded.
func TestWhatIsRememberedOfDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, all := newTaker(), deliveries()
		unnamed, named := all["generic-hub"].signed(secret), all["github"].signed(secret)
		h.want(t, "unnamed", unnamed.request(), 202, webhook.Started, "")
		h.want(t, "named", named.request(), 202, webhook.Started, "")
		pass(4 * time.Minute)
		h.want(t, "unnamed, again", unnamed.request(), 200, webhook.Repeated, "")
		pass(2 * time.Minute)
		h.want(t, "unnamed, later", unnamed.request(), 202, webhook.Started, "")
		h.want(t, "named, later", named.request(), 200, webhook.Repeated, "")
		for i := range 5000 {
			h.take(all["standard"].with("Webhook-Id", strconv.Itoa(i)).signed(secret).request())
		}
		h.want(t, "named, after thousands", named.request(), 202, webhook.Started, "")
	})
}

// Strangers fill no disk.
func TestRefusalsAreLoggedOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, d := newTaker(), deliveries()["github"]
		for range 1000 {
			h.take(d.request())
		}
		if n := strings.Count(h.log.String(), "\n"); n != 1 {
			t.Errorf("%d lines", n)
		}
		pass(2 * time.Minute)
		h.take(d.request())
		if !strings.Contains(h.log.String(), "more=999") {
			t.Errorf("the log does not tell how many: %s", &h.log)
		}
		if got := slices.Compact(h.seen); len(got) != 1 || got[0] != "github unsigned" {
			t.Errorf("counted %q", got)
		}
	})
}

// pass lets time go by, which in a bubble of synctest takes none.
func pass(d time.Duration) { <-time.After(d) }

// Where tags may vouch for commits a push of one starts a turn.
func TestTagsAreFollowedWhereTheyCount(t *testing.T) {
	all := deliveries()
	none := strings.Repeat("0", 40)
	for _, row := range []struct {
		name, sender, event, body string
		result                    webhook.Result
		text                      string
	}{
		{"a tag", "github", "", push("refs/tags/v1"), webhook.Started, "turn"},
		{"a tag", "gitlab", "Tag Push Hook", gitlab("tag_push", "refs/tags/v1", commitB), webhook.Started, "turn"},
		{"among several", "bitbucket", "", bitbucket(moved("branch", "a", false), moved("tag", "v1", false)), webhook.Started, "turn"},
		{"beside ours, deleted", "bitbucket", "", bitbucket(moved("branch", "main", true), moved("tag", "v1", false)), webhook.Started, "turn"},
		{"a tag", "bitbucket-dc", "", bitbucketDC("refs/tags/v1", "ADD"), webhook.Started, "turn"},
		{"a tag", "generic", "", `{"ref":"refs/tags/v1"}`, webhook.Started, "turn"},
		{"a deleted tag", "gitlab", "Tag Push Hook", gitlab("tag_push", "refs/tags/v1", none), webhook.Ignored, `the tag "v1" was deleted`},
		{"deleted ones", "bitbucket", "", bitbucket(moved("tag", "v1", true), moved("tag", "v2", true)), webhook.Ignored, "none of its 2 branches and tags"},
		{"another branch", "github", "", push("refs/heads/next"), webhook.Ignored, `the branch "next"`},
		{"another repository", "github", "", strings.ReplaceAll(push("refs/tags/v1"), "Home/Fleet", "home/other"), webhook.Ignored, `it is of the repository "home/other"`},
	} {
		t.Run(row.sender+" "+row.name, func(t *testing.T) {
			d := all[row.sender]
			if row.event != "" {
				d = d.with("X-Gitlab-Event", row.event)
			}
			h := newTaker()
			h.Follow.Tags = true
			h.want(t, row.name, d.saying(row.body).signed(secret).request(), 202, row.result, row.text)
		})
	}
}
