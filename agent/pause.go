package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/journal"
	"berth/agent/internal/pause"
	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift/report"
)

func newPause(s streams) *cobra.Command {
	var until, reason string
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Have the agent change nothing for a while",
		Long: `Have the agent change nothing until agent resume, or until --until. It goes on looking:
agent drift and agent status tell what differs, polls and sweeps go on, and what hooks
ask for is kept. agent sync is refused. A turn that is under way ends the steps that it
has begun, and begins no more. Then a whole turn makes good what was left.

A pause outlives a restart of the agent and of its host; where no agent runs, the next
one begins with it. --until is by the host's clock: a length, as 30m, 2h or 1d, a time of
today or tomorrow, as 18:00, or a day with a time, as "2026-11-23 06:00". Paused once
more, what is said last holds.`,
		Example: "  agent pause --until 2h --reason \"the switch is replaced\"\n  agent pause --until 18:00\n  agent resume",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := web.PauseRequest{Reason: reason, By: whoami(s.Env)}
			if until != "" {
				var err error
				if req.Until, err = untilTime(until, time.Now()); err != nil {
					return usageError{err, cmd.CommandPath()}
				}
			}
			settings, wrong := askable(cmd, s)
			if settings == nil {
				return wrong
			}
			return pauseAgent(cmd.Context(), s, settings, wrong, req)
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "when it ends by itself: 2h, 18:00 or \"2026-11-23 06:00\" (default: never)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who ask agent status")
	for _, name := range []string{"until", "reason"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

func pauseAgent(ctx context.Context, s streams, settings *config.Settings, wrong error, req web.PauseRequest) error {
	out, err := web.NewClient(settings.Socket).Pause(ctx, req)
	err = asked(s, wrong, err)
	if errors.Is(err, web.ErrNoAgent) {
		var p pause.Pause
		err = alone(settings, func(rest *pause.Switch) (err error) {
			p, err = rest.Pause(pause.Pause{Until: req.Until, Reason: req.Reason, By: req.By})
			return err
		})
		if err == nil {
			fmt.Fprintf(s.Out, "paused %s\nno agent is running behind %s: the next one begins so, and agent resume ends it\n", report.Neutral(p.String()), settings.Socket)
		}
		return err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "paused %s\n", report.Neutral(out.Pause.String()))
	if out.Already {
		fmt.Fprintln(s.Out, "it was paused before: what is said now holds")
	}
	if out.Busy {
		fmt.Fprintln(s.Out, "a turn is under way: it ends the steps that it has begun, and begins no more")
	}
	fmt.Fprintln(s.Out, "turns look, and change nothing: agent resume ends it")
	return nil
}

func newResume(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "End a pause",
		Long: `End what agent pause began, at once. The running agent makes a whole turn, for all that
was left meanwhile; agent status tells what came of it.`,
		Example: "  agent resume",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, wrong := askable(cmd, s)
			if settings == nil {
				return wrong
			}
			return resumeAgent(cmd.Context(), s, settings, wrong)
		},
	}
}

func resumeAgent(ctx context.Context, s streams, settings *config.Settings, wrong error) error {
	out, err := web.NewClient(settings.Socket).Resume(ctx)
	err = asked(s, wrong, err)
	if errors.Is(err, web.ErrNoAgent) {
		paused := false
		err = alone(settings, func(rest *pause.Switch) (err error) {
			_, paused, err = rest.Resume()
			return err
		})
		if err == nil && paused {
			fmt.Fprintln(s.Out, "resumed: the next start of the agent changes what Git says")
		} else if err == nil {
			fmt.Fprintln(s.Out, "not paused, and no agent is running behind "+settings.Socket)
		}
		return err
	}
	switch {
	case err != nil:
		return err
	case out.Was == nil:
		fmt.Fprintln(s.Out, "not paused")
	default:
		fmt.Fprintf(s.Out, "resumed, in turn %s: it was paused %s\n", out.Turn, report.Neutral(out.Was.String()))
	}
	return nil
}

// alone does something with the pause of a state directory that no agent has.
func alone(settings *config.Settings, do func(*pause.Switch) error) error {
	if err := os.MkdirAll(settings.State, 0o700); err != nil {
		return fmt.Errorf("open the state directory: %w", err)
	}
	held, err := journal.Open(journal.Options{Dir: filepath.Join(settings.State, "journal"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return errors.Join(do(pause.Open(settings.State, nil)), held.Close())
}

// whoami is who calls a command: the one behind sudo, if there is one.
func whoami(env func(string) string) string {
	if name := env("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return cmp.Or(env("USER"), env("LOGNAME"))
}

// untilTime reads when a pause ends, in the host's zone.
func untilTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil {
		return soon(text, now.Add(d), now)
	}
	if d, err := desired.ParseDuration(text); err == nil {
		return soon(text, now.Add(time.Duration(d)), now)
	}
	if at, err := time.ParseInLocation("15:04", text, now.Location()); err == nil {
		today := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
		if !today.After(now) {
			today = time.Date(now.Year(), now.Month(), now.Day()+1, at.Hour(), at.Minute(), 0, 0, now.Location())
		}
		return today, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return soon(text, at, now)
		}
	}
	return time.Time{}, fmt.Errorf("--until %q: write a length, as 30m, 2h or 1d, a time, as 18:00, or a day with a time, as \"2026-11-23 06:00\"", text)
}

// soon refuses a time that is over.
func soon(text string, at, now time.Time) (time.Time, error) {
	if !at.After(now) {
		return time.Time{}, fmt.Errorf("--until %q is over: here it is %s", text, now.Format("2006-01-02 15:04 MST"))
	}
	return at.Round(0), nil
}
