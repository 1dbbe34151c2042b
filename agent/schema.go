package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"berth/desired"
)

func newSchema(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of manifests, for editors",
		Long: `Print the JSON Schema (draft-07) of the manifest language. An editor that has it
completes fields, shows what they mean, and marks mistakes while you type. What
concerns more than one document it can't know: agent validate does.

VS Code (with the extension redhat.vscode-yaml), in .vscode/settings.json of the
repository of manifests; directories with YAML of other tools are left out by "!":

  "yaml.schemas": {"./.vscode/berth.json": ["*.yaml", "!**/ansible/**"]}

Any editor with yaml-language-server (Neovim, Helix, Emacs, Kate, …) takes the
same setting, or as the first line of each document, with the path from its file:

  # yaml-language-server: $schema=.vscode/berth.json

JetBrains: Settings, Languages & Frameworks, Schemas and DTDs, JSON Schema
Mappings, version 7.`,
		Example: "  agent schema >.vscode/berth.json",
		Args:    atMost(0),
		RunE: func(*cobra.Command, []string) error {
			if _, err := s.Out.Write(desired.Schema()); err != nil {
				return fmt.Errorf("print the schema: %w", err)
			}
			return nil
		},
	}
}
