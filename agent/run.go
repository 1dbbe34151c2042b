package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"berth/agent/internal/lock"
)

func newRun(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Keep the fleet as Git says, until told to stop",
		Long: `Poll the repository and keep the fleet as it says: a new commit is applied when
it is seen, and everything is compared anew at each sweep. A poll also asks each
Proxmox cluster what has changed, by a few requests: what was changed through its
API, its pages or qm, started, stopped, moved or removed, is looked at once. What
leaves no trace there is found at the next sweep at the latest: files edited by
hand, containers' options, images, the edge, playbooks. Where the token lacks
Sys.Syslog on /, each poll is a sweep.

The log, on standard error, tells what each turn was made for and did, and once,
with the reason, what it left as it is: what is held, or unknown.

Each start is locked: what needs the agent's identity waits, and goes on by itself
once somebody has typed the passphrase into agent unlock. agent status tells how it
stands.

SIGHUP and SIGUSR1 start a turn at once; SIGTERM lets requests in flight end,
leaves Proxmox's tasks running, and ends within two seconds: the next start picks
them up.`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			if err := settings.Check(); err != nil {
				return err
			}
			log := newLog(s, settings.Log)
			if err := lock.ForbidDumps(); err != nil {
				log.WarnContext(cmd.Context(), "a crash may leave secrets in a core dump", slog.Any("error", err))
			}
			w, err := newWiring(s, settings, log)
			if err != nil {
				return err
			}
			defer w.close()
			nudge, forget := signals()
			defer forget()
			return newService(w).serve(cmd.Context(), nudge)
		},
	}
}

// signals turns SIGHUP and SIGUSR1 into nudges. Several at once are one.
func signals() (nudge <-chan struct{}, forget func()) {
	in := make(chan os.Signal, 1)
	out := make(chan struct{}, 1)
	signal.Notify(in, syscall.SIGHUP, syscall.SIGUSR1)
	go func() {
		for range in {
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, func() { signal.Stop(in); close(in) }
}
