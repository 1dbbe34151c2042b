package turn

import (
	"slices"
	"testing"

	"berth/drift"
)

// Of a playbook that is held on each host, for different reasons, the log tells all.
func TestAloudByHosts(t *testing.T) {
	got := held(&drift.Plan{Changes: []drift.Change{{
		Key: drift.Key{ID: "play/base", Step: drift.Run}, Held: "no address",
		Fields: []drift.Field{{Path: "hosts.web-1", Held: "no address"}, {Path: "hosts.web-2", Held: "it does not answer"}},
	}}})
	want := []aloud{{"held", "play/base hosts.web-1", "no address"}, {"held", "play/base hosts.web-2", "it does not answer"}}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
