package desired

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// base is the least that a fleet needs.
const base = `kind: Site
name: home
endpoints: [https://10.1.1.11:8006]
token: {secret: pve-home}
storage: {ssd: {store: local-nvme, ssd: true}}
images: ssd
networks: {lan: {bridge: vmbr0, subnet: 10.0.0.0/8, gateway: 10.0.0.1, dns: [10.0.0.1]}}
ids: {default: {range: 100000-199999}, net: {base: 1000000, plus: hostnum}}
---
kind: Image
name: debian-12
url: https://img.example.net/debian-12.img
sha256: 054db2d88c454bb0ad8dfd8883955e3946b57d2b0bf0d023f3ade3c93cdd14e5
`

func files(pairs ...string) fstest.MapFS {
	out := fstest.MapFS{"base.yaml": &fstest.MapFile{Data: []byte(base)}}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

func problems(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	_, err := Load(fsys)
	var found Problems
	if err != nil && !errors.As(err, &found) {
		t.Fatal(err)
	}
	lines := make([]string, len(found))
	for i, p := range found {
		lines[i] = p.String()
	}
	return lines
}

func TestHostileFiles(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("kind: VM\nname: a\nvars:\n  a0: &a0 [" + strings.Repeat("x, ", 9) + "x]\n")
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&bomb, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for _, c := range []struct{ name, text, want string }{
		{"alias bomb", bomb.String(), "a.yaml:7:47: vm/a: aliases stand for more than 10000 values in this document: write a Profile instead"},
		{"deep lists", "kind: VM\nname: a\nvars: {a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}\n", "a.yaml:3:74: vm/a: nested more than 64 deep: make it flatter"},
		{"deeper than the reader takes", "kind: VM\nname: a\nvars: {a: " + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}\n", "a.yaml:3:1: vm/a: exceeded max depth of 10000: look at this line and the one above it"},
		{"deep maps", "kind: VM\nname: a\nvars:\n" + deepMap(200), "a.yaml:68:66: vm/a: nested more than 64 deep: make it flatter"},
		{"five megabytes", "# " + strings.Repeat("x", 5<<20), "a.yaml:1:1: the file is larger than 1 MiB: split it"},
		{"too many values", "kind: VM\nname: a\nvars: {a: [" + strings.Repeat("1,", 510_000) + "1]}\n", "a.yaml:1:1: the file holds more than 500000 values: split it"},
		{"latin 1", "kind: VM\nname: a\ndescription: caf\xe9\n", "a.yaml:3:17: this is no UTF-8: save the file as UTF-8"},
		{"utf 16", "\xff\xfek\x00i\x00", "a.yaml:1:1: this is no UTF-8: save the file as UTF-8"},
		{"control character", "kind: VM\nname: \"a\x07\"\n", "a.yaml:2:9: the character U+0007 can't be here: take it out"},
		{"NUL", "kind: VM\nname: \x00\n", "a.yaml:2:7: the character U+0000 can't be here: take it out"},
		{"second BOM", "kind: VM\nname: a\n\ufeff\n", "a.yaml:3:1: the character U+FEFF can't be here: take it out"},
		{"windows line ends", "kind: VM\r\nname: a\r\nmemory: 512\r\n", "a.yaml:3:9: vm/a: memory: 512 has no unit: write 512MiB"},
		{"byte order mark", "\ufeffkind: VM\nname: a\nmemory: 512\n", "a.yaml:3:9: vm/a: memory: 512 has no unit: write 512MiB"},
		{"directive", "%YAML 1.1\n---\nkind: VM\nname: a\n", "a.yaml:1:1: YAML directives are not read in manifests: leave the line out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := cpu()
			got := strings.Join(problems(t, files("a.yaml", c.text)), "\n")
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if took := cpu() - start; took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestBig holds that no part of the loader takes time that grows with the square
// of what is written.
func TestBig(t *testing.T) {
	const n = 20_000
	var routes, tags, wrong, broken strings.Builder
	routes.WriteString("kind: Edge\nname: e\ntls:\n  default: reject\n  routes:\n")
	tags.WriteString("kind: Profile\nname: p\ngroups:\n")
	wrong.WriteString("kind: VM\nname: wrong\nuses: [p]\ntags:\n")
	for i := range n {
		fmt.Fprintf(&routes, "    n%d.example.net: \"10.1.1.1:443\"\n", i)
		fmt.Fprintf(&tags, "- g%d\n", i)
		fmt.Fprintf(&wrong, "- !x t%d\n", i)
		fmt.Fprintf(&broken, "---\nkind: VM\nname: b%d\ntags: [\n", i)
	}
	tags.WriteString("---\n{kind: VM, name: a, uses: [p], groups: [g5, x]}\n---\n{kind: VM, name: b, uses: [p], groups: [-g5, x]}\n")
	start := cpu()
	load(t, files("routes.yaml", routes.String(), "tags.yaml", tags.String()))
	if got := problems(t, files("tags.yaml", tags.String(), "wrong.yaml", wrong.String(), "broken.yaml", broken.String())); len(got) != 2*n {
		t.Errorf("%d mistakes", len(got))
	}
	if took := cpu() - start; took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func deepMap(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

func TestHarmlessFiles(t *testing.T) {
	for _, text := range []string{"", "# only\n# comments\n", "---\n---\n", "\n\n", "\ufeff", "~\n", "null", "kind: VM\r\nname: a\r\n", "# x\n---\n# y\n"} {
		if got := problems(t, files("a.yaml", text)); len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestOtherFilesAreStillChecked holds that one unreadable file hides no mistake
// of another.
func TestOtherFilesAreStillChecked(t *testing.T) {
	got := problems(t, files("a.yaml", "kind: VM\nname: \"a\n", "b.yaml", "kind: VM\nname: b\nmemory: 1\n", "c.yaml", "\xff", "d.yaml", "kind: VM\nname: d\nmemory: 1\n"))
	want := []string{
		"a.yaml:2:1: vm/a: found unexpected end of stream: look at this line and the one above it",
		"b.yaml:3:9: vm/b: memory: 1 has no unit: write 1GiB",
		"c.yaml:1:1: this is no UTF-8: save the file as UTF-8",
		"d.yaml:3:9: vm/d: memory: 1 has no unit: write 1GiB",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestSymlinks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("base.yaml", base)
	write("real/x", "text")
	write("play/.berthignore", "")
	write("play/x.yml", "- hosts: all\n")
	for name, to := range map[string]string{"link.yaml": "base.yaml", "dir": "real", "real/link": "x", "play/out": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", `kind: VM
name: a
cloudInit:
  files:
    /etc/a: {from: real/x}
    /etc/b: {from: real/link}
    /etc/c: {from: dir/x}
---
kind: Playbook
name: p
path: play/x.yml
hosts: all
`)
	got := strings.Join(problems(t, os.DirFS(dir)), "\n")
	want := `a.yaml:6:20: vm/a: cloudInit.files[/etc/b].from: real/link is a symbolic link: name the file itself
a.yaml:7:20: vm/a: cloudInit.files[/etc/c].from: dir is a symbolic link: name the file itself
a.yaml:11:7: play/p: path: read the files of Ansible: play/out is a symbolic link: put the file itself here
dir:1:1: a symbolic link, which is not followed: put what it leads to here
link.yaml:1:1: a symbolic link, which is not followed: put what it leads to here`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNothing(t *testing.T) {
	_, err := Load(fstest.MapFS{})
	if err == nil || err.Error() != "there are no manifests here: write a Fleet and a Site, or correct the path" {
		t.Errorf("got %v", err)
	}
	_, err = Load(os.DirFS(filepath.Join(t.TempDir(), "missing")))
	var found Problems
	if err == nil || errors.As(err, &found) {
		t.Errorf("a tree that can't be read is no mistake of a manifest: %v", err)
	}
}
