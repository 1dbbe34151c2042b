package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/trigger"
	"berth/agent/internal/web"
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
			w, err := newWiring(s, settings, newLog(s, settings.Log))
			if err != nil {
				return err
			}
			defer w.close()
			nudge, forget := signals()
			defer forget()
			return serve(cmd.Context(), w, nudge)
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

// serve runs the loop and its socket until ctx is done.
func serve(ctx context.Context, w *wiring, nudge <-chan struct{}) error {
	settings, log := w.settings, w.log
	listener, err := web.Listen(ctx, settings.Socket)
	if err != nil {
		return err
	}
	defer os.Remove(settings.Socket)
	loop := trigger.New(trigger.Loop{
		Turn: w.turner.Run, Look: w.turner.Look, Retry: w.turner.Retry, Nudge: nudge, Log: log,
		Tip: func(ctx context.Context) (string, error) {
			commit, err := w.repository.Fetch(ctx)
			return commit.Hash, err
		},
		Poll: time.Duration(settings.Poll), Sweep: time.Duration(settings.Sweep),
	})
	log.InfoContext(ctx, "agent started",
		slog.String("version", version()), slog.String("repository", w.repository.Source().String()), slog.String("socket", settings.Socket))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var serving sync.WaitGroup
	var served error
	serving.Go(func() {
		if served = web.Serve(ctx, listener, web.WithInventory(web.API{Ask: loop.Ask, Log: log}.Handler(), w.turner.Known, log), log); served != nil {
			stop()
		}
	})
	loop.Run(ctx)
	stop()
	serving.Wait()
	log.InfoContext(ctx, "agent stopped")
	return served
}
