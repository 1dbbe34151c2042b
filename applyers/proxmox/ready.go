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
	"strings"
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

// offTime is how long a guest may be off, on end, while it is waited for: nothing
// starts it a second time.
const offTime = 2 * time.Minute

// ready waits until the guest runs, is known and answers. What is waited for comes in
// the order in which a guest reaches it, so that what is missing is what holds it up.
func (j *job) ready(ctx context.Context) error {
	limit := cmp.Or(time.Duration(j.guest().Ready.Timeout), j.limit(readiness))
	began := j.Now()
	lastOn := began
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.RandomizationFactor = 500*time.Millisecond, 5*time.Second, 0
	for {
		seen, err := j.progress(ctx)
		now := j.Now()
		if seen.running {
			lastOn = now
		}
		switch {
		case ctx.Err() != nil:
			return applyers.ErrLeft
		case err == nil && seen.missing == "":
			return j.arrived(ctx, seen)
		case err != nil && !errors.Is(err, errNotYet):
			return err
		case now.After(began.Add(limit)):
			return seen.late(ctx, limit)
		case now.After(lastOn.Add(min(offTime, limit))):
			return seen.late(ctx, now.Sub(began))
		}
		if pve.Sleep(ctx, pause.NextBackOff()) != nil {
			return applyers.ErrLeft
		}
	}
}

// seen is how far a guest has come.
type seen struct {
	// running is set for a guest that runs, as far as can be told.
	running bool
	// reached are the conditions that it meets, in order.
	reached []string
	// missing is the first that it does not meet, and remedy what to do about that;
	// "" where it is ready.
	missing, remedy string
	// ask, if it is not nil, asks the guest for more about what is missing.
	ask func(context.Context) string
	// booted is set for a guest whose first boot has made what others know it by.
	booted bool
}

// late says which condition was not met, what to do, and which ones were.
func (s *seen) late(ctx context.Context, after time.Duration) error {
	text := s.missing
	if s.ask != nil {
		if more := s.ask(ctx); more != "" {
			text += ": " + more
		}
	}
	if s.remedy != "" {
		text += ": " + s.remedy
	}
	if len(s.reached) > 0 {
		text += "; " + strings.Join(s.reached, ", ")
	}
	return fmt.Errorf("not ready after %s: %s", desired.Duration(after.Round(time.Second)), text)
}

// arrived takes off the guest's stamp that it has not been ready yet. Until then
// each turn waits for it again, and nothing is led to it. It notes there by which key
// the guest's SSH is known, too: what has to be written down is written at once.
func (j *job) arrived(ctx context.Context, seen seen) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	there := g.stamp
	there.Starting = false
	if there.HostKey == "" && seen.booted {
		there.HostKey = j.hostKey(ctx, g)
	}
	j.madeHostKey(there)
	if there.Starting == g.stamp.Starting && there.HostKey == g.stamp.HostKey {
		return nil
	}
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

// progress sees how far the guest is. An address is waited for only where something is to
// reach it: a guest agent that is enabled and not installed would hold every turn up.
func (j *job) progress(ctx context.Context) (seen, error) {
	var s seen
	not := func(missing, remedy string) (seen, error) {
		s.missing, s.remedy = missing, remedy
		return s, errNotYet
	}
	g, err := j.mine(ctx)
	if err != nil {
		return s, err
	}
	state, err := j.power(ctx)
	switch {
	case err != nil:
		s.running = true
		return not("its state can't be read: "+err.Error(), "")
	case state.Status != "running":
		return not("it does not run", "it was stopped, or stops by itself: its console tells why")
	}
	s.running, s.reached = true, []string{"it runs"}
	needs := j.guest().Ready
	if needs.Agent && j.kind == desired.KindVM {
		if err := j.Write(ctx, "POST", j.path()+"/agent/ping", pve.Params{}, nil); err != nil {
			if errors.Is(err, applyers.ErrLeft) {
				return s, err
			}
			return not("its guest agent does not answer", "install and start qemu-guest-agent in the guest (cloudInit.packages can), or take ready.agent out")
		}
		s.reached = append(s.reached, "its guest agent answers")
	}
	addr, dispute := j.address(ctx, g)
	port := j.readyPort()
	switch {
	case addr == "" && port != 0 && dispute != "":
		return not(dispute, "see what runs in it, or write down whose the address is")
	case addr == "" && port != 0:
		missing, remedy := unaddressed(g)
		return not(missing, remedy)
	case addr != "":
		j.p.Made(j.ID, desired.FactAddress, addr)
		s.reached = append(s.reached, "its address is "+addr)
	}
	if needs.CloudInit {
		if done := j.cloudInit(ctx); !done.ended {
			s.ask = done.ask
			return not(done.missing, done.remedy)
		}
		s.booted = true
		s.reached = append(s.reached, "cloud-init has ended")
	}
	if port == 0 {
		return s, nil
	}
	if err := j.probe(ctx, addr, port); err != nil {
		return not(fmt.Sprintf("port %d of %s does not answer: %v", port, addr, err),
			"see whether its service runs in the guest, and whether a firewall keeps this host from it")
	}
	s.booted = true
	s.reached = append(s.reached, fmt.Sprintf("port %d answers", port))
	if !needs.CloudInit {
		// A playbook must not meet cloud-init at work, where that can be seen.
		if done := j.cloudInit(ctx); done.works {
			s.ask = done.ask
			return not(done.missing, done.remedy)
		}
	}
	return s, nil
}

// unaddressed says of a guest whose address is not known what to do.
func unaddressed(g *found) (missing, remedy string) {
	switch {
	case g.kind == desired.KindContainer:
		return "its address is not known", "give it a static address or a reservation, or see whether a DHCP server answers it"
	case knows(g):
		return "its address is not known, since its guest agent does not tell it", "install and start qemu-guest-agent in the guest, or give it a static address or a reservation"
	}
	return "its address is not known", "give it a static address or a reservation, or enable its guest agent"
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

// address is where the guest is reached, as far as it can be told. dispute says why
// what it tells itself is not believed.
func (j *job) address(ctx context.Context, g *found) (addr, dispute string) {
	if addr := configured(g); addr != "" {
		return addr, ""
	}
	if addr, known := j.Fleet.Address(j.ID); known {
		return addr, ""
	}
	claims := j.asked(ctx, g)
	if len(claims) == 0 {
		return "", ""
	}
	addr, refused, by := j.applyer.newDisputes(j.Fleet).choose(j.ID, claims)
	if addr != "" {
		j.applyer.opts.Memory.hear(j.ID, claims, j.Now())
		return addr, ""
	}
	return "", claimed(refused, by)
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
