package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	secret = "correct-horse-battery-staple"
	coming = "the-next-one-while-both-hold"
)

// delivery is what a sender sends: its headers and its body. sign gives it a proof by a
// secret, as its sender does.
type delivery struct {
	forge   string
	headers map[string]string
	body    string
	// idHeader is where its own id stands; "" if it has none.
	idHeader string
	sign     func(d *delivery, secret string)
}

func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hexMAC(secret, text string) string {
	return hex.EncodeToString(mac(sha256.New, []byte(secret), text))
}

// header signs by bare hexadecimal, or behind a prefix.
func header(name, prefix string) func(*delivery, string) {
	return func(d *delivery, secret string) { d.headers[name] = prefix + hexMAC(secret, d.body) }
}

// family signs as Gitea does: in all words that others know, SHA-1 included.
func family(names ...string) func(*delivery, string) {
	return func(d *delivery, secret string) {
		for _, name := range names {
			d.headers["X-"+name+"-Signature"] = hexMAC(secret, d.body)
		}
		d.headers["X-Hub-Signature-256"] = "sha256=" + hexMAC(secret, d.body)
		d.headers["X-Hub-Signature"] = "sha1=" + strings.Repeat("ab", 20)
	}
}

func signStandard(d *delivery, secret string) {
	id := d.headers["Webhook-Id"]
	at := strconv.FormatInt(time.Now().Unix(), 10)
	key := []byte(secret)
	if coded, marked := strings.CutPrefix(secret, "whsec_"); marked {
		key, _ = base64.StdEncoding.DecodeString(coded)
	}
	sum := base64.StdEncoding.EncodeToString(mac(sha256.New, key, id+"."+at+"."+d.body))
	d.headers["Webhook-Timestamp"], d.headers["Webhook-Signature"] = at, "v1a,bm90IG91cnM= v1,"+sum
}

const (
	commitA = "1481a2de7b2a7d02428ad93446ab166be7793fbb"
	commitB = "17c497ccc7cca9c2f735aa07e9e3813060ce9a6a"
)

// push is a push to a branch as GitHub tells of it; Gitea, Forgejo and Gogs do in the
// same words.
func push(ref string) string {
	return fmt.Sprintf(`{"ref":%q,"before":%q,"after":%q,"created":false,"deleted":false,"forced":false,
"repository":{"id":35129377,"name":"fleet","full_name":"Home/Fleet","private":true,"html_url":"https://forge.example/Home/Fleet",
"clone_url":"https://forge.example/Home/Fleet.git","ssh_url":"git@forge.example:Home/Fleet.git","default_branch":"main"},
"pusher":{"name":"ada","email":"ada@example.com"},"sender":{"login":"ada","id":6752317},
"commits":[{"id":%[3]q,"message":"Give web-1 more memory","timestamp":"2026-11-20T09:30:00Z","author":{"name":"Ada"},"added":[],"modified":["web.yaml"]}],
"head_commit":{"id":%[3]q,"message":"Give web-1 more memory"}}`, ref, commitA, commitB)
}

func gitlab(kind, ref, after string) string {
	return fmt.Sprintf(`{"object_kind":%q,"event_name":%[1]q,"before":%q,"after":%q,"ref":%q,"checkout_sha":%[3]q,
"user_id":4,"user_name":"Ada","user_username":"ada","project_id":15,
"project":{"id":15,"name":"Fleet","git_ssh_url":"git@forge.example:home/fleet.git","git_http_url":"https://forge.example/home/fleet.git",
"path_with_namespace":"home/fleet","default_branch":"main"},
"commits":[{"id":%[3]q,"message":"Give web-1 more memory"}],"total_commits_count":1}`, kind, commitA, after, ref)
}

func bitbucket(changes ...string) string {
	return `{"actor":{"type":"user","nickname":"ada"},"repository":{"type":"repository","full_name":"home/fleet","name":"fleet","is_private":true},
"push":{"changes":[` + strings.Join(changes, ",") + `]}}`
}

// moved is one change of Bitbucket Cloud's; a deleted branch has no new side.
func moved(kind, name string, deleted bool) string {
	side := fmt.Sprintf(`{"type":%q,"name":%q,"target":{"type":"commit","hash":%q}}`, kind, name, commitB)
	if deleted {
		return `{"old":` + side + `,"new":null,"created":false,"closed":true,"forced":false}`
	}
	return `{"old":null,"new":` + side + `,"created":false,"closed":false,"forced":false,"truncated":false}`
}

func bitbucketDC(ref, change string) string {
	return fmt.Sprintf(`{"eventKey":"repo:refs_changed","date":"2026-11-20T10:30:00+0100","actor":{"name":"ada","id":1},
"repository":{"slug":"fleet","id":84,"name":"fleet","scmId":"git","project":{"key":"HOME","id":84,"name":"Home","type":"NORMAL"}},
"changes":[{"ref":{"id":%q,"displayId":"x","type":"BRANCH"},"refId":%[1]q,"fromHash":%q,"toHash":%q,"type":%q}]}`, ref, commitA, commitB, change)
}

