package desired

import (
	"regexp"
	"slices"
	"strings"
)

// regexpLeaked finds what is a secret by its very form: private keys of SSH, TLS
// and age, tokens of Proxmox and of the usual forges.
var regexpLeaked = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY|AGE-SECRET-KEY-1[A-Z0-9]|[^\s@!'"]+@[a-z][a-z0-9.-]*![A-Za-z0-9._-]+=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b(gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{30}|glpat-[A-Za-z0-9_-]{20})`)

// leaked says that a text is a secret, without printing it; "" if it does not
// look like one.
func leaked(text string) string {
	// The shortest of them is longer than most values are.
	if len(text) < 16 || !regexpLeaked.MatchString(text) {
		return ""
	}
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "AGE-SECRET-KEY") {
		return "this is a private key: take it out of Git and make a new one"
	}
	return "this is a secret, and in Git's history now: revoke it, make a new one, and put it where a Secret says"
}

// checkLeaks refuses secrets wherever they stand in a document. Where a field's
// own check tells more, it is left to that.
func (l *loader) checkLeaks(id ID, at Path, t *tree) {
	switch t.form {
	case scalarForm:
		if complaint := leaked(t.text); complaint != "" {
			l.report(t.src, id, string(at)+": "+complaint)
		}
	case listForm:
		for _, item := range t.items {
			l.checkLeaks(id, at, item)
		}
	case mapForm:
		for _, e := range t.entries {
			below := at.Sub(e.key)
			// What is nobody's field has no check of its own.
			verbatim := slices.ContainsFunc(below.Keys(), func(key string) bool { return key == "vars" || key == "raw" })
			if verbatim || !slices.Contains([]string{"keys", "apt", "token", "token_secret", "password"}, e.key) {
				l.checkLeaks(id, below, e.value)
			}
		}
	default:
	}
}
