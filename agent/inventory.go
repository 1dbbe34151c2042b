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

// inventoryAsked is what the command line asks of the inventory.
type inventoryAsked struct {
	format, host, dir string
	list, offline     bool
}

func newInventory(s streams) *cobra.Command {
	var ask inventoryAsked
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Print the fleet as an Ansible inventory",
		Long: `Print the fleet as Ansible sees it: each guest and Host with its variables, in
groups by kind (vm, ct), site_…, env_…, project_…, tag_…, phase_…, those that its
manifest names, and app_all, app_PROJECT_all and app_PROJECT_ENVIRONMENT for the
guests of Projects. ansible_host is the address that is written, or that the guest's
agent or the container's interfaces tell. Variables that are secrets are left out
and named in berth_secrets.

The running agent answers as of its last turn. Where none runs, this command looks
itself, as agent drift does. With --offline nothing is contacted but the repository,
and with --manifests not even that: addresses are known where they are written.

With --list or --host it answers as Ansible's dynamic inventory scripts do. Ansible
runs a script without words of ours, so it takes a script of two lines, executable,
in a place of your choice:

  #!/bin/sh
  exec agent inventory "$@"

Ansible reads group_vars/ and host_vars/ beside that script, and beside the playbook.
A guest's own vars are host variables: they beat all group_vars/, and host_vars/
beats them. In runs by the agent, group_vars/ and host_vars/ beside the playbook are
read.`,
		Example: `  agent inventory
  agent inventory --format ini --manifests .
  ansible-inventory -i ./berth.sh --graph
  ansible-playbook -i ./berth.sh ansible/base.yml --limit web-1 --check`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ask.check(cmd); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			made, err := ask.make(cmd.Context(), s, settings)
			if err != nil {
				return err
			}
			if !ask.list && ask.host == "" {
				fmt.Fprint(s.Out, heading(made))
			}
			fmt.Fprint(s.Out, made.Text)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&ask.format, "format", "yaml", "yaml or ini")
	flags.BoolVar(&ask.list, "list", false, "answer Ansible: all hosts and groups, as JSON")
	flags.StringVar(&ask.host, "host", "", "answer Ansible: the variables of one host, as JSON")
	flags.BoolVar(&ask.offline, "offline", false, "contact nothing but the repository: addresses as they are written")
	flags.StringVar(&ask.dir, "manifests", "", "directory of manifests, instead of the repository's newest commit; contacts nothing")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"yaml", "ini"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check finds what is wrong with the command line by itself.
func (ask *inventoryAsked) check(cmd *cobra.Command) error {
	chosen, named := cmd.Flags().Changed("format"), cmd.Flags().Changed("host")
	switch {
	case ask.list && named, chosen && (ask.list || named):
		return errors.New("--list, --host and --format each say what is printed: keep one of them")
	case named && ask.host == "":
		return errors.New("--host: name a host")
	case ask.list:
		ask.format = "list"
	case ask.format != "yaml" && ask.format != "ini":
		return fmt.Errorf("--format %q: yaml or ini", ask.format)
	}
	return nil
}

// make asks the running agent, looks itself, or goes by the manifests alone.
func (ask *inventoryAsked) make(ctx context.Context, s streams, settings *config.Settings) (*web.Inventory, error) {
	if ask.offline || ask.dir != "" {
		fleet, err := manifestsOf(ctx, s, settings, ask.dir)
		if err != nil {
			return nil, err
		}
		return web.MakeInventory(written(fleet), ask.format, ask.host)
	}
	made, err := web.NewClient(settings.Socket).Inventory(ctx, ask.format, ask.host)
	if !errors.Is(err, web.ErrNoAgent) {
		return made, err
	}
	_, known, err := turnOnce(ctx, s, settings, turn.Request{Mode: report.Drift})
	if err != nil {
		return nil, err
	}
	return web.MakeInventory(known, ask.format, ask.host)
}

// written is what the manifests alone tell of the hosts.
func written(fleet *desired.Fleet) *turn.Known {
	known := &turn.Known{Fleet: fleet, Addresses: make(map[desired.ID]string)}
	for _, r := range fleet.Resources {
		if address, ok := fleet.Address(r.ID); ok {
			known.Addresses[r.ID] = address
		}
	}
	for name := range fleet.Hosts {
		id := desired.MakeID(desired.KindHost, name)
		if address, ok := fleet.Address(id); ok {
			known.Addresses[id] = address
		}
	}
	return known
}

// heading are comments for people: which fleet this is, from when, and what is
// missing.
func heading(made *web.Inventory) string {
	text := "# " + made.Fleet
	if made.Commit != "" {
		text += " " + report.ShortHash(made.Commit)
	}
	if made.At.IsZero() {
		text += ", as the manifests have it"
	} else {
		text += ", looked at " + made.At.UTC().Format(time.RFC3339)
	}
	if len(made.Unreached) > 0 {
		text += "\n# no address is known of: " + strings.Join(made.Unreached, " ")
	}
	return text + "\n"
}
