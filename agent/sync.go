package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift/report"
)

type syncOptions struct {
	view
	plan         string
	acceptSource bool
	once         bool
	wait         waitFlag
	noWait       bool
	run, limit   []string
	// only are the resources that are asked for; empty is all.
	only []string
}

// asks are the playbooks that are asked for, each on the same hosts.
func (o *syncOptions) asks() ([]turn.Asking, error) {
	if len(o.limit) > 0 && len(o.run) == 0 {
		return nil, usageError{err: errors.New("--limit says on which hosts a playbook is to run: name that with --run play/NAME")}
	}
	if len(o.run) > 0 && o.plan != "" {
		return nil, usageError{err: errors.New("--plan applies a plan as it was shown, and --run makes another: leave one out")}
	}
	var all []turn.Asking
	for _, word := range o.run {
		id := desired.ID(word)
		if !strings.Contains(word, "/") {
			id = desired.MakeID(desired.KindPlaybook, word)
		}
		if id.Kind() != desired.KindPlaybook {
			return nil, usageError{err: fmt.Errorf("--run %s: only playbooks run: name one, as in play/base", word)}
		}
		all = append(all, turn.Asking{Play: id, Hosts: o.limit})
	}
	return all, nil
}

func newSync(s streams) *cobra.Command {
	var o syncOptions
	cmd := &cobra.Command{
		Use:   "sync [RESOURCE…]",
		Short: "Make one turn now: bring what runs to what Git says",
		Long: `Make one turn at once, by the running agent, and report what it did. With
--once no agent need be running: the turn is made by this command itself.

It waits for the end of the turn, however long that takes; with --wait=5m no longer than
that, and with --no-wait not at all: the turn is made all the same, and its id is printed,
by which agent show tells what came of it. Interrupted while it waits, a turn that has begun
goes on, and one that has not is not made.

With --plan, the plan of that digest (agent drift prints it) is applied, or
nothing.

With --run, a playbook runs whether it is due or not: on all its hosts, or on those
of --limit. It stays asked for until it has come to a good end there.

` + aboutResources,
		Example: "  agent sync\n  agent sync project/shop\n  agent sync --run play/backup --limit web-1\n  agent sync --plan 3f2a91c04d1e77aa\n  agent sync --no-wait\n  agent sync --once --config /etc/berth/agent.yaml",
		Args:    resources,

		ValidArgsFunction: completeResources(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(o.check(), o.checkWait()); err != nil {
				return err
			}
			o.only = args
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			rep, id, err := syncReport(cmd.Context(), s, settings, o)
			if id != "" {
				return o.goesOn(s, id)
			}
			if err != nil && rep == nil {
				return interrupted(cmd.Context(), err)
			}
			if showErr := o.show(s, rep); showErr != nil {
				return showErr
			}
			if err != nil {
				return err
			}
			return conclude(rep)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.plan, "plan", "", "apply the plan of this digest, or nothing")
	cmd.Flags().BoolVar(&o.acceptSource, "accept-source", false, "take commits of another repository, branch or path than before")
	cmd.Flags().StringSliceVar(&o.run, "run", nil, "run a playbook, due or not: play/NAME")
	cmd.Flags().StringSliceVar(&o.limit, "limit", nil, "of the playbooks of --run, these hosts alone")
	cmd.Flags().BoolVar(&o.once, "once", false, "make the turn in this command; no agent need be running")
	cmd.Flags().Var(&o.wait, "wait", "wait for the end of the turn, or no longer than this, as in --wait=5m")
	cmd.Flags().Lookup("wait").NoOptDefVal = waitWhole
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "print the turn's id, and leave")
	return cmd
}

// syncReport is what came of the turn, or the id of one that goes on without anybody who
// waits for it.
func syncReport(ctx context.Context, s streams, settings *config.Settings, o syncOptions) (*report.Report, string, error) {
	asks, err := o.asks()
	if err != nil {
		return nil, "", err
	}
	if o.once {
		rep, err := oneTurn(ctx, s, settings, turn.Request{Mode: report.Run, Plan: o.plan, AcceptSource: o.acceptSource, Only: o.only, Afresh: o.plan == "", Run: asks})
		return rep, "", err
	}
	req := web.SyncRequest{Plan: o.plan, AcceptSource: o.acceptSource, Only: o.only, Run: asks}
	if o.noWait {
		req.Wait = new(bool)
	} else if o.wait > 0 {
		req.WaitFor = time.Duration(o.wait).String()
	}
	rep, id, err := web.NewClient(settings.Socket).Order(ctx, req)
	if errors.Is(err, web.ErrNoAgent) {
		return nil, "", errors.New("no agent is running behind " + settings.Socket + ": start one with `agent run`, or let this command do it: agent sync --once")
	}
	return rep, id, err
}
