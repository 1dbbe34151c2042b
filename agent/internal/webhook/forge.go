package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// forge is how one kind of sender tells what it sends.
type forge struct {
	// name is for counting, title for people.
	name, title string
	// eventHeader names the event; "" where whatever comes is meant to start a turn.
	eventHeader string
	// pushes and pings are the events that are a push, and that try the address.
	pushes, pings []string
	// idHeader is a delivery's own id; "" if there is none.
	idHeader string
	// proofs are where its signature may be, the first that is there counts.
	proofs []place
	// read understands the payload of a push.
	read func(text []byte) (pushed, error)
}

// place is a header that holds a proof of a kind.
type place struct {
	header string
	scheme scheme
}

// forgeOf tells who sends a delivery. Forgejo sends the headers of Gitea as well, Gitea
// those of Gogs, and all of them those of GitHub (PEERS 4.1): the order counts.
func forgeOf(header http.Header) forge {
	shows := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return header.Get(name) != "" })
	}
	family := func(name, title, prefix string, proofs ...place) forge {
		return forge{
			name: name, title: title, eventHeader: prefix + "Event", pushes: []string{"push"}, idHeader: prefix + "Delivery",
			proofs: proofs, read: readPush,
		}
	}
	switch {
	case shows("X-Forgejo-Event", "X-Forgejo-Delivery", "X-Forgejo-Signature"):
		return family("forgejo", "Forgejo", "X-Forgejo-",
			place{"X-Forgejo-Signature", digest}, place{"X-Gitea-Signature", digest}, place{"X-Hub-Signature-256", digest})
	case shows("X-Gitea-Event", "X-Gitea-Delivery", "X-Gitea-Signature"):
		return family("gitea", "Gitea", "X-Gitea-", place{"X-Gitea-Signature", digest}, place{"X-Hub-Signature-256", digest})
	case shows("X-Gogs-Event", "X-Gogs-Delivery", "X-Gogs-Signature"):
		return family("gogs", "Gogs", "X-Gogs-", place{"X-Gogs-Signature", digest})
	case shows("X-GitHub-Event", "X-GitHub-Delivery"):
		f := family("github", "GitHub", "X-GitHub-", place{"X-Hub-Signature-256", digest})
		f.pings = []string{"ping"}
		return f
	case shows("X-Gitlab-Event", "X-Gitlab-Token"):
		return forge{
			name: "gitlab", title: "GitLab", eventHeader: "X-Gitlab-Event", pushes: []string{"Push Hook", "Tag Push Hook", "System Hook"},
			// X-Gitlab-Event-UUID is shared by all that one event leads to.
			idHeader: "Idempotency-Key", proofs: []place{{"Webhook-Signature", standard}, {"X-Gitlab-Token", token}}, read: readGitLab,
		}
	case shows("X-Event-Key"):
		proofs := []place{{"X-Hub-Signature", digest}, {"X-Hub-Signature-256", digest}}
		if shows("X-Hook-UUID", "X-Request-UUID") {
			return forge{
				name: "bitbucket", title: "Bitbucket Cloud", eventHeader: "X-Event-Key", pushes: []string{"repo:push"},
				idHeader: "X-Request-UUID", proofs: proofs, read: readBitbucket,
			}
		}
		return forge{
			name: "bitbucket-dc", title: "Bitbucket Data Center", eventHeader: "X-Event-Key", pings: []string{"diagnostics:ping"},
			pushes: []string{"repo:refs_changed", "mirror:repo_synchronized"}, idHeader: "X-Request-Id", proofs: proofs, read: readBitbucketDC,
		}
	case shows("Webhook-Signature", "Webhook-Id"):
		return forge{name: "standard", title: "a sender of Standard Webhooks", proofs: []place{{"Webhook-Signature", standard}}, read: readAny}
	}
	return forge{
		name: "generic", title: "a sender that signs", read: readAny,
		proofs: []place{{"X-Signature", digest}, {"X-Hub-Signature-256", digest}},
	}
}

func (f forge) isPing(event string) bool { return slices.Contains(f.pings, event) }

func (f forge) isPush(event string) bool {
	return f.eventHeader == "" || slices.Contains(f.pushes, event)
}

// formHint tells what may be wrong with the signature of a form: Gitea and those of its
// family sign what they put into it, and not what they send.
func (f forge) formHint(header http.Header) string {
	if isForm(header) && f.name != "github" && f.eventHeader != "" {
		return "; have " + f.title + " send application/json, not a form"
	}
	return ""
}

// quoted is a word of somebody else's, fit to be shown.
func quoted(word string) string {
	const most = 80
	if runes := []rune(strings.ToValidUTF8(word, "?")); len(runes) > most {
		word = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", word)
}
