package runner

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// Check mode tells what would change where, and changes nothing.
func TestRealCheck(t *testing.T) {
	b := real(t)
	b.Check = true
	b.file("base.yml", `
- hosts: all
  gather_facts: false
  tasks:
    - {name: Write, copy: {content: "one\nnew {{ word }}\n", dest: "{{ place }}/file"}, notify: Restart}
    - {name: Same, copy: {content: "same\n", dest: "{{ place }}/same"}}
    - {name: Command, command: "touch {{ place }}/made", register: out}
    - {name: Long, copy: {content: "{{ 'line of text\n' * 5000 }}", dest: "{{ place }}/long"}}
    - {name: Hidden, copy: {content: "quiet", dest: "{{ place }}/hidden"}, no_log: true}
    - {name: Needs it, debug: {msg: "{{ out.nothing }}"}}
    - {name: After, copy: {content: x, dest: "{{ place }}/after"}}
  handlers:
    - {name: Restart, command: "touch {{ place }}/restarted"}
`)
	b.Vars = map[string]any{"word": secret("hush-word")}
	b.Limit = append(b.Limit, "gone")
	b.host("gone", map[string]any{"place": "/nowhere", "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed(t)})
	dir := t.TempDir()
	for _, host := range b.Limit[:2] {
		place := filepath.Join(dir, host)
		for name, text := range map[string]string{"file": "one\nold\n", "same": "same\n"} {
			if err := os.MkdirAll(place, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(place, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b.hosts[host].(map[string]any)["place"] = place
	}
	done := b.good()
	host := done.Hosts["web-1"]
	if host.Err != nil || !host.Short || !strings.HasPrefix(done.Hosts["gone"].Err.Error(), "can't be reached: ") {
		t.Errorf("it ends with %v", errs(done))
	}
	var changed []string
	for _, task := range host.Tasks {
		if task.Status == Changed {
			changed = append(changed, task.Name)
		}
	}
	if got := strings.Join(changed, " "); got != "Write Long Hidden" {
		t.Errorf("it would change %s", got)
	}
	if got := task(t, done, "Write").Diff; !strings.Contains(got, "\n one\n-old\n+new (secret)") {
		t.Errorf("the difference is\n%s", got)
	}
	if got := task(t, done, "Long").Diff; len(got) > diffLimit+100 || !strings.HasSuffix(got, "\n… and more, which is left out") {
		t.Errorf("the long difference has %d bytes and ends with %q", len(got), got[max(0, len(got)-50):])
	}
	var unchecked []string
	for _, task := range host.Unchecked {
		unchecked = append(unchecked, task.Task+": "+task.Msg)
	}
	want := []string{
		"Command: Command would have run if not in check mode",
		"Needs it: The task includes an option with an undefined variable.",
	}
	if len(unchecked) != 2 || unchecked[0] != want[0] || !strings.HasPrefix(unchecked[1], want[1]) {
		t.Errorf("unchecked are %q, want %q", unchecked, want)
	}
	for _, name := range []string{"made", "after", "restarted", "long"} {
		if _, err := os.Stat(filepath.Join(dir, "web-1", name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	b.silent(done, nil, "hush")
	if strings.Contains(b.told(done, nil), b.Options.Dir) {
		t.Errorf("paths of the run are told: %s", b.told(done, nil))
	}
}

// closed is a port that nobody listens on.
func closed(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// vaulted encrypts a file as Ansible users do, for the vault id lab.
func vaulted(t *testing.T, password, text string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"password": password, "file": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "ansible-vault", "encrypt", "--encrypt-vault-id", "lab", "--vault-id", "lab@"+filepath.Join(dir, "password"), filepath.Join(dir, "file"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sealed, err := os.ReadFile(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

const keepsSecrets = `
- hosts: all
  gather_facts: false
  tasks:
    - {name: Write, copy: {content: "{{ token }}|{{ own }}|{{ a }}|{{ b }}|{{ c }}", dest: "{{ place }}/file"}}
    - {name: Show, debug: {var: token}}
    - {name: Fail, command: "sh -c 'echo {{ own }} >&2; exit 1'", ignore_errors: true}
    - {name: Wide, fail: {msg: "{{ 'x' * 70 }} {{ token }}"}, ignore_errors: true}
    - name: Look
      shell: cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\0' '\n' | grep -c hush-h[u]sh
      register: look
      failed_when: look.stdout != '0'
`

func TestRealSecrets(t *testing.T) {
	b := real(t)
	b.Limit = b.Limit[:1]
	dir := t.TempDir()
	const token, own = `hush-hush {{ 7 * 6 }} "q" 'a'` + "\nline two of it", "hush-hush-own"
	marked, more, err := Plain(secret(own))
	if err != nil {
		t.Fatal(err)
	}
	b.host("web-1", map[string]any{"place": dir, "own": marked})
	b.Secrets = more
	b.file("base.yml", keepsSecrets)
	b.file("group_vars/all.yml", "b: beside\nc: beside\na: beside\n")
	b.VarsFiles = []VarsFile{{Name: "vars/a.yml", Text: vaulted(t, "hush-hush-lab", "a: vaulted\nc: first\n")}, {Name: "vars/c.yml", Text: []byte("c: second\n")}}
	b.Vars = map[string]any{"token": secret(token)}
	b.Vaults = map[string]desired.Secret{"lab": secret("hush-hush-lab"), "prod": secret("hush-hush-prod\n")}
	done := b.good()
	if host := done.Hosts["web-1"]; host.Err != nil {
		t.Errorf("%v\n%s", host.Err, b.out.String())
	}
	text, _ := os.ReadFile(filepath.Join(dir, "file"))
	if want := token + "|" + own + "|vaulted|beside|second"; string(text) != want {
		t.Errorf("the file has %q, want %q", text, want)
	}
	b.silent(done, nil, "hush", "line two", "{{ 7")
	if !bytes.Contains(b.out.Bytes(), []byte(desired.Hidden)) {
		t.Errorf("nothing was masked: %s", b.out.String())
	}
}

// Each fault ends in time, with words that name where it is.
func TestRealFaults(t *testing.T) {
	one := "- hosts: all\n  gather_facts: false\n  tasks:\n"
	for name, test := range map[string]struct {
		set func(t *testing.T, b *bench)
		// all is the error for all, one that for web-1; of both, parts in a row.
		all, one []string
	}{
		"a playbook with a syntax error": {
			set: func(_ *testing.T, b *bench) { b.file("base.yml", one+"    - name: x\n   - y\n") },
			all: []string{"run ansible/base.yml: ansible-playbook ended with 4: ERROR!", "'ansible/base.yml': line 5, column 4"},
		},
		"a module that is not there": {
			set: func(_ *testing.T, b *bench) { b.file("base.yml", one+"    - {name: x, no_such: {}}\n") },
			all: []string{"run ansible/base.yml: ansible-playbook ended with 4: ERROR! couldn't resolve module/action 'no_such'", "'ansible/base.yml': line 4"},
		},
		"an undefined variable": {
			set: func(_ *testing.T, b *bench) {
				b.file("base.yml", one+"    - {name: Say, debug: {msg: '{{ nowhere }}'}}\n")
			},
			one: []string{`task "Say" (ansible/base.yml:4): The task includes an option with an undefined variable. The error was: 'nowhere' is undefined`},
		},
		"no password for a vault": {
			set: func(t *testing.T, b *bench) {
				b.VarsFiles = []VarsFile{{Name: "vars/lab.yml", Text: vaulted(t, "right", "a: 1\n")}}
			},
			all: []string{"run ansible/base.yml: ansible-playbook ended with", "Attempting to decrypt but no vault secrets found", "(name the password of the file's vault id under vaults)"},
		},
		"a wrong password for a vault": {
			set: func(t *testing.T, b *bench) {
				b.VarsFiles = []VarsFile{{Name: "vars/lab.yml", Text: vaulted(t, "right", "a: 1\n")}}
				b.Vaults = map[string]desired.Secret{"lab": secret("hush-wrong")}
			},
			all: []string{"Decryption failed (no vault secrets were found that could decrypt)", "vars/lab.yml", "(the password under vaults is not the one that it was encrypted with"},
		},
		"a wrong password for a file beside it": {
			set: func(t *testing.T, b *bench) {
				b.file("group_vars/all.yml", string(vaulted(t, "right", "a: 1\n")))
				b.Vaults = map[string]desired.Secret{"lab": secret("hush-wrong")}
			},
			all: []string{"Decryption failed (no vault secrets were found that could decrypt) on ansible/group_vars/all.yml"},
		},
		"no Python": {
			set: func(_ *testing.T, b *bench) {
				b.file("base.yml", one+"    - {name: Reach, ping: {}}\n")
				b.host("web-1", map[string]any{"ansible_python_interpreter": "/nowhere/python3"})
			},
			one: []string{`task "Reach" (ansible/base.yml:4): `, "/nowhere/python3: ", "not found", "(is Python on the host? Install python3 there"},
		},
		"unreachable": {
			set: func(t *testing.T, b *bench) {
				b.file("base.yml", one+"    - {name: Reach, ping: {}}\n")
				b.host("web-1", map[string]any{"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed(t)})
			},
			one: []string{"can't be reached: ", "Connection refused"},
		},
		"a task that hangs": {
			set: func(_ *testing.T, b *bench) {
				b.Timeout = 4 * time.Second
				b.file("base.yml", one+"    - {name: Fine, debug: {}}\n    - {name: Wait for ever, command: sleep 60}\n")
			},
			all: []string{"run ansible/base.yml: it took longer than 4s and was stopped (web-1 was at task \"Wait for ever\" (ansible/base.yml:5))"},
		},
		"the callback can't be loaded": {
			set: func(_ *testing.T, b *bench) {
				b.file("base.yml", one)
				b.Bin = wrapped(b, `ln -sf /dev/null "${BERTH_EVENTS%/events}/callback/berth_events.py"`)
			},
			all: []string{"run ansible/base.yml: ansible-playbook ended without telling what it did: [WARNING]: Skipping plugin", "berth_events.py"},
		},
		"settings of its own": {
			set: func(t *testing.T, b *bench) {
				log := filepath.Join(t.TempDir(), "log")
				b.file("ansible.cfg", fmt.Sprintf("[defaults]\nforks = 1\nstrategy = free\nstdout_callback = minimal\nlog_path = %s\ninventory = nowhere\nretry_files_enabled = True\ncallbacks_enabled = nothing\n", log))
				b.file("base.yml", one+"    - {name: Forks, assert: {that: ansible_forks == 1}}\n    - {name: Fail, command: 'false'}\n")
				t.Cleanup(func() {
					if exists(log) {
						t.Error("a log was written")
					}
					if out := b.out.String(); strings.Contains(out, "TASK [") {
						t.Errorf("the output has not the form that was asked for: %s", out)
					}
				})
			},
			one: []string{`task "Fail" (ansible/base.yml:5): non-zero return code`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := real(t)
			b.Limit = b.Limit[:1]
			b.file("base.yml", one+"    - {name: Say, debug: {}}\n")
			test.set(t, b)
			begun := time.Now()
			done, err := b.run()
			text := fmt.Sprint(err)
			if test.one != nil && err == nil {
				text = errs(done)["web-1"]
			}
			rest := text
			for _, part := range append(test.all, test.one...) {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Errorf("it says %q\nwant %q\n%s", text, part, b.out.String())
				}
				rest = after
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			b.silent(done, err, "hush")
			if strings.Contains(b.told(done, err), b.Options.Dir) {
				t.Errorf("paths of the run are told: %s", b.told(done, err))
			}
		})
	}
}

// wrapped is a program that does something before it is Ansible.
func wrapped(b *bench, script string) string {
	path := filepath.Join(b.t.TempDir(), "ansible-playbook")
	text := "#!/bin/sh\n" + script + "\nexec " + b.Bin + ` "$@"` + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// A host's variables may be read by all, as Ansible's own inventory does; batches
// know all groups.
func TestRealBatches(t *testing.T) {
	b := real(t)
	b.Serial, b.MaxFail = 1, new(0)
	b.file("base.yml", `
- hosts: all
  gather_facts: false
  tasks:
    - {name: Once, command: "sh -c 'echo {{ groups.all | length }} {{ ansible_play_hosts | join }} {{ hostvars[\"web-2\"].word }} >> {{ place }}'", run_once: true}
    - {name: Fail, command: "false", when: inventory_hostname == stop}
`)
	place := filepath.Join(t.TempDir(), "log")
	for _, host := range b.Limit {
		b.host(host, map[string]any{"place": place, "word": "of-" + host})
	}
	b.Vars = map[string]any{"stop": "none"}
	if diff := cmp.Diff(map[string]string{"web-1": "", "web-2": ""}, errs(b.good())); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	b.Vars["stop"] = "web-1"
	want := map[string]string{"web-1": `task "Fail" (ansible/base.yml:6): non-zero return code`, "web-2": "not begun, since more hosts have failed than maxFail allows: web-1"}
	if diff := cmp.Diff(want, errs(b.good())); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	text, _ := os.ReadFile(place)
	if want := "2 web-1 of-web-2\n2 web-2 of-web-2\n2 web-1 of-web-2\n"; string(text) != want {
		t.Errorf("it was run with %q, want %q", text, want)
	}
}
