package desired

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// playFleet is a fleet of three guests and a Host, in groups, with playbooks that share
// a directory.
func playFleet() fstest.MapFS {
	return files("a.yaml", `kind: VM
name: web-1
groups: [front]
disks: {scsi0: {size: 8GiB, storage: ssd}}
vars: {x: 1}
---
kind: VM
name: web-2
groups: [front]
---
kind: VM
name: db-1
vars: {password: {secret: apps, key: db}}
---
kind: Host
name: nas
address: 10.1.1.250
---
kind: Playbook
name: one
path: play/one.yml
hosts: all
groups: {servers: [front, host]}
---
kind: Playbook
name: two
path: play/two.yml
hosts: all
varsFiles: [play/vars/all.yml, other/x.yml]
vaults: {lab: {secret: vault}}
---
kind: Playbook
name: three
path: play/sub/three.yml
hosts: all
runs: [created]
`,
		"play/.berthignore", "", "play/one.yml", "- hosts: all\n", "play/two.yml", "- hosts: all\n", "play/sub/three.yml", "- hosts: all\n",
		"play/roles/x/tasks/main.yml", "[]\n", "play/vars/all.yml", "a: 1\n", "play/requirements.yml", "roles: []\n", "play/roles/requirements.yml", "[]\n",
		"play/host_vars/web-1.yml", "a: 1\n", "play/host_vars/db-1/a.yml", "a: 1\n", "play/group_vars/front.yml", "a: 1\n",
		"play/group_vars/servers/a", "a: 1\n", "play/group_vars/all", "a: 1\n", "other/x.yml", "a: 1\n", "other/.berthignore", "")
}

// duePlay is what a playbook must have run.
func duePlay(t *testing.T, fsys fs.FS, name string) map[string]Run {
	t.Helper()
	fleet, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Resource(MakeID(KindPlaybook, name)).Spec.(*Playbook).Due
}

// TestOnlyWhomItConcerns holds that an edit makes those hosts due that it concerns, and
// no others.
func TestOnlyWhomItConcerns(t *testing.T) {
	edit := func(from, to string) func(fstest.MapFS) {
		return func(fsys fstest.MapFS) {
			old := string(fsys["a.yaml"].Data)
			if !strings.Contains(old, from) {
				t.Fatalf("nothing is %q", from)
			}
			fsys["a.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(old, from, to, 1))}
		}
	}
	write := func(name string) func(fstest.MapFS) {
		return func(fsys fstest.MapFS) { fsys[name] = &fstest.MapFile{Data: []byte("b: 2\n")} }
	}
	const everybody = "db-1 nas web-1 web-2"
	for name, test := range map[string]struct {
		edit     func(fstest.MapFS)
		one, two string
	}{
		"nothing":             {func(fstest.MapFS) {}, "", ""},
		"a host's variables":  {write("play/host_vars/web-1.yml"), "web-1", "web-1"},
		"a host's directory":  {write("play/host_vars/db-1/b.yml"), "db-1", "db-1"},
		"a host's first":      {write("play/host_vars/nas.json"), "nas", "nas"},
		"nobody's":            {write("play/host_vars/nobody.yml"), "", ""},
		"a group's variables": {write("play/group_vars/front.yml"), "web-1 web-2", "web-1 web-2"},
		"a group of groups'":  {write("play/group_vars/servers/a"), "nas web-1 web-2", ""},
		"everybody's":         {write("play/group_vars/all"), everybody, everybody},
		"a role":              {write("play/roles/x/tasks/main.yml"), everybody, everybody},
		"a role's host_vars":  {write("play/roles/x/host_vars/web-1.yml"), everybody, everybody},
		"requirements":        {write("play/requirements.yml"), everybody, everybody},
		"that a file is a program": {func(fsys fstest.MapFS) {
			fsys["play/roles/x/tasks/main.yml"] = &fstest.MapFile{Data: []byte("[]\n"), Mode: 0o755}
		}, everybody, everybody},
		"a file of variables":        {write("other/x.yml"), "", everybody},
		"a guest's variable":         {edit("x: 1", "x: 2"), "web-1", "web-1"},
		"a guest's secret":           {edit("key: db", "key: db2"), "db-1", "db-1"},
		"a guest's group":            {edit("name: web-2\ngroups: [front]", "name: web-2"), "web-2", "web-2"},
		"a guest's user":             {edit("vars: {x: 1}", "vars: {x: 1}\nssh: {user: anna}"), "web-1", "web-1"},
		"a guest's disk":             {edit("size: 8GiB", "size: 9GiB"), "", ""},
		"what a group is made of":    {edit("[front, host]", "[front]"), "nas", ""},
		"the password of a vault":    {edit("{secret: vault}", "{secret: other}"), "", everybody},
		"the user":                   {edit("hosts: all\ngroups:", "hosts: all\nuser: anna\ngroups:"), everybody, ""},
		"how many at a time":         {edit("hosts: all\ngroups:", "hosts: all\nserial: 1\nmaxFail: 25%\ntimeout: 1h\norder: 10\nretry: false\ndrift: check\ngroups:"), "", ""},
		"the tags":                   {edit("hosts: all\ngroups:", "hosts: all\ntags: [a]\ngroups:"), everybody, ""},
		"a run of its own for hosts": {edit("hosts: all\ngroups:", "hosts: all\neach: host\ngroups:"), everybody, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := playFleet(), playFleet()
			test.edit(after)
			for play, want := range map[string]string{"one": test.one, "two": test.two, "three": ""} {
				was, is := duePlay(t, before, play), duePlay(t, after, play)
				var due []string
				for _, host := range slices.Sorted(maps.Keys(is)) {
					if !was[host].Equal(is[host]) {
						due = append(due, host)
					}
				}
				if got := strings.Join(due, " "); got != want {
					t.Errorf("%s is due on %q, want %q", play, got, want)
				}
			}
		})
	}
}

