package runner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const everything = `
- hosts: all
  gather_facts: false
  tasks:
    - {name: Fine, command: "true", changed_when: false}
    - {name: Write, copy: {content: "two\n", dest: "{{ place }}/file"}, notify: Restart}
    - {name: Never, command: "true", when: false}
    - {name: Wrong but so what, command: "false", ignore_errors: true}
    - {name: Each, copy: {content: "x", dest: "{{ place }}/{{ item }}"}, loop: [a, b]}
    - {name: Each hidden, copy: {content: "x", dest: "{{ place }}/{{ item.n }}"}, loop: [{n: hush-1}, {n: hush-2}], no_log: true}
    - name: Try
      block:
        - {name: Breaks, command: "sh -c 'echo it is broken >&2; exit 4'"}
      rescue:
        - {name: Mends, debug: {msg: mended}}
    - {name: Hidden, command: "echo hush-3", no_log: true}
    - name: Last
      command: "false"
      when: inventory_hostname == 'web-2'
  handlers:
    - {name: Restart, command: "true"}
`

func TestRealResult(t *testing.T) {
	b := real(t)
	b.file("base.yml", everything)
	dirs := map[string]string{}
	for _, host := range b.Limit {
		dirs[host] = t.TempDir()
		b.host(host, map[string]any{"place": dirs[host]})
	}
	done := b.good()
	one, two := done.Hosts["web-1"], done.Hosts["web-2"]
	if one.Err != nil || two.Err == nil || two.Err.Error() != `task "Last" (ansible/base.yml:17): non-zero return code` || !done.Whole {
		t.Errorf("it ends with %v and %v", one.Err, two.Err)
	}
	tallies := Host{OK: 8, Changed: 6, Skipped: 2, Rescued: 1, Ignored: 1}
	if diff := cmp.Diff(tallies, Host{OK: one.OK, Changed: one.Changed, Failures: one.Failures, Unreachable: one.Unreachable, Skipped: one.Skipped, Rescued: one.Rescued, Ignored: one.Ignored}); diff != "" {
		t.Errorf("the recap (-want +got):\n%s\n%s", diff, b.out.String())
	}
	var have []string
	for _, task := range one.Tasks {
		words := []string{task.Name + ":", string(task.Status)}
		for _, item := range task.Items {
			words = append(words, item.Label+"="+string(item.Status))
		}
		if task.Handler {
			words = append(words, "handler")
		}
		have = append(have, strings.Join(words, " "))
	}
	want := []string{
		"Fine: ok", "Write: changed", "Never: skipped", "Wrong but so what: ignored", "Each: changed a=changed b=changed",
		"Each hidden: changed", "Breaks: rescued", "Mends: ok", "Hidden: changed", "Last: skipped", "Restart: changed handler",
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the tasks (-want +got):\n%s", diff)
	}
	if breaks := task(t, done, "Breaks"); breaks.Msg != "non-zero return code: it is broken" || breaks.Path != "ansible/base.yml:13" {
		t.Errorf("the task that was rescued: %+v", breaks)
	}
	b.silent(done, nil, "hush-")
	if strings.Contains(b.told(done, nil), b.Options.Dir) {
		t.Errorf("paths of the run are told: %s", b.told(done, nil))
	}
	if !strings.Contains(b.out.String(), "TASK [Write]") || !strings.Contains(b.out.String(), "PLAY RECAP") {
		t.Errorf("the output is %s", b.out.String())
	}
	lines := strings.Join(b.said, "\n")
	for _, line := range []string{"task Write", "web-1: changed: Write", "web-1: failed, which the playbook rescues: non-zero return code: it is broken"} {
		if !strings.Contains(lines, line) {
			t.Errorf("nothing says %q:\n%s", line, lines)
		}
	}
}
