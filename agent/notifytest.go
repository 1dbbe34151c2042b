package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/notify"
)

func newNotify(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try those who are told what people should know",
		Long: `The running agent tells the targets under notify of agent.yaml of failures, of what
was changed, and of the rest that people should know. agent notify test sends each
of them a message by hand.`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNotifyTest(s))
	return cmd
}

func newNotifyTest(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "test [TARGET…]",
		Short: "Send a message to each target, and tell what it answered",
		Long: `Send a test message to each target under notify of agent.yaml, or to those that are
named, and tell what each answered. It is one attempt each, of ten seconds at most;
no agent need be running. The targets' secrets are read as the agent does, so run
it as the agent's user.

Exit codes: 0 if each has taken it, 1 if one has not.`,
		Example: "  agent notify test\n  agent notify test ntfy\n  sudo -u berth agent notify test phone chat.example.com",
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			// Those that are well can be tried though another is not.
			all, _ := subscriptions(settings, s.Env)
			names := slices.DeleteFunc(namesOf(all), func(name string) bool { return slices.Contains(given, name) })
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			return tryTargets(cmd.Context(), s, settings, args)
		},
	}
}

func namesOf(all []notify.Subscription) []string {
	var names []string
	for _, sub := range all {
		names = append(names, sub.Name)
	}
	return names
}

// tryTargets sends a message to each target that is asked for, and tells what came of it.
func tryTargets(ctx context.Context, s streams, settings *config.Settings, asked []string) error {
	if err := settings.Check(); err != nil {
		return err
	}
	if len(settings.Notify) == 0 {
		return fmt.Errorf("%s: there is nobody to tell: write notify: [{service: FILE}] with a service's URL in the file, as in ntfy://ntfy.sh/TOPIC", settings.Place("notify"))
	}
	all, wrong := subscriptions(settings, s.Env)
	names := namesOf(all)
	for _, name := range asked {
		if !slices.Contains(names, name) && wrong == nil {
			return usageError{fmt.Errorf("there is no target %q: name some of %s", name, strings.Join(names, ", ")), "agent notify test"}
		}
	}
	if len(asked) > 0 {
		all = slices.DeleteFunc(all, func(sub notify.Subscription) bool { return !slices.Contains(asked, sub.Name) })
	}
	host, _ := os.Hostname()
	said := make([]error, len(all))
	var sending sync.WaitGroup
	for i, sub := range all {
		sending.Go(func() {
			said[i] = notify.Try(ctx, sub.Target, host, time.Now())
		})
	}
	sending.Wait()
	failed := wrong != nil
	for i, sub := range all {
		if said[i] != nil {
			failed = true
			fmt.Fprintf(s.Out, "%s: not taken: %s\n", sub.Name, neutralLines(said[i].Error()))
			continue
		}
		fmt.Fprintf(s.Out, "%s: taken\n", sub.Name)
	}
	switch {
	case wrong != nil:
		return wrong
	case failed:
		return errors.New("not every target has taken the message")
	}
	return nil
}
