package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
)

func TestSSHSettings(t *testing.T) {
	file := write(t, "agent.yaml", `
repository:
  url: git@git.example.com:ops/fleet.git
  ssh: {key: {secret: git-key}, passphrase: {secret: git-passphrase}, knownHosts: hosts}
state: state
`, 0o600)
	s, err := config.Load(file, none)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	ssh := s.Repository.SSH
	hosts, learns := s.KnownHosts()
	if s.Repository.URL != "git@git.example.com:ops/fleet.git" || ssh.Key.String() != `secret "git-key"` || ssh.Passphrase.Secret != "git-passphrase" ||
		hosts != filepath.Join(dir, "hosts") || learns {
		t.Errorf("settings are %+v, known hosts %s %v", s.Repository, hosts, learns)
	}
	for word, want := range map[string]bool{"": false, "strict": false, "learn": true} {
		s, err := config.Load(write(t, "agent.yaml", "repository: {url: ssh://git@h/x, ssh: {key: keys/git, knownHosts: "+word+"}}\nstate: state\n", 0o600), none)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(s.File)
		hosts, learns := s.KnownHosts()
		if hosts != filepath.Join(dir, "state", "known_hosts") || learns != want || s.Repository.SSH.Key.File != filepath.Join(dir, "keys/git") || s.Check() != nil {
			t.Errorf("%q: known hosts %s %v, key %s", word, hosts, learns, s.Repository.SSH.Key)
		}
	}
	env := map[string]string{"BERTH_SSH_KEY_FILE": "/run/key", "BERTH_SSH_KNOWN_HOSTS": "learn"}
	if s, err = config.Load(file, func(name string) string { return env[name] }); err != nil {
		t.Fatal(err)
	}
	if _, learns := s.KnownHosts(); s.Repository.SSH.Key.String() != "/run/key" || !learns {
		t.Errorf("from the environment: %+v", s.Repository.SSH)
	}
}

func TestSSHMistakes(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"repository:\n  ssh: {keys: x}\n", `agent.yaml:2: unknown field "keys": write one of key, passphrase, knownHosts`},
		{"repository:\n  ssh: /etc/key\n", `agent.yaml:2: "/etc/key" does not fit here: write a map of key, passphrase, knownHosts`},
		{"repository: {ssh: {key: [hunter2]}}\n", "agent.yaml:1: write a file, as in /etc/berth/git-key, or {secret: NAME}"},
		{"repository: {ssh: {key: {secrets: hunter2}}}\n", "agent.yaml:1: write a file"},
		{"repository: {ssh: {key: {secret: }}}\n", "agent.yaml:1: write a file"},
		{"repository:\n  ssh:\n    key: |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      hunter2\n", "agent.yaml:3: write a file, as in /etc/berth/git-key, or {secret: NAME}; never the secret itself"},
		{"repository: {ssh: {key: k, passphrase: hunter2}}\n", "agent.yaml:1: write {secret: NAME}; never the passphrase itself"},
	} {
		_, err := config.Load(write(t, "agent.yaml", row.text, 0o600), none)
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want %q", row.text, err, row.want)
		}
	}
	s, err := config.Load(write(t, "agent.yaml", "repository: {url: git@h:x, ssh: {key: k, knownHosts: file}}\n", 0o600), none)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "repository.ssh.knownHosts: file: ") {
		t.Errorf("Check: %v", err)
	}
}

func TestReadCredential(t *testing.T) {
	closed, open := write(t, "closed", "s3cret\n", 0o600), write(t, "open", "s3cret\n", 0o644)
	large := write(t, "large", strings.Repeat("s3cret\n", 1<<18), 0o600)
	s := &config.Settings{Secrets: map[string]string{"git-key": closed}}
	for _, c := range []config.Credential{{File: closed}, {Secret: "git-key"}} {
		if got, err := s.Read(c, none); err != nil || string(got) != "s3cret" {
			t.Errorf("%s: %q, %v", c, got, err)
		}
	}
	for _, row := range []struct {
		is   config.Credential
		want string
	}{
		{config.Credential{File: open}, "open: mode 0644 lets every user"},
		{config.Credential{File: closed + "x"}, "closedx: no such file"},
		{config.Credential{File: filepath.Dir(closed)}, "not a regular file"},
		{config.Credential{File: os.DevNull}, "not a regular file"},
		{config.Credential{File: large}, "larger than 1048576 bytes"},
		{config.Credential{Secret: "unknown"}, `secret "unknown": neither a systemd credential nor in`},
	} {
		if _, err := s.Read(row.is, none); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", row.is, err, row.want)
		}
	}
}
