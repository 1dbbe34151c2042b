package runner

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestUnpackLinks holds that links which stay within what is unpacked are there, and
// those that lead out are told, whatever way they take.
func TestUnpackLinks(t *testing.T) {
	link := func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	files := fstest.MapFS{
		"set/roles/greet/tasks/main.yml": {Data: []byte("[]\n")}, "set/play/deep/site.yml": {Data: []byte("[]\n")},
		"set/play/roles": link("../roles"), "set/hello": link("roles/greet/"), "set/play/deep/top": link("../.."), "set/gone": link("nowhere"),
		"set/out": link("../other"), "set/away": link("/etc/passwd"), "set/empty": link(""), "set/play/up": link("../../other"),
		// The kernel follows top first, which leads to the root, and .. of that is outside.
		"set/sly": link("play/deep/top/../secret"), "set/round": link("play/../roles"),
		"other": {Data: []byte("not theirs")},
	}
	for dir, out := range map[string]string{
		"set": "set/away set/empty set/out set/play/up set/round set/sly",
		".":   "set/away set/empty set/round set/sly",
	} {
		to, said := t.TempDir(), []string{}
		err := unpack(t.Context(), files, dir, to, func(line string) {
			name, _, _ := strings.Cut(line, " is no plain file and is left out")
			said = append(said, name)
		})
		if slices.Sort(said); err != nil || strings.Join(said, " ") != out {
			t.Errorf("%s: %v, said of %q, want %q", dir, err, said, out)
		}
		if dir == "." {
			to = filepath.Join(to, "set")
		}
		for _, name := range []string{"play/roles/greet/tasks/main.yml", "hello/tasks/main.yml", "play/deep/top/roles/greet/tasks/main.yml"} {
			if text, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(text) != "[]\n" {
				t.Errorf("%s: %s is %q, %v", dir, name, text, err)
			}
		}
	}
}

// TestRealRepositoryOfPlaybooks holds that a playbook finds what lies above it, as in a
// repository that has its playbooks, roles and settings side by side.
func TestRealRepositoryOfPlaybooks(t *testing.T) {
	b := real(t)
	b.Dir, b.File = ".", "playbooks/base.yml"
	for name, text := range map[string]string{
		"ansible.cfg":                       "[defaults]\nroles_path = shared/roles\n",
		"shared/roles/greet/tasks/main.yml": "- {name: Greet, debug: {msg: \"{{ whom }}\"}}\n",
		"playbooks/base.yml":                "- {hosts: all, gather_facts: false, roles: [greet, hello], tasks: [{name: Stop, fail: {msg: enough}}]}\n",
		"playbooks/group_vars/all":          "whom: everybody\n",
	} {
		b.files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	b.files["shared/roles/hello"] = &fstest.MapFile{Data: []byte("greet"), Mode: fs.ModeSymlink | 0o777}
	done, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	if got := task(t, done, "greet : Greet"); got.Status != OK {
		t.Errorf("%+v", got)
	}
	if got := task(t, done, "hello : Greet"); got.Status != OK {
		t.Errorf("%+v", got)
	}
	if got := done.Hosts["web-1"].Err; got == nil || got.Error() != `task "Stop" (playbooks/base.yml:1): enough` {
		t.Errorf("it ends with %v", got)
	}
	if !strings.Contains(b.out.String(), "everybody") {
		t.Error("group_vars beside the playbook were not read")
	}
}
