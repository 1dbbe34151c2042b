package proxmox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
)

const certsYAML = `
kind: DataVM
name: certs
id: 9501
disks: {scsi0: {name: letsencrypt, storage: hdd, size: 2GiB, label: certs, mount: /etc/letsencrypt}}
`

const lab1YAML = `
kind: VM
name: web-1
id: 4001
disks:
  scsi0: {image: debian-12, storage: ssd, size: 8GiB}
  scsi1: {volume: certs/letsencrypt}
networks: {net0: {network: lan, address: 10.1.1.4}}
cloudInit: {packages: [certbot]}
lifecycle: {reboot: now}
`

const templateYAML = `
kind: Template
name: debian-12
find: {tag: debian-12}
`

// crash is a turn in which the agent may be killed at any request.
type crash struct {
	// before brings the cluster to where the turn begins; manifests are the turn's.
	before    func(b *bench)
	manifests []string
	// after asserts on what it has come to.
	after func(t *testing.T, b *bench)
}

// TestKilledWithDataAtStake kills the agent in the middle of what moves data, or
// makes guests of what is there already.
func TestKilledWithDataAtStake(t *testing.T) {
	t.Parallel()
	lab2 := strings.NewReplacer("name: web-1", "name: db", "id: 4001", "id: 4003", "10.1.1.4", "10.1.1.6").Replace(lab1YAML)
	free := strings.ReplaceAll(lab1YAML, "scsi1: {volume: certs/letsencrypt}", "scsi1: absent")
	for name, c := range map[string]crash{
		"a creation with a volume": {
			manifests: []string{certsYAML, lab1YAML},
			after: func(t *testing.T, b *bench) {
				t.Helper()
				b.owns(map[int]int{9501: 1, 4001: 2}, "qmcreate", 2)
				if !holds(b.guest(4001)) {
					t.Errorf("it has no volume: %+v", b.guest(4001).Config)
				}
			},
		},
		"a clone": {
			before:    func(b *bench) { b.template(9000, nil) },
			manifests: []string{templateYAML, cloneYAML + "clone: debian-12\n"},
			after: func(t *testing.T, b *bench) {
				t.Helper()
				b.owns(map[int]int{4001: 3}, "qmclone", 1)
				if g := b.guest(4001); g.Config["tags"] != "berth.pegasus;prod" || !g.Running {
					t.Errorf("%+v", g)
				}
			},
		},
		"a hand-over": {
			before: func(b *bench) {
				b.manifests(certsYAML, lab1YAML)
				b.apply()
			},
			manifests: []string{certsYAML, free, lab2},
			after: func(t *testing.T, b *bench) {
				t.Helper()
				b.owns(map[int]int{9501: 1, 4001: 2, 4003: 2}, "qmcreate", 3)
				if g := b.guest(4001); !holds(b.guest(4003)) || holds(g) || !g.Running {
					t.Errorf("%+v", g.Config)
				}
			},
		},
		"an adoption": {
			before: func(b *bench) {
				b.sim.AddGuest(pvesim.Guest{VMID: 4001, Node: "pve1", Running: true, Config: map[string]string{
					"name": "web-1", "smbios1": "uuid=" + uuid, "cores": "4", "scsi0": "local-lvm:vm-4001-disk-0,size=8G",
				}})
			},
			manifests: []string{"kind: VM\nname: web-1\nid: 4001\ncpu: 2\nadopt: {uuid: " + uuid + "}\nlifecycle: {reboot: now}\n"},
			after: func(t *testing.T, b *bench) {
				t.Helper()
				b.owns(nil, "qmcreate", 0)
				if g := b.guest(4001); g.Config["cores"] != "2" || strings.Count(g.Config["description"], "berth:") != 1 {
					t.Errorf("%+v", g.Config)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests, writes int
			synctest.Test(t, func(t *testing.T) {
				b := c.start(t)
				began := len(b.sim.Requests())
				b.mark()
				b.converge2()
				requests, writes = len(b.sim.Requests())-began, len(b.writes())
				c.after(t, b)
			})
			kill := func(n int, after bool) {
				t.Run(fmt.Sprintf("%v %d", after, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := c.start(t)
						b.killAt(n, after)
						b.converge()
						c.after(t, b)
						b.neverTwo()
					})
				})
			}
			for n := 1; n <= requests; n += 3 * stride {
				kill(n, false)
			}
			for n := 1; n <= writes; n += stride {
				kill(n, true)
			}
		})
	}
}

func (c crash) start(t *testing.T) *bench {
	t.Helper()
	b := benchOn(t, pvesim.New(slowTasks()))
	if c.before != nil {
		c.before(b)
	}
	b.manifests(c.manifests...)
	return b
}

// converge2 makes the turns that an undisturbed agent needs.
func (b *bench) converge2() {
	b.t.Helper()
	for range 4 {
		if p := b.plan(); len(p.Changes) == 0 {
			return
		}
		b.turn()
	}
	b.t.Errorf("it does not converge:\n%s", show(b.plan()))
}

// owns asserts how many volumes guests have, how many tasks of a type there were,
// and that no upload is left.
func (b *bench) owns(volumes map[int]int, task string, times int) {
	b.t.Helper()
	for vmid, want := range volumes {
		if got := b.volumesOfGuest(vmid); len(got) != want {
			b.t.Errorf("guest %d has volumes %q, want %d", vmid, got, want)
		}
	}
	made := 0
	for _, t := range b.sim.Tasks() {
		if t.Type == task {
			made++
		}
	}
	if made != times {
		b.t.Errorf("%d tasks %s, want %d", made, task, times)
	}
	if slices.ContainsFunc(b.sim.Volumes(), func(v pvesim.Volume) bool { return strings.Contains(v.ID, "berth-") }) {
		b.t.Error("an upload is left")
	}
}
