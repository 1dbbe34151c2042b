package report_test

import (
	"html"
	"regexp"
	"testing"

	"berth/drift/report"
)

// references is what GitHub, GitLab, Gitea and Forgejo make a link of, and tell others of,
// once what is escaped has been read.
var references = regexp.MustCompile(`(?i)[@#!$&~%][\w"]|\bGH-\d|://\w|www\.\w`)

// TestProseRefersToNobody holds foreign text that would link or mention.
func TestProseRefersToNobody(t *testing.T) {
	for _, text := range []string{
		"ask @ada and root@pam", "as in #12 and ops/fleet#12", "see !12", "snippet $12", "epic &12", "label ~bug", `milestone %12 or %"v 1"`, "GH-12, gh-12",
		"https://evil.example", "www.evil.example", "&#64;ada",
	} {
		if found := references.FindString(html.UnescapeString(report.Prose(text))); found != "" {
			t.Errorf("%s: %q is left of it", text, found)
		}
	}
}
