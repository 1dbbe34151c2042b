package importer

import (
	"regexp"
	"strings"
)

var (
	regexpCredential = regexp.MustCompile(`(?i)\b([a-z0-9]+[_-])*([a-z0-9]*pass(word|wd|phrase|wort)|pass|pwd|secret|token|api[ _-]?key|access[ _-]?key|credential|kennwort|pin|psk)\b["']?\s*(is\b|[:=]|→|->)\s*\S`)
	regexpKnown      = regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abp]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|AGE-SECRET-KEY-[A-Z0-9]+)`)
	regexpToken      = regexp.MustCompile(`[^\s!]+@[a-z]+![^\s=]+=[0-9a-fA-F-]{36}`)
	regexpInURL      = regexp.MustCompile(`://[^/\s:@]+:[^/\s@]+@`)
	regexpHash       = regexp.MustCompile(`\$(1|2[aby]|5|6|y|argon2id?)\$\S+`)
)

// secretive says why a text that people wrote may hold a secret; "" if nothing in
// it looks like one. It rather errs on the side of silence: what is left out is
// told, what is in Git is in Git for ever.
func secretive(text string) string {
	switch {
	case strings.Contains(text, "PRIVATE KEY"):
		return "a private key"
	case regexpCredential.MatchString(text):
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
