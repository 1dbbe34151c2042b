// Package config is the host's own settings, agent.yaml: which repository, with
// what credentials, and where the agent keeps what it must.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"berth/desired"
)

// Settings is agent.yaml. Relative paths in it are relative to its own
// directory.
type Settings struct {
	Repository Repository `yaml:"repository"`
	// State is the directory of the clone, the journal and the known hosts (see
	// [SSH] for the repository's, which are in known_hosts).
	State string `yaml:"state"`
	// Socket is the Unix socket by which commands reach the running agent.
	Socket string `yaml:"socket"`
	// SocketGroup is the group whose members may ask by it beside the agent's own user,
	// as a name or a number; "" is nobody else.
	SocketGroup string `yaml:"socketGroup"`
	// Poll is how often the repository is asked for a new commit, and each site,
	// cheaply, for changes; Sweep how often everything is compared although neither
	// tells of any.
	Poll  Interval `yaml:"poll"`
	Sweep Interval `yaml:"sweep"`
	// SweepAt is when everything is compared besides.
	SweepAt []SweepAt `yaml:"sweepAt"`
	// Secrets name files that hold what manifests refer to; systemd credentials
	// of the same name come first.
	Secrets map[string]string `yaml:"secrets"`
	// SecretFiles are the directories in which the files of Secret documents may
	// lie: who can push must not have the agent read any file of the host.
	SecretFiles []string `yaml:"secretFiles"`
	// Identity is an age identity that is never locked: a file, or {secret: NAME}.
	// Without, the agent's own is made by `agent bootstrap` and opened by a passphrase.
	Identity Credential `yaml:"identity"`
	// HTTP is where other machines may ask the agent, Hooks what callers of a control
	// node may ask there.
	HTTP  HTTP  `yaml:"http"`
	Hooks Hooks `yaml:"hooks"`
	// Notify is who is told of what people should know.
	Notify []Notify `yaml:"notify"`
	// Forge is told how commits fare.
	Forge Forge `yaml:"forge"`
	// Journal is how much is kept of what was done.
	Journal Journal `yaml:"journal"`
	Log     Log     `yaml:"log"`
	// File is where the settings were read from; "" if there was no file.
	File string `yaml:"-"`

	lines map[string]int // of File, by dotted path
}

// Repository is where the manifests come from.
type Repository struct {
	URL    string `yaml:"url"`
	Branch string `yaml:"branch"`
	// Path is the directory of the manifests within the repository.
	Path string `yaml:"path"`
	// Token is a file that holds the token for an HTTP(S) remote; CA one that
	// holds the authorities to judge it by.
	Token string `yaml:"token"`
	CA    string `yaml:"ca"`
	// SSH is how an SSH remote is reached.
	SSH SSH `yaml:"ssh"`
	// AllowRewrite takes a history that no longer holds the last accepted commit.
	AllowRewrite bool `yaml:"allowRewrite"`
	// Verify says which commits must be signed, and by whom.
	Verify Verify `yaml:"verify"`
}

// Log is how the agent logs.
type Log struct {
	// Format is auto, text, json or journal (see package logs), Level debug, info, warn
	// or error.
	Format string `yaml:"format"`
	Level  string `yaml:"level"`
}

// Interval is a length of time, written as in manifests: "30s", "10m", "1d"; or
// with ms.
type Interval time.Duration

// UnmarshalText reads an interval.
func (i *Interval) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		var days desired.Duration
		days, err = desired.ParseDuration(string(text))
		d = time.Duration(days)
	}
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no interval: write 30s, 10m or 1d", text)
	}
	*i = Interval(d)
	return nil
}

// UnmarshalYAML reads an interval, and tells where it stands if it is none.
func (i *Interval) UnmarshalYAML(node *yaml.Node) error {
	if err := i.UnmarshalText([]byte(node.Value)); err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	return nil
}

// Default is where the settings are unless a flag or BERTH_CONFIG says.
const Default = "/etc/berth/agent.yaml"

// variables are the settings that the environment may give, over the file.
var variables = []struct {
	name string
	set  func(*Settings, string) error
}{
	{"BERTH_URL", func(s *Settings, v string) error { s.Repository.URL = v; return nil }},
	{"BERTH_BRANCH", func(s *Settings, v string) error { s.Repository.Branch = v; return nil }},
	{"BERTH_PATH", func(s *Settings, v string) error { s.Repository.Path = v; return nil }},
	{"BERTH_TOKEN_FILE", func(s *Settings, v string) error { s.Repository.Token = v; return nil }},
	{"BERTH_SSH_KEY_FILE", func(s *Settings, v string) error { s.Repository.SSH.Key = Credential{File: v}; return nil }},
	{"BERTH_SSH_KNOWN_HOSTS", func(s *Settings, v string) error { s.Repository.SSH.KnownHosts = v; return nil }},
	{"BERTH_STATE", func(s *Settings, v string) error { s.State = v; return nil }},
	{"BERTH_SOCKET", func(s *Settings, v string) error { s.Socket = v; return nil }},
	{"BERTH_POLL", func(s *Settings, v string) error { return s.Poll.UnmarshalText([]byte(v)) }},
	{"BERTH_SWEEP", func(s *Settings, v string) error { return s.Sweep.UnmarshalText([]byte(v)) }},
	{"BERTH_LOG_FORMAT", func(s *Settings, v string) error { s.Log.Format = v; return nil }},
	{"BERTH_LOG_LEVEL", func(s *Settings, v string) error { s.Log.Level = v; return nil }},
}

