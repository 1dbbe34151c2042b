//go:build linux

package deploy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// canaries are the secrets of a world. While it lasts the command lines and the
// environments of all its processes are watched for them, and at its end all that was
// printed, logged, written down or left behind is searched.
type canaries struct {
	mu     sync.Mutex
	values map[string]string // What a secret is called, by its value or a form of it.
	told   map[string]bool   // Where one was seen, once each.
	seen   int               // How many processes were looked at.
	texts  []saidText
	known  map[judged]bool // What was looked at: processes are, all the time.
}

// judged is a text in its place, looked at for so many values.
type judged struct {
	text   [sha256.Size]byte
	values int
}

type saidText struct{ by, text string }

// watchSecrets begins the watch.
func watchSecrets(t *testing.T, network *standin.Network) *canaries {
	t.Helper()
	c := &canaries{values: make(map[string]string), told: make(map[string]bool)}
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			c.processes(network)
			select {
			case <-stop:
				return
			case <-time.After(15 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-over
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.seen == 0 || len(c.values) == 0 {
			t.Errorf("%d processes were looked at for %d secrets: this watch sees nothing", c.seen, len(c.values))
		}
		for _, said := range c.texts {
			c.judge(said.by, []byte(said.text))
		}
		for _, where := range slices.Sorted(maps.Keys(c.told)) {
			t.Error(where)
		}
	})
	return c
}

// add names a secret's value. Lines of one that has several count each.
func (c *canaries) add(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if len(line) < 8 || strings.HasPrefix(line, "-----") {
			continue
		}
		for form, how := range spelt(line) {
			c.values[form] = name + how
		}
	}
}

// spelt lists the forms in which programs write a text.
func spelt(text string) map[string]string {
	forms := map[string]string{
		hex.EncodeToString([]byte(text)): " in hex", strings.ToUpper(hex.EncodeToString([]byte(text))): " in hex",
		url.QueryEscape(text): " as a URL has it", url.PathEscape(text): " as a URL has it",
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Something may stand before and after it, which shares some of the characters.
		for before := range 3 {
			form := enc.EncodeToString(append(make([]byte, before), text...))
			forms[form[[]int{0, 2, 3}[before]:len(form)-1]] = " in base64"
		}
	}
	if quoted, err := json.Marshal(text); err == nil {
		forms[string(quoted[1:len(quoted)-1])] = " as JSON has it"
	}
	forms[strings.ReplaceAll(text, "'", "''")] = " as YAML has it"
	forms[strings.ReplaceAll(text, "'", `'"'"'`)] = " as shells have it"
	forms[text] = ""
	return forms
}

// addKey names a private key by the lines that no other key has.
func (c *canaries) addKey(t *testing.T, name, key string) {
	t.Helper()
	file, _ := standin.ClientKey(t)
	other, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(key) {
		if !strings.Contains(string(other), strings.TrimSpace(line)) {
			c.add(name, line)
		}
	}
}

// said keeps what a command has printed.
func (c *canaries) said(by, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, saidText{by, text})
}

// judge looks for each secret in a text. c.mu is held.
func (c *canaries) judge(where string, text []byte) {
	this := judged{sha256.Sum256(append([]byte(where+"\x00"), text...)), len(c.values)}
	if c.known[this] {
		return
	}
	if c.known == nil {
		c.known = make(map[judged]bool)
	}
	c.known[this] = true
	// Long texts are broken into lines, and those indented.
	solid := bytes.Join(bytes.Fields(text), nil)
	for value, name := range c.values {
		if bytes.Contains(text, []byte(value)) || bytes.Contains(solid, []byte(value)) {
			c.told[where+" holds "+name] = true
		}
	}
}

// processes looks at the command line and the environment of each process in the
// node's network: the agent, and all that it starts.
func (c *canaries) processes(network *standin.Network) {
	var node syscall.Stat_t
	if err := syscall.Stat("/run/netns/"+network.Namespace(), &node); err != nil {
		return
	}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range entries {
		var net syscall.Stat_t
		if syscall.Stat(dir+"/ns/net", &net) != nil || net.Ino != node.Ino {
			continue
		}
		command, _ := os.ReadFile(dir + "/cmdline")
		words := bytes.ReplaceAll(command, []byte{0}, []byte{' '})
		if len(words) == 0 || bytes.HasPrefix(words, []byte("git ")) || bytes.Contains(words, []byte("/git-core/")) {
			continue // A person's own git, who gives the token to it.
		}
		environ, _ := os.ReadFile(dir + "/environ")
		c.mu.Lock()
		c.seen++
		c.judge("the command line "+string(words), command)
		c.judge("the environment of "+string(words), environ)
		c.mu.Unlock()
	}
}

// leftBehind searches all that an agent has written, but for where its operator has
// put the secrets, and the directories in which others might have left something.
func (c *configured) leftBehind(t *testing.T) {
	t.Helper()
	own := map[string]bool{}
	for _, name := range []string{"git-token", "pve-token", "ssh-key", "secrets", "identity"} {
		own[filepath.Join(c.agent.dir, name)] = true
	}
	searched := 0
	for _, root := range []string{c.agent.dir, c.clone.dir, "/dev/shm"} {
		err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // Another's, who is tidying up.
			case err != nil:
				return err
			case own[file] && entry.IsDir():
				return fs.SkipDir
			case own[file], !entry.Type().IsRegular(), strings.HasPrefix(file, filepath.Join(c.clone.dir, ".git")):
				return nil
			}
			if strings.HasPrefix(file, "/dev/shm/berth-") {
				return nil // A test's, that runs beside this one.
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return nil //nolint:nilerr // It has gone meanwhile.
			}
			searched++
			c.canaries.mu.Lock()
			defer c.canaries.mu.Unlock()
			c.canaries.judge("the file "+strings.TrimPrefix(file, c.agent.dir+"/"), text)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if searched < 10 {
		t.Errorf("only %d files were searched", searched)
	}
}
