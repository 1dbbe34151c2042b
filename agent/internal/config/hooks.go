package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// Hooks are the requests of other machines that the agent answers. Without Listen it
// answers none.
type Hooks struct {
	// Listen is the address to listen at, as in 127.0.0.1:9000; port 0 is any that is
	// free, which `agent status` tells.
	Listen string `yaml:"listen"`
	// TLS is what the agent shows; required where others than this machine can connect.
	TLS HooksTLS `yaml:"tls"`
	// Token is what callers must show: a file, or {secret: NAME}.
	Token Credential `yaml:"token"`
}

// HooksTLS is a certificate with its key, both in PEM. They are read again when they
// change.
type HooksTLS struct {
	Cert string     `yaml:"cert"`
	Key  Credential `yaml:"key"`
}

// Notify is one place that is told what people should know.
type Notify struct {
	// Webhook is the URL that each message is posted to.
	Webhook string `yaml:"webhook"`
	// Secret signs each message: a file, or {secret: NAME}.
	Secret Credential `yaml:"secret"`
}

// complaint says what is wrong with the field at a dotted path.
type complaint func(field, format string, args ...any)

func (h Hooks) check(say complaint) {
	if h == (Hooks{}) {
		return
	}
	none := Credential{}
	if h.Token == none {
		say("hooks", "hooks.token is missing, and without one nobody is answered: `agent bootstrap` makes one and says what to write")
	}
	if (h.TLS.Cert == "") != (h.TLS.Key == none) {
		say("hooks.tls", "hooks.tls takes both: write cert: FILE and key: FILE")
	}
	if h.Listen == "" {
		say("hooks", "hooks.listen is missing: write listen: 127.0.0.1:9000, or take hooks out")
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	addr, ipErr := netip.ParseAddr(host)
	_, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil, portErr != nil, ipErr != nil && host != "" && host != "localhost":
		say("hooks.listen", "hooks.listen: %q: write an IP address of this machine and a port, as in 127.0.0.1:9000", h.Listen)
	case h.TLS.Cert == "" && host != "localhost" && !addr.IsLoopback():
		say("hooks.listen", "hooks.listen: others reach %s over the network, where the token would go in clear: add tls: {cert: FILE, key: FILE}, or listen on 127.0.0.1", h.Listen)
	}
}

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
