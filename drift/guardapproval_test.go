package drift_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

var approvalDay = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// approve makes an approval that ends some days after the tests' day.
func approve(line int32, verb string, target desired.ID, disk string, days int) *desired.Approval {
	ends := approvalDay.AddDate(0, 0, days)
	allow := verb
	if target != "" {
		allow += " " + string(target)
	}
	if disk != "" {
		allow += "/" + disk
	}
	return &desired.Approval{
		Allow: allow, Verb: verb, Target: target, Disk: disk, Ends: ends, Until: ends.Format("2006-01-02"),
		Source: desired.Source{File: "ok.yaml", Line: line, Col: 1},
	}
}

func TestApprovals(t *testing.T) {
	archived, safe := up("due", ""), up("safe", "")
	archived.Archived, safe.Protected = true, true
	data := drift.Live{ID: "data/certs", Archived: true, Spec: &desired.DataVM{Disks: map[string]desired.Disk{"scsi0": {Name: "a"}, "scsi1": {Name: "b"}}}}
	lives := []drift.Live{up("one", ""), up("two", ""), archived, safe, data}
	guards := []drift.Guard{drift.Protection(), drift.Amount(desired.Guards{}), drift.Windows(), drift.Approvals()}
	run := func(approvals ...*desired.Approval) *drift.Plan {
		f := fleet()
		f.Spec = fleetDocument(t, "windows: [{cron: \"0 3 * * *\", for: 2h}]\n")
		f.Approvals = approvals
		steps := map[string]drift.Steps{desired.KindVM: guests, desired.KindData: guests}
		return plan(t, drift.Input{Fleet: f, Now: approvalDay, Steps: steps, Observed: drift.Observed{Lives: lives}, Guards: guards})
	}
	held := []string{"!data/certs delete", "!vm/due delete", "!vm/one stop", "!vm/one archive", "!vm/safe stop", "!vm/safe archive", "!vm/two stop", "!vm/two archive"}
	but := func(going ...string) []string {
		var want []string
		for _, line := range held {
			for _, goes := range going {
				if line == "!"+goes {
					line = goes
				}
			}
			want = append(want, line)
		}
		return want
	}
	for name, row := range map[string]struct {
		approvals []*desired.Approval
		want      []string
		notes     []string
	}{
		"none": {nil, held, nil},
		"one guest alone": {
			[]*desired.Approval{approve(1, desired.AllowDelete, "vm/one", "", 3)},
			but("vm/one stop", "vm/one archive"), nil,
		},
		"outside its window": {
			[]*desired.Approval{approve(1, desired.AllowDelete, "vm/due", "", 3)},
			but("vm/due delete"), nil,
		},
		"all of them, not the windows": {
			[]*desired.Approval{approve(1, desired.AllowShrinkFleet, "", "", 3)},
			but("vm/one stop", "vm/one archive", "vm/two stop", "vm/two archive"), nil,
		},
		"never what is protected": {
			[]*desired.Approval{approve(1, desired.AllowDelete, "vm/safe", "", 3)},
			held,
			[]string{"approval/delete vm/safe: it lets nothing go yet: what is held here is held by what this does not lift (ok.yaml:1)"},
		},
		"over": {
			[]*desired.Approval{approve(7, desired.AllowDelete, "vm/one", "", 0)},
			held,
			[]string{"approval/delete vm/one: it was until 2026-11-20: it permits nothing any more, take it out (ok.yaml:7)"},
		},
		"too far ahead": {
			[]*desired.Approval{approve(1, desired.AllowDelete, "vm/one", "", 92)},
			held,
			[]string{"approval/delete vm/one: until 2027-02-20 is more than 90 days ahead: it permits nothing, write 2027-02-18 or sooner (ok.yaml:1)"},
		},
		"needless": {
			[]*desired.Approval{approve(1, desired.AllowDelete, "vm/gone", "", 3)},
			held,
			[]string{"approval/delete vm/gone: nothing waits for it: if what it permits is done, take it out (ok.yaml:1)"},
		},
		"one disk of two": {
			[]*desired.Approval{approve(1, desired.AllowDestroyVolume, "data/certs", "a", 3)},
			held,
			[]string{"approval/destroy-volume data/certs/a: it lets nothing go yet: what is held here is held by what this does not lift (ok.yaml:1)"},
		},
		"each disk": {
			[]*desired.Approval{approve(1, desired.AllowDestroyVolume, "data/certs", "a", 3), approve(2, desired.AllowDestroyVolume, "data/certs", "b", 3)},
			but("data/certs delete"), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(row.approvals...)
			if diff := cmp.Diff(row.want, keys(p)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var notes []string
			for _, n := range p.Notes {
				notes = append(notes, string(n.ID)+": "+n.Text+" ("+n.Source.String()+")")
			}
			if diff := cmp.Diff(row.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
	p := run(approve(3, desired.AllowDelete, "vm/due", "", 3))
	if got := change(t, p, "vm/due", drift.Delete).Reason; got != "allowed by ok.yaml:3 (delete vm/due, until 2026-11-23)" {
		t.Errorf("the reason: %q", got)
	}
}
