package config_test

import (
	"path/filepath"
	"testing"
)

func TestWebhooks(t *testing.T) {
	const start = "repository: {url: /srv/fleet}\nstate: s\n"
	for _, row := range []struct{ text, want string }{
		{"http: {listen: '127.0.0.1:9000', webhooks: {secrets: [a, {secret: b}]}}", ""},
		{"http: {listen: '127.0.0.1:9000', webhooks: {secrets: [a], repositories: [home/fleet]}}", ""},
		{"http:\n  webhooks: {secrets: [a]}", "agent.yaml:3: http.listen is missing"},
		{"http:\n  listen: '127.0.0.1:9000'\n  webhooks: {repositories: [home/fleet]}", "agent.yaml:5: http.webhooks.secrets is missing, and without one nobody is believed"},
		{"http:\n  listen: '127.0.0.1:9000'\n  webhooks:\n    secrets:\n      - a\n      - a", "agent.yaml:8: http.webhooks.secrets: "},
		{"http: {listen: '127.0.0.1:9000', webhooks: {secrets: [a], repositories: ['https://forge/home/fleet']}}", "write it as the forge calls it, as in home/fleet"},
		{"http: {listen: '127.0.0.1:9000', webhooks: {secrets: [a], repositories: [fleet]}}", "write it as the forge calls it"},
		{"http: {listen: '127.0.0.1:9000', webhooks: {secrets: a}}", `"a" does not fit here`},
		{"http: {listen: '127.0.0.1:9000', webhooks: {secret: a}}", `unknown field "secret": write one of secrets, repositories`},
	} {
		file := write(t, "agent.yaml", start+row.text, 0o600)
		if s := checked(t, file, row.text, row.want); s != nil {
			if got := s.HTTP.Webhooks.Secrets[0].File; got != filepath.Join(filepath.Dir(file), "a") {
				t.Errorf("the secret is in %s", got)
			}
		}
	}
}
