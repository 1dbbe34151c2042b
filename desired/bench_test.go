package desired

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// crowded makes a fleet of n guests, ten to a file, each with a profile, an
// address, a route and a playbook.
func crowded(n int) fstest.MapFS {
	fsys := files("p.yaml", `kind: Profile
name: base
memory: {size: 512MiB, balloon: false}
cpu: {cores: 2, type: host}
agent: true
tags: [base]
disks: {scsi0: {image: debian-12, storage: ssd, size: 32GiB}}
networks: {net0: {network: lan}}
cloudInit: {packages: [qemu-guest-agent], upgrade: true}
---
kind: Edge
name: main
tls: {default: reject}
---
kind: Playbook
name: base
path: play/base.yml
hosts: all
`, "play/base.yml", "- hosts: all", "play/.berthignore", "")
	for from := 0; from < n; from += 10 {
		var b strings.Builder
		for i := from; i < min(from+10, n); i++ {
			fmt.Fprintf(&b, "---\nkind: VM\nname: web-%d\nid: net\nuses: [base]\ntags: [web]\nmemory: 1GiB\nnetworks: {net0: {hostnum: %d}}\nexpose: [{name: web-%d.example.net}]\n", i, i+10, i)
		}
		fsys[fmt.Sprintf("guests/%05d.yaml", from)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return fsys
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("guests=%d", n), func(b *testing.B) {
			fsys := crowded(n)
			b.ReportAllocs()
			for b.Loop() {
				f, err := Load(fsys)
				if err != nil {
					b.Fatal(err)
				}
				if len(f.Resources) != n+3 {
					b.Fatalf("%d resources", len(f.Resources))
				}
			}
		})
	}
}
