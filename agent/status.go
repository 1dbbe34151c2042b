package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/journal"
	"berth/agent/internal/pause"
	"berth/agent/internal/web"
	"berth/drift/report"
)

func newStatus(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how the agent stands: locked or not, last turn, what waits, fails or is held",
		Long: `Tell how the running agent stands, at once, also while a turn is made: locked or
not; which commit is enforced, which one the repository has, and since when that is
another, as one that is refused; the last turn and the next one; what waits for agent
unlock or a reboot, what failed and is tried again and when, what is held or unknown; what
is in the archive and when it goes; until when tokens, certificates and Approvals hold;
clocks that are apart. Where no agent runs it tells what the state directory knows.

Exits 0 where all is well, 2 where there is something to do: no agent runs, or something
waits, fails, is held, unknown or refused, a clock is wrong, or a token or certificate
expires within 14 days. With --output json it is versioned.`,
		Example: "  agent status\n  agent status --output json | jq .waiting",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--output %q: write text or json", format), cmd.CommandPath()}
			}
			settings, wrong := askable(cmd, s)
			if settings == nil {
				return wrong
			}
			status, err := standing(cmd.Context(), s, settings, wrong)
			if err != nil {
				return err
			}
			if format == "json" {
				enc := json.NewEncoder(s.Out)
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				if err := enc.Encode(status); err != nil {
					return fmt.Errorf("write the status: %w", err)
				}
			} else {
				statusText(s, settings, status)
			}
			if !status.Well() {
				return exit(exitDiffers)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// askable reads the settings to ask the running agent, which goes on by what they were
// before somebody broke them: wrong is what is the matter with them, and where the socket
// can't be known there are none.
func askable(cmd *cobra.Command, s streams) (settings *config.Settings, wrong error) {
	if settings, wrong = loadSettings(cmd, s); wrong != nil {
		settings = config.LoadSocket(cmd.Flag("config").Value.String(), s.Env)
	}
	return settings, wrong
}

// asked tells what is wrong with the settings beside an agent's answer, and in place of
// its absence.
func asked(s streams, wrong, err error) error {
	switch {
	case wrong == nil:
	case errors.Is(err, web.ErrNoAgent):
		return wrong
	default:
		fmt.Fprintln(s.Err, "agent:", neutralLines(wrong.Error()))
	}
	return err
}

// standing asks the running agent how it stands, or else the state directory. Where the
// settings are wrong, the agent may run by what they were: it is asked, and nothing else.
func standing(ctx context.Context, s streams, settings *config.Settings, wrong error) (*web.Status, error) {
	status, err := web.NewClient(settings.Socket).Status(ctx)
	err = asked(s, wrong, err)
	if !errors.Is(err, web.ErrNoAgent) {
		return status, err
	}
	if settings.Repository.URL == "" {
		if err := settings.Check(); err != nil {
			return nil, err
		}
	}
	from := settings.Repository
	status = &web.Status{Version: web.StatusVersion, Repository: web.Repository{URL: bare(from.URL), Branch: from.Branch, Path: from.Path}}
	kept, err := newSecrets(s, settings)
	if err != nil {
		return nil, err
	}
	status.Lock = kept.lockStatus()
	if p, paused := pause.Open(settings.State, nil).Paused(); paused {
		status.Paused = &p
	}
	last, err := journal.Newest(filepath.Join(settings.State, "journal"))
	if err != nil {
		return nil, err
	}
	if last != nil && last.Report != nil {
		rep := &report.Report{}
		if json.Unmarshal(last.Report, rep) == nil && rep.Version <= report.Version {
			status.Recall(rep)
		}
	} else if last != nil {
		status.Last = &web.Turn{ID: last.ID, Started: last.Started, Error: "the agent was stopped in the middle of it; the next start goes on"}
	}
	return status, nil
}

// bare is a URL without a password that should not be in it.
func bare(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}
