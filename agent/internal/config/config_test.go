package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/config"
)

func none(string) string { return "" }

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFileEnvironmentAndDefaults(t *testing.T) {
	file := write(t, "agent.yaml", "repository: {url: https://git.example.com/fleet.git, token: git-token}\nstate: state\npoll: 30s\nsecrets: {pve: tokens/pve}\n", 0o600)
	env := map[string]string{"BERTH_BRANCH": "prod", "BERTH_SWEEP": "1h"}
	s, err := config.Load(file, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	for what, pair := range map[string][2]string{
		"branch, from the environment": {s.Repository.Branch, "prod"},
		"token, beside the file":       {s.Repository.Token, filepath.Join(dir, "git-token")},
		"state, beside the file":       {s.State, filepath.Join(dir, "state")},
		"secret, beside the file":      {s.Secrets["pve"], filepath.Join(dir, "tokens/pve")},
		"socket, by default":           {s.Socket, "/run/berth/agent.sock"},
		"poll, from the file":          {time.Duration(s.Poll).String(), "30s"},
		"sweep, from the environment":  {time.Duration(s.Sweep).String(), "1h0m0s"},
		"log format, by default":       {s.Log.Format, "auto"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if err := s.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"repositry: x\n", `agent.yaml:1: unknown field "repositry": write one of repository, state, socket, socketGroup, poll, sweep, sweepAt, secrets, secretFiles, identity, http, hooks, notify, forge, journal, log`},
		{"state: s\nrepository: /srv/repo\n", `agent.yaml:2: "/srv/repo" does not fit here: write a map of url, branch, path, token, ca, ssh, allowRewrite`},
		{"repository: {allowRewrite: maybe}\n", `agent.yaml:1: "maybe" does not fit here: write true or false`},
		{"secrets: x\n", `agent.yaml:1: "x" does not fit here: write a map, as in {pve: /etc/berth/pve-token}`},
		{"state: s\npoll: 5\n", `agent.yaml:2: "5" is no interval: write 30s, 10m or 1d`},
		{"state: s\njournal: {maxSize: 1G}\n", `agent.yaml:2: "1G": write 1GiB`},
		{"journal: {kep: 1}\n", `agent.yaml:1: unknown field "kep": write one of keep, keepFor, keepFailures, maxSize, history`},
		{"state: a\n---\nstate: b\n", "one document is enough"},
		{"repository: [\n", "agent.yaml:1: "},
	} {
		_, err := config.Load(write(t, "agent.yaml", row.text, 0o600), none)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "agent.yaml") {
			t.Errorf("%q: got %v, want the file's name and %q", row.text, err, row.want)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "absent.yaml"), none); err == nil {
		t.Error("a file that was asked for and is missing must be an error")
	}
	s, err := config.Load(write(t, "agent.yaml", "log: {format: xml, level: loud}\n", 0o600), none)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Check()
	for _, want := range []string{"repository.url is missing", `log.format: "xml"`, `log.level: "loud"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check: got %v, want %q among it", err, want)
		}
	}
}

func TestSecret(t *testing.T) {
	open := write(t, "open", "s3cret\n", 0o644)
	closed := write(t, "closed", "s3cret\n", 0o600)
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "both"), []byte("from systemd"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &config.Settings{Secrets: map[string]string{"open": open, "closed": closed, "both": closed, "gone": closed + "x"}}
	env := func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return credentials
		}
		return ""
	}
	for name, want := range map[string]string{"closed": "s3cret", "both": "from systemd"} {
		if got, err := s.Secret(name, env); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"open": "run chmod o-rwx on it", "gone": "write it, or correct `secrets`", "unknown": "add `secrets: {unknown: FILE}`", "../closed": "not a plain name",
	} {
		_, err := s.Secret(name, env)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}

func TestDocumentSecrets(t *testing.T) {
	allowed, outside := t.TempDir(), write(t, "outside", "s3cret\n", 0o600)
	inside := filepath.Join(allowed, "pve")
	if err := os.WriteFile(inside, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(allowed, "open"), []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(allowed, "link")); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		return map[string]string{"CREDENTIALS_DIRECTORY": allowed, "BERTH_SECRET_PVE": "s3cret", "HOME": "s3cret"}[name]
	}
	s := &config.Settings{SecretFiles: []string{allowed}}
	file := func(path string) func() ([]byte, error) {
		return func() ([]byte, error) { return s.DocumentFile("x", path) }
	}
	credential := func(name string) func() ([]byte, error) {
		return func() ([]byte, error) { return s.DocumentCredential("x", name, env) }
	}
	variable := func(name string) func() ([]byte, error) {
		return func() ([]byte, error) { return s.DocumentEnv("x", name, env) }
	}
	for what, c := range map[string]struct {
		read func() ([]byte, error)
		want string
	}{
		"inside":             {file(inside), ""},
		"outside":            {file(outside), "where manifests may point: move it there, or add its directory to `secretFiles`"},
		"a link out":         {file(filepath.Join(allowed, "link")), "where manifests may point"},
		"up and out":         {file(allowed + "/../" + filepath.Base(filepath.Dir(outside)) + "/outside"), "where manifests may point"},
		"not there":          {file(filepath.Join(allowed, "none")), "there is no file"},
		"open":               {file(filepath.Join(allowed, "open")), "chmod o-rwx"},
		"the directory":      {file(allowed), "where manifests may point"},
		"credential":         {credential("pve"), ""},
		"no credential":      {credential("none"), "LoadCredential=none:FILE"},
		"credential outside": {credential("../x"), "no plain name"},
		"variable":           {variable("BERTH_SECRET_PVE"), ""},
		"another variable":   {variable("HOME"), "begin with BERTH_SECRET_ only"},
		"no variable":        {variable("BERTH_SECRET_X"), "has no BERTH_SECRET_X"},
	} {
		got, err := c.read()
		switch {
		case c.want == "" && (err != nil || string(got) != "s3cret"):
			t.Errorf("%s: got %q, %v", what, got, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", what, err, c.want)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error holds the secret: %v", what, err)
		}
	}
}
