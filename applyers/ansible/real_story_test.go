package ansible

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"berth/desired"
	"berth/drift"
)

// rounds are turns of a real bench, which tell the hosts of each playbook that ran.
type rounds struct {
	*bench
	outcomes []drift.Outcome
}

// want makes a turn, and wants it to have run playbooks on hosts, as "base: web-1 web-2".
func (r *rounds) want(want ...string) {
	r.t.Helper()
	r.remake()
	r.outcomes = r.turn(r.t.Context())
	var have []string
	for _, o := range r.outcomes {
		var hosts []string
		for _, name := range []string{"web-1", "web-2"} {
			if reason, tried := o.Results[desired.Path("hosts").Sub(name)]; tried && reason == "" {
				hosts = append(hosts, name)
			}
		}
		if o.Status == drift.Done || len(hosts) > 0 {
			have = append(have, o.ID.Name()+": "+strings.Join(hosts, " "))
		}
	}
	if strings.Join(have, "; ") != strings.Join(want, "; ") {
		r.t.Errorf("ran %q, want %q", have, want)
		for _, o := range r.outcomes {
			r.t.Log(show(o))
		}
	}
}

// TestRealStory is what an operator sees of two hosts: new, changed, made anew, edited by
// hand, locked.
func TestRealStory(t *testing.T) {
	b, servers := realBench(t, 2)
	r := &rounds{bench: b}
	for i := range b.lives {
		b.lives[i].Running = true
	}
	base := b.play("base", `
- hosts: web
  gather_facts: false
  tasks:
    - name: Write the message
      copy: {content: "{{ message | default('hello') }}\n", dest: "{{ place }}/motd"}
`, "web-1", "web-2")
	base.Order, base.Drift = 10, "check"
	app := b.play("app", `
- hosts: web
  gather_facts: false
  tasks:
    - name: Stand on the base
      command: test -e {{ place }}/motd
      changed_when: false
    - name: Write the token
      copy: {content: "{{ token | default('none') }}\n", dest: "{{ place }}/token"}
`, "web-1", "web-2")
	motd := func(i int) string { return read(filepath.Join(servers[i].dir, "motd")) }

	// New hosts get both, the base first; then there is nothing to do.
	r.want("base: web-1 web-2", "app: web-1 web-2")
	if motd(0) != "hello\n" || motd(1) != "hello\n" {
		t.Errorf("web-1 has %q, web-2 has %q", motd(0), motd(1))
	}
	r.want()

	// A variable of one host, as the loader would tell of it.
	b.fleet.Guest("vm/web-2").Vars["message"] = "good morning"
	run := base.Due["web-2"]
	run.Digest = "another"
	base.Due["web-2"] = run
	r.want("base: web-2")
	if motd(0) != "hello\n" || motd(1) != "good morning\n" {
		t.Errorf("web-1 has %q, web-2 has %q", motd(0), motd(1))
	}

	// A file that somebody edits inside a host is found, shown, and mended.
	if err := os.WriteFile(filepath.Join(servers[0].dir, "motd"), []byte("hacked\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.remake()
	plan, _ := r.plan(t.Context())
	if len(plan.Changes) != 1 || len(plan.Changes[0].Fields) != 1 {
		t.Fatalf("planned: %+v, notes %+v", plan.Changes, plan.Notes)
	}
	f := plan.Changes[0].Fields[0]
	lines := strings.Join(f.Lines, "\n")
	if f.Path != "hosts.web-1" || f.Reason != "1 task would change something" ||
		!strings.Contains(lines, `task "Write the message" (ansible/base.yml:`) || !strings.Contains(lines, "-hacked") || !strings.Contains(lines, "+hello") {
		t.Errorf("planned: %+v\n%s", f, lines)
	}
	if motd(0) != "hacked\n" {
		t.Error("check mode has changed it")
	}
	r.want("base: web-1")
	if motd(0) != "hello\n" {
		t.Errorf("web-1 has %q", motd(0))
	}
	base.Drift = "none"

	// Made anew, with another host key: both are due again there.
	b.lives[0].Facts[desired.FactInstance] = "made anew"
	servers[0].stop()
	for _, name := range []string{"motd", "token"} {
		if err := os.Remove(filepath.Join(servers[0].dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	public := read(filepath.Join(servers[0].dir, "authorized"))
	anew := startServer(t, needs(t, "sshd")["sshd"], public, servers[0].port)
	b.fleet.Guest("vm/web-1").Vars["place"] = anew.dir
	b.fleet.Guest("vm/web-1").Vars["ansible_remote_tmp"] = anew.dir
	servers[0] = anew
	r.want("base: web-1", "app: web-1")

	// A secret: while locked it waits, then it runs once, and nobody has seen its value.
	b.vault.values["apps"], b.vault.locked["apps"] = "hush-hush-{{ 1 + 1 }}", true
	ref := desired.SecretRef{Secret: "apps"}
	app.Vars = map[string]any{"token": ref}
	for host, run := range app.Due {
		run.Secrets, run.Play = []desired.SecretRef{ref}, "play/app"
		app.Due[host] = run
	}
	b.files["ansible/unused"] = &fstest.MapFile{}
	r.want()
	for _, o := range r.outcomes {
		if o.Status != drift.Held || !strings.Contains(o.Reason, desired.WaitingForUnlock) {
			t.Errorf("locked: %s", show(o))
		}
	}
	b.vault.locked["apps"] = false
	r.want("app: web-1 web-2")
	for i := range servers {
		if text := read(filepath.Join(servers[i].dir, "token")); text != "hush-hush-{{ 1 + 1 }}\n" {
			t.Errorf("host %d has the token %q", i+1, text)
		}
	}
	for _, o := range r.outcomes {
		if strings.Contains(show(o), "hush") {
			t.Errorf("a secret is told: %s", show(o))
		}
	}
	r.want()
	b.nothingLeft()
}

// A host that fails keeps no other from its end, and is tried again alone.
func TestRealFailingHost(t *testing.T) {
	b, servers := realBench(t, 2)
	b.play("base", `
- hosts: web
  gather_facts: false
  tasks:
    - name: Fail on one
      command: test ! -e {{ place }}/full
      changed_when: false
`, "web-1", "web-2")
	full := filepath.Join(servers[1].dir, "full")
	write(t, full)
	r := &rounds{bench: b}
	r.want("base: web-1")
	if o := r.outcomes[0]; o.Status != drift.Failed || !strings.Contains(o.Reason, `1 of 2 hosts: web-2: task "Fail on one"`) {
		t.Error(show(o))
	}
	recap := strings.Join(r.outcomes[0].Lines, "\n")
	if !strings.Contains(recap, "web-1: ok=1 changed=0 failed=0") || !strings.Contains(recap, "web-2: ok=0 changed=0 failed=1") {
		t.Errorf("recap:\n%s", recap)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.want("base: web-2")
	t.Logf("one host took %s", time.Since(began))
	r.want()
}
