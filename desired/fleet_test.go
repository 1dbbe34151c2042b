package desired

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func load(t *testing.T, fsys fstest.MapFS) *Fleet {
	t.Helper()
	f, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const small = `kind: VM
name: web-1
hostname: web-1.example.net
networks: {net1: {address: 10.1.1.4}, net0: {reservation: 10.1.1.5}}
tags: [prod, v1.2]
groups: [b, a]
environment: eu-west
vars: {port: 8080, mode: 0755, version: 1.10, ratio: 1.5, on: true, none: null, list: [1, "2"], map: {a: 1}, text: "true"}
cloudInit: {users: [sean], packages: [git, vim], files: {/etc/x: {from: files/x}}}
---
kind: Container
name: cache
disks: {rootfs: {image: ct, size: 4GiB}}
networks: {net0: {address: dhcp}}
---
{kind: Image, name: ct, url: "https://x.example/debian-12_amd64.tar.zst?a=b", sha512: 039f6d06e082d6a418438483da4f76092ebd0370a91bad30b82ab6d0f442234d63fe27a15569895e34d6d1e5ca50319f62637f7fb96b98dbde4f6103cf05bff6}
---
{kind: Host, name: nas, address: 10.1.1.9, groups: [storage]}
---
{kind: Host, name: other, address: 192.0.2.1}
---
{kind: User, name: sean, keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO sean@example], sudo: true}
---
{kind: Playbook, name: base, path: play/base.yml, hosts: "all:!nas:!other"}
---
{kind: Playbook, name: once, path: play/base.yml, hosts: vm, runs: [created]}
`

func smallFleet() fstest.MapFS {
	return files("small.yaml", small, "files/x", "text", "play/base.yml", "- hosts: all", "play/.berthignore", "", "play/roles/a/tasks.txt", "one")
}

func TestLookups(t *testing.T) {
	f := load(t, smallFleet())
	for id, want := range map[ID]string{"vm/web-1": "10.1.1.5", "ct/cache": "", "host/nas": "10.1.1.9", "vm/none": "", "host/none": "", "play/base": ""} {
		if addr, known := f.Address(id); addr != want || known != (want != "") {
			t.Errorf("%s: %q %v", id, addr, known)
		}
	}
	if f.Guest("play/base") != nil || f.Guest("vm/nobody") != nil || f.Guest("ct/cache").Name != "cache" {
		t.Error("guests")
	}
	if f.Site("home") != f.Sites["home"] || f.Site("x") != nil {
		t.Error("sites")
	}
	want := "a b env_eu_west site_home tag_prod tag_v1_2 vm"
	if got := strings.Join(f.Groups("vm/web-1"), " "); got != want {
		t.Errorf("groups %s", got)
	}
	if got := f.Groups("host/nas"); !slices.Equal(got, []string{"host", "storage"}) {
		t.Errorf("groups %v", got)
	}
	if f.Groups("vm/none") != nil {
		t.Error("groups of nobody")
	}
	image := f.Resource("image/ct@home").Spec.(*ImageAt)
	if image.File != "ct.tar.zst" || image.Store != "local-nvme" || image.Content != "vztmpl" || !image.Present {
		t.Errorf("image %+v", image)
	}
	if f.Images["ct"].File != "" || f.Images["ct"].Content != "" {
		t.Errorf("the Image as written has %+v", f.Images["ct"])
	}
	if f.Documents != 10 || f.Ignored != 1 {
		t.Errorf("%d documents, %d ignored", f.Documents, f.Ignored)
	}
	hand := &Fleet{Resources: f.Resources}
	if hand.Resource("vm/web-1") == nil || hand.Resource("vm/none") != nil {
		t.Error("a Fleet made by hand")
	}
	fewer := *f
	fewer.Resources = slices.DeleteFunc(slices.Clone(f.Resources), func(r *Resource) bool { return r.ID == "vm/web-1" })
	if fewer.Resource("vm/web-1") != nil || fewer.Resource("ct/cache") == nil {
		t.Error("a Fleet that was changed")
	}
}

// TestVars holds that a variable is never read otherwise than it was written.
func TestVars(t *testing.T) {
	got := load(t, smallFleet()).Guest("vm/web-1").Vars
	for name, want := range map[string]any{"port": int64(8080), "mode": "0755", "version": "1.10", "ratio": 1.5, "on": true, "text": "true"} {
		if got[name] != want {
			t.Errorf("%s is %T %v", name, got[name], got[name])
		}
	}
	if _, there := got["none"]; there {
		t.Error("null takes a variable out")
	}
}

// TestDigests holds what makes a seed another, and a playbook due.
func TestDigests(t *testing.T) {
	type state struct{ seed, web, cache, once string }
	of := func(fsys fstest.MapFS) state {
		f := load(t, fsys)
		due := f.Resource("play/base").Spec.(*Playbook).Due
		return state{
			seed: f.Resource("vm/web-1").Spec.(*VM).Seed, web: due["web-1"].Digest, cache: due["cache"].Digest,
			once: f.Resource("play/once").Spec.(*Playbook).Due["web-1"].Digest,
		}
	}
	first := of(smallFleet())
	if len(first.seed) != 64 || first.web == first.cache {
		t.Errorf("%+v", first)
	}
	for _, c := range []struct {
		name             string
		edit             func(fsys fstest.MapFS)
		seed, web, cache bool
	}{
		{"nothing", func(fstest.MapFS) {}, false, false, false},
		{"a line more", replace("small.yaml", "kind: VM\n", "# a comment\nkind: VM\n"), false, false, false},
		{"another order of a set", replace("small.yaml", "[git, vim]", "[vim, git]"), false, false, false},
		{"a moved file", func(fsys fstest.MapFS) {
			fsys["files/y"] = fsys["files/x"]
			replace("small.yaml", "files/x}", "files/y}")(fsys)
		}, false, false, false},
		{"a file of the seed", replace("files/x", "text", "other"), true, false, false},
		{"a package", replace("small.yaml", "[git, vim]", "[git]"), true, false, false},
		{"a key", replace("small.yaml", "sean@example", "sean@elsewhere"), true, false, false},
		{"an address", replace("small.yaml", "10.1.1.4", "10.1.1.44"), true, false, false},
		{"memory", replace("small.yaml", "groups: [b, a]", "groups: [b, a]\nmemory: 1GiB"), false, false, false},
		{"a role", replace("play/roles/a/tasks.txt", "one", "two"), false, true, true},
		{"a new file", func(fsys fstest.MapFS) { fsys["play/new"] = &fstest.MapFile{} }, false, true, true},
		{"a variable of the guest", replace("small.yaml", "port: 8080", "port: 8081"), false, true, false},
		{"a group of the guest", replace("small.yaml", "[b, a]", "[b, c]"), false, true, false},
		{"a variable of the play", replace("small.yaml", "hosts: \"all", "vars: {x: 1}, hosts: \"all"), false, true, true},
		{"the host name", replace("small.yaml", "web-1.example.net", "web.example.net"), true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := smallFleet()
			c.edit(fsys)
			got := of(fsys)
			if (got.seed != first.seed) != c.seed || (got.web != first.web) != c.web || (got.cache != first.cache) != c.cache || got.once != first.once {
				t.Errorf("was %+v\nis  %+v", first, got)
			}
		})
	}
}

