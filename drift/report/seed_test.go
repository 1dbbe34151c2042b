package report

import (
	"testing"

	"berth/drift"
)

// TestASeedIsOnlySaidToHaveChanged tells nothing of what is in it.
func TestASeedIsOnlySaidToHaveChanged(t *testing.T) {
	f := &drift.Field{Path: "cloudInit", Before: drift.Value{Text: "4a4fc8ebd547471a"}, After: drift.Value{Text: "7fe192474e400cdd4ef27638b4c9c7dc"}}
	for _, verbose := range []bool{false, true} {
		if got := (&viewer{verbose: verbose}).difference(f); got != "changed" {
			t.Errorf("the report says %q", got)
		}
	}
}
