package ansible

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"berth/applyers/ansible/inventory"
	"berth/desired"
)

// answerFor is how long a host that is no guest has to answer on its SSH port.
const answerFor = 10 * time.Second

// reach asks Hosts whether they answer, before anything is begun for them. Guests have
// been waited for: see their step "ready".
func (a *Applyer) reach(ctx context.Context, fleet *desired.Fleet, play *desired.Playbook, hosts []*host) {
	if play.Runner.Webhook != nil {
		return
	}
	var asking sync.WaitGroup
	for _, h := range todo(hosts) {
		if h.id.Kind() == desired.KindHost {
			asking.Go(func() { h.err = a.answers(ctx, fleet, play, h.id, answerFor) })
		}
	}
	asking.Wait()
}

// answers asks whether a host answers on its SSH port. One with a connection of its own
// choice is not asked.
func (a *Applyer) answers(ctx context.Context, fleet *desired.Fleet, play *desired.Playbook, id desired.ID, within time.Duration) error {
	h := fleet.Hosts[id.Name()]
	if h == nil || h.Vars["ansible_connection"] != nil || h.Address == "" || h.Vars["ansible_host"] != nil {
		return nil
	}
	port := play.Port
	if port == 0 {
		port = inventory.Reach(fleet, h.SSH).Port
	}
	if port == 0 {
		port = 22
	}
	at := net.JoinHostPort(h.Address, strconv.Itoa(port))
	asking, stop := context.WithTimeout(ctx, within)
	defer stop()
	conn, err := a.Dial(asking, "tcp", at)
	switch {
	case err == nil:
		_ = conn.Close()
		return nil
	case ctx.Err() != nil:
		return nil // The run itself tells that the agent stops.
	case asking.Err() != nil:
		return fmt.Errorf("can't be reached: nothing answers at %s within %s: see that it is up, and that its SSH port is open to the agent", at, within)
	default:
		return fmt.Errorf("can't be reached: %w: see that it is up, and that its SSH port is open to the agent", err)
	}
}
