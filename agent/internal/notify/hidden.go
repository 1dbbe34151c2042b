package notify

import (
	"net/url"
	"slices"
	"strings"
)

// secrets are the parts of a service's URL that nobody may see, the longest first.
type secrets []string

// hosts are the services whose URL names the host that is asked. In the others' stands a
// token or an account there.
var hosts = []string{
	"bark", "generic", "gotify", "lark", "matrix", "mattermost", "mqtt", "mqtts", "ntfy", "opsgenie", "pagerduty", "rocketchat", "signal", "smtp", "zulip",
}

// secretsOf takes a URL for secret but for its scheme and, where that is one, its host.
func secretsOf(u *url.URL, scheme string) secrets {
	var all secrets
	add := func(texts ...string) {
		for _, text := range texts {
			for _, part := range append(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("-:/,;@", r) }), text) {
				// What is shorter stands in many words by chance.
				if len(part) > 3 {
					all = append(all, part, url.PathEscape(part), url.QueryEscape(part))
				}
			}
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(u.User.Username(), password, u.User.String())
	}
	add(u.Path, u.EscapedPath(), u.Fragment, u.Opaque)
	for key, values := range u.Query() {
		// Neither is what people set by words of the service's own.
		if !slices.Contains([]string{"auth", "encryption", "scheme", "priority", "parsemode", "splitlines", "preview", "notification", "timeout", "method", "template"}, strings.ToLower(key)) {
			add(values...)
		}
	}
	if !slices.Contains(hosts, scheme) {
		add(u.Host, u.Hostname())
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}

// hide is a text without them.
func (s secrets) hide(text string) string {
	for _, one := range s {
		text = strings.ReplaceAll(text, one, "…")
	}
	return text
}
