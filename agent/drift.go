package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/pause"
	"berth/agent/internal/secrets"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift/report"
)

// view is how a command shows a report.
type view struct {
	format  string
	verbose bool
}

func (v *view) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&v.format, "output", "o", "text", "text, json or markdown")
	cmd.Flags().BoolVarP(&v.verbose, "verbose", "v", false, "leave nothing out")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "markdown"}, cobra.ShellCompDirectiveNoFileComp))
}

func (v *view) check() error {
	switch v.format {
	case "text", "json", "markdown":
		return nil
	}
	return usageError{err: fmt.Errorf("--output %q: write text, json or markdown", v.format)}
}

func (v *view) show(s streams, rep *report.Report) error {
	switch v.format {
	case "json":
		return report.JSON(s.Out, rep)
	case "markdown":
		return report.Markdown(s.Out, rep)
	}
	return report.Text(s.Out, rep, report.TextOptions{Color: s.Color, Width: s.Width, Now: time.Now(), Verbose: v.verbose})
}

// conclude turns a report into an exit code.
func conclude(rep *report.Report) error {
	switch {
	case rep.Error != "" || rep.Summary.Failed > 0, rep.Proposal != nil && rep.Refused != nil:
		return exit(exitError)
	case rep.Differs():
		return exit(exitDiffers)
	}
	return nil
}

func newDrift(s streams) *cobra.Command {
	var v view
	var o driftOptions
	cmd := &cobra.Command{
		Use:   "drift [RESOURCE…]",
		Short: "Report what differs between Git and what runs; touch nothing",
		Long: `Report what differs between the newest commit and what runs, and what a turn
would do about it. Nothing is touched. Where an agent is running, it is asked.

With --commit, the report is of a branch, a tag, a commit (all 40 digits of its
hash) or another reference (refs/pull/7/head): what it would change, were it
merged into what is enforced. It has no say in whom the agent talks to: a Site or
Edge that it adds, or that it would have reached in another way, is not asked, and
unknown. Playbooks are not run, not even in check mode.

While the agent is paused, the report says so, with who, until when and why: nothing is
done before agent resume.

Exits 0 where nothing differs, 2 where something does, is held or is unknown.

` + aboutResources,
		Example: "  agent drift\n  agent drift --output json | jq .summary\n  agent drift --commit more-memory",
		Args:    resources,

		ValidArgsFunction: completeResources(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := v.check(); err != nil {
				return err
			}
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			o.only = args
			done := stillAt(s, "still looking: all is read anew, after the turn that may be under way; Ctrl-C gives up, and nothing is touched")
			rep, err := driftReport(cmd.Context(), s, settings, o)
			done()
			if err != nil {
				return err
			}
			if err := v.show(s, rep); err != nil {
				return err
			}
			return conclude(rep)
		},
	}
	v.flags(cmd)
	cmd.Flags().BoolVar(&o.acceptSource, "accept-source", false, "look at commits of another repository, branch or path than before; no agent may be running")
	cmd.Flags().StringVar(&o.commit, "commit", "", "plan this branch, tag, commit or refs/… as it would be once merged")
	_ = cmd.RegisterFlagCompletionFunc("commit", cobra.NoFileCompletions)
	cmd.MarkFlagsMutuallyExclusive("accept-source", "commit")
	return cmd
}

type driftOptions struct {
	acceptSource bool
	commit       string
	// only are the resources that are asked about; empty is all.
	only []string
}

// driftReport asks the running agent, or makes a turn of its own that touches
// nothing.
func driftReport(ctx context.Context, s streams, settings *config.Settings, o driftOptions) (*report.Report, error) {
	req := turn.Request{Mode: report.Drift, AcceptSource: o.acceptSource, Only: o.only, Commit: o.commit}
	if o.acceptSource {
		// The running agent has settings of its own.
		return oneTurn(ctx, s, settings, req)
	}
	rep, err := web.NewClient(settings.Socket).DriftOf(ctx, web.DriftRequest{Only: o.only, Commit: o.commit})
	if !errors.Is(err, web.ErrNoAgent) {
		return rep, err
	}
	return oneTurn(ctx, s, settings, req)
}

// oneTurn makes a turn in this process. No agent may be running.
func oneTurn(ctx context.Context, s streams, settings *config.Settings, req turn.Request) (*report.Report, error) {
	rep, _, err := turnOnce(ctx, s, settings, req)
	return rep, err
}

// turnOnce is oneTurn that also tells what the turn has learnt of the hosts.
func turnOnce(ctx context.Context, s streams, settings *config.Settings, req turn.Request) (*report.Report, *turn.Known, error) {
	if err := settings.Check(); err != nil {
		return nil, nil, err
	}
	log := quiet(s, settings)
	if err := secrets.CheckIdentity(settings, s.Env); err != nil {
		// Systemd may hand it to the service alone, and not all needs it.
		log.WarnContext(ctx, "what is encrypted for the agent can't be read", slog.Any("error", err))
	}
	w, err := newWiring(s, settings, log)
	if err != nil {
		return nil, nil, err
	}
	defer w.close()
	rest := pause.Open(settings.State, nil)
	if err := rest.Err(); err != nil && req.Mode == report.Run {
		return nil, nil, err
	}
	w.turner.Paused = rest.Err
	w.turner.Log, w.turner.Once = besides(slog.New(slog.DiscardHandler), w.journal), true // The report tells.
	rep, err := w.turner.Run(ctx, req)
	return rep, w.turner.Known(), err
}
