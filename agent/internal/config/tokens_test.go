package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
)

func TestTokens(t *testing.T) {
	const start = "repository: {url: /srv/fleet}\nstate: s\n"
	file := write(t, "agent.yaml", start+"http: {listen: '127.0.0.1:9000', tokens: [{token: read-token, scope: read}, {token: {secret: sync}, scope: sync}]}\n", 0o600)
	s, err := config.Load(file, none)
	if err == nil {
		err = s.Check()
	}
	if err != nil || s.HTTP.Tokens[0].Token.File != filepath.Join(filepath.Dir(file), "read-token") || s.HTTP.Tokens[1].Token.Secret != "sync" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, row := range []struct{ text, want string }{
		{"http:\n  tokens: [{token: t, scope: read}]", "agent.yaml:3: http.listen is missing: write listen: 127.0.0.1:9000"},
		{"http:\n  listen: '127.0.0.1:9000'\n  tokens:\n  - scope: read", "agent.yaml:6: http.tokens: token is missing: write token: FILE"},
		{"http:\n  listen: '127.0.0.1:9000'\n  tokens:\n  - {token: t}", `agent.yaml:6: http.tokens: scope: "": write read, which looks, or sync`},
		{"http:\n  listen: '127.0.0.1:9000'\n  tokens:\n  - {token: t, scope: unlock}", `scope: "unlock": write read, which looks, or sync`},
		{"http:\n  listen: '0.0.0.0:9000'\n  tokens: [{token: t, scope: read}]", "others reach 0.0.0.0:9000 over the network, where tokens would go in clear"},
	} {
		s, err := config.Load(write(t, "agent.yaml", start+row.text+"\n", 0o600), none)
		if err == nil {
			err = s.Check()
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: got %v, want %q", row.text, err, row.want)
		}
	}
	_, err = config.Load(write(t, "agent.yaml", start+"http: {tokens: [{token: [hunter2]}]}\n", 0o600), none)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a token in the file: %v", err)
	}
}
