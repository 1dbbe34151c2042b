package ansible

import (
	"context"
	"errors"
	"testing"

	"berth/applyers"
	"berth/applyers/ansible/runner"
	"berth/desired"
	"berth/drift"
)

// Only those are looked at on which something has failed, once for all, and where
// nobody can look, what Ansible says stands.
func TestAwayIsAskedOfThoseThatFailed(t *testing.T) {
	b := newBench(t, "")
	for _, name := range []string{"well", "gone", "there", "left"} {
		b.guest(name, nil)
	}
	_, world := b.plan(t.Context())
	failed := errors.New("can't be reached: timed out")
	hosts := func() []*host {
		return []*host{
			{name: "well", id: "vm/well"},
			{name: "gone", id: "vm/gone", err: failed},
			{name: "there", id: "vm/there", err: failed},
			{name: "left", id: "vm/left", err: &runner.TaskError{Left: true, Msg: "others had failed"}},
			{name: "nas", id: "host/nas", err: failed},
		}
	}
	asked := 0
	job := applyers.Job{Fact: world.Fact, Look: func(_ context.Context, ids []desired.ID) (map[desired.ID]drift.Live, error) {
		if asked++; len(ids) != 2 || ids[0] != "vm/gone" || ids[1] != "vm/there" {
			t.Errorf("asked for %v", ids)
		}
		live := b.lives[2]
		live.Running = true
		return map[desired.ID]drift.Live{"vm/there": live}, nil
	}}
	all := hosts()
	b.away(t.Context(), job, all)
	want := "the guest went away: it was removed, or is no longer ours, while the playbook ran; the next turn goes by what stands there then (can't be reached: timed out)"
	if all[1].err.Error() != want || !errors.Is(all[1].err, failed) || all[2].err.Error() != failed.Error() || all[0].err != nil || all[3].err.Error() != "others had failed" || asked != 1 {
		t.Errorf("asked %d times, they say %v, %v, %v, %v", asked, all[0].err, all[1].err, all[2].err, all[3].err)
	}
	job.Look = func(context.Context, []desired.ID) (map[desired.ID]drift.Live, error) { return nil, errors.New("401") }
	for _, look := range []func(context.Context, []desired.ID) (map[desired.ID]drift.Live, error){job.Look, nil} {
		job.Look = look
		all = hosts()
		b.away(t.Context(), job, all)
		if all[1].err.Error() != failed.Error() {
			t.Errorf("nobody can look, and it says %v", all[1].err)
		}
	}
}
