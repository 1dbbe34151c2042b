package main

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/notify"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// targets are those who are told what people should know.
func (s *service) targets() []notify.Target {
	var all []notify.Target
	for _, n := range s.settings.Notify {
		all = append(all, &notify.Webhook{URL: n.Webhook, Key: s.reader(n.Secret)})
	}
	return all
}

func (s *service) reader(c config.Credential) func() ([]byte, error) {
	return func() ([]byte, error) { return s.settings.Read(c, s.env) }
}

// waitingNotifier tells people that something waits for an unlock: when it begins to,
// and again a day later, until somebody unlocks.
type waitingNotifier struct{ *service }

// Began has nothing to tell.
func (waitingNotifier) Began(turn.Request) {}

// Planned has nothing to tell.
func (waitingNotifier) Planned(turn.Request, *report.Report) {}

// Ended tells what waits since.
func (s waitingNotifier) Ended(turn.Request, *report.Report, error, []turn.Wait) {
	status := s.standing.Status()
	if len(status.Waiting) == 0 || status.Last == nil || !s.waiting.Due(time.Now()) {
		return
	}
	host, _ := os.Hostname()
	event := notify.Event{
		Kind: notify.WaitingForUnlock, ID: eventID(), At: time.Now().UTC(), Fleet: status.Fleet, Host: host, Turn: status.Last.ID, Commit: status.Commit.Hash,
		Title: "Waiting for somebody to unlock the agent on " + host,
		Text:  "Run `agent unlock` there. Nothing is lost: what waits goes on at once then, and all that needs no locked secret goes on meanwhile.",
	}
	for _, w := range status.Waiting {
		event.Items = append(event.Items, notify.Item{ID: w.ID, Hosts: w.Hosts, Reason: w.Reason})
	}
	s.notifier.Tell(event)
}

// eventID is one of a kind.
func eventID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // It never fails.
	return hex.EncodeToString(id)
}
