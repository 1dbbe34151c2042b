package proxmox

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

func TestStamps(t *testing.T) {
	full := stamp.Stamp{
		Fleet: "pegasus", UID: "5b1f0c2e", ID: "vm/web-1", Site: "home", VMID: 4000004, Instance: "9c4e01aa",
		Images: map[string]string{"scsi0": "debian-12"}, Seed: "abc", Making: true, Remove: destroy, Clone: "golden:9000",
		Disks: map[string]string{"scsi1": "data", "virtio0": "logs"}, Archived: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
	}
	const line = "berth: pegasus/vm/web-1 home#4000004 uid=5b1f0c2e instance=9c4e01aa image=scsi0:debian-12 disks=scsi1:data,virtio0:logs clone=golden:9000 seed=abc state=making remove=destroy archived=2026-11-21T10:00:00Z"
	if full.String() != line {
		t.Errorf("written: %s", full)
	}
	for _, text := range []string{line, "words\n\n" + line, "words\r\n\r\n" + line + "\r\n", "berth: x\n" + line + "\n\n"} {
		words, s, ok := stamp.Split(text)
		if !ok || !reflect.DeepEqual(s, full) || strings.Contains(words, "pegasus") {
			t.Errorf("%q: %v %+v", text, ok, s)
		}
	}
	for _, text := range []string{
		"", "berth", "berth: ", "berth: pegasus home#1", "berth: pegasus/vm/x home", "berth: pegasus/vm/x home#0", "berth: p/edge/x home#4",
		line + "\nand a line below", "berth: p/vm/x home#4 archived=soon", "berth: p/vm/x home#4 v=two",
	} {
		if _, _, ok := stamp.Split(text); ok {
			t.Errorf("%q counts as a stamp", text)
		}
	}
}

func TestProps(t *testing.T) {
	p := notation.Parse("file", "local:100/vm-100-disk-0.raw,size=32G,ssd=1")
	if p.Value("file") != "local:100/vm-100-disk-0.raw" || p.Value("none") != "" {
		t.Errorf("%+v", p)
	}
	p.Set("ssd", "")
	p.Set("discard", "on")
	p.Set("size", "33G")
	if p.String() != "local:100/vm-100-disk-0.raw,size=33G,discard=on" {
		t.Error(p.String())
	}
	if !notation.Parse("file", "a,b=1,c=2").Equal(notation.Parse("file", "file=a,c=2,b=1")) || notation.Parse("", "a=1").Equal(notation.Parse("", "a=2")) {
		t.Error("equality")
	}
}

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

func TestSizes(t *testing.T) {
	for text, want := range map[string]desired.Size{
		"32G": 32 * desired.GiB, "366K": 366 * desired.KiB, "4608M": 4608 * desired.MiB, "0.5T": 512 * desired.GiB, "512": 512, "": 0, "x": 0, "-1G": 0, "1e99T": 0, "G": 0,
	} {
		if got := notation.ParseSize(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	if notation.Gibibytes(1536*desired.MiB) != "1.5" || notation.Gibibytes(32*desired.GiB) != "32" || notation.Kibibytes(desired.GiB) != "1048576K" {
		t.Error("written sizes")
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

func FuzzProps(f *testing.F) {
	for _, seed := range []string{"", "virtio=BC:24:11:00:00:01,bridge=vmbr0", "local:1,size=2G", ",,=", "a=b=c", " a , b=1 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := notation.Parse("file", text)
		for _, part := range p.Parts {
			if got := notation.Lookup("file", text, part.Key); got != p.Value(part.Key) {
				t.Errorf("%q: %s is %q alone, and %q among all", text, part.Key, got, p.Value(part.Key))
			}
		}
		again := notation.Parse("file", p.String())
		if !p.Equal(again) {
			t.Errorf("%q: %+v is not %+v", text, p, again)
		}
		p.Set("mark", "1")
		if p.Value("mark") != "1" {
			t.Errorf("%q: what was set is not there", text)
		}
	})
}

func FuzzStamp(f *testing.F) {
	f.Add("berth: pegasus/vm/web-1 home#4000004 uid=5b1f0c2e instance=x image=scsi0:debian-12 seed=a archived=2026-11-21T10:00:00Z")
	f.Add("berth: / #1")
	f.Fuzz(func(t *testing.T, line string) {
		s, ok := stamp.Parse(line)
		if !ok {
			return
		}
		again, ok := stamp.Parse(s.String())
		if !ok || again.ID != s.ID || again.VMID != s.VMID || again.UID != s.UID || !again.Archived.Equal(s.Archived.Truncate(time.Second)) {
			t.Errorf("%q became %+v, then %+v", line, s, again)
		}
	})
}

func FuzzDescription(f *testing.F) {
	f.Add("words\n\nberth: p/vm/x home#4 uid=1\n")
	f.Add("berth: p/vm/x home#4 uid=1")
	f.Add("\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		words, s, ok := stamp.Split(text)
		if !ok {
			return
		}
		joined := stamp.Join(words, s)
		if words2, s2, ok := stamp.Split(joined); !ok || words2 != words || s2.ID != s.ID || s2.VMID != s.VMID {
			t.Errorf("%q: %q became %q", text, words, words2)
		}
	})
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
