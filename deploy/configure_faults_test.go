//go:build linux

package deploy_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// playFault is a playbook that goes wrong on one machine.
type playFault struct {
	name string
	// manifest is what the Playbook says besides, files are beside it.
	manifest string
	files    map[string]string
	// says is what must be read of it.
	says []string
}

// playFaults are one of each sort. Each ends by itself, in time.
func playFaults(vaulted string) []playFault {
	plain := func(tasks string) string {
		return "- name: A play\n  hosts: all\n  gather_facts: false\n  tasks:\n" + tasks
	}
	return []playFault{
		{
			name:  "syntax",
			files: map[string]string{"play.yml": "- name: A play\n  hosts: all\n  gather_facts: false\n  tasks:\n    - name: Wrong\n      ansible.builtin.nosuch: {}\n"},
			says:  []string{"nosuch", "play.yml"},
		},
		{
			name:  "yaml",
			files: map[string]string{"play.yml": "- name: A play\n  hosts: [all\n"},
			says:  []string{"play.yml"},
		},
		{
			name:     "hangs",
			manifest: "timeout: 5s\n",
			files:    map[string]string{"play.yml": plain("    - name: Wait for what never comes\n      ansible.builtin.command: sleep 300\n")},
			says:     []string{"Wait for what never comes", "web1", "5s"},
		},
		{
			name:  "talks",
			files: map[string]string{"play.yml": plain("    - name: Talk without end\n      ansible.builtin.command: python3 -c \"print('x' * 79 + chr(10) * 1 * 1, end='') or [print('y' * 79) for _ in range(130000)]\"\n    - name: And fail\n      ansible.builtin.fail: {msg: enough was said}\n")},
			says:  []string{"And fail", "enough was said", "web1"},
		},
		{
			name:     "galaxy",
			manifest: "requirements: fault-galaxy/requirements.yml\n",
			files: map[string]string{
				"play.yml":         plain("    - name: Never run\n      ansible.builtin.ping:\n"),
				"requirements.yml": "collections:\n  - name: https://10.77.0.1:1/nowhere.tar.gz\n    type: url\n",
			},
			says: []string{"10.77.0.1:1", "Connection refused"},
		},
		{
			name:     "vault",
			manifest: "vaults: {lab: {secret: vault-password}}\nvarsFiles: [fault-vault/lab.yml]\n",
			files: map[string]string{
				"play.yml": plain("    - name: Never run\n      ansible.builtin.ping:\n"),
				"lab.yml":  vaulted,
			},
			says: []string{"lab.yml", "password"},
		},
		{
			name:  "python",
			files: map[string]string{"play.yml": "- name: A play\n  hosts: all\n  gather_facts: false\n  vars: {ansible_python_interpreter: /usr/bin/python9}\n  tasks:\n    - name: Ask it\n      ansible.builtin.ping:\n"},
			says:  []string{"web1", "Ask it", "Install python3 there"},
		},
		{
			name:  "undefined",
			files: map[string]string{"play.yml": plain("    - name: Say it\n      ansible.builtin.debug: {msg: \"{{ nobody_said }}\"}\n")},
			says:  []string{"Say it", "nobody_said"},
		},
	}
}

// storyFaults has a playbook of each sort fail, in one turn. Each names what is wrong
// and where, none keeps another.
func storyFaults(t *testing.T, binary string) {
	c, _ := withToken(t, binary)
	c.secret(t, "vault-password", "canary-"+rand.Text())
	var manifests strings.Builder
	fmt.Fprintf(&manifests, "kind: Secret\nname: vault-password\nfile: %s/secrets/vault-password\n", c.agent.dir)
	all := playFaults(vaulted(t))
	for _, f := range all {
		fmt.Fprintf(&manifests, "---\nkind: Playbook\nname: %s\npath: fault-%s/play.yml\nhosts: web1\norder: 90\n%s", f.name, f.name, f.manifest)
		dir := filepath.Join(c.clone.dir, "fault-"+f.name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		f.files[".berthignore"] = ""
		for name, text := range f.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(c.clone.dir, "faults.yaml"), []byte(manifests.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c.clone.push(t, "Every fault")
	began := time.Now()
	out, code := c.command(t, "sync", "--once", "--verbose")
	if took := time.Since(began); code != 1 || took > 120*time.Second {
		t.Errorf("agent sync ends with %d after %s", code, took)
	}
	c.ranEach(t, [2]int{1, 1}, [2]int{1, 1})
	for _, f := range all {
		section := about(out, "play/"+f.name+" ")
		for _, want := range f.says {
			if !strings.Contains(section, want) {
				t.Errorf("%s: nothing of %q in:\n%s", f.name, want, section)
			}
		}
	}
	if t.Failed() {
		t.Log(out)
	}

	// A machine whose host key is another, and one that is gone from the network.
	if err := os.Remove(filepath.Join(c.clone.dir, "faults.yaml")); err != nil {
		t.Fatal(err)
	}
	c.clone.replace(t, "ansible/base.yml", "What every guest has", "All that every guest has")
	c.clone.push(t, "No faults but those of machines")
	host := c.machines.host(web1)
	host.Run(t, "sh", "-c", "rm /etc/ssh/standin_key*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/standin_key")
	if err := host.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := host.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.machines.host(web2).Unplug(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, code = c.command(t, "sync", "--once", "--verbose")
	if code != 1 {
		t.Errorf("agent sync ends with %d", code)
	}
	mentions(t, about(out, "play/base "), "web1", "its SSH host key is another than the one learnt before", "web2", "10.77.1.12")
	c.ranEach(t, [2]int{1, 1}, [2]int{1, 1})
	c.leftBehind(t)
}

// about is the part of a report that a line with a word begins.
func about(text, word string) string {
	var part []string
	for line := range strings.Lines(text) {
		indented := strings.HasPrefix(line, "  ") || strings.TrimSpace(line) == ""
		switch {
		case strings.Contains(line+" ", word) && !indented:
			part = append(part, line)
		case len(part) > 0 && indented:
			part = append(part, line)
		case len(part) > 0:
			return strings.Join(part, "")
		}
	}
	return strings.Join(part, "")
}

// vaulted is a file that ansible-vault has encrypted under a password that nobody has.
func vaulted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"password": rand.Text(), "lab.yml": "a: 1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "ansible-vault", "encrypt", "--encrypt-vault-id", "lab", "--vault-id", "lab@password", "lab.yml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ansible-vault: %v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "lab.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