// deliveries are a push to main by each sender that is known.
func deliveries() map[string]delivery {
	github := func() map[string]string {
		return map[string]string{
			"User-Agent": "GitHub-Hookshot/044aadd", "Content-Type": "application/json",
			"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "X-GitHub-Hook-ID": "292430182",
		}
	}
	gitea := func(names ...string) map[string]string {
		h := github()
		for _, name := range names {
			h["X-"+name+"-Event"], h["X-"+name+"-Delivery"] = "push", "f6266f16-1bf3-46a5-9ea4-602e06ead473"
		}
		return h
	}
	cloud := map[string]string{
		"Content-Type": "application/json", "X-Event-Key": "repo:push", "X-Hook-UUID": "{87a7a4d0}", "X-Request-UUID": "{1f2a-9}", "X-Attempt-Number": "1",
	}
	lab := func() map[string]string {
		return map[string]string{
			"Content-Type": "application/json", "X-Gitlab-Event": "Push Hook", "X-Gitlab-Instance": "https://forge.example",
			"X-Gitlab-Event-UUID": "13792a34", "X-Gitlab-Webhook-UUID": "6f5bc332", "Idempotency-Key": "a5461c4d", "Webhook-Id": "a5461c4d",
		}
	}
	form := delivery{forge: "github", headers: github(), body: url.Values{"payload": {push("refs/heads/main")}}.Encode(), idHeader: "X-GitHub-Delivery", sign: header("X-Hub-Signature-256", "sha256=")}
	form.headers["Content-Type"] = "application/x-www-form-urlencoded"
	token := delivery{forge: "gitlab", headers: lab(), body: gitlab("push", "refs/heads/main", commitB), idHeader: "Idempotency-Key", sign: func(d *delivery, secret string) { d.headers["X-Gitlab-Token"] = secret }}
	delete(token.headers, "Webhook-Id")
	return map[string]delivery{
		"github":       {forge: "github", headers: github(), body: push("refs/heads/main"), idHeader: "X-GitHub-Delivery", sign: header("X-Hub-Signature-256", "sha256=")},
		"github-form":  form,
		"gitea":        {forge: "gitea", headers: gitea("Gitea", "Gogs"), body: push("refs/heads/main"), idHeader: "X-Gitea-Delivery", sign: family("Gitea", "Gogs")},
		"forgejo":      {forge: "forgejo", headers: gitea("Forgejo", "Gitea", "Gogs"), body: push("refs/heads/main"), idHeader: "X-Forgejo-Delivery", sign: family("Forgejo", "Gitea", "Gogs")},
		"gogs":         {forge: "gogs", headers: gitea("Gogs"), body: push("refs/heads/main"), idHeader: "X-Gogs-Delivery", sign: header("X-Gogs-Signature", "")},
		"gitlab-token": token,
		"gitlab":       {forge: "gitlab", headers: lab(), body: gitlab("push", "refs/heads/main", commitB), idHeader: "Webhook-Id", sign: signStandard},
		"bitbucket":    {forge: "bitbucket", headers: cloud, body: bitbucket(moved("branch", "main", false)), idHeader: "X-Request-UUID", sign: header("X-Hub-Signature", "sha256=")},
		"bitbucket-dc": {
			forge: "bitbucket-dc", headers: map[string]string{"Content-Type": "application/json; charset=UTF-8", "X-Event-Key": "repo:refs_changed", "X-Request-Id": "f4a1-11"},
			body: bitbucketDC("refs/heads/main", "UPDATE"), idHeader: "X-Request-Id", sign: header("X-Hub-Signature", "sha256="),
		},
		"standard": {forge: "standard", headers: map[string]string{"Webhook-Id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"}, body: `{"type":"repository.pushed","ref":"main"}`, idHeader: "Webhook-Id", sign: signStandard},
		"generic":  {forge: "generic", headers: map[string]string{}, body: `{"ref":"refs/heads/main","repository":"home/fleet"}`, sign: header("X-Signature", "sha256=")},
		"generic-512": {forge: "generic", headers: map[string]string{}, body: `{}`, sign: func(d *delivery, secret string) {
			d.headers["X-Signature"] = "sha512=" + hex.EncodeToString(mac(sha512.New, []byte(secret), d.body))
		}},
		// As curl --data sends it, and SETTINGS.md shows.
		"generic-curl": {forge: "generic", headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: `{"ref": "main", "at": 1795313156}`, sign: header("X-Signature", "sha256=")},
		"generic-hub":  {forge: "generic", headers: map[string]string{}, body: `deployed`, sign: header("X-Hub-Signature-256", "sha256=")},
	}
}

// with is the delivery with another header; "" takes it out.
func (d delivery) with(name, value string) delivery {
	headers := map[string]string{name: value}
	for n, v := range d.headers {
		if n != name {
			headers[n] = v
		}
	}
	if value == "" {
		delete(headers, name)
	}
	d.headers = headers
	return d
}

// saying is the delivery with another body.
func (d delivery) saying(body string) delivery { d.body = body; return d.with("", "") }

// signed is the delivery with a proof by a secret.
func (d delivery) signed(secret string) delivery {
	d = d.with("", "")
	d.sign(&d, secret)
	return d
}

func (d delivery) request() *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/webhook", bytes.NewReader([]byte(d.body)))
	for name, value := range d.headers {
		r.Header.Set(name, value)
	}
	return r
}

func base64MAC(text string) string {
	return base64.StdEncoding.EncodeToString(mac(sha256.New, []byte(secret), text))
}
