package desired

import (
	"testing"
	"time"
)

func TestApprovals(t *testing.T) {
	f := load(t, files("fleet.yaml", "{kind: Fleet, name: f, uid: 5b1f0c2e, zone: Europe/Berlin}\n", "a.yaml", `
{kind: Approval, allow: destroy-volume data/x/disk, until: 2026-12-01, why: gone}
---
{kind: Approval, allow: delete vm/b, until: "2026-12-01T18:00:00+01:00"}
---
{kind: Approval, allow: delete vm/a, until: 2026-03-29}
---
{kind: Approval, allow: shrink-fleet, until: 2024-02-29}
`))
	want := []struct {
		allow, verb string
		target      ID
		disk, ends  string
	}{
		{"delete vm/a", AllowDelete, "vm/a", "", "2026-03-29T22:00:00Z"}, // The day that summer time begins.
		{"delete vm/b", AllowDelete, "vm/b", "", "2026-12-01T17:00:00Z"},
		{"destroy-volume data/x/disk", AllowDestroyVolume, "data/x", "disk", "2026-12-01T23:00:00Z"},
		{"shrink-fleet", AllowShrinkFleet, "", "", "2024-02-29T23:00:00Z"},
	}
	if len(f.Approvals) != len(want) {
		t.Fatalf("%d approvals", len(f.Approvals))
	}
	for i, w := range want {
		a := f.Approvals[i]
		ends := a.Ends.UTC().Format(time.RFC3339)
		if a.Allow != w.allow || a.Verb != w.verb || a.Target != w.target || a.Disk != w.disk || ends != w.ends {
			t.Errorf("%+v ends %s", a, ends)
		}
		if a.Expired(a.Ends.Add(-time.Second)) || !a.Expired(a.Ends) {
			t.Errorf("%s does not end when it ends", a.Allow)
		}
	}
	a := f.Approvals[2]
	for day, far := range map[string]bool{"2026-12-01": false, "2026-09-02": false, "2026-09-01": true, "2025-12-01": true} {
		now, err := time.ParseInLocation(time.DateOnly, day, a.Ends.Location())
		if err != nil {
			t.Fatal(err)
		}
		if a.TooFar(now) != far {
			t.Errorf("on %s it is too far ahead: %v", day, !far)
		}
	}
}
