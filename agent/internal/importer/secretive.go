package importer

import (
	"regexp"
	"strings"
)

// markup is what descriptions, which are Markdown with HTML, put around words.
const markup = "(<[^<>]*>|[*_`\"'~\\s])*"

var (
	regexpCredential = regexp.MustCompile(`(?i)(pass(word|wd|phrase|wort)s?|\b([a-z0-9]+[_-])*(pass|pwd?|cred(ential)?s?|kennwort|login|pin|psk)\b|(secret|token|(api|access|private|secret|license|licence|auth)[ _-]?key|wifi[ _-]?key)s?\b)` +
		markup + `(is\b|ist\b|lautet\b|[:=|]|→|->|=>|&gt;)` + markup + `[^\s|]`)
	// A password is told without a sign, too, and then looks like no word.
	regexpPlain = regexp.MustCompile(`(?i)\b(password|passwort|passphrase|kennwort|pwd?)` + markup + `[ \t-]\S*[0-9!$%&]\S*`)
	regexpKnown = regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abp]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|AGE-SECRET-KEY-[A-Z0-9]+|github_pat_[A-Za-z0-9_]{20,}|gl(dt|rt|ptt)-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|hv[sb]\.[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|[rs]k_(live|test)_[A-Za-z0-9]{16,}|tskey-[a-z]+-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,})`)
	regexpToken = regexp.MustCompile(`[^\s!]+@[a-z]+![^\s=]+=[0-9a-fA-F-]{36}`)
	regexpInURL = regexp.MustCompile(`://[^/\s:@]+:[^/\s@]+@`)
	regexpHash  = regexp.MustCompile(`\$(1|2[aby]|5|6|y|argon2id?)\$\S+`)
)

// secretive says why a text that people wrote may hold a secret; "" if nothing in
// it looks like one. It rather errs on the side of silence: what is left out is
// told, what is in Git is in Git for ever.
func secretive(text string) string {
	switch {
	case strings.Contains(text, "PRIVATE KEY"):
		return "a private key"
	case regexpCredential.MatchString(text), regexpPlain.MatchString(text):
		return "a password, token or key is spoken of"
	case regexpKnown.MatchString(text), regexpToken.MatchString(text):
		return "a token"
	case regexpInURL.MatchString(text):
		return "a password in an address"
	case regexpHash.MatchString(text):
		return "a password's hash"
	}
	return ""
}
