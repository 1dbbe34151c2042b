package config

import "net/url"

// Notify is one place that is told what people should know.
type Notify struct {
	// Webhook is the URL that each message is posted to.
	Webhook string `yaml:"webhook"`
	// Secret signs each message: a file, or {secret: NAME}.
	Secret Credential `yaml:"secret"`
}

// complaint says what is wrong with the field at a dotted path.
type complaint func(field, format string, args ...any)

func (n Notify) check(path string, say complaint) {
	switch u, err := url.Parse(n.Webhook); {
	case n.Webhook == "":
		say(path, "notify: webhook is missing: write the URL that is told")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		// The URL itself may be a secret.
		say(path+".webhook", "notify: webhook: write a URL that begins with https://, or with http://")
	case u.User != nil:
		say(path+".webhook", "notify: webhook: it holds a user or password, which would show in logs: take it out; messages are signed by secret")
	}
	if n.Secret == (Credential{}) {
		say(path, "notify: secret is missing, which signs what is sent: write a file of random text into it (openssl rand -hex 32 makes some), and secret: FILE")
	}
}
