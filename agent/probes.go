package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/applyers/nginx/probe"
	"berth/drift/routes"
)

// probing is how names are asked.
type probing struct {
	// within is how long all may take.
	within time.Duration
	dial   probe.Dial
}

// dialOut reaches an edge from this host.
func dialOut(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

// probeRoutes asks every route of a table for which there is anybody to ask, and
// puts the answers into it. What could not be asked in time says so.
func probeRoutes(ctx context.Context, t *routes.Table, p probing) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(p.within, cancel)
	defer late.Stop()
	byTime := make(map[time.Duration][]*routes.Route)
	var ports []*routes.Route
	for i := range t.Routes {
		r := &t.Routes[i]
		if r.State == routes.New || r.State == routes.Goes || r.Problem() != "" {
			continue // There is nothing to ask, or nothing that is to answer.
		}
		address, why := askAt(t, r)
		if why != "" {
			r.Answer = &routes.Answer{Outcome: routes.Skipped, Text: "not asked: " + why}
			continue
		}
		r.Answer = &routes.Answer{Name: r.Ask(), Address: address}
		if r.Way == routes.TCP {
			ports = append(ports, r)
			continue
		}
		timeout := patience(t, r)
		byTime[timeout] = append(byTime[timeout], r)
	}
	var asking sync.WaitGroup
	for timeout, of := range byTime {
		asking.Go(func() { p.names(ctx, of, timeout) })
	}
	asking.Go(func() { p.ports(ctx, t, ports) })
	asking.Wait()
}

// patience is how long an answer may take by the manifest of its edge.
func patience(t *routes.Table, r *routes.Route) time.Duration {
	if e := t.Edge(r.Edge); e != nil && e.Timeout > 0 {
		return e.Timeout
	}
	return 3 * time.Second
}

// askAt is where a route is asked; or why it can't be.
func askAt(t *routes.Table, r *routes.Route) (address, why string) {
	if r.Way == routes.UDP {
		return "", "it is UDP"
	}
	host := ""
	if e := t.Edge(r.Edge); e != nil {
		host = e.Address
		if host == "" && e.At == "local" {
			host = "127.0.0.1"
		}
	}
	for _, listen := range r.Listen {
		port := listen
		if ap, err := netip.ParseAddrPort(listen); err == nil {
			if !ap.Addr().IsUnspecified() {
				return listen, ""
			}
			port = strconv.Itoa(int(ap.Port()))
		}
		if host != "" && address == "" {
			address = net.JoinHostPort(host, port)
		}
	}
	if address == "" {
		return "", "the edge's address is not known"
	}
	return address, ""
}

// names asks by name.
func (p probing) names(ctx context.Context, all []*routes.Route, timeout time.Duration) {
	questions := make([]probe.Question, len(all))
	for i, r := range all {
		questions[i] = probe.Question{Address: r.Answer.Address, Name: r.Answer.Name, HTTP: r.Way == routes.HTTP, Proxy: r.PROXY}
	}
	for i, a := range probe.All(ctx, p.dial, questions, timeout) {
		fill(all[i], a, timeout)
	}
}

// fill turns what came of asking into an answer.
func fill(r *routes.Route, a probe.Answer, timeout time.Duration) {
	to := r.Answer
	to.Outcome, to.Took, to.Subject, to.Fingerprint, to.Status = string(a.Outcome), a.Took, a.Subject, a.Fingerprint, a.Status
	to.Good = a.Works()
	words := map[probe.Outcome]string{
		probe.Alerted: "TLS alert: " + a.Detail, probe.Garbled: a.Detail, probe.Closed: "closed without an answer",
		probe.Refused: "refused", probe.TimedOut: "no answer in " + timeout.String(),
		probe.Unasked: "not asked: " + a.Detail, probe.Certified: a.Subject, probe.Responded: fmt.Sprintf("HTTP %d", a.Status),
	}[a.Outcome]
	switch r.Ends() {
	case "reject":
		to.Good = a.Outcome == probe.Closed
		if to.Good {
			words = "rejected"
		}
	case "redirect":
		to.Good = a.Status == 301 && strings.HasPrefix(a.Location, "https://")
	}
	if a.Outcome == probe.Unasked && strings.Contains(a.Detail, context.Canceled.Error()) {
		words = "not asked: the time was up"
	}
	if to.Good {
		words = fmt.Sprintf("ok %s %s", milliseconds(a.Took), words)
	}
	to.Text = words
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", max(1, d.Round(time.Millisecond).Milliseconds()))
}

// portsAtOnce is how many ports are asked at once.
const portsAtOnce = 16

// ports asks by connecting: an edge that finds nobody behind it closes at once.
func (p probing) ports(ctx context.Context, t *routes.Table, all []*routes.Route) {
	var asking sync.WaitGroup
	for chunk := range slices.Chunk(all, portsAtOnce) {
		for _, r := range chunk {
			asking.Go(func() { p.port(ctx, r, patience(t, r)) })
		}
		asking.Wait()
	}
}

// settle is how long a connection that stays open is looked at.
const settle = 300 * time.Millisecond

func (p probing) port(ctx context.Context, r *routes.Route, timeout time.Duration) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := p.dial(limited, "tcp", r.Answer.Address)
	if err != nil {
		a := probe.Ask(limited, func(context.Context, string, string) (net.Conn, error) { return nil, err }, probe.Question{}, 0)
		a.Took = time.Since(began)
		fill(r, a, timeout)
		return
	}
	defer conn.Close()
	took := time.Since(began)
	_ = conn.SetReadDeadline(time.Now().Add(settle))
	n, err := conn.Read(make([]byte, 1))
	answer := probe.Answer{Outcome: probe.Closed, Took: took}
	if late, ok := err.(net.Error); n > 0 || ok && late.Timeout() { //nolint:errorlint // What net reads gives itself.
		*r.Answer = routes.Answer{Address: r.Answer.Address, Outcome: "open", Good: r.Ends() != "reject", Took: took, Text: "ok " + milliseconds(took) + " open"}
		if !r.Answer.Good {
			r.Answer.Text = "open, though it is to be rejected"
		}
		return
	}
	if err != nil && err != io.EOF { //nolint:errorlint // As above.
		answer.Detail = err.Error()
	}
	fill(r, answer, timeout)
}
