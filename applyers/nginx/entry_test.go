package nginx

import (
	"errors"
	"strings"
	"testing"

	"berth/applyers"
)

// What was found under the lock to be another's lets the lock go, and is told.
func TestForeignWhenEntered(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	plan := b.plan()
	b.write("berth/stream.conf", "# Somebody's own.\n")
	job := b.job(plan.Changes[0].Fields)
	for range 2 { // The second comes to the lock, too.
		err := b.applyer.Apply(t.Context(), job, &said{})
		if held := (*applyers.HeldError)(nil); !errors.As(err, &held) || !strings.Contains(held.Reason, "stream.conf: ") || strings.Contains(held.Reason, "another agent") {
			t.Errorf("got %v", err)
		}
	}
}
