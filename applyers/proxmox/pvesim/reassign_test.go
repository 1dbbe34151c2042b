package pvesim

import "testing"

func TestVolumesChangeTheirOwner(t *testing.T) {
	c := New(Options{})
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: map[string]string{"hostname": "a", "rootfs": "local-lvm:vm-200-disk-0,size=1G", "mp0": "local-lvm:vm-200-disk-1,mp=/srv,size=2G"}})
	c.AddGuest(Guest{Kind: KindCT, VMID: 201, Config: map[string]string{"hostname": "b", "rootfs": "local-lvm:vm-201-disk-0,size=1G"}})
	c.AddGuest(Guest{VMID: 300, Config: map[string]string{"name": "c", "scsi1": "local-lvm:vm-300-disk-0,size=1G"}})
	c.AddGuest(Guest{VMID: 301, Config: map[string]string{"name": "d"}})
	api := rootClient(t, c)
	run(t, c, api, 201, []step{
		{"POST /lxc/200/move_volume volume=rootfs&target-vmid=201&target-volume=mp1", "500 cannot move root volume"},
		{"POST /lxc/200/move_volume volume=mp0&target-vmid=300", "500 Configuration file"},
		{"POST /lxc/200/move_volume volume=mp0&target-vmid=201&target-volume=mp3", "task OK | conf mp3=local-lvm:vm-201-disk-1,mp=/srv,size=2G"},
		{"POST /lxc/200/move_volume volume=mp0&target-vmid=201", "500 Volume 'mp0' for container '200' does not exist"},
	})
	run(t, c, api, 301, []step{
		{"POST /qemu/300/move_disk disk=scsi1&target-vmid=301&target-disk=scsi4", "task OK | conf scsi4=local-lvm:vm-301-disk-0,size=1G"},
	})
	for _, v := range c.Volumes() {
		if v.ID == "local-lvm:vm-201-disk-1" && v.Owner != 201 || v.ID == "local-lvm:vm-200-disk-1" || v.Owner == 300 {
			t.Errorf("%+v", v)
		}
	}
	run(t, c, api, 400, []step{
		{"POST /qemu vmid=400&archive=local:backup/x.vma.zst", "500 restoring is not simulated"},
		{"POST /lxc vmid=400&ostemplate=local:backup/x.tar.zst&restore=1", "500 restoring is not simulated"},
		{"DELETE /storage/local/content/local:iso/gone.iso?delay=5", "data <nil>"},
	})
}
