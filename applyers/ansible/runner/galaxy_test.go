package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// galaxy puts a script in ansible-galaxy's place.
func galaxy(t *testing.T, b *bench, script string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ansible-galaxy")
	text := "#!/bin/sh\n[ $1 = --version ] && { echo version 1; exit; }\nINTO=$6\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	b.Galaxy = path
	b.file("requirements.yml", "roles: [{src: https://example.com/a.git, name: a}]\ncollections: [b.c]\n")
	b.Requirements = []string{"ansible/requirements.yml"}
}

func TestGalaxyOnce(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	b := newBench(t, fake(t, "env | grep _PATH= >> "+log+"; well"))
	galaxy(t, b, "echo $* | sed \"s#[^ ]*/##g\" >> "+log+"; mkdir -p $INTO/x")
	b.good()
	b.good()
	text, _ := os.ReadFile(log)
	dirs, _ := filepath.Glob(filepath.Join(b.Cache, "*[^k]"))
	if len(dirs) != 1 {
		t.Fatalf("the cache has %q", dirs)
	}
	var have []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), dirs[0], "ENTRY")) {
		if name, _, _ := strings.Cut(line, "="); name == "ANSIBLE_LOG_PATH" || name == "ANSIBLE_CALLBACK_PLUGINS" {
			continue
		}
		have = append(have, strings.TrimSpace(line))
	}
	used := "ANSIBLE_COLLECTIONS_PATH=ENTRY/collections:~/.ansible/collections:/usr/share/ansible/collections ANSIBLE_ROLES_PATH=ENTRY/roles:~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"
	want := "role install -r requirements.yml -p roles collection install -r requirements.yml -p collections " + used + " " + used
	if got := sortedPairs(have); got != want {
		t.Errorf("it ran\n%s\nwant\n%s", got, want)
	}
	for _, sub := range []string{"roles/x", "collections/x"} {
		if _, err := os.Stat(filepath.Join(dirs[0], sub)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "tmp")); err == nil {
		t.Error("temporary files are kept")
	}
}

// sortedPairs puts each two lines of the environment into order.
func sortedPairs(lines []string) string {
	for i := 2; i+1 < len(lines); i += 2 {
		if lines[i] > lines[i+1] {
			lines[i], lines[i+1] = lines[i+1], lines[i]
		}
	}
	return strings.Join(lines, " ")
}

func TestGalaxyFaults(t *testing.T) {
	for _, test := range []struct {
		name, script string
		set          func(b *bench)
		want         string
	}{
		{"it fails", "mkdir $INTO; echo 'ERROR! Could not find b.c'; exit 1", nil, "run ansible/base.yml: install ansible/requirements.yml: ansible-galaxy ended with 1: ERROR! Could not find b.c (asked for: a from https://example.com/a.git (line 1))"},
		{"it hangs", "mkdir $INTO; echo 'Cloning into a'; sleep 20", func(b *bench) { b.Fetch = 100 * time.Millisecond }, "run ansible/base.yml: install ansible/requirements.yml: it took longer than 100ms and was stopped; it was at: Cloning into a (a from https://example.com/a.git (line 1))"},
		{"it is killed", "mkdir $INTO; kill -9 $$", nil, "run ansible/base.yml: install ansible/requirements.yml: ansible-galaxy was killed (signal: killed): it said nothing (asked for: a from https://example.com/a.git (line 1))"},
		{"the run is over", "sleep 20", func(b *bench) { b.Timeout = 200 * time.Millisecond }, "run ansible/base.yml: it took longer than 200ms and was stopped (installing ansible/requirements.yml): raise its timeout, or find what it waits for"},
		{"not installed", "", func(b *bench) { b.Galaxy = "ansible-galaxy-of-nowhere" }, "run ansible/base.yml: install ansible/requirements.yml: ansible-galaxy-of-nowhere is not on the agent's host: install Ansible there (Debian: apt-get install ansible-core)"},
		{"no such file", "", func(b *bench) { b.Requirements = []string{"ansible/no.yml"} }, "run ansible/base.yml: read the requirements: open ansible/no.yml: file does not exist"},
		{"no YAML", "", func(b *bench) { b.file("requirements.yml", "a: [\n") }, "run ansible/base.yml: read the requirements ansible/requirements.yml: yaml: line 1: did not find expected node content"},
		{"a text", "", func(b *bench) { b.file("requirements.yml", "a.b\n") }, "run ansible/base.yml: ansible/requirements.yml:1: requirements are a list of roles, or a map of roles and collections"},
		{"another word", "", func(b *bench) { b.file("requirements.yml", "roles: []\nrole: []\n") }, "run ansible/base.yml: ansible/requirements.yml:2: role: requirements have roles and collections alone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, fake(t, "well"))
			galaxy(t, b, test.script)
			if test.set != nil {
				test.set(b)
			}
			if got := b.bad(); got != test.want {
				t.Errorf("it says %q\nwant %q", got, test.want)
			}
			if left, _ := filepath.Glob(filepath.Join(b.Cache, "*[^k]")); len(left) > 0 {
				t.Errorf("the cache has %q", left)
			}
		})
	}
}