// TestPartsOfRuns holds which part of a run is another after an edit.
func TestPartsOfRuns(t *testing.T) {
	of := func(fsys fstest.MapFS) Run {
		return load(t, fsys).Resource("play/base").Spec.(*Playbook).Due["web-1"]
	}
	first := of(smallFleet())
	if zero := [6]byte{}; first.Parts.Files == zero || first.Parts.Vars == zero || first.Parts.Host == zero {
		t.Errorf("not all parts are known: %+v", first.Parts)
	}
	for _, c := range []struct {
		name              string
		edit              func(fsys fstest.MapFS)
		files, vars, host bool
	}{
		{"nothing", func(fstest.MapFS) {}, false, false, false},
		{"a role", replace("play/roles/a/tasks.txt", "one", "two"), true, false, false},
		{"a new file", func(fsys fstest.MapFS) { fsys["play/new"] = &fstest.MapFile{} }, true, false, false},
		{"a file for this host", func(fsys fstest.MapFS) { fsys["play/host_vars/web-1.yml"] = &fstest.MapFile{Data: []byte("x: 1\n")} }, true, false, false},
		{"a file for another host", func(fsys fstest.MapFS) { fsys["play/host_vars/cache.yml"] = &fstest.MapFile{Data: []byte("x: 1\n")} }, false, false, false},
		{"a variable of the play", replace("small.yaml", "hosts: \"all", "vars: {x: 1}, hosts: \"all"), false, true, false},
		{"its tags", replace("small.yaml", "hosts: \"all", "tags: [x], hosts: \"all"), false, true, false},
		{"a variable of the guest", replace("small.yaml", "port: 8080", "port: 8081"), false, false, true},
		{"a group of the guest", replace("small.yaml", "[b, a]", "[b, c]"), false, false, true},
	} {
		fsys := smallFleet()
		c.edit(fsys)
		got := of(fsys)
		if (got.Parts.Files != first.Parts.Files) != c.files || (got.Parts.Vars != first.Parts.Vars) != c.vars || (got.Parts.Host != first.Parts.Host) != c.host {
			t.Errorf("%s: was %+v\nis  %+v", c.name, first.Parts, got.Parts)
		}
		if (got.Digest != first.Digest) != (c.files || c.vars || c.host) {
			t.Errorf("%s: the digest and the parts don't agree", c.name)
		}
	}
}

