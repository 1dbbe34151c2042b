package secrets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
	"berth/agent/internal/secrets"
)

// TestIdentityIsCheckedEarly tells of one that can't be used where it stands in agent.yaml
// and what to do, and never what it holds.
func TestIdentityIsCheckedEarly(t *testing.T) {
	dir := t.TempDir()
	key := newIdentity(t).key.String()
	credentials := func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return filepath.Join(dir, "credentials")
		}
		return ""
	}
	none := func(string) string { return "" }
	for name, text := range map[string]string{"good": key, "open": key, "none": "s3cret\n", "credentials/age": key, "credentials/other": "s3cret\n"} {
		mode := os.FileMode(0o600)
		if name == "open" {
			mode = 0o644
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		identity string
		env      func(string) string
		want     string // "" is that nothing is wrong
	}{
		{"good", none, ""},
		{"{secret: age}", credentials, ""},
		{"{secret: mapped}", none, ""},
		{"absent", none, "there is no file " + dir + "/absent: write it there, or have `agent bootstrap` make it"},
		{"open", none, "open: mode 0644 lets every user of this machine at it; run chmod o-rwx on it"},
		{"none", none, "none holds no identity: write what age-keygen prints"},
		{"credentials", none, "credentials: not a regular file"},
		{"{secret: age}", none, `secret "age": neither a systemd credential nor in ` + "`secrets`"},
		{"{secret: other}", credentials, `secret "other"` + " holds no identity: write what age-keygen prints"},
		{"{secret: lost}", none, "there is no file " + dir + "/lost: write it, or correct `secrets`"},
	} {
		file := filepath.Join(dir, "agent.yaml")
		if err := os.WriteFile(file, []byte("repository: {url: x}\nsecrets: {mapped: good, lost: lost}\nidentity: "+c.identity+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, err := config.Load(file, none)
		if err != nil {
			t.Fatal(err)
		}
		got := secrets.CheckIdentity(settings, c.env)
		switch {
		case c.want == "" && got != nil, c.want != "" && (got == nil || !strings.HasPrefix(got.Error(), file+":3: identity: ") || !strings.Contains(got.Error(), c.want)):
			t.Errorf("identity: %s: %v, want %q", c.identity, got, c.want)
		case got != nil && strings.Contains(got.Error(), "s3cret"):
			t.Errorf("identity: %s: it is told: %v", c.identity, got)
		}
	}
	if err := secrets.CheckIdentity(&config.Settings{}, none); err != nil {
		t.Errorf("no identity: %v", err)
	}
}
