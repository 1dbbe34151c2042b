package proxmox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// probeTimeout is how long one try of a port may take.
const probeTimeout = 5 * time.Second

// ready waits until the guest runs, is known and answers.
func (j *job) ready(ctx context.Context) error {
	limit := cmp.Or(time.Duration(j.guest().Ready.Timeout), j.limit(readiness))
	end := j.Now().Add(limit)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.RandomizationFactor = 500*time.Millisecond, 5*time.Second, 0
	for {
		missing, err := j.lacks(ctx)
		switch {
		case ctx.Err() != nil:
			return applyers.ErrLeft
		case err == nil && missing == "":
			return j.arrived(ctx)
		case err != nil && !errors.Is(err, errNotYet):
			return err
		case j.Now().After(end):
			return fmt.Errorf("not ready after %s: %s", desired.Duration(limit), missing)
		}
		if pve.Sleep(ctx, pause.NextBackOff()) != nil {
			return applyers.ErrLeft
		}
	}
}

// arrived takes off the guest's stamp that it has not been ready yet. Until then
// each turn waits for it again, and nothing is led to it.
func (j *job) arrived(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil || !g.stamp.Starting {
		return err
	}
	there := g.stamp
	there.Starting = false
	err = j.patient(ctx, func() error {
		return j.setConfig(ctx, g, pve.Params{"description": stamp.Join(g.words, there)}, nil)
	})
	if err != nil {
		return fmt.Errorf("mark %s as ready: %w", j.ID, err)
	}
	return nil
}

// errNotYet is an answer that may be another one in a moment.
var errNotYet = errors.New("not yet")

// lacks tells what is still missing; "" if the guest is ready. An address is waited
// for only where something is to reach it: a guest agent that is enabled and not
// installed would hold every turn up.
func (j *job) lacks(ctx context.Context) (string, error) {
	g, err := j.mine(ctx)
	if err != nil {
		return "", err
	}
	running, err := j.power(ctx)
	switch {
	case err != nil:
		return "its state can't be read: " + err.Error(), errNotYet
	case running.Status != "running":
		return "it does not run", errNotYet
	}
	addr := j.address(ctx, g)
	port := j.readyPort()
	needs := j.guest().Ready
	switch {
	case addr == "" && port != 0:
		return unaddressed(g), errNotYet
	case addr != "":
		j.p.Made(j.ID, desired.FactAddress, addr)
	}
	if needs.Agent && j.kind == desired.KindVM {
		if err := j.Write(ctx, "POST", j.path()+"/agent/ping", pve.Params{}, nil); err != nil {
			if errors.Is(err, applyers.ErrLeft) {
				return "", err
			}
			return "its guest agent does not answer", errNotYet
		}
	}
	if needs.CloudInit {
		if missing := j.cloudInitEnded(ctx); missing != "" {
			return missing, errNotYet
		}
	}
	if port != 0 {
		if err := j.probe(ctx, addr, port); err != nil {
			return fmt.Sprintf("port %d of %s does not answer: %v", port, addr, err), errNotYet
		}
	}
	return "", nil
}

// unaddressed says what to do about a guest whose address is not known.
func unaddressed(g *found) string {
	switch {
	case g.kind == desired.KindContainer:
		return "its address is not known: give it a static address or a reservation, or see whether a DHCP server answers it"
	case knows(g):
		return "its address is not known, since its guest agent does not tell it: install and start qemu-guest-agent in the guest, or give it a static address or a reservation"
	}
	return "its address is not known: give it a static address or a reservation, or enable its guest agent"
}

// knows tells whether a guest can say under which address it is reached.
func knows(g *found) bool {
	return g.kind == desired.KindContainer || notation.Flag(notation.Lookup("enabled", g.conf.Values["agent"], "enabled"), false)
}

// addressless tells whether no interface is meant to have an address.
func addressless(g *desired.Guest) bool {
	for _, nic := range g.Networks {
		if nic.Address != "none" {
			return false
		}
	}
	return true
}

// address is where the guest is reached, as far as it can be told.
func (j *job) address(ctx context.Context, g *found) string {
	if addr := configured(g); addr != "" {
		return addr
	}
	if addr, known := j.Fleet.Address(j.ID); known {
		return addr
	}
	return j.asked(ctx, g)
}

// readyPort is the port that must answer: the one that the manifest names; SSH
// where a playbook wants the guest; else that of a route to it, whose service
// stands without a playbook. 0 is none.
func (j *job) readyPort() int {
	guest := j.guest()
	if guest.Ready.Port != 0 {
		return guest.Ready.Port
	}
	route := 0
	for _, r := range j.Fleet.Resources {
		switch spec := r.Spec.(type) {
		case *desired.Playbook:
			if slices.Contains(spec.Targets, j.ID) {
				return cmp.Or(guest.SSH.Port, j.Fleet.Spec.SSH.Port, 22)
			}
		case *desired.Edge:
			route = cmp.Or(route, routedPort(spec, j.ID))
		}
	}
	return route
}

// routedPort is the port of a guest that an edge leads to by TCP, by TLS rather than
// otherwise; 0 where it leads to none.
func routedPort(edge *desired.Edge, guest desired.ID) int {
	all := edge.Targets()
	for _, side := range []desired.Path{"tls.routes", "tls.default", "http", "tcp"} {
		for _, path := range slices.Sorted(maps.Keys(all)) {
			if !path.Within(side) {
				continue
			}
			for _, server := range edge.Servers(all[path]) {
				if id, port, ok := server.To.Guest(); ok && id == guest {
					return notation.Whole(port, 0)
				}
			}
		}
	}
	return 0
}

func (j *job) probe(ctx context.Context, addr string, port int) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := j.applyer.opts.Dial(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}
