package ansible

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

const manifests = `
kind: Fleet
name: demo
uid: 5b1f0c2e
---
kind: Site
name: home
endpoints: [https://10.1.1.11:8006]
token: {secret: pve}
node: pve1
storage: {ssd: {store: local}}
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24}}
ids: {default: {range: 1000-1999}}
---
kind: VM
name: web-1
groups: [web]
disks: {scsi0: {size: 1GiB, storage: ssd}}
networks: {net0: {network: lan, address: 10.1.1.5}}
---
kind: Playbook
name: base
path: ansible/base.yml
hosts: web
---
kind: Playbook
name: once
path: once/once.yml
hosts: web
runs: [created]
---
kind: Playbook
name: asked
path: once/once.yml
hosts: web
runs: [manual]
`

// What is due follows from the manifests as they are loaded.
func TestFleetFromManifests(t *testing.T) {
	b := newBench(t, fake(t, okay+"\nended; tell '{\"event\":\"stats\"}'"))
	write := func(name, text string) { b.files[name] = &fstest.MapFile{Data: []byte(text)} }
	write("fleet.yaml", manifests)
	for _, dir := range []string{"ansible", "once"} {
		write(dir+"/.berthignore", "")
		write(dir+"/group_vars/web.yml", "a: 1\n")
	}
	write("ansible/base.yml", "- hosts: web\n")
	write("once/once.yml", "- hosts: web\n")
	live := drift.Live{ID: "vm/web-1", Spec: &desired.VM{}, Facts: map[string]string{desired.FactInstance: "first"}}
	b.lives = []drift.Live{live}
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"at first", func() {}, []string{"play/base run", "play/once run"}},
		{"after that", func() {}, nil},
		{"a file edited", func() {
			write("ansible/group_vars/web.yml", "a: 2\n")
			write("once/group_vars/web.yml", "a: 2\n")
		}, []string{"play/base run"}},
		{"another host added", func() { write("fleet.yaml", manifests+"---\nkind: Host\nname: nas\naddress: 10.1.1.9\n") }, nil},
		{"made anew", func() { live.Facts[desired.FactInstance] = "second" }, []string{"play/base run", "play/once run"}},
		{"in the end", func() {}, nil},
	} {
		step.do()
		fleet, err := desired.Load(b.files)
		if err != nil {
			t.Fatal(err)
		}
		b.fleet = fleet
		var have []string
		for _, o := range b.turn(t.Context()) {
			if o.Status != drift.Done {
				t.Errorf("%s: %s", step.what, show(o))
			}
			have = append(have, o.String())
		}
		if diff := cmp.Diff(step.want, have); diff != "" {
			t.Errorf("%s, what ran (-want +got):\n%s", step.what, diff)
		}
	}
}
