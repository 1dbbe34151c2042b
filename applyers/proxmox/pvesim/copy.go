package pvesim

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
)

// Copy is another cluster in the very state of this one, with its log of requests
// and its tasks, so that what has been brought about once can go on in many ways.
// What was hung on this one (OnPower) and its faults are not the copy's. It fails
// while a task runs, since the work of a task belongs to its cluster.
func (c *Cluster) Copy() (*Cluster, error) {
	c.lock()
	defer c.unlock()
	for _, t := range c.tasks {
		if !t.done {
			return nil, errors.New("a task runs: wait for its end before the cluster is copied")
		}
	}
	out := &Cluster{
		opts: c.opts, nodes: slices.Clone(c.nodes), born: c.born, pid: c.pid,
		// A generator can't be told where to go on: the copy's choices are its own.
		rng:      rand.New(rand.NewPCG(c.opts.Seed, c.rng.Uint64())), //nolint:gosec // not for secrets
		guests:   copied(c.guests, (*guest).copy),
		storages: copied(c.storages, (*storage).copy),
		// What has ended is never written to again.
		tasks: slices.Clone(c.tasks), events: slices.Clone(c.events), requests: slices.Clone(c.requests),
		access: c.access.copy(), objects: c.objects.copy(),
		pools: copied(c.pools, func(p *pool) *pool {
			return &pool{comment: p.comment, vms: maps.Clone(p.vms), storages: maps.Clone(p.storages)}
		}),
		ifaces: copied(c.ifaces, func(all []iface) []iface {
			return copies(all, maps.Clone)
		}),
		offline: maps.Clone(c.offline), noQuorum: c.noQuorum, download: c.download, options: maps.Clone(c.options),
		lines: maps.Clone(c.lines), stale: copied(c.stale, (*guest).copy),
	}
	return out, nil
}

// copied is a map with a copy of each of its values.
func copied[K comparable, V any](of map[K]V, one func(V) V) map[K]V {
	if of == nil {
		return nil
	}
	out := make(map[K]V, len(of))
	for k, v := range of {
		out[k] = one(v)
	}
	return out
}

// copies is a list with a copy of each of its values.
func copies[V any](of []V, one func(V) V) []V {
	out := slices.Clone(of)
	for i := range out {
		out[i] = one(out[i])
	}
	return out
}

func (g *guest) copy() *guest {
	out := *g
	out.conf, out.pending, out.pendingDelete = maps.Clone(g.conf), maps.Clone(g.pending), maps.Clone(g.pendingDelete)
	out.cloudinit, out.changed, out.holder = maps.Clone(g.cloudinit), slices.Clone(g.changed), nil
	out.snaps = copied(g.snaps, func(s *snapshot) *snapshot {
		other := *s
		other.conf = maps.Clone(s.conf)
		return &other
	})
	if g.agent != nil {
		out.agent = &agentState{ifaces: slices.Clone(g.agent.ifaces), files: maps.Clone(g.agent.files)}
	}
	return &out
}

func (s *storage) copy() *storage {
	out := *s
	out.options = maps.Clone(s.options)
	// The bytes of a file are replaced as a whole, never written into.
	out.volumes = copied(s.volumes, func(v *volume) *volume {
		other := *v
		return &other
	})
	return &out
}

func (a *access) copy() *access {
	return &access{
		users: copied(a.users, func(u *user) *user {
			other := *u
			other.tickets = maps.Clone(u.tickets)
			other.tokens = copied(u.tokens, func(t *token) *token {
				one := *t
				return &one
			})
			return &other
		}),
		groups: copied(a.groups, slices.Clone), roles: copied(a.roles, slices.Clone), acl: slices.Clone(a.acl),
	}
}

func (o objects) copy() objects {
	each := func(all map[string]object) map[string]object { return copied(all, maps.Clone) }
	return objects{
		ha: each(o.ha), backup: each(o.backup), dirs: each(o.dirs),
		zones: each(o.zones), vnets: each(o.vnets), subnet: each(o.subnet),
		walls: copied(o.walls, func(f *firewall) *firewall {
			return &firewall{
				Options: maps.Clone(f.Options), Rules: copies(f.Rules, maps.Clone), Aliases: each(f.Aliases),
				Sets: copied(f.Sets, func(s []object) []object { return copies(s, maps.Clone) }),
			}
		}),
	}
}
