package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/history"
	"berth/agent/internal/web"
	"berth/desired"
)

// historyDir is within the state directory.
const historyDir = "history"

// archive is what is kept of the past in the state directory.
func archive(settings *config.Settings) history.Archive {
	return history.Archive{Journal: filepath.Join(settings.State, "journal"), History: filepath.Join(settings.State, historyDir)}
}

// past asks the running agent for something of the past, or reads the state directory
// where none runs.
func past[T any](agent func() (T, error), own func() (T, error)) (T, error) {
	out, err := agent()
	if errors.Is(err, web.ErrNoAgent) {
		return own()
	}
	return out, err
}

// howMany is a number of things from one on, as a flag.
type howMany int

// String is the number.
func (n *howMany) String() string { return strconv.Itoa(int(*n)) }

// Set reads it.
func (n *howMany) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return errors.New("write how many, as 20")
	}
	*n = howMany(number)
	return nil
}

// Type is what help calls it.
func (*howMany) Type() string { return "int" }

// historyAsked is what the command line asks of the history.
type historyAsked struct {
	format, since, before string
	limit                 howMany
	failed                bool
}

func newHistory(s streams) *cobra.Command {
	ask := historyAsked{limit: 20}
	cmd := &cobra.Command{
		Use:   "history [RESOURCE]",
		Short: "List what the agent did, or all that ever happened to a resource",
		Long: `List the turns that did something, or went wrong, the newest first: when, what they
were made for, the commit that was enforced, or the one that was refused, who wrote it,
and what came of it. A turn with nothing to do is not kept. agent show tells all of one.

With RESOURCE, list what happened to that: made, changed, from what to what, by which
commit or by whom behind the agent's back, failed, held, archived, restored; also which
playbooks ran on it and which names led to it, and what happened to it under a former
name. That is kept far longer than turns are.

Where an agent is running, it is asked; else the state directory is read.`,
		Example: `  agent history
  agent history --failed --since 7d
  agent history vm/web-1
  agent history vm/web-1 --limit 100 -o json | jq .lines`,
		Args:              atMost(1),
		ValidArgsFunction: completeResources(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := ask.query(args, time.Now())
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			if q.ID != "" {
				return ask.story(cmd.Context(), s, settings, q)
			}
			return ask.turns(cmd.Context(), s, settings, q)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&ask.format, "output", "o", "text", "text or json")
	flags.VarP(&ask.limit, "limit", "n", "how many, the newest")
	flags.StringVar(&ask.since, "since", "", "none older: 12h, 7d, a day as 2026-11-21, or a time as in RFC 3339")
	flags.StringVar(&ask.before, "before", "", "only what came before a turn: its id, or how that begins")
	flags.BoolVar(&ask.failed, "failed", false, "only what went wrong")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("before", completeTurns(s))
	return cmd
}

// query reads the command line.
func (ask *historyAsked) query(args []string, now time.Time) (history.Query, error) {
	q := history.Query{Limit: int(ask.limit), Before: ask.before, Failed: ask.failed}
	if ask.format != "text" && ask.format != "json" {
		return q, fmt.Errorf("--output %q: write text or json", ask.format)
	}
	if ask.before != "" {
		if err := history.CheckBefore(ask.before); err != nil {
			return q, fmt.Errorf("--before %q: %w", ask.before, err)
		}
	}
	if len(args) == 1 {
		if q.ID = desired.ID(args[0]); q.ID.Kind() == "" || q.ID.Name() == "" {
			return q, fmt.Errorf("%q is no resource: write KIND/NAME, as vm/web-1, play/base or edge/main", args[0])
		}
	}
	var err error
	q.Since, err = sinceOf(ask.since, now)
	return q, err
}

// sinceOf reads a time in the past.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := desired.ParseDuration(text); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("--since %q: write a length of time as 12h or 7d, a day as 2026-11-21, or a time as 2026-11-21T14:00:00Z", text)
}

// pastTurns are the turns that are kept, as the agent has them, or where none runs its
// files.
func pastTurns(ctx context.Context, settings *config.Settings, q history.Query) (*history.Turns, error) {
	return past(
		func() (*history.Turns, error) { return web.NewClient(settings.Socket).Turns(ctx, q) },
		func() (*history.Turns, error) { return archive(settings).Turns(q) },
	)
}

func (ask *historyAsked) turns(ctx context.Context, s streams, settings *config.Settings, q history.Query) error {
	list, err := pastTurns(ctx, settings, q)
	if err != nil {
		return err
	}
	if ask.format == "json" {
		return printJSON(s, list)
	}
	turnsText(s, list)
	return nil
}

func (ask *historyAsked) story(ctx context.Context, s streams, settings *config.Settings, q history.Query) error {
	told, err := past(
		func() (*history.Told, error) { return web.NewClient(settings.Socket).Story(ctx, q) },
		func() (*history.Told, error) { return archive(settings).Story(q) },
	)
	if err != nil {
		return err
	}
	if ask.format == "json" {
		return printJSON(s, told)
	}
	storyText(s, told)
	return nil
}

// printJSON writes a value for programs.
func printJSON(s streams, value any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// completeTurns offers the turns that are kept, and words that stand for one.
func completeTurns(s streams, words ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		settings, err := loadSettings(cmd, s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		q := history.Query{Limit: 50}
		list, err := pastTurns(cmd.Context(), settings, q)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all := slices.Clone(words)
		for _, t := range list.Turns {
			if t.Kept {
				all = append(all, t.ID+"\t"+t.Headline)
			}
		}
		return beginning(all, begun), cobra.ShellCompDirectiveNoFileComp
	}
}
