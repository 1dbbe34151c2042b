package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift/explain"
	"berth/drift/report"
)

// explainAsked is what the command line asks of a resource.
type explainAsked struct {
	format string
	all    bool
}

func newExplain(s streams) *cobra.Command {
	var ask explainAsked
	cmd := &cobra.Command{
		Use:   "explain RESOURCE [FIELD]",
		Short: "Explain a resource: each value with the line that sets it, what is live, what is due or held, and why",
		Long: `Explain one resource: each value with the file, line and profile that it comes from,
what is live, also of what no manifest sets (--verbose), whether the value is enforced,
ignored or a default; what is due, what is held or waits, why and until when; what proves
that it is ours; which playbooks are for it, which names lead to it, which approvals and
windows bear on it, and what happened to it last. With FIELD, as in memory or disks.scsi0, only that and what is below it.

A sign tells of each value: = it is live as Git says, ~ it differs, ! it is held, - it
goes, and a blank one that it is not compared.

Where an agent is running, it is asked; else this command looks for itself. Nothing is
touched. No secret is shown.`,
		Example: `  agent explain vm/web-1
  agent explain vm/web-1 memory
  agent explain play/base -o json | jq .explanation.steps`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return usageError{errors.New("write which resource, as in: agent explain vm/web-1"), cmd.CommandPath()}
			}
			return nil
		},
		ValidArgsFunction: completeExplain(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ask.check(args[0]); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			told, err := explained(cmd.Context(), s, settings, desired.ID(args[0]))
			if err != nil {
				return err
			}
			if len(args) == 2 {
				if err := only(told.Explanation, desired.Path(args[1])); err != nil {
					return err
				}
			}
			if ask.format == "json" {
				return printJSON(s, told)
			}
			explainText(s, told, ask.all, len(args) == 2)
			return nil
		},
	}
	cmd.Flags().StringVarP(&ask.format, "output", "o", "text", "text or json")
	cmd.Flags().BoolVarP(&ask.all, "verbose", "v", false, "leave nothing out: defaults, and what no manifest speaks of")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check finds what is wrong with the command line by itself.
func (ask *explainAsked) check(word string) error {
	if ask.format != "text" && ask.format != "json" {
		return fmt.Errorf("--output %q: write text or json", ask.format)
	}
	kinds := []string{
		desired.KindVM, desired.KindContainer, desired.KindData, desired.KindHost,
		desired.KindImage, desired.KindTemplate, desired.KindPlaybook, desired.KindEdge,
	}
	switch id := desired.ID(word); {
	case !strings.Contains(word, "/"):
		return nil // The fleet knows what may have been meant.
	case id.Kind() == desired.KindSite, id.Kind() == "project":
		return fmt.Errorf("%s is many resources: explain one of them; agent drift %s tells of all", word, word)
	case !slices.Contains(kinds, id.Kind()) || id.Name() == "":
		return fmt.Errorf("%q is no resource: write KIND/NAME, the kind one of %s", word, strings.Join(kinds, ", "))
	}
	return nil
}

// explained asks the running agent, or makes a turn of its own that touches nothing.
func explained(ctx context.Context, s streams, settings *config.Settings, id desired.ID) (*web.Explained, error) {
	told, err := web.NewClient(settings.Socket).Explain(ctx, id)
	if !errors.Is(err, web.ErrNoAgent) {
		return told, err
	}
	rep, err := oneTurn(ctx, s, settings, turn.Request{Mode: report.Drift, Explain: id})
	if err != nil {
		return nil, err
	}
	return web.ExplainedBy(rep), nil
}

// only keeps the values at a path, and below it.
func only(e *explain.Explanation, path desired.Path) error {
	var known []string
	for _, f := range e.Fields {
		known = append(known, string(f.Path))
	}
	e.Fields = slices.DeleteFunc(e.Fields, func(f explain.Field) bool { return !f.Path.Within(path) })
	if len(e.Fields) > 0 {
		return nil
	}
	text := fmt.Sprintf("%s has no %q that anybody sets, or that was found", e.ID, path)
	if near := desired.Nearest(string(path), known); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

// completeExplain offers the one resource.
func completeExplain(s streams) cobra.CompletionFunc {
	known := completeResources(s)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words, directive := known(cmd, args, begun)
		return slices.DeleteFunc(words, func(word string) bool {
			return strings.HasPrefix(word, "site/") || strings.HasPrefix(word, "project/")
		}), directive
	}
}
