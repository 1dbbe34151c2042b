package journal_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/agent/internal/journal"
	"berth/desired"
)

func TestAllAsked(t *testing.T) {
	j, err := journal.Open(journal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if got := j.AllAsked(); len(got) > 0 {
		t.Errorf("nobody has asked: %+v", got)
	}
	if err := errors.Join(
		j.Ask("play/web", []string{"b"}, "hook"), j.Ask("play/base", []string{"b", "a"}, "hook"), j.Ask("play/base", []string{"c"}, "sync"),
		j.Ask("play/web", []string{"a"}, "hook"), j.Ends("play/web", map[string]string{"a": "d"}, false),
	); err != nil {
		t.Fatal(err)
	}
	want := []journal.AskedFor{
		{Playbook: "play/base", Hosts: []string{"a", "b"}, Why: "hook"},
		{Playbook: "play/base", Hosts: []string{"c"}, Why: "sync"},
		{Playbook: desired.ID("play/web"), Hosts: []string{"b"}, Why: "hook"},
	}
	if diff := cmp.Diff(want, j.AllAsked()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
