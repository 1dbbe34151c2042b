//go:build linux

package deploy_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// TestSecretScanFindsWhatIsPlanted leaks a secret in each way that the stories of
// configuration are watched for, and finds each; and nothing else.
func TestSecretScanFindsWhatIsPlanted(t *testing.T) {
	const secret = `hunter2/"Zürich"+4711`
	quoted := base64.StdEncoding.EncodeToString([]byte("some text before " + secret + " and some after"))
	network := standin.Net(t)
	c := &canaries{values: make(map[string]string), told: make(map[string]bool)}
	c.add("the token", secret)

	// A command line and an environment.
	for _, words := range [][]string{{"tail", "-F", "/dev/null", secret}, {"env", "TOKEN=" + secret, "sleep", "61"}} {
		cmd := network.Command(t.Context(), words[0], words[1:]...)
		standin.Daemon(t, cmd)
	}
	eventually(t, 10*time.Second, "both processes are seen", func() error {
		c.processes(network)
		c.mu.Lock()
		defer c.mu.Unlock()
		found := strings.Join(slices.Sorted(maps.Keys(c.told)), "\n")
		if !strings.Contains(found, "the command line tail") || !strings.Contains(found, "the environment of sleep 61") {
			return fmt.Errorf("found: %s", found)
		}
		return nil
	})

	// What was left behind: each file leaks in another form, and none of the last does.
	dir := t.TempDir()
	world := &configured{world: &world{agent: &agent{dir: dir}, clone: &clone{dir: t.TempDir()}}, canaries: c}
	leaks := map[string]string{
		"state/journal/turn.json": `{"text": "hunter2/\"Zürich\"+4711"}`,
		"state/journal/turn.log":  "before " + secret + " after",
		"state/broken.log":        "before hunter2/\"Zür\n    ich\"+4711 after",
		"state/hex":               hex.EncodeToString([]byte(secret)),
		"state/wire":              "a=1&token=hunter2%2F%22Z%C3%BCrich%22%2B4711",
		"state/basic":             "Basic " + quoted,
		"state/mail":              quoted[:30] + "\n" + quoted[30:],
		"tmp/left":                secret,
	}
	harmless := map[string]string{"git-token": secret, "secrets/token": secret, "state/other.log": "(secret) hunter2 4711"}
	for i := range 10 {
		harmless[fmt.Sprintf("state/%d", i)] = "nothing"
	}
	for _, files := range []map[string]string{leaks, harmless} {
		for name, text := range files {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.mu.Lock()
	c.told = make(map[string]bool)
	c.mu.Unlock()
	world.leftBehind(t)
	for name := range leaks {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(c.told)), func(where string) bool { return strings.HasPrefix(where, "the file "+name+" holds") }) {
			t.Errorf("what leaks in %s is not found", name)
		}
	}
	for where := range c.told {
		file, _, _ := strings.Cut(strings.TrimPrefix(where, "the file "), " holds")
		if _, planted := leaks[file]; !planted {
			t.Errorf("found where nothing was planted: %s", where)
		}
	}
}
