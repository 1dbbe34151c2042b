package desired

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestNothingIsGuessedThatDiffersInNumbersAlone holds that one guest's data, or
// another guest, is never proposed for one that is gone.
func TestNothingIsGuessedThatDiffersInNumbersAlone(t *testing.T) {
	const text = `
kind: Site
name: home
endpoints: ["https://10.1.1.11:8006"]
token: {secret: pve}
node: pve1
storage: {ssd: {store: local-lvm}}
networks: {lan: {bridge: vmbr0}}
---
{kind: DataVM, name: data-007, id: 9007, disks: {scsi0: {name: files, size: 1GiB}}}
---
{kind: VM, name: web-1, id: 101, disks: {scsi0: {size: 8GiB}, scsi1: {volume: data-057/files}}, needs: [vm/web-3]}
---
{kind: VM, name: web-2, id: 102, disks: {scsi0: {size: 8GiB}, scsi1: {volume: dato-007/files}}}
`
	_, err := Load(fstest.MapFS{"all.yaml": {Data: []byte(text)}})
	if err == nil {
		t.Fatal("it loads")
	}
	for wanted, holds := range map[string]bool{
		`no data VM "data-057": write data-007, or add it`: true,
		`no data VM "dato-007"; did you mean data-007`:     true,
		`no VM "vm/web-3"; did you mean`:                   false,
		`no data VM "data-057"; did you mean`:              false,
	} {
		if strings.Contains(err.Error(), wanted) != holds {
			t.Errorf("%q: %v, in\n%v", wanted, !holds, err)
		}
	}
}
