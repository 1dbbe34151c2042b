package pve

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"berth/applyers"
)

// TaskPrefix begins the reference under which the journal keeps a task:
// "pve:<site>:<UPID>".
const TaskPrefix = "pve:"

// taskNode is the node in "UPID:node:pid:pstart:starttime:type:id:user:".
func taskNode(upid string) (string, error) {
	parts := strings.Split(upid, ":")
	if len(parts) < 8 || parts[0] != "UPID" || !nodeName(parts[1]) {
		return "", fmt.Errorf("%q is no task of Proxmox", shortened(upid, 100))
	}
	return parts[1], nil
}

// nodeName tells whether a text can be a node's name, which becomes part of paths.
func nodeName(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}

// TaskNode is the node that a task runs on; "" for what is no task.
func TaskNode(upid string) string {
	node, err := taskNode(upid)
	if err != nil {
		return ""
	}
	return node
}

// Do starts a write that runs as a task, tells the journal, and follows the task
// to its end.
func (c *Client) Do(ctx context.Context, p applyers.Progress, limit time.Duration, method, path string, options Params) error {
	var upid string
	if err := c.Write(ctx, method, path, options, &upid); err != nil {
		return err
	}
	c.Ledger.Begun(upid, c.Now())
	return c.Begun(ctx, p, limit, upid)
}

// Begun is what follows the answer of a write: no id means that it is done.
func (c *Client) Begun(ctx context.Context, p applyers.Progress, limit time.Duration, upid string) error {
	if upid == "" {
		return nil
	}
	if err := p.Task(TaskPrefix + c.name + ":" + upid); err != nil {
		return err
	}
	warnings, err := c.Follow(ctx, upid, limit)
	if warnings != "" {
		p.Say("Proxmox finished with " + strings.ToLower(warnings) + ": see the task's log")
	}
	return err
}

// unheard is how long a task is waited for of which nothing can be heard: a node
// that is off must not hold a turn up for as long as its longest task may take.
const unheard = 5 * time.Minute

// Follow waits for a task's end. A success says nothing before it: most checks
// are made in the task (FACTS 2). A done ctx leaves the task running.
func (c *Client) Follow(ctx context.Context, upid string, limit time.Duration) (warnings string, err error) {
	node, err := taskNode(upid)
	if err != nil {
		return "", err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.RandomizationFactor = c.poll, 2*time.Second, 0
	end, heard := c.Now().Add(limit), c.Now()
	for {
		if err := Sleep(ctx, pause.NextBackOff()); err != nil {
			return "", applyers.ErrLeft
		}
		var task struct{ Status, Exitstatus string }
		err := c.Get(ctx, "/nodes/"+node+"/tasks/"+url.PathEscape(upid)+"/status", &task)
		switch {
		case ctx.Err() != nil:
			return "", applyers.ErrLeft
		case err != nil && (Status(err) == 400 || Status(err) == 401 || Status(err) == 403):
			return "", fmt.Errorf("task %s was begun, and how it ends can't be asked: %w", upid, bare(err))
		case err == nil && task.Status == "stopped":
			switch {
			case task.Exitstatus == "OK":
				return "", nil
			case strings.HasPrefix(task.Exitstatus, "WARNINGS"):
				return task.Exitstatus, nil
			}
			return "", &TaskError{upid: upid, exit: c.fullExit(ctx, node, upid, task.Exitstatus)}
		case err != nil && c.Now().Sub(heard) > unheard:
			return "", fmt.Errorf("task %s was begun, and for %.0f minutes nothing is heard of it: %w", upid, unheard.Minutes(), bare(err))
		case err == nil && c.Now().After(end):
			return "", fmt.Errorf("task %s still runs after %s; it goes on, and the next turn looks again", upid, limit)
		case err == nil:
			heard = c.Now()
		}
	}
}

// bare takes the request off an error of Get, where the task's id says it all.
func bare(err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		return cause
	}
	return err
}

// fullExit completes an end of which the status holds but the first line.
func (c *Client) fullExit(ctx context.Context, node, upid, exit string) string {
	if !strings.HasPrefix(exit, "Parameter verification failed") {
		return exit
	}
	var lines []struct{ T string }
	if err := c.Get(ctx, "/nodes/"+node+"/tasks/"+url.PathEscape(upid)+"/log?limit=500", &lines); err != nil {
		return exit
	}
	for i, line := range lines {
		if !strings.HasPrefix(line.T, "TASK ERROR: ") {
			continue
		}
		all := []string{exit}
		for _, more := range lines[i+1:] {
			if text := oneLine(more.T); text != "" {
				all = append(all, text)
			}
		}
		return shortened(strings.Join(all, "; "), longestText)
	}
	return exit
}

// Sleep waits unless ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
