package ansible

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/machine"
	"berth/desired"
	"berth/drift"
)

// needs skips a test unless real components are wanted, and fails it where one
// is wanted and missing. sshd has to be started by its whole path.
func needs(t *testing.T, names ...string) map[string]string {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs " + strings.Join(names, ", ") + ": set BERTH_REAL=1")
	}
	paths := make(map[string]string)
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name)
		}
		if err != nil {
			t.Fatalf("BERTH_REAL=1 and %s is missing", name)
		}
		paths[name] = path
	}
	return paths
}

// server is an sshd on loopback that lets the test's own user in.
type server struct {
	port    int
	dir     string
	hostKey string
	cmd     *exec.Cmd
}

func startServer(t *testing.T, sshd, authorized string, port int) *server {
	t.Helper()
	s := &server{port: port, dir: t.TempDir()}
	s.hostKey = filepath.Join(s.dir, "host_key")
	private, _ := newKey(t, "")
	for name, text := range map[string]string{
		"host_key": string(private), "authorized": authorized,
		"config": fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
			"PasswordAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n",
			port, s.hostKey, filepath.Join(s.dir, "authorized")),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.MkdirAll("/run/sshd", 0o755) // Debian's sshd separates its privileges there.
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), sshd, "-D", "-e", "-f", filepath.Join(s.dir, "config"))
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
			return s
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("sshd does not answer: %v\n%s", err, text)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// freePorts are ports that nobody listens on right now.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// realBench has guests web-1, web-2… that are an sshd each.
func realBench(t *testing.T, n int) (*bench, []*server) {
	t.Helper()
	paths := needs(t, "ansible-playbook", "sshd", "ssh")
	b := newBench(t, paths["ansible-playbook"])
	key, public := newKey(t, "")
	b.key = key
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	b.fleet.Spec.SSH = desired.SSH{User: me.Username, Key: desired.SecretRef{Secret: "ssh-key"}}
	var servers []*server
	for i, port := range freePorts(t, n) {
		servers = append(servers, startServer(t, paths["sshd"], public, port))
		b.guest(fmt.Sprintf("web-%d", i+1), func(g *desired.Guest) {
			g.SSH.Port = port
			g.Groups = desired.Words{"web"}
			g.Vars = map[string]any{"ansible_remote_tmp": servers[i].dir, "place": servers[i].dir, "odd": "= <a&b> \"yes\" \u2028🚢"}
		})
	}
	return b, servers
}

