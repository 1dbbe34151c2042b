package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Notify is one place that is told what people should know: a webhook, or a service.
type Notify struct {
	// Name is what logs and commands call it; "" is the webhook's host, or the service.
	Name string `yaml:"name"`
	// Webhook is the URL that each message is posted to.
	Webhook string `yaml:"webhook"`
	// Secret signs each message: a file, or {secret: NAME}.
	Secret Credential `yaml:"secret"`
	// Service holds a service's URL, as in ntfy://ntfy.sh/TOPIC: a file, or {secret:
	// NAME}.
	Service Credential `yaml:"service"`
	// Events are the kinds of events that it is told; none is all.
	Events []string `yaml:"events"`
	// Level is the least that it is told: info, warning or error; "" is info.
	Level string `yaml:"level"`
	// Resources are patterns for what it is told of, as in vm/prod-* or site/home; none is
	// all.
	Resources []string `yaml:"resources"`
	// Remind is after how long it is told again of what holds still; 0 is four hours.
	Remind Interval `yaml:"remind"`
	// Heartbeat is when it is told each day that the agent is alive; zero is never.
	Heartbeat Heartbeat `yaml:"heartbeat"`
}

// Heartbeat is a time of the day.
type Heartbeat struct {
	// At is written as 08:00.
	At string `yaml:"at"`
	// Zone is a time zone, as in Europe/Berlin; "" is the host's.
	Zone string `yaml:"zone"`
}

// Clock reads the time of the day.
func (h Heartbeat) Clock() (hour, minute int, zone *time.Location, err error) {
	at, err := time.Parse("15:04", h.At)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("%q is no time of the day: write one as in \"08:00\"", h.At)
	}
	zone = time.Local
	if h.Zone != "" {
		if zone, err = time.LoadLocation(h.Zone); err != nil {
			return 0, 0, nil, fmt.Errorf("%q is no time zone: write one as in Europe/Berlin", h.Zone)
		}
	}
	return at.Hour(), at.Minute(), zone, nil
}

// NotifyEvents are the words that events may hold.
func NotifyEvents() []string {
	return []string{
		"change-applied", "commit-refused", "drift-found", "expiry", "failure", "heartbeat", "held-for-approval", "paused-reminder",
		"recovery", "repository-unreachable", "site-unknown", "turn-failed", "waiting-for-unlock",
	}
}

// complaint says what is wrong with the field at a dotted path.
type complaint func(field, format string, args ...any)

// plainName is what a name may be made of.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (s *Settings) checkNotify(say complaint) {
	names := make(map[string]bool)
	for i, n := range s.Notify {
		field := fmt.Sprintf("notify.%d", i)
		n.check(field, say)
		switch {
		case n.Name == "":
		case !plainName.MatchString(n.Name):
			say(field+".name", "notify: name: %q: write a word of letters, digits, dots, dashes and underscores", n.Name)
		case names[n.Name]:
			say(field+".name", "notify: name: there are two of the name %q: rename one", n.Name)
		}
		names[n.Name] = true
	}
}

func (n Notify) check(field string, say complaint) {
	none := Credential{}
	switch {
	case n.Webhook != "" && n.Service != none:
		say(field, "notify: it is either a webhook or a service: make two of it")
	case n.Service != none:
		if strings.Contains(n.Service.File, ":/") {
			// It is a secret, and no name of a file.
			say(field+".service", "notify: service: write the URL into a file that only the agent's user can read, and service: FILE; never the URL itself")
		}
		if n.Secret != none {
			say(field+".secret", "notify: secret: it signs what webhooks are sent, and a service takes no signature: take it out")
		}
	default:
		n.checkWebhook(field, say)
	}
	n.checkWishes(field, say)
}

func (n Notify) checkWebhook(field string, say complaint) {
	switch u, err := url.Parse(n.Webhook); {
	case n.Webhook == "":
		say(field, "notify: webhook is missing: write the URL that is told, or service: FILE with a service's URL in it")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		// The URL itself may be a secret.
		say(field+".webhook", "notify: webhook: write a URL that begins with https://, or with http://")
	case u.User != nil:
		say(field+".webhook", "notify: webhook: it holds a user or password, which would show in logs: take it out; messages are signed by secret")
	}
	if n.Secret == (Credential{}) {
		say(field, "notify: secret is missing, which signs what is sent: write a file of random text into it (openssl rand -hex 32 makes some), and secret: FILE")
	}
}

// checkWishes looks at what the target wants to be told.
func (n Notify) checkWishes(field string, say complaint) {
	for i, word := range n.Events {
		if !slices.Contains(NotifyEvents(), word) {
			say(fmt.Sprintf("%s.events.%d", field, i), "notify: events: there is no event %q: write some of %s", word, strings.Join(NotifyEvents(), ", "))
		}
		if word == "heartbeat" && n.Heartbeat == (Heartbeat{}) {
			say(fmt.Sprintf("%s.events.%d", field, i), "notify: events: heartbeat comes at a time of the day: write heartbeat: {at: \"08:00\"}")
		}
	}
	switch n.Level {
	case "", "info", "warning", "error":
	default:
		say(field+".level", "notify: level: %q: write info, warning or error", n.Level)
	}
	for i, pattern := range n.Resources {
		if _, err := path.Match(pattern, ""); err != nil || !strings.Contains(pattern, "/") {
			say(fmt.Sprintf("%s.resources.%d", field, i), "notify: resources: %q: write a pattern for ids, as in vm/prod-*, edge/main or site/home", pattern)
		}
	}
	if n.Heartbeat == (Heartbeat{}) {
		return
	}
	if _, _, _, err := n.Heartbeat.Clock(); err != nil {
		say(field+".heartbeat", "notify: heartbeat: %v", err)
	}
}
