package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/notify"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/applyers"
	"berth/drift/report"
)

// subscriptions are those who are told what people should know. A target that could
// never be told is a mistake of the settings.
func subscriptions(settings *config.Settings, env func(string) string) ([]notify.Subscription, error) {
	var all []notify.Subscription
	var wrong []error
	taken := make(map[string]bool)
	for _, n := range settings.Notify {
		taken[n.Name] = true
	}
	for i, n := range settings.Notify {
		target, name, err := targetOf(settings, n, env)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: notify: %w", settings.Place(fmt.Sprintf("notify.%d", i)), err))
			continue
		}
		if n.Name != "" {
			name = n.Name
		} else {
			name = unlike(taken, name)
		}
		all = append(all, notify.Subscription{Name: name, Target: target, Policy: policyOf(n)})
	}
	return all, errors.Join(wrong...)
}

// unlike is a name that no other target has.
func unlike(taken map[string]bool, name string) string {
	free := name
	for i := 2; taken[free]; i++ {
		free = name + "-" + strconv.Itoa(i)
	}
	taken[free] = true
	return free
}

// targetOf is a target, and what it is called unless somebody says.
func targetOf(settings *config.Settings, n config.Notify, env func(string) string) (notify.Target, string, error) {
	if n.Webhook != "" {
		u, err := url.Parse(n.Webhook)
		if err != nil {
			return nil, "", errors.New("webhook: it is no URL")
		}
		return &notify.Webhook{URL: n.Webhook, Key: reader(settings, n.Secret, env)}, u.Hostname(), nil
	}
	text, err := settings.Read(n.Service, env)
	if err != nil {
		return nil, "", fmt.Errorf("read the service's URL: %w", err)
	}
	defer clear(text)
	scheme, err := notify.CheckService(text)
	if err != nil {
		return nil, "", fmt.Errorf("the URL in %s: %w", n.Service, err)
	}
	return notify.NewService(reader(settings, n.Service, env)), scheme, nil
}

// policyOf is what a target wants to be told of. Check has seen to it that it makes
// sense.
func policyOf(n config.Notify) notify.Policy {
	p := notify.Policy{Level: notify.Level(n.Level), Resources: n.Resources, Remind: time.Duration(n.Remind)}
	for _, word := range n.Events {
		p.Events = append(p.Events, notify.Kind(word))
	}
	if hour, minute, zone, err := n.Heartbeat.Clock(); err == nil {
		p.Beat = &notify.Beat{Hour: hour, Minute: minute, Zone: zone}
	}
	return p
}

// newTeller makes who tells people of turns, which works until ctx is done.
func (s *service) newTeller(ctx context.Context) (*notify.Teller, error) {
	targets, err := subscriptions(s.settings, s.env)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	for _, t := range targets {
		s.observed.metrics.Target(t.Name)
	}
	return notify.NewTeller(ctx, notify.Options{
		Targets: targets, File: filepath.Join(s.settings.State, "notify.json"), Host: host, Log: s.log,
		Around: func() []notify.Condition { return around(s.status(), time.Now()) },
		Sent:   s.observed.metrics.Notified,
	}), nil
}

// telling has people told of turns.
type telling struct{ teller *notify.Teller }

// Began has nothing to tell.
func (telling) Began(turn.Request) {}

// Planned has nothing to tell.
func (telling) Planned(turn.Request, *report.Report) {}

// Ended tells what came of a turn. Who asked for a dry run, or for what can't be, has the
// answer; a turn that was left for a stop is told by the next start.
func (t telling) Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait) {
	switch {
	case turn.Mistaken(err), errors.Is(err, applyers.ErrLeft), errors.Is(err, context.Canceled):
		return
	case req.Mode != report.Run && !req.Paused:
		return
	}
	look := notify.Look{Turn: req.ID, Report: rep, Waits: waits, Part: len(req.Only) > 0, Quick: req.Quick}
	if err != nil {
		look.Err = err.Error()
	}
	t.teller.Tell(look)
}

// around is what holds around turns.
func around(status web.Status, now time.Time) []notify.Condition {
	var all []notify.Condition
	if p := status.Paused; p != nil {
		all = append(all, notify.Condition{Kind: notify.PausedReminder, Mark: p.Since.String(), Reason: p.String(), Since: p.Since})
	}
	for _, e := range status.Expiries {
		c := notify.Condition{
			Kind: notify.Expiry, ID: e.ID, Part: e.Kind + " " + e.What, Mark: e.At.String(), Reason: e.Text(now), Unsure: e.Unknown != "",
		}
		if e.ID.Kind() == "site" {
			c.Site = e.ID.Name()
		}
		if c.Unsure || e.Soon(now) {
			all = append(all, c)
		}
	}
	return all
}
