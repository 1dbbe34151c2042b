package stamp_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/stamp"
)

func TestStamps(t *testing.T) {
	full := stamp.Stamp{
		Fleet: "pegasus", UID: "5b1f0c2e", ID: "vm/web-1", Site: "home", VMID: 4000004, Instance: "9c4e01aa",
		Images: map[string]string{"scsi0": "debian-12"}, Seed: "abc", Making: true, Remove: "destroy", Clone: "golden:9000",
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