func replace(name, before, after string) func(fstest.MapFS) {
	return func(fsys fstest.MapFS) {
		text := strings.Replace(string(fsys[name].Data), before, after, 1)
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
}

// TestLeaves holds that every path that can be compared and is set is found
// among the leaves, and that leaves come sorted.
func TestLeaves(t *testing.T) {
	f := load(t, smallFleet())
	for _, r := range f.Resources {
		leaves := Leaves(r.ID.Kind(), r.Spec)
		paths := map[Path]Leaf{}
		for i, leaf := range leaves {
			paths[leaf.Path] = leaf
			if i > 0 && leaves[i-1].Path >= leaf.Path {
				t.Errorf("%s: %s after %s", r.ID, leaf.Path, leaves[i-1].Path)
			}
			if leaf.Effect == "" {
				t.Errorf("%s: %s costs nothing", r.ID, leaf.Path)
			}
		}
		if g := f.Guest(r.ID); g != nil && (g.VMID == 0 || r.Has("id")) {
			t.Errorf("%s: an id that follows from a hash is %d and compared: %v", r.ID, g.VMID, r.Has("id"))
		}
		for _, p := range []Path{"hostname", "state", "networks.net0.network"} {
			if !r.ID.Guest() {
				continue
			}
			if _, ok := paths[p]; !ok || !r.Has(p) {
				t.Errorf("%s: %s is no leaf, or not set", r.ID, p)
			}
		}
	}
	vm := f.Resource("vm/web-1")
	for path, want := range map[Path]Effect{"networks.net1.address": Create, "id": Recreate, "cloudInit": Create, "memory.size": Reboot, "tags": Online} {
		i := slices.IndexFunc(Leaves(KindVM, vm.Spec), func(l Leaf) bool { return l.Path == path })
		if i < 0 || Leaves(KindVM, vm.Spec)[i].Effect != want {
			t.Errorf("%s", path)
		}
	}
	ct := f.Resource("ct/cache")
	for _, leaf := range Leaves(KindContainer, ct.Spec) {
		if leaf.Path == "networks.net0.address" && leaf.Effect != Online {
			t.Errorf("%s is %s", leaf.Path, leaf.Effect)
		}
	}
}

func TestTextAndZero(t *testing.T) {
	for _, c := range []struct {
		value any
		text  string
		zero  bool
	}{
		{Size(0), "0MiB", true},
		{2 * GiB, "2GiB", false},
		{1536 * MiB, "1536MiB", false},
		{Rate(100 * MiB), "100MiB/s", false},
		{DefaultArchiveFor, "7d", false},
		{Words{"b", "a", "b"}, "a b", false},
		{Words{}, "", true},
		{List(nil), "", true},
		{List{"b", "a"}, "b a", false},
		{"", "", true},
		{true, "true", false},
		{0, "0", true},
		{nil, "<nil>", true},
		{Target{Text: "vm/a:1"}, "vm/a:1", false},
	} {
		if got := Text(c.value); got != c.text || Zero(c.value) != c.zero {
			t.Errorf("%#v: %q %v", c.value, got, Zero(c.value))
		}
	}
}

func TestPathWithin(t *testing.T) {
	for _, c := range []struct {
		p, q Path
		want bool
	}{
		{"disks.scsi0.size", "disks", true},
		{"disks.scsi0.size", "disks.scsi0", true},
		{"disks.scsi10", "disks.scsi1", false},
		{"tls.routes[.a]", "tls.routes", true},
		{"tls.routes[.a]", "tls.routes[.a]", true},
		{"memory", "", true},
		{"", "memory", false},
	} {
		if got := c.p.Within(c.q); got != c.want {
			t.Errorf("%q within %q: %v", c.p, c.q, got)
		}
	}
}

// TestNotShared holds that guests of one profile share no map or list: what one
// is changed to, the others are not.
func TestNotShared(t *testing.T) {
	f := load(t, files("a.yaml", `{kind: Profile, name: p, tags: [a], vars: {x: {y: 1}}, disks: {scsi0: {size: 1GiB}}, dns: [10.0.0.1], cloudInit: {packages: [git]}}
---
{kind: VM, name: a, uses: [p], networks: {net0: {}}}
---
{kind: VM, name: b, uses: [p], networks: {net0: {}}}
`))
	a, b := f.Resource("vm/a").Spec.(*VM), f.Resource("vm/b").Spec.(*VM)
	a.Tags[0] = "z"
	a.Vars["x"].(map[string]any)["y"] = 2
	a.Disks["scsi0"] = Disk{}
	a.CloudInit.Packages[0] = "z"
	a.DNS[0] = "z"
	if b.Tags[0] != "a" || b.Vars["x"].(map[string]any)["y"] != int64(1) || b.Disks["scsi0"].Size != GiB || b.CloudInit.Packages[0] != "git" || b.DNS[0] != "10.0.0.1" {
		t.Errorf("%+v", b)
	}
}

func TestFleetDefaults(t *testing.T) {
	s := load(t, files()).Spec
	if s.ArchiveFor != DefaultArchiveFor || s.Guards.Deletes != 3 || s.Zone != "UTC" || s.Version != Version || s.SSH != (SSH{User: "root", Port: 22, KnownHosts: "learn"}) {
		t.Errorf("%+v", s)
	}
	s = load(t, files("f.yaml", "{kind: Fleet, name: x, uid: 5b1f0c2e, archiveFor: 0, guards: {deletes: 0}, ssh: {user: ops, key: {secret: k}}}\n---\n{kind: VM, name: a, ssh: {port: 2222}}")).Spec
	if s.ArchiveFor != 0 || s.Guards.Deletes != 0 || s.SSH.User != "ops" || s.SSH.Port != 22 {
		t.Errorf("%+v", s)
	}
	site := load(t, files()).Site("home")
	if site.Timeouts != (Timeouts{minutes(10), minutes(30), minutes(3), minutes(10)}) || site.MACPrefix != "bc:24:11" || site.Seeds != "ssd" || site.Store("ssd") != "local-nvme" || site.Store("x") != "x" {
		t.Errorf("%+v", site)
	}
	if got := site.Storage["ssd"].Set["ssd"]; got.Layer != "site/home" || got.Line != 5 {
		t.Errorf("%+v", got)
	}
	if got := site.Networks["lan"].Set["gateway"]; got.Layer != "site/home" {
		t.Errorf("%+v", got)
	}
}

// TestDeferred holds that what is known only later names what it waits for.
func TestDeferred(t *testing.T) {
	facts := func(id ID, fact string) (string, bool) {
		known := map[string]string{"vm/a address": "10.1.1.4", "vm/a instance": "one", "vm/b instance": "two", "host/nas address": "10.1.1.9"}
		value, ok := known[string(id)+" "+fact]
		return value, ok
	}
	for text, want := range map[string]string{
		"vm/a:443": "10.1.1.4:443", "host/nas:22": "10.1.1.9:22", "10.1.1.1:1": "10.1.1.1:1", "reject": "reject", "vm/b:443": "vm/b address",
	} {
		leaf, from := Target{Text: text}.Resolve(facts)
		if got := from + Text(leaf); got != want && got != want+text {
			t.Errorf("%s: %s", text, got)
		}
	}
	one, _ := Run{Digest: "x", Guest: "vm/a"}.Resolve(facts)
	two, _ := Run{Digest: "x", Guest: "vm/b"}.Resolve(facts)
	if one.(Run).Equal(two.(Run)) || len(Text(one)) != 12 {
		t.Errorf("a guest made anew is not due: %v %v", one, two)
	}
	if _, from := (Run{Digest: "x", Guest: "vm/c"}).Resolve(facts); from != "vm/c instance" {
		t.Errorf("from %s", from)
	}
}

// TestDigestsStay holds what runs are known by across versions of Berth: another digest
// has every playbook of every fleet run once more.
func TestDigestsStay(t *testing.T) {
	due := load(t, smallFleet()).Resource("play/base").Spec.(*Playbook).Due
	for host, want := range map[string]string{
		"web-1": "f6f9ed6ed6ec375e353d3804b3117235e4edc3750126e2046894cd5fb5c2b6d9",
		"cache": "23f3fb0326cafff3461ea85531168a8db0bfccab0993ae57f072def42d9c3bac",
	} {
		if got := due[host].Digest; got != want {
			t.Errorf("the run on %s is known by %s, before by %s", host, got, want)
		}
	}
}