// A server's token is known to installations alone, and told by none.
func TestGalaxyToken(t *testing.T) {
	seen := filepath.Join(t.TempDir(), "env")
	t.Setenv("ANSIBLE_GALAXY_SERVER_OURS_TOKEN", "hush-hush")
	b := newBench(t, fake(t, "env > "+seen+"; well"))
	galaxy(t, b, "echo Installing \"'$ANSIBLE_GALAXY_SERVER_OURS_TOKEN'\"; mkdir -p $INTO")
	done := b.good()
	b.silent(done, nil, "hush")
	if !strings.Contains(strings.Join(b.said, "\n"), "Installing '(secret)'") {
		t.Errorf("it says %q", b.said)
	}
	if text, err := os.ReadFile(seen); err != nil || strings.Contains(string(text), "hush") {
		t.Errorf("the playbook's environment is %s, %v", text, err)
	}
}

// Nothing to install needs no program.
func TestGalaxyOfNothing(t *testing.T) {
	b := newBench(t, fake(t, "well"))
	galaxy(t, b, "")
	b.Galaxy = "ansible-galaxy-of-nowhere"
	b.file("requirements.yml", "---\n")
	b.good()
}

func TestCache(t *testing.T) {
	dir := t.TempDir()
	e := entry{dir: filepath.Join(dir, "key")}
	var wait sync.WaitGroup
	made := make(chan int, 10)
	for range 10 {
		wait.Go(func() {
			err := e.fill(t.Context(), func(fresh string) error {
				made <- 1
				return os.WriteFile(filepath.Join(fresh, "a"), nil, 0o600)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(made) != 1 {
		t.Errorf("it was filled %d times", len(made))
	}

	// One that waits can be stopped.
	held := entry{dir: filepath.Join(dir, "held")}
	lock, err := held.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := held.fill(ctx, func(string) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}

	// What is old or half done goes, what is used or made right now stays.
	old := time.Now().Add(-unused - time.Hour)
	for _, name := range []string{"old", "half" + freshSuffix, "held" + freshSuffix} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"old", "key"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if !e.used() {
		t.Error("the entry is not there")
	}
	if _, err := New(Options{Dir: t.TempDir(), Cache: dir}); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*[^k]"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if got := strings.Join(left, " "); got != "held.new key" {
		t.Errorf("left are %q", got)
	}
}

// What is installed is known by all that it is made of.
func TestKeyOfRequirements(t *testing.T) {
	src := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(src, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func(text string) string {
		b := newBench(t, "")
		b.file("r.yml", text)
		r, err := readRequirements(b.files, "ansible/r.yml")
		if err != nil {
			t.Fatal(err)
		}
		name, err := r.key("1", src)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("kit/a", "1")
	write("role.tar.gz", "1")
	const local = "collections: [{name: ./kit, type: dir}]\nroles: [{src: role.tar.gz}, {src: 'git+https://example.com/x'}]\n"
	first := key(local)
	if key(local) != first || key(local+"\n") == first {
		t.Error("the key does not follow the text")
	}
	write("kit/a", "2")
	second := key(local)
	write("role.tar.gz", "2")
	if second == first || key(local) == second {
		t.Error("the key does not follow the files that are named")
	}
	write("other", "2")
	write("kit/.git/x", "2")
	third := key(local)
	write("kit/.git/x", "3")
	if key(local) != third {
		t.Error("the key follows other files")
	}
}
