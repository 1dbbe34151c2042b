package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/agent/internal/web"
)

// aboutResources ends the help of commands that take resources.
const aboutResources = `With RESOURCE, only that is looked into: a guest (vm/web-1, ct/cache) with what is run
on it and the names that lead to it, a playbook (play/base) on the guests that are
there, an edge (edge/main), an image, template or data VM, all guests of a project
(project/shop), or all on a site (site/home). What a guest waits for is brought in,
and told. All else that differs is left as it is, and counted.`

// resources are what a command is asked to look into: KIND/NAME each.
func resources(cmd *cobra.Command, args []string) error {
	kinds := []string{"vm", "ct", "data", "host", "image", "template", "play", "edge", "project", "site"}
	for _, word := range args {
		kind, name, ok := strings.Cut(word, "/")
		if ok && (!slices.Contains(kinds, kind) || name == "") {
			return usageError{fmt.Errorf("%q is no resource: write KIND/NAME, the kind one of %s", word, strings.Join(kinds, ", ")), cmd.CommandPath()}
		}
	}
	return nil
}

// completeResources offers what the running agent knows.
func completeResources(s streams) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		settings, err := loadSettings(cmd, s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		known, err := web.NewClient(settings.Socket).Resources(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(known, func(word string) bool {
			return !strings.HasPrefix(word, begun) || slices.Contains(args, word)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}
