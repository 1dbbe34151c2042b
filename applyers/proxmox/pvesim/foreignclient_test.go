package pvesim

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/luthermonson/go-proxmox"
)

// A client that was written for the real API, without knowing of this one, must
// get along with it: what it decodes is the shape that it expects.
func TestForeignClient(t *testing.T) {
	c := Homelab(Options{Seed: 1})
	id, secret, _ := strings.Cut(c.AddToken("root@pam", "lab", false), "=")
	ctx := t.Context()
	pve := proxmox.NewClient("https://pve.test/api2/json", proxmox.WithHTTPClient(&http.Client{Transport: c.Transport()}), proxmox.WithAPIToken(id, secret))
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	v, err := pve.Version(ctx)
	must("version", err)
	if v.Release != "8.4" {
		t.Errorf("release = %s", v.Release)
	}
	node, err := pve.Node(ctx, "proxmox-1")
	must("node", err)
	vms, err := node.VirtualMachines(ctx)
	must("list", err)
	if len(vms) < 12 {
		t.Errorf("%d guests", len(vms))
	}
	task, err := node.NewVirtualMachine(ctx, 5001, proxmox.VirtualMachineOption{Name: "name", Value: "new"},
		proxmox.VirtualMachineOption{Name: "memory", Value: 1024}, proxmox.VirtualMachineOption{Name: "scsi0", Value: "local-nvme:8"},
		proxmox.VirtualMachineOption{Name: "net0", Value: "virtio,bridge=vmbr0"})
	must("create", err)
	must("wait for create", task.Wait(ctx, time.Millisecond, time.Second))
	if !task.IsSuccessful {
		t.Errorf("create ended with %s", task.ExitStatus)
	}
	vm, err := node.VirtualMachine(ctx, 5001)
	must("get", err)
	if vm.Name != "new" || vm.VirtualMachineConfig.SCSIs["scsi0"] != "local-nvme:vm-5001-disk-0,size=8G" {
		t.Errorf("%s %+v", vm.Name, vm.VirtualMachineConfig.SCSIs)
	}
	task, err = vm.Start(ctx)
	must("start", err)
	must("wait for start", task.Wait(ctx, time.Millisecond, time.Second))
	must("ping", vm.Ping(ctx))
	if vm.Status != "running" {
		t.Errorf("status = %s", vm.Status)
	}
	storages, err := node.Storages(ctx)
	must("storages", err)
	if len(storages) != 4 {
		t.Errorf("%d storages", len(storages))
	}
	_, err = node.VirtualMachine(ctx, 9999)
	if err == nil {
		t.Error("a guest that does not exist is found")
	}
}
