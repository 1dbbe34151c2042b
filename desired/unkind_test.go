package desired

import (
	"slices"
	"strings"
	"testing"
)

// What Proxmox would refuse later is refused when the manifests are read.

func TestVMIDsEnd(t *testing.T) {
	t.Parallel()
	for id, good := range map[string]bool{"999999999": true, "1000000000": false, "99": false} {
		got := problems(t, files("a.yaml", "kind: VM\nname: a\nid: "+id+"\ndisks: {scsi0: {image: debian-12, storage: ssd, size: 4GiB}}\nnetworks: {net0: {network: lan}}\n"))
		if told := slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "is no VMID") }); told == good {
			t.Errorf("id %s: %q", id, got)
		}
	}
}

// TestAnImageIsKeptUnderANameThatCanBeImported: Proxmox imports no file that ends
// in .img, which is how distributions call them.
func TestAnImageIsKeptUnderANameThatCanBeImported(t *testing.T) {
	t.Parallel()
	fleet, err := Load(files("a.yaml", "kind: VM\nname: a\nid: 150000\ndisks: {scsi0: {image: debian-12, storage: ssd, size: 4GiB}}\nnetworks: {net0: {network: lan}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	image, ok := fleet.Resource("image/debian-12@home").Spec.(*ImageAt)
	if !ok || image.Content != "import" || image.File != "debian-12.qcow2" {
		t.Errorf("%+v", image)
	}
}

func TestALongDescriptionLeavesRoom(t *testing.T) {
	t.Parallel()
	for kind, rest := range map[string]string{
		"VM":     "id: 150000\ndisks: {scsi0: {image: debian-12, storage: ssd, size: 4GiB}}\nnetworks: {net0: {network: lan}}\n",
		"DataVM": "id: 150000\ndisks: {scsi0: {name: x, storage: ssd, size: 4GiB}}\n",
	} {
		for n, good := range map[int]bool{6000: true, 6001: false} {
			// Characters count, not bytes.
			got := strings.Join(problems(t, files("a.yaml", "kind: "+kind+"\nname: a\n"+rest+"description: "+strings.Repeat("é", n)+"\n")), "\n")
			if told := strings.Contains(got, "description: 6001 characters: Proxmox takes 8192, with Berth's own line: write at most 6000"); told == good || good && got != "" {
				t.Errorf("%s, %d characters: %q", kind, n, got)
			}
		}
	}
}
