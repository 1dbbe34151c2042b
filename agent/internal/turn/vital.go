package turn

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"berth/desired"
	"berth/drift"
)

// Surroundings is how the agent learns on which machine it runs, and where what it
// depends on answers.
type Surroundings struct {
	// UUIDFile holds the machine's product UUID; root alone may read it on Linux.
	// A container sees its host's, which is no guest's.
	UUIDFile string
	// MACs lists those of the machine's interfaces.
	MACs func() []string
	// Resolve finds the addresses of a host.
	Resolve func(ctx context.Context, host string) ([]string, error)
	// Repository is where the manifests are fetched from.
	Repository string

	mu    sync.Mutex
	known map[string][]string // the addresses that hosts had when they were last found
}

// ProductUUID is where Linux shows the machine's UUID.
const ProductUUID = "/sys/class/dmi/id/product_uuid"

// resolveFor bounds the look for addresses: a name server that hangs must not hold
// a turn up.
const resolveFor = 2 * time.Second

// OwnMACs are the MACs of this machine's interfaces.
func OwnMACs() []string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var all []string
	for _, i := range interfaces {
		if len(i.HardwareAddr) > 0 {
			all = append(all, i.HardwareAddr.String())
		}
	}
	return all
}

// vital is what the agent can't do without. What can't be found out now counts as
// it was found last.
func (s *Surroundings) vital(ctx context.Context, fleet *desired.Fleet) drift.Vital {
	v := drift.Vital{Servers: make(map[string]string)}
	if text, err := os.ReadFile(s.UUIDFile); err == nil {
		v.UUID = strings.TrimSpace(string(text))
	}
	if s.MACs != nil {
		v.MACs = s.MACs()
	}
	ctx, stop := context.WithTimeout(ctx, resolveFor)
	defer stop()
	for _, name := range sortedKeys(fleet.Sites) {
		for _, endpoint := range fleet.Sites[name].Endpoints {
			if u, err := url.Parse(endpoint); err == nil {
				s.find(ctx, v, u.Hostname(), "the API of site "+name+" ("+u.Hostname()+")")
			}
		}
	}
	if at, err := transport.NewEndpoint(s.Repository); err == nil && at.Protocol != "file" {
		s.find(ctx, v, at.Host, "the Git server "+at.Host)
	}
	return v
}

// find puts the addresses of a host among what answers.
func (s *Surroundings) find(ctx context.Context, v drift.Vital, host, what string) {
	if host == "" {
		return
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		v.Servers[addr.Unmap().String()] = what
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Resolve != nil {
		if found, err := s.Resolve(ctx, host); err == nil && len(found) > 0 {
			if s.known == nil {
				s.known = make(map[string][]string)
			}
			s.known[host] = slices.Clone(found)
		}
	}
	for _, text := range s.known[host] {
		if addr, err := netip.ParseAddr(text); err == nil {
			v.Servers[addr.Unmap().String()] = what
		}
	}
}
