package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/trigger"
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

As a service of type notify it tells systemd when it is ready, in a line how it
stands, and, where there is a watchdog, that it lives.

SIGUSR1 starts a turn at once. SIGHUP reads the settings anew, and starts one: what is
wrong in them is logged and told by agent status, and the former ones hold; state and
socket take effect at the next start. SIGTERM lets requests in flight end, leaves
Proxmox's tasks running, and ends within two seconds: the next start picks them up.`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			if err := settings.Check(); err != nil {
				return err
			}
			if err := checkNamed(settings, s.Env); err != nil {
				return err
			}
			log := newLog(s, settings.Log)
			if err := lock.ForbidDumps(); err != nil {
				log.WarnContext(cmd.Context(), "a crash may leave secrets in a core dump", slog.Any("error", err))
			}
			// An error stream that nobody reads any more ends no agent.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
			w, err := newWiring(s, settings, log)
			if err != nil {
				return err
			}
			return newService(w).serve(cmd.Context(), signals, func() (*config.Settings, error) { return loadSettings(cmd, s) })
		},
	}
}

// signals has the loop heed SIGHUP, which reads the settings anew, and SIGUSR1, which
// makes a turn.
func signals(loop *trigger.Loop) (forget func()) {
	in := make(chan os.Signal, 4)
	signal.Notify(in, syscall.SIGHUP, syscall.SIGUSR1)
	go func() {
		for s := range in {
			if s == syscall.SIGHUP {
				loop.Reload()
			} else {
				loop.StartWhole("signal")
			}
		}
	}()
	return func() { signal.Stop(in); close(in) }
}
