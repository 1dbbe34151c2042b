package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Webhooks are what forges may send when somebody pushes.
type Webhooks struct {
	// Secrets are what they sign it with, each a file, or {secret: NAME}, of at least 16
	// bytes. Any of them is taken, so that a new one comes before the former goes.
	Secrets []Credential `yaml:"secrets"`
	// Repositories are what else the forge calls the repository, as OWNER/NAME, where
	// repository.url does not tell: that of which it is a mirror.
	Repositories []string `yaml:"repositories"`
}

// within takes relative files as relative to dir.
func (w *Webhooks) within(dir string) {
	for i := range w.Secrets {
		w.Secrets[i].File = within(dir, w.Secrets[i].File)
	}
}

func (w Webhooks) check(say complaint) {
	if len(w.Secrets) == 0 && len(w.Repositories) > 0 {
		say("http.webhooks", "http.webhooks.secrets is missing, and without one nobody is believed: write random text into a file (openssl rand -hex 32 makes some), and secrets: [FILE]")
	}
	known := make(map[Credential]bool)
	for i, c := range w.Secrets {
		if known[c] {
			say(fmt.Sprintf("http.webhooks.secrets.%d", i), "http.webhooks.secrets: %s stands there twice: take one out", c)
		}
		known[c] = true
	}
	for i, name := range w.Repositories {
		if strings.Contains(name, "://") || !strings.Contains(name, "/") || filepath.IsAbs(name) {
			say(fmt.Sprintf("http.webhooks.repositories.%d", i), "http.webhooks.repositories: %q: write it as the forge calls it, as in home/fleet", name)
		}
	}
}
