package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/config"
	"berth/agent/internal/history"
	"berth/agent/internal/journal"
	"berth/agent/internal/logs"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/ansible"
	"berth/applyers/machine"
	"berth/applyers/nginx"
	"berth/applyers/proxmox"
	"berth/desired"
)

// wiring is an agent put together: everything that a turn needs.
type wiring struct {
	settings   *config.Settings
	log        *slog.Logger
	env        func(string) string
	repository *checkout.Repo
	// library are the repositories that playbooks come from.
	library *checkout.Library
	journal *journal.Journal
	turner  *turn.Turner
	keeping
	// memory is what one turn leaves to the next of the clusters.
	memory proxmox.Memory
	// dial reaches guests, to see whether they answer; nil is the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// answers tells which addresses somebody has already; nil asks nobody.
	answers func(ctx context.Context, addrs []netip.Addr) map[netip.Addr]string
}

// besides is a log that the journal keeps as well, for the turns that it holds.
func besides(log *slog.Logger, j *journal.Journal) *slog.Logger {
	return slog.New(slog.NewMultiHandler(log.Handler(), logs.Belonging(j.Handler())))
}

// newWiring opens what the agent keeps in its state directory. One agent at a
// time can have it.
func newWiring(s streams, settings *config.Settings, log *slog.Logger) (*wiring, error) {
	if err := os.MkdirAll(settings.State, 0o700); err != nil {
		return nil, fmt.Errorf("open the state directory: %w", err)
	}
	w := &wiring{settings: settings, log: log, env: s.Env, answers: s.Answers}
	var err error
	kept := settings.Journal
	if w.journal, err = journal.Open(journal.Options{
		Dir: filepath.Join(settings.State, "journal"), Log: log,
		Keep: kept.Keep, KeepFor: time.Duration(kept.KeepFor), KeepFailures: time.Duration(kept.KeepFailures), MaxSize: int64(kept.MaxSize),
	}); err != nil {
		return nil, err
	}
	log = besides(log, w.journal)
	w.log = log
	w.repository, err = checkout.Open(filepath.Join(settings.State, "clone"), source(settings, s.Env), log)
	if err != nil {
		return nil, errors.Join(err, w.journal.Close())
	}
	if w.keeping, err = newSecrets(s, settings); err != nil {
		w.repository.Close()
		return nil, errors.Join(err, w.journal.Close())
	}
	if w.library, err = openLibrary(settings, log); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.turner = &turn.Turner{
		Repository: w.repository, Journal: w.journal, Appliers: w.appliers, Proposal: w.proposed, Log: log, Now: time.Now,
		History: history.New(history.Options{Dir: filepath.Join(settings.State, historyDir), For: time.Duration(kept.History), Log: log}),
		Surroundings: &turn.Surroundings{
			UUIDFile: turn.ProductUUID, MACs: turn.OwnMACs, Resolve: net.DefaultResolver.LookupHost, Repository: settings.Repository.URL,
		},
	}
	return w, nil
}

func (w *wiring) close() error {
	if w.library != nil {
		w.library.Close()
	}
	w.repository.Close()
	return w.journal.Close()
}

// appliers makes the appliers for one turn.
func (w *wiring) appliers(fleet *desired.Fleet, files fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
	places := w.secrets.At(fleet.Secrets, files)
	w.library.Turn()
	guests := proxmox.New(proxmox.Options{
		Token:  tokens(places),
		Secret: reveal(places),
		Locked: waits(places),
		Log:    w.log, Dial: w.dial, Answers: w.answers, Memory: &w.memory,
	})
	playbooks, err := ansible.New(ansible.Options{
		Memory: w.journal, State: filepath.Join(w.settings.State, "ansible"), Log: w.log, Dial: w.dial,
		Files:   func(context.Context) (fs.FS, error) { return files, nil },
		Secrets: places, Repository: playbookTrees(w.library, places),
	})
	if err != nil {
		return nil, nil, err
	}
	machines, err := machine.New(machine.Options{
		// Playbooks learn host keys into the same file.
		State: filepath.Join(w.settings.State, "ansible"), AgentSocket: w.env("SSH_AUTH_SOCK"), Log: w.log, Dial: w.dial,
		Key: reveal(places),
	})
	if err != nil {
		return nil, nil, err
	}
	edges := nginx.New(nginx.Options{Log: w.log, Machines: machines})
	return []applyers.Applyer{guests, edges, playbooks}, guests.TakeRequests, nil
}
