package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
)

func TestHooks(t *testing.T) {
	file := write(t, "agent.yaml", `
repository: {url: https://git.example.com/fleet.git}
identity: keys/identity
http:
  listen: 0.0.0.0:9000
  tls: {cert: tls/cert.pem, key: {secret: tls-key}}
hooks: {token: hook-token}
notify: [{webhook: "https://chat.example.com/hook", secret: notify-key}, {webhook: "http://127.0.0.1:1/", secret: {secret: n}}]
`, 0o600)
	s, err := config.Load(file, none)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	dir := filepath.Dir(file)
	for what, pair := range map[string][2]string{
		"identity": {s.Identity.String(), filepath.Join(dir, "keys/identity")},
		"cert":     {s.HTTP.TLS.Cert, filepath.Join(dir, "tls/cert.pem")},
		"key":      {s.HTTP.TLS.Key.String(), `secret "tls-key"`},
		"token":    {s.Hooks.Token.String(), filepath.Join(dir, "hook-token")},
		"notify":   {s.Notify[0].Secret.String(), filepath.Join(dir, "notify-key")},
		"second":   {s.Notify[1].Secret.String(), `secret "n"`},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
}

func TestHookMistakes(t *testing.T) {
	const start = "repository: {url: /srv/fleet}\nstate: s\n"
	for _, row := range []struct{ text, want string }{
		{"http: {listen: '127.0.0.1:9000'}\nhooks: {token: t}", ""},
		{"http: {listen: 'localhost:9000'}\nhooks: {token: t}", ""},
		{"http: {listen: '[::1]:0'}\nhooks: {token: {secret: t}}", ""},
		{"http: {}\nhooks: {}", ""},
		{"hooks: {token: t}", "agent.yaml:3: http.listen is missing: write http: {listen: \"127.0.0.1:9000\"}"},
		{"http:\n  listen: '127.0.0.1:9000'", "agent.yaml:3: http.listen opens a port at which nobody is answered"},
		{"http:\n  tls: {cert: c, key: k}", "agent.yaml:3: http.listen is missing: write listen: 127.0.0.1:9000, or take http out"},
		{"hooks: {token: t}\nhttp:\n  listen: '10.0.0.5:9000'", "agent.yaml:5: http.listen: others reach 10.0.0.5:9000 over the network, where tokens would go in clear: add tls"},
		{"http: {listen: ':9000'}\nhooks: {token: t}", "others reach :9000 over the network"},
		{"http: {listen: '9000'}\nhooks: {token: t}", `http.listen: "9000": write an IP address`},
		{"http: {listen: 'agent.example.com:9000'}\nhooks: {token: t}", `write an IP address of this machine and a port`},
		{"http: {listen: '127.0.0.1:http'}\nhooks: {token: t}", `write an IP address of this machine and a port`},
		{"http: {listen: '127.0.0.1:90000'}\nhooks: {token: t}", `write an IP address of this machine and a port`},
		{"hooks: {token: t}\nhttp:\n  listen: '0.0.0.0:9000'\n  tls: {cert: c}", "agent.yaml:6: http.tls takes both: write cert: FILE and key: FILE"},
		{"notify: [{webhook: 'https://h/x'}]", "agent.yaml:3: notify: secret is missing, which signs what is sent"},
		{"notify:\n- secret: s", "agent.yaml:4: notify: webhook is missing"},
		{"notify: [{webhook: 'ftp://h/hunter2', secret: s}]", "agent.yaml:3: notify: webhook: write a URL that begins with https://"},
		{"notify: [{webhook: 'https://u:hunter2@h/', secret: s}]", "it holds a user or password"},
		{"notify: [{service: ntfy-url, name: phone, events: [failure, recovery], level: warning, resources: [vm/prod-*, site/home], remind: 1d, heartbeat: {at: '08:00', zone: Europe/Berlin}}]", ""},
		{"notify:\n- service: s\n  webhook: 'https://h/x'", "agent.yaml:4: notify: it is either a webhook or a service: make two of it"},
		{"notify:\n- service: s\n  secret: t", "agent.yaml:5: notify: secret: it signs what webhooks are sent"},
		{"notify:\n- service: ntfy://:hunter2@ntfy.sh/x", "agent.yaml:4: notify: service: write the URL into a file"},
		{"notify:\n- service: s\n  events:\n  - failure\n  - failures", "agent.yaml:7: notify: events: there is no event \"failures\": write some of change-applied, "},
		{"notify: [{service: s, events: [heartbeat]}]", "agent.yaml:3: notify: events: heartbeat comes at a time of the day: write heartbeat"},
		{"notify:\n- service: s\n  level: warn", `agent.yaml:5: notify: level: "warn": write info, warning or error`},
		{"notify: [{service: s, resources: ['vm/[']}]", `notify: resources: "vm/[": write a pattern`},
		{"notify: [{service: s, resources: [home]}]", `notify: resources: "home": write a pattern`},
		{"notify:\n- service: s\n  heartbeat: {at: 8}", `agent.yaml:5: notify: heartbeat: "8" is no time of the day`},
		{"notify:\n- service: s\n  heartbeat: {at: '08:00', zone: Berlin}", `agent.yaml:5: notify: heartbeat: "Berlin" is no time zone`},
		{"notify:\n- {service: s, name: a}\n- {service: t, name: a}", `agent.yaml:5: notify: name: there are two of the name "a"`},
		{"notify: [{service: s, name: 'a b'}]", `notify: name: "a b": write a word`},
	} {
		s, err := config.Load(write(t, "agent.yaml", start+row.text+"\n", 0o600), none)
		if err != nil {
			t.Errorf("%q: %v", row.text, err)
			continue
		}
		err = s.Check()
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%q: got %v, want %q", row.text, err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error tells the URL: %v", row.text, err)
		}
	}
	for _, row := range []struct{ text, want string }{
		{"hooks: {port: 1}", `unknown field "port": write one of token`},
		{"http: {port: 1}", `unknown field "port": write one of listen, tls, tokens`},
		{"http: {tls: {file: x}}", `unknown field "file": write one of cert, key`},
		{"notify: [{url: x}]", `unknown field "url": write one of name, webhook, secret, service, events, level, resources, remind, heartbeat`},
		{"notify: [{service: s, remind: soon}]", `"soon" is no interval: write 30s, 10m or 1d`},
		{"notify: [{service: s, heartbeat: '08:00'}]", `"08:00" does not fit here: write a map of at, zone`},
		{"notify: [{service: s, heartbeat: {time: x}}]", `unknown field "time": write one of at, zone`},
		{"notify: [{service: [hunter2]}]", "never the secret itself"},
		{"notify: x", `"x" does not fit here: write a list, each a map of name, webhook, secret, service, events, level, resources, remind, heartbeat`},
		{"hooks: {token: [hunter2]}", "never the secret itself"},
		{"identity: {passphrase: hunter2}", "never the secret itself"},
	} {
		_, err := config.Load(write(t, "agent.yaml", start+row.text+"\n", 0o600), none)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "agent.yaml:3") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want agent.yaml:3 and %q", row.text, err, row.want)
		}
	}
}
