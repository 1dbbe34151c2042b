package importer

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

const wholeFleet = `
kind: Fleet
name: fleet
uid: 5b1f0c2e
version: 1
---
kind: Site
name: home
endpoints: ["https://pve1.test:8006"]
token: {secret: pve-home}
node: pve1
storage:
  lvm: {store: local-lvm, ssd: true, discard: true}
  local: {store: local}
images: local
networks:
  lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.1, dns: [10.1.1.1]}
  vlan30: {bridge: vmbr0, vlan: 30}
phases:
  web: {order: 100, up: 30s}
---
kind: Image
name: debian-12
url: https://images.example.net/debian-12.qcow2
sha256: SUM-VM
---
kind: Image
name: debian-ct
url: https://images.example.net/debian-ct.tar.zst
sha256: SUM-CT
---
kind: Profile
name: web
for: VM
cpu: {cores: 2, type: host}
memory: {size: 1GiB, balloon: false}
agent: true
serial0: socket
vga: serial0
startup: web
tags: [web]
disks: {scsi0: {image: debian-12, storage: lvm, size: 8GiB}}
networks: {net0: {network: lan}}
ready: {timeout: 1s}
---
kind: VM
name: web-1
id: 4001
uses: [web]
description: The first.
---
kind: VM
name: web-2
hostname: Web-2.example.net
id: 4002
uses: [web]
memory: 2GiB
disks: {scsi1: {size: 16GiB, storage: local, discard: false, backup: false, cache: writeback}}
networks: {net1: {network: vlan30, rate: 10MiB/s}}
protection: true
---
kind: VM
name: web-3
id: 4003
uses: [web]
disks: {scsi1: {volume: store/www}}
options: {rng0: source=/dev/urandom}
---
kind: VM
name: off
id: 4004
state: stopped
scsihw: virtio-scsi-pci
ostype: win11
bios: ovmf
machine: q35
disks: {scsi0: {size: 4GiB, storage: local}}
startup: never
---
kind: VM
name: seeded
id: 4006
uses: [web]
networks: {net0: {address: 10.1.1.7}}
cloudInit: {packages: [git]}
---
kind: Container
name: cache
id: 4005
cpu: 2
memory: 512MiB
swap: 0MiB
features: [nesting]
tags: [web, cache]
disks: {rootfs: {image: debian-ct, storage: lvm, size: 4GiB}, mp0: {size: 2GiB, storage: local, mount: /srv, backup: true}}
networks: {net0: {network: lan, address: 10.1.1.5}}
startup: yes
---
kind: DataVM
name: store
id: 4009
disks: {scsi0: {name: www, storage: local, size: 2GiB}, scsi3: {name: logs, storage: lvm, size: 1GiB}}
`

// converge applies a fleet until nothing is left to do.
func (s *site) converge(t *testing.T, fleet *desired.Fleet) {
	t.Helper()
	appliers := make(map[string]applyers.Applyer)
	for _, kind := range s.a.Kinds() {
		appliers[kind] = s.a
	}
	for range 6 {
		seen, plan := s.look(t, fleet)
		if len(plan.Changes) == 0 {
			return
		}
		_, err := applyers.Execute(context.Background(), applyers.Execution{
			Plan: plan, World: drift.NewWorld(fleet, seen.Lives), Appliers: appliers, Now: time.Now,
			Confirm:    func(context.Context, drift.Change) string { return "" },
			Superseded: func(context.Context) string { return "" },
			Events:     func(applyers.Event) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, plan := s.look(t, fleet)
	if len(plan.Changes) > 0 {
		t.Fatalf("it does not converge:\n%s", said(plan))
	}
}

// TestAppliedFleetImportsAsItself applies a fleet to an empty cluster, forgets its
// manifests, and imports it again by its name and uid: the same resources with the
// same values come back. What Proxmox can't give back is told: the url and
// checksum of images, and what stood in a seed.
func TestAppliedFleetImportsAsItself(t *testing.T) {
	sim := pvesim.New(pvesim.Options{Agents: true})
	s := newSite(sim)
	text := strings.NewReplacer(
		"SUM-VM", pvesim.Sum("https://images.example.net/debian-12.qcow2", "sha256"), "SUM-CT", pvesim.Sum("https://images.example.net/debian-ct.tar.zst", "sha256"),
	).Replace(wholeFleet)
	before := load(t, fstest.MapFS{"fleet.yaml": {Data: []byte(text)}})
	s.converge(t, before)

	made := s.make(t, options())
	after := load(t, tree(made))
	for _, want := range before.Resources {
		if want.ID.Kind() == desired.KindImage {
			continue
		}
		have := after.Resource(want.ID)
		if have == nil {
			t.Errorf("%s is not imported: %v", want.ID, made.LeftOut)
			continue
		}
		equalGuest(t, want, have)
	}
	if _, plan := s.look(t, after); len(plan.Changes)+len(plan.Foreign)+len(plan.Blind) > 0 {
		t.Errorf("a plan is left:\n%s", said(plan))
	}
	for _, u := range made.Unsaid {
		switch u.Option {
		case "disks.scsi0.image", "disks.rootfs.image", "cloudInit":
		default:
			t.Errorf("%s %s is left out: %s", u.ID, u.Option, u.Reason)
		}
	}
	if n := len(made.Taken); n != 7 {
		t.Errorf("%d taken", n)
	}
	if text := string(made.Files["guests/seeded.yaml"]); !strings.Contains(text, "address: 10.1.1.7") || strings.Contains(text, "scsi30") {
		t.Errorf("%s", text)
	}
	// A fleet of another name leaves them alone.
	o := options()
	o.UID = "ffffffff"
	if _, err := Make(s.survey(t), o); err == nil || !strings.Contains(err.Error(), "it belongs to fleet "+o.Fleet+" (uid 5b1f0c2e)") {
		t.Errorf("%v", err)
	}
}

// equalGuest tells whether both manifests ask for the same. What the one leaves
// out must be what Proxmox takes anyway.
func equalGuest(t *testing.T, want, have *desired.Resource) {
	t.Helper()
	got := leaves(have.ID.Kind(), have.Spec)
	for _, leaf := range desired.Leaves(want.ID.Kind(), want.Spec) {
		if !want.Set.Has(leaf.Path) || leaf.Effect == desired.Create {
			continue
		}
		setNow := have.Set.Has(leaf.Path)
		value := desired.Text(leaf.Value)
		switch {
		case setNow && got[leaf.Path] != value:
			t.Errorf("%s %s: %s, was %s", want.ID, leaf.Path, got[leaf.Path], value)
		case !setNow && !byDefault(leaf.Path, value):
			t.Errorf("%s %s: was %s, is left out", want.ID, leaf.Path, value)
		}
	}
}

// byDefault tells what needs no line.
func byDefault(path desired.Path, value string) bool {
	keys := path.Keys()
	switch last := keys[len(keys)-1]; last {
	case "startup":
		return value == "never"
	case "discard", "ssd", "iothread", "readOnly":
		return value == "false"
	}
	return false
}
