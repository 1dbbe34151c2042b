package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/pve"
)

// activeTask finds a task that works on a guest; "" if none does. kinds narrow it
// to some types of task.
func (c *cluster) activeTask(ctx context.Context, node string, vmid int, kinds ...string) (upid string, err error) {
	return c.runningTask(ctx, fmt.Sprintf("/nodes/%s/tasks?source=active&vmid=%d", node, vmid), func(t task) bool {
		return kinds == nil || slices.Contains(kinds, t.Type)
	})
}

// task is a row of a node's list of tasks.
type task struct{ Upid, Status, Type, ID string }

func (c *cluster) runningTask(ctx context.Context, path string, fits func(task) bool) (upid string, err error) {
	var tasks []task
	if err := c.Get(ctx, path, &tasks); err != nil {
		return "", err
	}
	for _, t := range tasks {
		// Ended tasks stay in this list for a while.
		if running := t.Status == "" || strings.EqualFold(t.Status, "running"); running && fits(t) {
			return t.Upid, nil
		}
	}
	return "", nil
}

// settle waits for a task of some types that works on the guest, be it somebody
// else's or one of an earlier life of the agent, which may have been killed before
// it could note it: nothing is asked for twice. What the task has come to is for
// the caller to look at.
func (j *job) settle(ctx context.Context, limit time.Duration, kinds ...string) (waited bool, err error) {
	upid, err := j.activeTask(ctx, j.node, j.vmid, kinds...)
	return j.await(ctx, limit, upid, err)
}

func (j *job) await(ctx context.Context, limit time.Duration, upid string, err error) (waited bool, _ error) {
	if err != nil || upid == "" {
		return false, err
	}
	err = j.Begun(ctx, j.p, limit, upid)
	if _, failed := errors.AsType[*pve.TaskError](err); failed {
		return true, nil // What is live tells.
	}
	return true, err
}
