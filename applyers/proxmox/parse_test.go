package proxmox

import (
	"reflect"
	"testing"
)

func TestParseUpdate(t *testing.T) {
	for msg, want := range map[string][]string{
		"update VM 8101: -memory 384 -tags foo":                   {"memory", "tags"},
		"update VM 8101: -delete cores":                           {"cores"},
		"update VM 8101: -delete 'cores,tags' -digest 00 -cpu x":  {"cores", "tags", "cpu"},
		`update VM 8101: -description 'it'\''s -memory 4' -vga a`: {"description", "vga"},
		"starting task UPID:pve1:1:2:3:qmconfig:8101:u:":          nil,
		"update VM x: -memory 3":                                  nil,
	} {
		if _, got := parseUpdate(msg); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", msg, got)
		}
	}
}

func TestOwnerOf(t *testing.T) {
	for volid, want := range map[string]int{
		"local:101/vm-101-disk-0.raw": 101, "lvm:vm-7-disk-0": 7, "zfs:subvol-9-disk-1": 9, "local:200/base-200-disk-0.qcow2/202/vm-202-disk-0.qcow2": 202,
		"lvm:base-9005-disk-0": 9005, "local:160/vm-160-cloudinit.qcow2": 160, "local:iso/debian.iso": 0, "none": 0, "local:import/vm-1.raw": 0,
	} {
		if got := ownerOf(volid); got != want {
			t.Errorf("%s belongs to %d, want %d", volid, got, want)
		}
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add("update VM 8101: -memory 384 -tags foo")
	f.Add(`update VM 1: -description 'a'\''b' -delete x,y`)
	f.Fuzz(func(t *testing.T, msg string) {
		vmid, options := parseUpdate(msg)
		if vmid < 0 || vmid == 0 && len(options) > 0 {
			t.Errorf("%q: %d %q", msg, vmid, options)
		}
	})
}
