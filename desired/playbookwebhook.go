package desired

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

var (
	regexpHeader = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	// regexpTellingHeader are headers whose values are secrets.
	regexpTellingHeader = regexp.MustCompile(`(?i)auth|token|secret|passw|api-?key|cookie|signature`)
)

// HostPlaceholder stands, in a webhook's URL, for the name of the host.
const HostPlaceholder = "{host}"

// checkRunner checks who runs a playbook, and refuses what only Ansible itself can be
// told.
func (l *loader) checkRunner(p *playbook) {
	hook := p.Runner.Webhook
	if hook == nil {
		return
	}
	if hook.Method == "" {
		hook.Method = "POST"
	}
	switch {
	case hook.URL == "" && !p.explained("runner.webhook", "url"):
		l.wrong(p.item, p.at("runner", "webhook"), "runner.webhook: url is missing: write it as in https://ansible.example.com/hooks/provision?host={host}")
	case hook.URL != "":
		if complaint := badHook(hook.URL); complaint != "" {
			l.wrong(p.item, p.at("runner", "webhook", "url"), "runner.webhook.url: %s", complaint)
		}
	}
	for _, name := range sortedKeys(hook.Headers) {
		l.checkHeader(p, name, hook.Headers[name])
	}
	if strings.HasPrefix(hook.URL, "http:") && hook.TLS != (TLS{}) {
		l.wrong(p.item, p.at("runner", "webhook", "tls"), "runner.webhook.tls: the url is not encrypted: write https://, or take tls out")
	} else {
		l.checkTLS(p.item, &hook.TLS, "runner", "webhook", "tls")
	}
	for _, word := range []string{"git", "requirements", "vars", "varsFiles", "vaults", "tags", "skipTags", "serial", "maxFail", "become", "user", "port"} {
		if p.writes(word) {
			l.wrong(p.item, p.key(word), "%s: a webhook can't be told: take it out, or let the agent run Ansible", word)
		}
	}
	if p.Drift == "check" {
		l.wrong(p.item, p.at("drift"), "drift: a webhook can't be asked what it would change: take it out, or let the agent run Ansible")
	}
	if p.Each != "none" && p.Each != "" {
		l.wrong(p.item, p.at("each"), "each: a webhook is asked for each host where its url holds {host}, else once: take it out")
	}
}

// writes tells whether a document, or a layer below it, says anything of a word.
func (it *item) writes(word string) bool {
	t := it.merged.get(word)
	return t != nil && t.form != nullForm
}

// badHook says what is wrong with a webhook's address. What follows the host is never
// printed: it may be a password.
func badHook(text string) string {
	for _, word := range regexpPlaceholder.FindAllString(text, -1) {
		if word != HostPlaceholder {
			return fmt.Sprintf("%s is not known here: only %s is put in, the host's name", word, HostPlaceholder)
		}
	}
	u, err := url.Parse(strings.ReplaceAll(text, HostPlaceholder, "host"))
	switch {
	case err != nil || strings.ContainsAny(text, " \t\n"):
		return "this is no address: write it as in https://ansible.example.com/hooks/provision?host={host}"
	case u.Scheme != "https" && u.Scheme != "http":
		return "write https://, or http://"
	case u.Hostname() == "":
		return "whom to ask is missing: write it as in https://ansible.example.com/hooks/provision?host={host}"
	case u.User != nil:
		return "a user or password can't stand in the address: take it out, and write a header with a secret"
	case u.Fragment != "":
		return "what follows # is not sent: take it out"
	}
	return ""
}

// checkHeader checks a header. A value that may be a secret is not printed.
func (l *loader) checkHeader(p *playbook, name string, h Header) {
	at := Path("runner.webhook.headers").Sub(name)
	keys := []string{"runner", "webhook", "headers", name}
	src := p.key(keys...)
	ref := h.Ref()
	switch {
	case !regexpHeader.MatchString(name):
		l.wrong(p.item, src, "runner.webhook.headers: %q is no header's name: write it as in X-Token", name)
	case strings.EqualFold(name, "host") || strings.EqualFold(name, "content-length"):
		l.wrong(p.item, src, "runner.webhook.headers: %s follows from the request: take it out", name)
	case h.Value != "" && ref != (SecretRef{}):
		l.wrong(p.item, p.at(keys...), "%s: a value and a secret in one: keep one", at)
	case ref.Secret == "" && ref.Key != "":
		l.wrong(p.item, p.at(keys...), "%s: secret is missing: write {secret: NAME}", at)
	case ref.Secret != "":
		l.checkSecretName(p.item, p.at(append(keys, "secret")...), string(at)+".secret", ref.Secret)
	case h.Value != "" && regexpTellingHeader.MatchString(name):
		l.wrong(p.item, p.at(keys...), "%s: a header of this name holds a secret: write {secret: NAME}; what stands here is in Git's history now, revoke it and make a new one", at)
	case strings.ContainsAny(h.Value, "\r\n"):
		l.wrong(p.item, p.at(keys...), "%s: a header is one line", at)
	}
}