// TestRunRefers holds that a run knows the secrets that count on its host.
func TestRunRefers(t *testing.T) {
	two := duePlay(t, playFleet(), "two")
	db, vault := SecretRef{Secret: "apps", Key: "db"}, SecretRef{Secret: "vault"}
	if run := two["db-1"]; !slices.Equal(run.Secrets, []SecretRef{db, vault}) || run.Play != "play/two" || run.Guest != "vm/db-1" || run.Git || run.OnDemand {
		t.Errorf("%+v", run)
	}
	if run := two["nas"]; !slices.Equal(run.Secrets, []SecretRef{vault}) || run.Guest != "host/nas" {
		t.Errorf("%+v", run)
	}
	for host, run := range duePlay(t, playFleet(), "three") {
		if run.Secrets != nil || run.Digest == "" {
			t.Errorf("%s: %+v", host, run)
		}
	}
}

// counting counts how often each file is opened, and tells contents without it where
// digests says.
type counting struct {
	fstest.MapFS
	opened map[string]int
}

func (c counting) Open(name string) (fs.File, error) {
	f, err := c.MapFS.Open(name)
	if info, statErr := fs.Stat(c.MapFS, name); err == nil && statErr == nil && info.Mode().IsRegular() {
		c.opened[name]++
	}
	return f, err
}

func (c counting) Lstat(name string) (fs.FileInfo, error) { return c.Stat(name) }

// named is a counting tree whose contents have names, as in Git.
type named struct{ counting }

func (n named) Digest(name string) (string, error) { return contentDigest(n.MapFS[name].Data), nil }

// TestEachFileOnce holds that each file beside playbooks is opened once a load,
// whatever number of playbooks and hosts share it, and not at all where Git tells that
// it is as it was.
func TestEachFileOnce(t *testing.T) {
	beside := func(opened map[string]int) map[string]int {
		maps.DeleteFunc(opened, func(name string, _ int) bool {
			return !strings.Contains(name, "/") || strings.HasSuffix(name, ".berthignore")
		})
		return opened
	}
	plain := counting{playFleet(), map[string]int{}}
	if _, err := Load(plain); err != nil {
		t.Fatal(err)
	}
	opened := beside(plain.opened)
	if len(opened) < 10 {
		t.Errorf("only %v were opened", opened)
	}
	for name, times := range opened {
		if times != 1 {
			t.Errorf("%s was opened %d times", name, times)
		}
	}
	var l Loader
	tree := named{counting{playFleet(), map[string]int{}}}
	first, err := l.Load(tree)
	if err != nil {
		t.Fatal(err)
	}
	clear(tree.opened)
	tree.MapFS["play/host_vars/web-1.yml"] = &fstest.MapFile{Data: []byte("c: 3\n")}
	tree.MapFS["a.yaml"] = &fstest.MapFile{Data: append(slices.Clone(tree.MapFS["a.yaml"].Data), '\n')}
	again, err := l.Load(tree)
	if err != nil {
		t.Fatal(err)
	}
	if got := beside(tree.opened); len(got) != 1 || got["play/host_vars/web-1.yml"] != 1 {
		t.Errorf("opened are %v", got)
	}
	was, is := first.Resource("play/one").Spec.(*Playbook).Due, again.Resource("play/one").Spec.(*Playbook).Due
	if was["web-1"].Equal(is["web-1"]) || !was["web-2"].Equal(is["web-2"]) {
		t.Errorf("was %v, is %v", was, is)
	}
}

// TestLinksBesidePlaybooks holds that what could change unseen is refused.
func TestLinksBesidePlaybooks(t *testing.T) {
	fsys := playFleet()
	fsys["play/roles/y"] = &fstest.MapFile{Data: []byte("/etc"), Mode: fs.ModeSymlink | 0o777}
	_, err := Load(fsys)
	if err == nil || !strings.Contains(err.Error(), "path: read the files of Ansible: play/roles/y is a symbolic link: put the file itself here") {
		t.Errorf("got %v", err)
	}
}

// TestSubmodulesBesidePlaybooks holds that files which the agent does not get are told,
// be it Git that says so, or a working copy that has them.
func TestSubmodulesBesidePlaybooks(t *testing.T) {
	for name, file := range map[string]*fstest.MapFile{
		"play/roles/y":      {Mode: fs.ModeIrregular},
		"play/roles/y/.git": {Data: []byte("gitdir: ../../../.git/modules/y\n")},
	} {
		fsys := playFleet()
		fsys[name] = file
		_, err := Load(fsys)
		if err == nil || !strings.Contains(err.Error(), "path: read the files of Ansible: play/roles/y is a submodule of Git") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
