package report

import (
	"testing"
	"time"

	"berth/desired"
)

// TestSets holds the list of sets against the language: a new set of words in a
// guest must be told as one.
func TestSets(t *testing.T) {
	disks := map[string]desired.Disk{"scsi0": {}, "rootfs": {}}
	for _, spec := range []any{&desired.VM{Guest: desired.Guest{Disks: disks}}, &desired.Container{Guest: desired.Guest{Disks: disks}}} {
		for _, leaf := range desired.Leaves(desired.KindContainer, spec) {
			if _, words := leaf.Value.(desired.Words); words != isSet(leaf.Path) {
				t.Errorf("%s of %T: is a set: %v", leaf.Path, spec, words)
			}
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		-time.Hour: "just now", 30 * time.Second: "just now", 2 * time.Minute: "2 min ago", 90 * time.Minute: "1 h ago",
		50 * time.Hour: "2 days ago", 100 * 24 * time.Hour: "13 Aug 2026",
	} {
		if got := age(now.Add(-ago), now); got != want {
			t.Errorf("age(%v) = %q, want %q", ago, got, want)
		}
	}
	if got := age(now, time.Time{}) + age(time.Time{}, now); got != "21 Nov 2026" {
		t.Errorf("without now: %q", got)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q", n, got)
		}
	}
}

func TestCells(t *testing.T) {
	for s, want := range map[string]int{"abc": 3, "日本": 4, "e\u0301": 1, "é": 1, "🚀x": 3, "→": 1} {
		if got := cells(s); got != want {
			t.Errorf("cells(%q) = %d, want %d", s, got, want)
		}
	}
}
