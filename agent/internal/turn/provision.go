package turn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"berth/desired"
)

// ErrNoFleet is that no manifests have been read yet.
var ErrNoFleet = errors.New("the manifests have not been read yet: ask again in a moment")

// Recall reads the manifests that were accepted last, for those who ask before the
// first turn. It asks nobody outside; where none were accepted it does nothing.
func (t *Turner) Recall(ctx context.Context) error {
	commit, has := t.Repository.Accepted()
	if !has {
		return nil
	}
	src, err := t.load(ctx, commit)
	if err != nil {
		return fmt.Errorf("read the manifests of the last accepted commit: %w", err)
	}
	t.enforced.Store(src.fleet)
	return nil
}

// Enforced is the fleet of the last turn, or of the one under way; nil before the
// first. It may be asked at any time.
func (t *Turner) Enforced() *desired.Fleet { return t.enforced.Load() }

// Provision asks for all playbooks that run by themselves on a host, on those of a
// group, or on all, and tells which hosts and playbooks these are. They are asked for
// until they have come to a good end there, whatever happens to the agent; the next
// turn runs them, whatever has failed there before. It may be called at any time. The error is an [UnknownError] for
// what the fleet has not, and [ErrNoFleet] before there is one.
func (t *Turner) Provision(target, why string) (hosts []string, all []desired.ID, err error) {
	fleet := t.enforced.Load()
	if fleet == nil {
		return nil, nil, fmt.Errorf("provision %s: %w", target, ErrNoFleet)
	}
	meant := targets(fleet, target)
	if len(meant) == 0 {
		known := names(fleet)
		return nil, nil, fmt.Errorf("provision: %w", &UnknownError{What: "host " + target, Known: known, Near: desired.Nearest(target, known)})
	}
	for _, r := range fleet.Resources {
		play, ok := r.Spec.(*desired.Playbook)
		if !ok || !automatic(play) {
			continue
		}
		on := slices.DeleteFunc(hostsOf(play), func(name string) bool { return !meant[name] })
		if len(on) == 0 {
			continue
		}
		if err := t.Journal.Ask(r.ID, on, why); err != nil {
			return nil, nil, err
		}
		t.urged.add(r.ID, on)
		all = append(all, r.ID)
	}
	return slices.Sorted(maps.Keys(meant)), all, nil
}

// targets are the names of the hosts that are meant: the one that is called so, else
// those of the group, or all.
func targets(fleet *desired.Fleet, target string) map[string]bool {
	named, grouped := make(map[string]bool), make(map[string]bool)
	each(fleet, func(id desired.ID) {
		if id.Name() == target {
			named[target] = true
		}
		if target == "all" || slices.Contains(fleet.Groups(id), target) {
			grouped[id.Name()] = true
		}
	})
	if len(named) > 0 {
		return named
	}
	return grouped
}

// names are what a target may be, sorted.
func names(fleet *desired.Fleet) []string {
	known := []string{"all"}
	each(fleet, func(id desired.ID) {
		known = append(append(known, id.Name()), fleet.Groups(id)...)
	})
	slices.Sort(known)
	return slices.Compact(known)
}

// each goes over guests and Hosts.
func each(fleet *desired.Fleet, do func(desired.ID)) {
	for _, r := range fleet.Resources {
		if fleet.Guest(r.ID) != nil {
			do(r.ID)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fleet.Hosts)) {
		do(desired.MakeID(desired.KindHost, name))
	}
}

// urged are hosts of playbooks that somebody wants at once, though they wait since they
// have failed. It may be used by many at once.
type urged struct {
	mu   sync.Mutex
	whom []waiter
}

func (u *urged) add(play desired.ID, hosts []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.whom = append(u.whom, waiter{play, ""})
	for _, host := range hosts {
		u.whom = append(u.whom, waiter{play, desired.Path("hosts").Sub(host)})
	}
}

// hurry forgets what they wait for.
func (t *Turner) hurry() {
	t.urged.mu.Lock()
	defer t.urged.mu.Unlock()
	for _, who := range t.urged.whom {
		delete(t.backoff.waits, who)
	}
	t.urged.whom = nil
}