func TestRealRun(t *testing.T) {
	b, servers := realBench(t, 2)
	p := b.play("base", `
- hosts: web
  gather_facts: false
  tasks:
    - name: Greet
      copy: {content: "{{ greeting }} {{ berth_name }} {{ from_group }} {{ odd }}\n", dest: "{{ place }}/greeting"}
    - name: Fail on one
      command: "sh -c 'echo the disk is full >&2; exit 3'"
      when: inventory_hostname == 'web-2' and broken | bool
    - name: Hide
      command: "false"
      no_log: true
      ignore_errors: true
- hosts: web
  gather_facts: false
  roles: [done]
`, "web-1", "web-2")
	p.Vars = map[string]any{"greeting": "hello", "broken": true}
	b.files["ansible/group_vars/web.yml"] = &fstest.MapFile{Data: []byte("from_group: yes-it-is\n")}
	b.files["ansible/roles/done/tasks/main.yml"] = &fstest.MapFile{Data: []byte("- name: Mark\n  file: {path: '{{ place }}/done', state: touch}\n")}
	b.files["ansible/ansible.cfg"] = &fstest.MapFile{Data: []byte("[defaults]\nforks = 2\ncallbacks_enabled = nothing\nhost_key_checking = False\n[ssh_connection]\npipelining = True\n")}

	started := time.Now()
	o := b.one(t.Context())
	t.Logf("the first run took %s", time.Since(started))
	if o.Status != drift.Failed {
		t.Fatalf("with one failing task: %s", show(o))
	}
	results := map[desired.Path]string{
		"hosts.web-1": "",
		"hosts.web-2": `task "Fail on one" (ansible/base.yml:7): non-zero return code: the disk is full`,
	}
	if diff := cmp.Diff(results, o.Results); diff != "" {
		t.Errorf("results (-want +got):\n%s\n%s", diff, strings.Join(o.Lines, "\n"))
	}
	if want := "1 of 2 hosts: web-2: " + results["hosts.web-2"]; o.Reason != want {
		t.Errorf("the reason is %q, want %q", o.Reason, want)
	}
	if diff := cmp.Diff([]string{"play/base web-1"}, b.memory.hosts()); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(filepath.Join(servers[0].dir, "greeting"))
	if err != nil || string(text) != "hello web-1 yes-it-is = <a&b> \"yes\" \u2028🚢\n" {
		t.Errorf("web-1 has %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(servers[1].dir, "done")); err == nil {
		t.Error("web-2 went on after its failure")
	}
	lines := strings.Join(o.Lines, "\n")
	for _, want := range []string{"task Greet", "task done : Mark", "web-1: failed, which the playbook ignores: the output has been hidden"} {
		if !strings.Contains(lines, want) {
			t.Errorf("nothing says %q:\n%s", want, lines)
		}
	}
	for _, secret := range []string{"PRIVATE KEY", b.Dir} {
		if strings.Contains(lines+o.Reason, secret) {
			t.Errorf("%q is told:\n%s", secret, lines)
		}
	}
	b.nothingLeft()
	if left := mentioning(t, b.Dir); left != "" {
		t.Errorf("still running: %s", left)
	}

	// The second turn runs for the host that failed, and then none is due.
	p.Vars["broken"] = false
	if err := os.Remove(filepath.Join(servers[0].dir, "done")); err != nil {
		t.Fatal(err)
	}
	if o = b.one(t.Context()); o.Status != drift.Done || len(o.Results) != 1 {
		t.Fatalf("made good: %s", show(o))
	}
	if _, err := os.Stat(filepath.Join(servers[0].dir, "done")); err == nil {
		t.Error("it ran on web-1 again")
	}
	if plan, _ := b.plan(t.Context()); len(plan.Changes) != 0 {
		t.Errorf("after that, planned is %+v", plan.Changes)
	}
}

func TestRealHostKey(t *testing.T) {
	b, servers := realBench(t, 1)
	p := b.play("base", "- hosts: web\n  gather_facts: false\n  tasks: [{ping: }]\n", "web-1")
	again := func(digest string) drift.Outcome {
		p.Due["web-1"] = desired.Run{Digest: digest, Guest: "vm/web-1"}
		return b.one(t.Context())
	}
	if o := again("1"); o.Status != drift.Done {
		t.Fatalf("at first contact: %s", show(o))
	}
	learnt, err := os.ReadFile(b.knownHosts())
	if err != nil || !strings.HasPrefix(string(learnt), "vm.web-1.") {
		t.Fatalf("learnt is %q, %v", learnt, err)
	}
	if o := again("2"); o.Status != drift.Done {
		t.Fatalf("with the same key: %s", show(o))
	}

	servers[0].stop()
	_, public := newKey(t, "")
	text, err := os.ReadFile(filepath.Join(servers[0].dir, "authorized"))
	if err != nil {
		t.Fatal(err)
	}
	paths := needs(t, "sshd")
	startServer(t, paths["sshd"], string(text)+public, servers[0].port)
	o := again("3")
	want := "can't be reached: its SSH host key is another than the one learnt before. If it was installed anew by hand, take the lines of " +
		machine.Alias("vm/web-1", "instance of web-1") + " out of " + b.knownHosts() + "; if not, somebody may stand in between"
	if o.Status != drift.Failed || o.Results["hosts.web-1"] != want {
		t.Errorf("with another key: %s\nwant %s", show(o), want)
	}
	if now, _ := os.ReadFile(b.knownHosts()); string(now) != string(learnt) {
		t.Errorf("known hosts are now %q", now)
	}

	// Made anew, it is another host.
	b.lives[0].Facts[desired.FactInstance] = "second instance"
	if o := again("3"); o.Status != drift.Done {
		t.Errorf("after a re-creation of ours: %s", show(o))
	}

	// A key that nobody pinned is refused where none is learnt.
	b.fleet.Spec.SSH.KnownHosts = "strict"
	if o := again("4"); !strings.Contains(o.Reason, "its SSH host key is not known, and knownHosts: strict learns none: add it") {
		t.Errorf("strict: %s", show(o))
	}
}

func TestRealUnreachable(t *testing.T) {
	b, servers := realBench(t, 2)
	b.play("base", "- hosts: web\n  gather_facts: false\n  tasks: [{ping: }]\n", "web-1", "web-2")
	servers[1].stop()
	o := b.one(t.Context())
	if o.Results["hosts.web-1"] != "" || !strings.HasPrefix(o.Results["hosts.web-2"], "can't be reached: ") ||
		!strings.Contains(o.Results["hosts.web-2"], "Connection refused") {
		t.Errorf("with one host down: %s", show(o))
	}
	if diff := cmp.Diff([]string{"play/base web-1"}, b.memory.hosts()); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
}

// Ansible's sums say of web-1 that nothing failed; but it was broken off.
func TestRealBrokenOff(t *testing.T) {
	for name, text := range map[string]string{
		"any errors are fatal": `
- hosts: web
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - command: "false"
      when: inventory_hostname == 'web-2'
    - command: "true"
`,
		"a play before fails for all its hosts": `
- hosts: web-1
  gather_facts: false
  tasks: [command: "true"]
- hosts: web-2
  gather_facts: false
  tasks: [command: "false"]
- hosts: web
  gather_facts: false
  tasks: [command: "true"]
`,
		"a batch fails": `
- hosts: web
  gather_facts: false
  tasks: [command: "true"]
- hosts: web
  order: reverse_inventory
  serial: 1
  gather_facts: false
  tasks:
    - command: "false"
      when: inventory_hostname == 'web-2'
`,
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := realBench(t, 2)
			b.play("base", text, "web-1", "web-2")
			b.files["ansible/ansible.cfg"] = &fstest.MapFile{Data: []byte("[ssh_connection]\npipelining = True\n")}
			o := b.one(t.Context())
			if want := "the playbook was broken off, since others had failed: web-2"; o.Results["hosts.web-1"] != want {
				t.Errorf("web-1: %q, want %q\n%s", o.Results["hosts.web-1"], want, strings.Join(o.Lines, "\n"))
			}
			if !strings.HasPrefix(o.Results["hosts.web-2"], `task "command" (ansible/base.yml:`) {
				t.Errorf("web-2: %q", o.Results["hosts.web-2"])
			}
			if left := b.memory.hosts(); left != nil {
				t.Errorf("remembered are %q", left)
			}
		})
	}
}

