package desired

import (
	"regexp"
	"strings"
)

// regexpLeaked finds what is a secret by its very form: private keys of SSH, TLS
// and age, tokens of Proxmox and of the usual forges.
var regexpLeaked = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY|AGE-SECRET-KEY-1[A-Z0-9]|[^\s@!'"]+@[a-z][a-z0-9.-]*![A-Za-z0-9._-]+=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b(gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{30}|glpat-[A-Za-z0-9_-]{20})`)

// leaked says that a text is a secret, without printing it; "" if it does not
// look like one.
func leaked(text string) string {
	if !mayBeLeaked(text) || !regexpLeaked.MatchString(text) {
		return ""
	}
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "AGE-SECRET-KEY") {
		return "this is a private key: take it out of Git and make a new one"
	}
	return "this is a secret, and in Git's history now: revoke it, make a new one, and put it where a Secret says"
}

// mayBeLeaked tells cheaply of nearly all values that regexpLeaked does not match: the
// shortest secret is longer than most, and each has one of these in it.
func mayBeLeaked(text string) bool {
	return len(text) >= 16 && (strings.ContainsAny(text, "@_") || strings.Contains(text, "KEY") || strings.Contains(text, "glpat-"))
}

// checkLeaks refuses secrets wherever they stand in a document. Where a field's
// own check tells more, it is left to that; what is nobody's field, as told by
// verbatim, has none.
func (l *loader) checkLeaks(id ID, at *trail, t *tree, verbatim bool) {
	switch t.form {
	case scalarForm:
		if complaint := leaked(t.text); complaint != "" {
			l.report(t.src(), id, string(at.path())+": "+complaint)
		}
	case listForm:
		for _, item := range t.items {
			l.checkLeaks(id, at, item, verbatim)
		}
	case mapForm:
		for i := range t.entries {
			e := &t.entries[i]
			below := verbatim || e.key == "vars" || e.key == "raw"
			if below || !checksLeaks(e.key) {
				l.checkLeaks(id, &trail{at, e.key}, e.value, below)
			}
		}
	default:
	}
}

// checksLeaks tells whether a field's own check looks for secrets.
func checksLeaks(word string) bool {
	switch word {
	case "keys", "apt", "token", "token_secret", "password":
		return true
	}
	return false
}
