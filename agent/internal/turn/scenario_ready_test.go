package turn_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/nginx"
	"berth/applyers/proxmox"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift/report"
)

// deaf makes an agent to which no guest answers.
func (l *land) deafAgent() (*turn.Turner, func()) {
	agent, stop := l.agent("journal")
	agent.Appliers = func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
		guests := proxmox.New(proxmox.Options{
			Token:     func(context.Context, *desired.Site) (string, error) { return l.token, nil },
			Transport: func(*desired.Site) (http.RoundTripper, error) { return logged{l, l.sim.Transport()}, nil },
			Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("connection refused")
			},
		})
		return []applyers.Applyer{guests, nginx.New(nginx.Options{Run: l.nginx})}, guests.TakeRequests, nil
	}
	return agent, stop
}

func TestNotRoutedUntilItAnswers(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")))
		agent, stop := l.deafAgent()
		defer stop()
		for range 3 {
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil {
				l.t.Fatal(err)
			}
			l.t.Log(told(rep))
			pass(time.Until(agent.Retry()))
		}
		if to := l.routes()["cache.example.net"]; to != "" {
			l.t.Errorf("cache.example.net leads to %s, which never answered", to)
		}
	})
}

func TestWaitedForAgainAfterAStop(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")))
		agent, stop := l.deafAgent()
		ctx, cancel := context.WithCancel(l.t.Context())
		time.AfterFunc(time.Minute, cancel)
		if _, err := agent.Run(ctx, turn.Request{Mode: report.Run}); err != nil {
			l.t.Fatal(err)
		}
		stop()
		agent, stop = l.deafAgent()
		defer stop()
		if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err != nil {
			l.t.Fatal(err)
		}
		if to := l.routes()["cache.example.net"]; to != "" {
			l.t.Errorf("cache.example.net leads to %s, which never answered", to)
		}
	})
}
