package ansible

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"berth/applyers"
	"berth/applyers/ansible/runner"
	"berth/desired"
	"berth/drift"
)

// away looks once more at the guests on which a run has failed, and says so of those
// that have gone away under it: be it that somebody has taken them away, stopped or
// made anew at Proxmox, or another agent. What Ansible says of them leads nowhere: it
// has met nobody, or somebody else.
func (a *Applyer) away(ctx context.Context, job applyers.Job, hosts []*host) {
	if job.Look == nil {
		return
	}
	var ids []desired.ID
	for _, h := range hosts {
		if h.err != nil && h.id.Guest() && !brokenOff(h.err) {
			ids = append(ids, h.id)
		}
	}
	if len(ids) == 0 {
		return
	}
	found, err := job.Look(ctx, ids)
	if err != nil {
		a.Log.DebugContext(ctx, "whether its guests are still there is not known", slog.Any("error", err))
		return
	}
	for _, h := range hosts {
		if h.err == nil || !h.id.Guest() || brokenOff(h.err) {
			continue
		}
		was, known := job.Fact(h.id, desired.FactInstance)
		var live *drift.Live
		if l, there := found[h.id]; there {
			live = &l
		}
		if why := gone(live, was, known); why != "" {
			h.err = fmt.Errorf("%s while the playbook ran; the next turn goes by what stands there then (%w)", why, h.err)
		}
	}
}

// brokenOff tells that nothing failed on the host itself.
func brokenOff(err error) bool {
	task, ok := errors.AsType[*runner.TaskError](err)
	return ok && task.Left
}

// gone says what has become of a guest that had an instance; "" where it is as it was.
func gone(live *drift.Live, was string, known bool) string {
	switch {
	case live == nil:
		return "the guest went away: it was removed, or is no longer ours,"
	case live.Archived:
		return "the guest was archived"
	case known && live.Facts[desired.FactInstance] != was:
		return "the guest was removed and made anew"
	case !live.Running:
		return "the guest was stopped"
	}
	return ""
}
