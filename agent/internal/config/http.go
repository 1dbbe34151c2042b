package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// HTTP is where other machines may ask the agent. What they may ask is opened by the
// secret that it takes; without any the agent listens to nobody but its socket.
type HTTP struct {
	// Listen is the address to listen at, as in 127.0.0.1:9000; port 0 is any that is
	// free, which `agent status` tells.
	Listen string `yaml:"listen"`
	// TLS is what the agent shows; required where others than this machine can connect.
	TLS TLS `yaml:"tls"`
	// Tokens open the API to those who show them.
	Tokens []Token `yaml:"tokens"`
	// Webhooks are what forges may send.
	Webhooks Webhooks `yaml:"webhooks"`
	// Metrics is open where they are told without a token.
	Metrics string `yaml:"metrics"`
}

// MetricsOpen is the word by which metrics are told without a token.
const MetricsOpen = "open"

// Token is what programs on other machines show to ask what its scope lets them.
type Token struct {
	// Token is a file, or {secret: NAME}, of at least 16 bytes.
	Token Credential `yaml:"token"`
	// Scope is read, which looks, or sync, which has turns made as well. No token unlocks.
	Scope string `yaml:"scope"`
}

// check looks at what can be told without reading it.
func (t Token) check(at string, say complaint) {
	switch {
	case t.Token == Credential{}:
		say(at, "http.tokens: token is missing: write token: FILE (`agent bootstrap` makes one for hooks; openssl rand -hex 32 another), or {secret: NAME}")
	case t.Scope != "read" && t.Scope != "sync":
		say(at, "http.tokens: scope: %q: write read, which looks, or sync, which has turns made as well", t.Scope)
	}
}

// TLS is a certificate with its key, both in PEM. They are read again when they
// change.
type TLS struct {
	Cert string     `yaml:"cert"`
	Key  Credential `yaml:"key"`
}

// opened tells that there is something for which the agent is to listen.
func (s *Settings) opened() bool {
	return s.Hooks.Token != (Credential{}) || len(s.HTTP.Tokens) > 0 || len(s.HTTP.Webhooks.Secrets) > 0 || s.HTTP.Metrics != ""
}

// checkHTTP looks at the listener, and at what is to be asked by it.
func (s *Settings) checkHTTP(say complaint) {
	h := s.HTTP
	if h.Metrics != "" && h.Metrics != MetricsOpen {
		say("http.metrics", "http.metrics: %q: write open, which tells them to everybody, or take it out: then a token of http.tokens opens them", h.Metrics)
	}
	for i, t := range h.Tokens {
		t.check(fmt.Sprintf("http.tokens.%d", i), say)
	}
	h.Webhooks.check(say)
	if (h.TLS.Cert == "") != (h.TLS.Key == Credential{}) {
		say("http.tls", "http.tls takes both: write cert: FILE and key: FILE")
	}
	switch {
	case h.Listen == "" && s.Hooks.Token != (Credential{}):
		say("hooks", "http.listen is missing: write http: {listen: \"127.0.0.1:9000\"}, or take hooks out")
		return
	case h.Listen == "" && s.opened():
		say("http", "http.listen is missing: write listen: 127.0.0.1:9000, or take http out")
		return
	case h.Listen == "":
		if h.TLS != (TLS{}) {
			say("http", "http.listen is missing: write listen: 127.0.0.1:9000, or take http out")
		}
		return
	case !s.opened():
		say("http", "http.listen opens a port at which nobody is answered: write hooks: {token: FILE} (`agent bootstrap` makes one), or under http one of tokens: [{token: FILE, scope: read}], webhooks: {secrets: [FILE]} and metrics: open, or take http out")
	}
	host, port, err := net.SplitHostPort(h.Listen)
	addr, ipErr := netip.ParseAddr(host)
	_, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil, portErr != nil, ipErr != nil && host != "" && host != "localhost":
		say("http.listen", "http.listen: %q: write an IP address of this machine and a port, as in 127.0.0.1:9000", h.Listen)
	case h.TLS.Cert == "" && host != "localhost" && !addr.IsLoopback():
		say("http.listen", "http.listen: others reach %s over the network, where tokens would go in clear: add tls: {cert: FILE, key: FILE}, or listen on 127.0.0.1", h.Listen)
	}
}