// Load reads the settings from file, then from the environment, and fills in
// the defaults. A file that is missing is an error only if it was asked for:
// an empty file name means [Default], if it is there.
func Load(file string, environ func(string) string) (*Settings, error) {
	s := &Settings{}
	asked := file != ""
	if !asked {
		if file = environ("BERTH_CONFIG"); file != "" {
			asked = true
		} else {
			file = Default
		}
	}
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := s.parse(file, text); err != nil {
			return nil, err
		}
	case asked || !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	for _, v := range variables {
		if value := environ(v.name); value != "" {
			if err := v.set(s, value); err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	s.defaults()
	return s, nil
}

func (s *Settings) parse(file string, text []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return mistakes(file, err)
	}
	if err := dec.Decode(new(Settings)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: one document is enough: take the second out", file)
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	s.File, s.lines = abs, linesOf(text)
	dir := filepath.Dir(abs)
	if url := s.Repository.URL; !strings.Contains(url, ":") {
		s.Repository.URL = within(dir, url) // A directory.
	}
	ssh := &s.Repository.SSH
	tls := &s.HTTP.TLS
	for _, p := range []*string{
		&s.State, &s.Socket, &s.Repository.Token, &s.Repository.CA, &s.Forge.Token.File, &s.Forge.CA, &ssh.Key.File,
		&s.Identity.File, &tls.Cert, &tls.Key.File, &s.Hooks.Token.File,
	} {
		*p = within(dir, *p)
	}
	if !isMode(ssh.KnownHosts) {
		ssh.KnownHosts = within(dir, ssh.KnownHosts)
	}
	for i := range s.HTTP.Tokens {
		s.HTTP.Tokens[i].Token.File = within(dir, s.HTTP.Tokens[i].Token.File)
	}
	s.HTTP.Webhooks.within(dir)
	s.Repository.Verify.within(dir)
	for i := range s.Notify {
		n := &s.Notify[i]
		n.Secret.File, n.Service.File = within(dir, n.Secret.File), within(dir, n.Service.File)
	}
	for name, path := range s.Secrets {
		s.Secrets[name] = within(dir, path)
	}
	for i, path := range s.SecretFiles {
		s.SecretFiles[i] = within(dir, path)
	}
	return nil
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func (s *Settings) defaults() {
	set := func(p *string, value string) {
		if *p == "" {
			*p = value
		}
	}
	set(&s.Repository.Branch, "main")
	set(&s.State, "/var/lib/berth")
	set(&s.Socket, "/run/berth/agent.sock")
	set(&s.Log.Format, "auto")
	set(&s.Log.Level, "info")
	s.Log.Format, s.Log.Level = strings.ToLower(s.Log.Format), strings.ToLower(s.Log.Level)
	if s.Poll == 0 {
		s.Poll = Interval(time.Minute)
	}
	if s.Sweep == 0 {
		s.Sweep = Interval(10 * time.Minute)
	}
	s.Journal.defaults()
	if s.SecretFiles == nil {
		s.SecretFiles = []string{"/etc/berth/secrets"}
	}
}

// Check tells what must be mended before the agent can work. It looks at
// nothing outside.
func (s *Settings) Check() error {
	var wrong []error
	say := func(field, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: "+format, append([]any{s.at(field)}, args...)...))
	}
	switch {
	case s.Repository.URL == "" && s.File == "":
		wrong = append(wrong, fmt.Errorf("there is no %s: write it, name another by --config or BERTH_CONFIG, or set BERTH_URL", Default))
	case s.Repository.URL == "":
		say("repository", "repository.url is missing: write where the manifests are, or set BERTH_URL")
	}
	if s.Repository.SSH.KnownHosts == "file" {
		say("repository.ssh.knownHosts", "repository.ssh.knownHosts: file: no file of another user's is read: name one, or write strict or learn")
	}
	s.checkSweepAt(say)
	s.Repository.Verify.check(say)
	s.checkHTTP(say)
	s.checkForge(say)
	s.checkNotify(say)
	s.Journal.check(say)
	switch s.Log.Format {
	case "auto", "text", "json", "journal":
	default:
		say("log.format", "log.format: %q: write auto, text, json or journal", s.Log.Format)
	}
	switch s.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		say("log.level", "log.level: %q: write debug, info, warn or error", s.Log.Level)
	}
	return errors.Join(wrong...)
}