func TestRealNotForTheHost(t *testing.T) {
	b, _ := realBench(t, 1)
	b.play("base", "- hosts: database\n  tasks: [{ping: }]\n", "web-1")
	o := b.one(t.Context())
	if want := "1 of 1 host: web-1: no play in ansible/base.yml is for it: their own hosts: name neither it nor a group of it"; o.Reason != want {
		t.Errorf("the reason is %q, want %q", o.Reason, want)
	}
}

func TestRealSyntaxError(t *testing.T) {
	b, _ := realBench(t, 1)
	b.play("base", "- hosts: web\n  tasks:\n    - name: Wrong\n      no_such_module: {}\n", "web-1")
	o := b.one(t.Context())
	want := "run ansible/base.yml: ansible-playbook ended with 4: ERROR! couldn't resolve module/action 'no_such_module'"
	if o.Status != drift.Failed || !strings.HasPrefix(o.Reason, want) || !strings.Contains(o.Reason, "'ansible/base.yml': line 3") {
		t.Errorf("the reason is %q, want %q…", o.Reason, want)
	}
}

func TestRealStop(t *testing.T) {
	b, servers := realBench(t, 1)
	b.play("base", "- hosts: web\n  gather_facts: false\n  tasks:\n    - command: touch {{ place }}/begun\n    - command: sleep 20\n", "web-1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan drift.Outcome)
	go func() { ended <- b.one(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(servers[0].dir, "begun")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the play does not begin")
		}
	}
	cancel()
	stopping := time.Now()
	o := <-ended
	if took := time.Since(stopping); took > 2*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if o.Status != drift.Left || b.memory.hosts() != nil {
		t.Errorf("stopped: %s, remembered %q", show(o), b.memory.hosts())
	}
	b.nothingLeft()
	if left := mentioning(t, b.Dir); left != "" {
		t.Errorf("still running: %s", left)
	}
}

// mentioning lists the processes that have text in their command line or
// environment.
func mentioning(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for _, name := range []string{"cmdline", "environ"} {
		files, err := filepath.Glob("/proc/[0-9]*/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if has, _ := os.ReadFile(file); strings.Contains(string(has), text+"/") {
				all = append(all, file+": "+strings.ReplaceAll(string(has), "\x00", " "))
			}
		}
	}
	return strings.Join(all, "\n")
}
