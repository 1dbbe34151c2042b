package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"berth/desired"
)

func newValidate(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check manifests, and list every mistake in them",
		Long: `Read the manifests below DIR (the current directory unless given) and list
every mistake at once: its file, line and column, what is wrong, and what to do.
Nothing outside the directory is looked at.`,
		Example: "  agent validate\n  agent validate examples/minimal",
		Args:    atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return validate(s, dir)
		},
	}
}

func validate(s streams, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	defer root.Close()
	fleet, err := desired.Load(root.FS())
	if problems, ok := errors.AsType[desired.Problems](err); ok {
		for _, p := range problems {
			fmt.Fprintln(s.Out, p)
		}
		fmt.Fprintf(s.Err, "%d %s\n", len(problems), plural(len(problems), "mistake"))
		return exit(exitError)
	}
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	for _, note := range fleet.Notes {
		fmt.Fprintln(s.Out, "note:", note)
	}
	fmt.Fprintf(s.Out, "%d %s, %d %s: no mistakes\n",
		fleet.Documents, plural(fleet.Documents, "document"), len(fleet.Resources), plural(len(fleet.Resources), "resource"))
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
