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
	"berth/agent/internal/lock"
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
	streams  streams
	settings *config.Settings
	// stream is the log that people read, log what the journal keeps as well.
	stream, log *slog.Logger
	env         func(string) string
	repository  *checkout.Repo
	// library are the repositories that playbooks come from.
	library *checkout.Library
	journal *journal.Journal
	turner  *turn.Turner
	keeping
	// memory is what one turn leaves to the next of the clusters.
	memory proxmox.Memory
	// dial reaches guests, to see whether they answer; nil is the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// asked is told of each request to Proxmox; nil tells nobody.
	asked func(proxmox.Request)
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
	kept, err := journal.Open(journal.Options{
		Dir: filepath.Join(settings.State, "journal"), Log: log, Bounds: bounds(settings.Journal),
	})
	if err != nil {
		return nil, err
	}
	l, err := lock.Open(filepath.Join(settings.State, "lock"))
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	w, err := wire(s, settings, log, kept, l)
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	return w, nil
}

// bounds are how much the journal keeps.
func bounds(keeps config.Journal) journal.Bounds {
	return journal.Bounds{
		Keep: keeps.Keep, KeepFor: time.Duration(keeps.KeepFor), KeepFailures: time.Duration(keeps.KeepFailures), MaxSize: int64(keeps.MaxSize),
	}
}

// wire opens what the settings name, beside a journal and a lock that are open.
func wire(s streams, settings *config.Settings, log *slog.Logger, kept *journal.Journal, l *lock.Lock) (*wiring, error) {
	stream := log
	log = besides(log, kept)
	w := &wiring{streams: s, settings: settings, stream: stream, log: log, env: s.Env, answers: s.Answers, journal: kept, keeping: keep(s, settings, l)}
	var err error
	w.repository, err = checkout.Open(filepath.Join(settings.State, "clone"), source(settings, s.Env), log)
	if err != nil {
		return nil, inSource(settings, err)
	}
	if w.library, err = openLibrary(settings, log); err != nil {
		w.repository.Close()
		return nil, err
	}
	w.turner = &turn.Turner{
		Repository: w.repository, Journal: w.journal, Appliers: w.appliers, Proposal: w.proposed, Log: log, Now: time.Now,
		History: history.New(history.Options{Dir: filepath.Join(settings.State, historyDir), For: time.Duration(settings.Journal.History), Log: log}),
		Surroundings: &turn.Surroundings{
			UUIDFile: productUUID(s.Env), MACs: turn.OwnMACs, Resolve: net.DefaultResolver.LookupHost, Repository: settings.Repository.URL,
		},
	}
	return w, nil
}

// renewed opens what other settings name, beside what is open. The journal and the lock
// are the same.
func (w *wiring) renewed(settings *config.Settings) (*wiring, error) {
	log := w.stream
	if settings.Log != w.settings.Log {
		log = newLog(w.streams, settings.Log)
	}
	return wire(w.streams, settings, log, w.journal, w.lock)
}

// reader reads a credential of the settings.
func (w *wiring) reader(c config.Credential) func() ([]byte, error) {
	return reader(w.settings, c, w.env)
}

// release closes all but the journal, which another wiring may have.
func (w *wiring) release() {
	w.library.Close()
	w.repository.Close()
}

// productUUID is the file that tells which machine this is: the credential by which the
// packaged service hands on what root alone may read, else the system's own.
func productUUID(environ func(string) string) string {
	if dir := environ("CREDENTIALS_DIRECTORY"); dir != "" {
		file := filepath.Join(dir, "product_uuid")
		if info, err := os.Stat(file); err == nil && info.Size() > 0 {
			return file
		}
	}
	return turn.ProductUUID
}

func (w *wiring) close() error {
	w.release()
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
		Log:    w.log, Dial: w.dial, Answers: w.answers, Memory: &w.memory, Asked: w.asked,
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
