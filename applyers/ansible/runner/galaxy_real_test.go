package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository makes a Git repository that holds a role, and gives its address.
func repository(t *testing.T, task string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "greet")
	for name, text := range map[string]string{
		"tasks/main.yml": task,
		"meta/main.yml":  "galaxy_info: {author: a, description: b, license: MIT, min_ansible_version: '2.9'}\ndependencies: []\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := exec.CommandContext(t.Context(), "sh", "-c", "git init -q -b main && git add . && git -c user.name=a -c user.email=a@b commit -qm a && git tag v1")
	git.Dir = dir
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return "git+file://" + dir
}

func TestRealGalaxy(t *testing.T) {
	b := real(t)
	b.Limit = b.Limit[:1]
	b.Requirements = []string{"ansible/requirements.yml", "ansible/roles/requirements.yml"}
	b.file("roles/requirements.yml", "- {src: '"+repository(t, "- {name: Greet from a repository, debug: {msg: hello}}\n")+"', version: v1, name: greet}\n")
	b.file("roles/own/tasks/main.yml", "- {name: Own, debug: {msg: own}}\n")
	b.file("vendor/theirs/tasks/main.yml", "- {name: Vendored, debug: {msg: theirs}}\n")
	b.file("ansible.cfg", "[defaults]\nroles_path = vendor\n")
	b.file("local/ours/kit/galaxy.yml", "{namespace: ours, name: kit, version: 1.0.0, readme: README.md, authors: [a]}\n")
	b.file("local/ours/kit/README.md", "text\n")
	b.file("local/ours/kit/roles/wave/tasks/main.yml", "- {name: Wave, debug: {msg: hi}}\n")
	b.file("requirements.yml", "collections:\n  - {name: ./local/ours/kit, type: dir}\n")
	b.file("base.yml", "- {hosts: all, gather_facts: false, roles: [own, theirs, greet, ours.kit.wave]}\n")
	done := b.good()
	for _, name := range []string{"own : Own", "theirs : Vendored", "greet : Greet from a repository", "ours.kit.wave : Wave"} {
		if got := task(t, done, name); got.Status != OK {
			t.Errorf("%s: %s\n%s", name, got.Status, b.out.String())
		}
	}
	if b.said[0] != "installing ansible/requirements.yml" {
		t.Errorf("it says %q", b.said)
	}

	// What is installed is used again, without asking anybody.
	if err := os.RemoveAll(strings.TrimPrefix(repositoryOf(b), "git+file://")); err != nil {
		t.Fatal(err)
	}
	b.said = nil
	if done := b.good(); done.Hosts["web-1"].Err != nil || strings.Contains(strings.Join(b.said, "\n"), "installing") {
		t.Errorf("the second time: %v\n%s", errs(done), strings.Join(b.said, "\n"))
	}

	// Another content of a local source is another entry.
	b.file("local/ours/kit/roles/wave/tasks/main.yml", "- {name: Wave twice, debug: {msg: hi}}\n")
	task(t, b.good(), "ours.kit.wave : Wave twice")
}

// Most playbooks have no ansible.cfg beside them.
func TestRealGalaxyWithoutSettings(t *testing.T) {
	b := real(t)
	b.Limit = b.Limit[:1]
	b.Requirements = []string{"ansible/requirements.yml"}
	b.file("requirements.yml", "- {src: '"+repository(t, "- {name: Greet from a repository, debug: {msg: hello}}\n")+"', version: v1, name: greet}\n")
	b.file("base.yml", "- {hosts: all, gather_facts: false, roles: [greet]}\n")
	if got := task(t, b.good(), "greet : Greet from a repository"); got.Status != OK {
		t.Errorf("%s\n%s", got.Status, b.out.String())
	}
}

func repositoryOf(b *bench) string {
	_, rest, _ := strings.Cut(string(b.files["ansible/roles/requirements.yml"].Data), "'")
	url, _, _ := strings.Cut(rest, "'")
	return url
}

func TestRealGalaxyFaults(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a server that is not there": {
			"collections:\n  - {name: nowhere.nothing, version: 1.0.0}\n",
			[]string{"run ansible/base.yml: install ansible/requirements.yml: ansible-galaxy ended with 1: ERROR!", "nowhere.nothing (line 2)"},
		},
		"a role that is not there": {
			"roles:\n  - {src: 'git+file:///nowhere/at/all', name: lost}\n",
			[]string{"ansible-galaxy ended with 1: [WARNING]: - lost was NOT installed successfully", "does not appear to be a git repository", "lost from git+file:///nowhere/at/all (line 2)"},
		},
		"a version that is not there": {
			"collections:\n  - {name: REPO, version: v9}\n",
			[]string{"ansible-galaxy ended with 1:", "v9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := real(t)
			b.file("ansible.cfg", "[galaxy]\nserver = http://127.0.0.1:1\n")
			b.Requirements = []string{"ansible/requirements.yml"}
			b.file("requirements.yml", strings.ReplaceAll(test.text, "REPO", repository(t, "[]")))
			begun := time.Now()
			got := b.bad()
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("it says %q, want %q", got, want)
				}
			}
			if took := time.Since(begun); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if left, _ := filepath.Glob(filepath.Join(b.Cache, "*[^k]")); len(left) > 0 {
				t.Errorf("the cache has %q", left)
			}
			t.Log(got)
		})
	}
}
