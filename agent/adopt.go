package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"berth/applyers/proxmox"
	"berth/desired"
)

// byHand is what the commands that make one guest ours, or give it up, are told.
type byHand struct {
	dir string
	yes bool
}

func newAdopt(s streams) *cobra.Command {
	var o byHand
	cmd := &cobra.Command{
		Use:   "adopt ID",
		Short: "Make one guest that stands already ours; change nothing else on it",
		Long: `Make the guest that stands on the VMID of ID, as vm/web-1, ct/cache or data/certs,
the fleet's: the stamp is added to its description, and the fleet's tag. Nothing
else on it changes, and it goes on running. What differs from its manifest
otherwise is then drift like any other: agent drift shows it.

It is for a guest whose stamp was lost, and for one that you know to be the right
one. A manifest can do the same by adopt: {uuid: …} or {mac: …}. A guest that bears
a stamp already, a template and a guest under a lock are refused.

The manifests are those of the repository's newest commit, or those of a directory
that --manifests names.`,
		Example: "  agent adopt vm/web-1\n  agent adopt ct/cache --yes --manifests ~/fleet",
		Args:    oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, s, desired.ID(args[0]), o.adopt)
		},
	}
	o.flags(cmd)
	return cmd
}

func newRelease(s streams) *cobra.Command {
	var o byHand
	cmd := &cobra.Command{
		Use:   "release ID",
		Short: "Give one guest up: take stamp and tag off, and leave it as it is",
		Long: `Give the guest that is ID, as vm/web-1, ct/cache or data/certs, up: its stamp and
the fleet's tag are taken off, and nothing else on it changes; it goes on running.
From then on it is nobody's, and nothing touches it. Take its manifest out as
well, and first where an agent runs: while it is there, the guest stands in its way,
and where it says adopt, the next turn takes the guest over again.

lifecycle.remove: release at the manifest does the same when the manifest is taken
out. A guest that is not proven to be the fleet's is refused, and so is a data VM
whose disks are in use.`,
		Example: "  agent release vm/web-1",
		Args:    oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, s, desired.ID(args[0]), o.release)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *byHand) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.dir, "manifests", "", "directory of manifests, instead of the repository's newest commit")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
}

// oneID takes one argument, which names a guest.
func oneID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s takes one id, as vm/web-1, and was given %d arguments", cmd.CommandPath(), len(args)), cmd.CommandPath()}
	}
	if id := desired.ID(args[0]); !id.Machine() || id.Name() == "" {
		return usageError{fmt.Errorf("%q is no guest's id: write vm/NAME, ct/NAME or data/NAME", args[0]), cmd.CommandPath()}
	}
	return nil
}

// run reads the manifests, and does what a command does to one guest.
func (o *byHand) run(cmd *cobra.Command, s streams, id desired.ID, do func(context.Context, streams, *proxmox.Applyer, *desired.Fleet, desired.ID) error) error {
	settings, err := loadSettings(cmd, s)
	if err != nil {
		return err
	}
	store, err := newSecrets(s, settings)
	if err != nil {
		return err
	}
	err = withManifests(cmd.Context(), s, settings, o.dir, func(fleet *desired.Fleet, files fs.FS) error {
		guests := proxmox.New(proxmox.Options{
			Token: besideAgent(tokens(store.secrets.At(fleet.Secrets, files))),
			Log:   slog.New(slog.DiscardHandler),
		})
		return do(cmd.Context(), s, guests, fleet, id)
	})
	if errors.Is(err, proxmox.ErrDeclined) {
		return fmt.Errorf("%w: answer yes, or give --yes", err)
	}
	return err
}

func (o *byHand) adopt(ctx context.Context, s streams, guests *proxmox.Applyer, fleet *desired.Fleet, id desired.ID) error {
	taken, err := guests.Adopt(ctx, fleet, id, func(t proxmox.Taken) bool {
		return o.agreed(s, fmt.Sprintf("%s is to be %s. It gets the tag %s and the line\n  %s", t.What, id, t.Tag, t.Stamp))
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s is %s now; agent drift shows what differs from its manifest\n", taken.What, id)
	return nil
}

func (o *byHand) release(ctx context.Context, s streams, guests *proxmox.Applyer, fleet *desired.Fleet, id desired.ID) error {
	taken, err := guests.Release(ctx, fleet, id, func(t proxmox.Taken) bool {
		return o.agreed(s, fmt.Sprintf("%s is no longer to be %s. It loses the tag %s and the line\n  %s", t.What, id, t.Tag, t.Stamp))
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s is nobody's now\n", taken.What)
	if want := fleet.Resource(id); want != nil {
		then := "or the guest stands in its way"
		if guest := fleet.Machine(id); guest != nil && guest.Adopt != (desired.Adopt{}) {
			then = "or the next turn takes the guest over again, as its adopt says"
		}
		fmt.Fprintf(s.Out, "its manifest is still there (%s): take it out, %s\n", want.Source, then)
	}
	return nil
}

// agreed asks whoever called the command.
func (o *byHand) agreed(s streams, what string) bool {
	if o.yes {
		return true
	}
	fmt.Fprintf(s.Err, "%s\nNothing else on it changes. Go on? [yes/no] ", what)
	line, _ := bufio.NewReader(s.In).ReadString('\n') // No answer is none.
	return strings.TrimSpace(line) == "yes"
}
