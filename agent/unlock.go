package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"berth/agent/internal/lock"
	"berth/agent/internal/web"
)

func newUnlock(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "unlock",
		Short: "Type the passphrase, so that the running agent can read its secrets",
		Long: `Ask for the passphrase on the terminal and hand it to the running agent, which
opens its identity by it and keeps that in memory alone, until agent lock, a restart
of the agent or one of its host. What waited for it runs at once, each once.

The passphrase is read from a terminal only. After a wrong one the agent takes none
for a while: a second at first, twice as long each time, a minute at most. The
identity is never in swap or in a core dump, and agent lock wipes it; copies that it
left while it was used go when their memory is used anew. Whoever is root on the host
can read what an unlocked agent holds.`,
		Example: "  agent unlock\n  ssh -t agent-host agent unlock",
		Args:    typedLater,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, wrong := askable(cmd, s)
			if settings == nil {
				return wrong
			}
			return unlock(cmd.Context(), s, settings.Socket, wrong)
		},
	}
}

// errNoAgent says that there is nobody to unlock.
func errNoAgent(socket string) error {
	return errors.New("no agent is running behind " + socket + ", and each start of one is locked: start it first, with `agent run` or as a service")
}

func unlock(ctx context.Context, s streams, socket string, wrong error) error {
	client := web.NewClient(socket)
	// Nobody types a passphrase for nothing.
	status, err := client.Status(ctx)
	err = asked(s, wrong, err)
	switch {
	case errors.Is(err, web.ErrNoAgent):
		return errNoAgent(socket)
	case err != nil:
		return err
	case status.Lock.State == web.LockOpen:
		return errOpen
	case status.Lock.State == web.LockNew:
		return lock.ErrNew
	case status.Lock.State == web.LockUnlocked:
		fmt.Fprintln(s.Out, "unlocked already, since "+moment(status.Lock.Since))
		return nil
	}
	typist, err := openTerminal(s, "agent unlock")
	if err != nil {
		return err
	}
	defer typist.close()
	passphrase, err := typist.ask(ctx, "Passphrase: ")
	typist.close()
	if err != nil {
		return err
	}
	defer clear(passphrase)
	if len(passphrase) == 0 {
		return errors.New("no passphrase was typed: the agent stays locked")
	}
	out, err := client.Unlock(ctx, passphrase)
	switch {
	case errors.Is(err, web.ErrNoAgent):
		return errNoAgent(socket)
	case err != nil:
		return err
	case out.Already:
		fmt.Fprintln(s.Out, "unlocked already: somebody was faster")
	case len(out.Waiting) == 0:
		fmt.Fprintln(s.Out, "unlocked: nothing was waiting for it")
	default:
		fmt.Fprintf(s.Out, "unlocked: what waited for it goes on now, in turn %s\n", out.Turn)
		for _, w := range out.Waiting {
			fmt.Fprintln(s.Out, "  "+w.String())
		}
	}
	return nil
}

func newLock(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "lock",
		Short: "Have the running agent forget what agent unlock gave it",
		Long: `Have the running agent wipe its identity from memory. A turn that is under way ends
with the secrets that it has read; whatever needs one after that waits for the next
agent unlock. All that needs no secret of the agent's goes on.`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, wrong := askable(cmd, s)
			if settings == nil {
				return wrong
			}
			out, err := web.NewClient(settings.Socket).Lock(cmd.Context())
			err = asked(s, wrong, err)
			switch {
			case errors.Is(err, web.ErrNoAgent):
				fmt.Fprintln(s.Out, "no agent is running behind "+settings.Socket+": nothing is unlocked, and each start is locked")
			case err != nil:
				return err
			case out.Already:
				fmt.Fprintln(s.Out, "locked already")
			case out.Busy:
				fmt.Fprintln(s.Out, "locked: the turn that is under way ends with the secrets that it has read, and what comes after waits for agent unlock")
			default:
				fmt.Fprintln(s.Out, "locked: what needs a secret of the agent's waits for agent unlock")
			}
			return nil
		},
	}
}
