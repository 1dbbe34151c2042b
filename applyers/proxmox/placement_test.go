package proxmox

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

func unlikeNodes() *pvesim.Cluster {
	return pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Storages: []pvesim.Storage{
		{Name: "local", Type: "dir", Content: []string{"iso", "vztmpl", "import", "images", "rootdir"}},
		{Name: "local-lvm", Type: "lvmthin", Content: []string{"images", "rootdir"}, Nodes: []string{"pve1"}},
		{Name: "other-lvm", Type: "lvmthin", Content: []string{"images", "rootdir"}, Nodes: []string{"pve2"}},
	}})
}

// manifestsOn are manifests with a storage class that has another name on pve2.
func (b *bench) manifestsOn(docs ...string) {
	b.t.Helper()
	site := edited(siteYAML, "{store: local-lvm, ssd: true", "{store: local-lvm, perNode: {pve2: other-lvm}, ssd: true")
	b.fleet = load(b.t, append([]string{fleetYAML, site, imagesYAML}, docs...)...)
}

func TestAPinnedGuestMovesWithItsVolumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, unlikeNodes())
		b.manifestsOn(webYAML, cacheYAML)
		b.apply()
		there := "pin: true\nnode: pve2\n"
		b.manifestsOn(webYAML+there, cacheYAML+there)
		if got := show(b.plan()); !strings.Contains(got, "vm/web-1 migrate\n  node \"pve1\" → \"pve2\"") ||
			!strings.Contains(got, "to move it restarts it (lifecycle.reboot: never): stop it, or write lifecycle.reboot: now") {
			t.Errorf("plan:\n%s", got)
		}
		for _, o := range b.turn() {
			if o.ID == "vm/web-1" && o.Status != drift.Done {
				t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
			}
		}
		vm, ct := b.guest(4001), b.guest(4002)
		if vm.Node != "pve2" || !vm.Running || !strings.HasPrefix(vm.Config["scsi0"], "other-lvm:") || ct.Node != "pve1" {
			t.Errorf("vm %+v\nct %+v", vm, ct)
		}
		b.manifestsOn(webYAML+there, cacheYAML+there+"lifecycle: {reboot: now}\n")
		b.apply()
		if ct := b.guest(4002); ct.Node != "pve2" || !ct.Running || !strings.HasPrefix(ct.Config["rootfs"], "other-lvm:") {
			t.Errorf("ct %+v", ct)
		}
		b.settled()
	})
}

func TestAGuestIsMadeOnItsNodesOwnStorage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, unlikeNodes())
		b.manifestsOn(webYAML + "node: pve2\n")
		b.apply()
		if vm := b.guest(4001); vm.Node != "pve2" || !strings.HasPrefix(vm.Config["scsi0"], "other-lvm:") {
			t.Errorf("%+v", vm)
		}
		b.settled()
	})
}

func TestNothingMovesToANodeThatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ node, want string }{
		"off":     {"pve2", "node pve2 is offline"},
		"unknown": {"pve9", `site home has no node "pve9": it has pve1, pve2`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := benchOn(t, unlikeNodes())
				b.manifestsOn(webYAML)
				b.apply()
				b.sim.SetOnline("pve2", false)
				b.manifestsOn(edited(webYAML, "tags: [prod, web]", "tags: [prod]") + "pin: true\nnode: " + c.node + "\n")
				if got := show(b.plan()); !strings.Contains(got, "HELD "+c.want) {
					t.Errorf("plan:\n%s", got)
				}
				b.turn()
				if vm := b.guest(4001); vm.Node != "pve1" || vm.Config["tags"] != "berth.pegasus;prod" {
					t.Errorf("what is not held did not go on: %+v", vm)
				}
			})
		})
	}
}

func TestAPoolThatIsNotThereIsToldBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(webYAML+"pool: lab\n", cacheYAML+"pool: lab\n")
		b.mark()
		const want = `HELD site home has no pool "lab": as root on a node: pveum pool add lab`
		if got := show(b.plan()); strings.Count(got, want) < 2 {
			t.Errorf("plan:\n%s", got)
		}
		b.turn()
		if slices.ContainsFunc(b.writes(), func(w string) bool { return strings.Contains(w, "pools") || strings.HasSuffix(w, "/lxc") }) {
			t.Errorf("written: %q", b.writes())
		}
		b.sim.SetPool(4001, "lab")
		b.sim.SetPool(4001, "")
		b.apply()
		if b.guest(4001).Pool != "lab" || b.guest(4002).Pool != "lab" {
			t.Errorf("pools: %q, %q", b.guest(4001).Pool, b.guest(4002).Pool)
		}
		b.settled()
	})
}

const nativeYAML = `
kind: VM
name: native
id: 4011
agent: true
disks: {scsi0: {image: debian-12, storage: ssd, size: 8GiB}}
networks: {net0: {network: lan, address: 10.1.1.11}}
cloudInit: {native: true, users: [{name: anna, keys: [` + someKey + `]}]}
`

func TestTheNativeDriveIsRebootedForWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nativeYAML)
		b.apply()
		b.settled()
		if g := b.guest(4011); !strings.Contains(g.Config["ide2"], "cloudinit") || g.Config["ciuser"] != "anna" || g.Config["ipconfig0"] != "ip=10.1.1.11/24,gw=10.1.1.1" {
			t.Errorf("%+v", g.Config)
		}
		b.manifests(edited(nativeYAML, "10.1.1.11", "10.1.1.12") + "lifecycle: {reboot: now}\n")
		if got := show(b.plan()); got != "vm/native reboot\n  networks.net0.address \"10.1.1.11/24\" → \"10.1.1.12/24\"\nvm/native ready" {
			t.Errorf("plan:\n%s", got)
		}
		b.mark()
		b.apply()
		writes := strings.Join(b.writes(), "\n")
		if !strings.Contains(writes, "shutdown\nPOST /nodes/pve1/qemu/4011/config\nPOST /nodes/pve1/qemu/4011/status/start") || !b.guest(4011).Running {
			t.Errorf("written:\n%s", writes)
		}
		b.settled()
	})
}

func TestWhatProxmoxTakesOtherwiseIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"tablet: true\nhotplug: disk\n")
		b.apply()
		b.manifests(edited(webYAML, "address: 10.1.1.4}", "address: 10.1.1.4, queues: 4}") + "tablet: false\nhotplug: disk\n")
		told := &events{}
		b.turnIn(t.Context(), told)
		for _, want := range []string{"tablet took effect at once", "networks.net0.queues waits for a reboot: Proxmox does not change it while the guest runs"} {
			if !slices.Contains(told.lines, want) {
				t.Errorf("not told: %q in %q", want, told.lines)
			}
		}
		b.settled()
	})
}

func TestARefusedHotplugIsTakenBackFromAContainer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML)
		b.apply()
		b.sim.Inject(pvesim.Fault{Method: "PUT", Path: "/nodes/*/lxc/4002/config", Hotplug: map[string]string{"memory": "no room in the cgroup"}})
		b.manifests(edited(cacheYAML, "memory: 512MiB", "memory: 1GiB"))
		out := told(b.turn())
		if !strings.Contains(out, "ct/cache online: failed") || !strings.Contains(out, "taken back") {
			t.Errorf("told:\n%s", out)
		}
		if g := b.guest(4002); g.Pending["memory"] != "" || g.Config["memory"] != "512" {
			t.Errorf("%+v", g)
		}
	})
}
