package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
)

const certsApproval = "\nkind: Approval\nallow: destroy-volume data/certs/letsencrypt\nuntil: 2000-03-01\n"

// Data goes when it has been in the archive until its time was up and an approval
// names it, and not before.
func TestApprovedDataGoesAtTheEndOfItsArchive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, certsYAML, certsApproval)
		b.apply()
		b.manifests(certsApproval)
		b.turn()
		if g := b.guest(9501); !strings.Contains(g.Config["tags"], stamp.ArchivedTag) {
			t.Fatalf("not archived: %+v", g)
		}
		b.nothing()
		<-time.After(8 * 24 * time.Hour)
		b.manifests()
		want := "data is never destroyed by leaving it out: bring its manifest back, or, if nobody needs it, write an Approval for each of its disks, which allows: destroy-volume data/certs/letsencrypt"
		if got := show(b.plan()); !strings.Contains(got, want) {
			t.Errorf("without an approval:\n%s", got)
		}
		b.turn()
		if len(b.volumesOfGuest(9501)) != 1 {
			t.Fatal("the data went without an approval")
		}
		b.manifests(strings.Replace(certsApproval, "2000-03-01", "2000-01-08", 1))
		if got := show(b.plan()); !strings.Contains(got, want) {
			t.Errorf("after the approval is over:\n%s", got)
		}
		b.manifests(certsApproval)
		b.turn()
		if _, there := b.sim.Guest(9501); there || len(b.volumesOfGuest(9501)) != 0 {
			t.Errorf("it is still there:\n%s", show(b.plan()))
		}
		b.nothing()
	})
}

// What was attached between the plan and the step was approved by nobody, and what
// a stranger uses is kept whatever is approved.
func TestApprovedDataIsKeptWhereThereIsMore(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(b *bench)
		says   string
	}{
		"another disk": {func(b *bench) {
			b.sim.Edit("root@pam", 9501, map[string]string{"scsi5": "local-lvm:vm-9501-disk-9,size=1G"})
		}, "no Approval lets scsi5"},
		"a stranger uses it": {func(b *bench) {
			b.sim.Edit("root@pam", 777, map[string]string{"scsi3": b.volumesOfGuest(9501)[0]})
		}, "uses "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, certsYAML, certsApproval)
				b.apply()
				b.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: 777, Node: "pve1", Config: map[string]string{"name": "rescue"}})
				b.manifests(certsApproval)
				b.turn()
				<-time.After(8 * 24 * time.Hour)
				p, w := b.planned(t.Context())
				row.change(b)
				out := b.execute(t.Context(), p, w, &events{})
				if len(out) != 1 || !strings.Contains(out[0].Reason, row.says) {
					t.Errorf("%+v", out)
				}
				if _, there := b.sim.Guest(9501); !there {
					t.Error("the data is gone")
				}
			})
		})
	}
}
