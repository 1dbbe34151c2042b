package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
)

// TestManifestsCannotNameTheIdentity tries each way in which a manifest could have the
// agent read the identity that agent.yaml names; the agent itself reads it.
func TestManifestsCannotNameTheIdentity(t *testing.T) {
	const value = "AGE-SECRET-KEY-1TEST"
	dir := t.TempDir()
	file, link := filepath.Join(dir, "identity"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, link); err != nil {
		t.Fatal(err)
	}
	environ := func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return dir
		}
		return ""
	}
	none := func(string) string { return "" }
	byFile := &config.Settings{SecretFiles: []string{dir}, Identity: config.Credential{File: file}}
	byName := &config.Settings{SecretFiles: []string{dir}, Identity: config.Credential{Secret: "identity"}, Secrets: map[string]string{"identity": file}}
	for what, read := range map[string]func() ([]byte, error){
		"a name of agent.yaml's":      func() ([]byte, error) { return byName.NamedSecret("identity", none) },
		"a name of systemd's":         func() ([]byte, error) { return byName.NamedSecret("identity", environ) },
		"a credential":                func() ([]byte, error) { return byName.DocumentCredential("x", "identity", environ) },
		"a file":                      func() ([]byte, error) { return byFile.DocumentFile("x", file) },
		"a file by another name":      func() ([]byte, error) { return byFile.DocumentFile("x", link) },
		"a file that agent.yaml maps": func() ([]byte, error) { return byName.DocumentFile("x", file) },
	} {
		got, err := read()
		if err == nil || !strings.Contains(err.Error(), "manifests may not name") || strings.Contains(err.Error(), value) || len(got) > 0 {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for _, s := range []*config.Settings{byFile, byName} {
		if got, err := s.Read(s.Identity, none); err != nil || string(got) != value {
			t.Errorf("the agent's own: %q, %v", got, err)
		}
	}
}
