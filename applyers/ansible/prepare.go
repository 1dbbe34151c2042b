package ansible

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"berth/applyers"
	"berth/applyers/ansible/inventory"
	"berth/applyers/ansible/runner"
	"berth/applyers/machine"
	"berth/desired"
)

// prepare says what is to be run. What stands in the way of single hosts becomes
// their error.
func (a *Applyer) prepare(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host) (runner.Spec, error) {
	fsys, err := a.Files(ctx)
	if err != nil {
		return runner.Spec{}, fmt.Errorf("read the playbook's files: %w", err)
	}
	if err := os.MkdirAll(a.State, 0o700); err != nil {
		return runner.Spec{}, fmt.Errorf("make the state directory: %w", err)
	}
	keys := keyring{key: a.Key, texts: make(map[string]desired.Secret)}
	inv, ways := a.inventory(ctx, job, play, hosts, keys)
	s := runner.Spec{
		Files: fsys, Dir: play.Dir, File: play.File, Vars: play.Vars, Become: play.Become,
		Keys: keys.texts, Timeout: time.Duration(play.Timeout),
		Inventory: func(place runner.Place) ([]byte, error) {
			for name, way := range ways {
				for key, value := range a.connection(way, place) {
					if _, theirs := way.own[key]; !theirs {
						inv.Hosts[name][key] = value
					}
				}
			}
			return inv.JSON()
		},
	}
	for _, h := range a.todo(job.ID, hosts) {
		s.Limit = append(s.Limit, h.name)
	}
	return s, nil
}

// way is how a host is reached.
type way struct {
	mode, alias, key string
	// own are the variables that the manifests give the host.
	own map[string]any
}

// inventory is the fleet's, and how each of its hosts is reached.
func (a *Applyer) inventory(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, keys keyring) (inventory.Inventory, map[string]way) {
	inv, ways := inventory.Make(job.Fleet, job.Fact), make(map[string]way)
	for _, name := range slices.Sorted(maps.Keys(inv.Hosts)) {
		vars := inv.Hosts[name]
		id := desired.ID(fmt.Sprint(vars["berth_id"]))
		ssh, own := access(job.Fleet, id)
		h := &host{name: name, id: id}
		if i := slices.IndexFunc(hosts, func(h *host) bool { return h.name == name }); i >= 0 {
			h = hosts[i]
		}
		instance, _ := job.Fact(id, desired.FactInstance)
		h.mode, h.alias = ssh.KnownHosts, machine.Alias(id, instance)
		key, err := keys.add(ctx, ssh.Key)
		if _, known := vars["ansible_host"]; err == nil && !known {
			err = errors.New("its address is not known")
		}
		// A connection of the fleet's own choice, as "local", needs neither.
		if _, other := own["ansible_connection"]; h.err == nil && !other {
			h.err = err
		}
		if _, theirs := own["ansible_user"]; play.User != "" && !theirs {
			vars["ansible_user"] = play.User
		}
		ways[name] = way{mode: h.mode, alias: h.alias, key: key, own: own}
	}
	return inv, ways
}

// connection are the variables that say how ssh reaches a host.
func (a *Applyer) connection(w way, place runner.Place) map[string]any {
	file := place.Keys[w.key]
	set := map[string]any{"ansible_ssh_args": a.sshArgs(w.mode, w.alias, file != "", place.Share)}
	if file != "" {
		set["ansible_ssh_private_key_file"] = file
	}
	return set
}

// access is how a guest or Host is reached, and the variables of its own.
func access(fleet *desired.Fleet, id desired.ID) (desired.SSH, map[string]any) {
	if g := fleet.Guest(id); g != nil {
		return inventory.Reach(fleet, g.SSH), g.Vars
	}
	if h := fleet.Hosts[id.Name()]; h != nil && id.Kind() == desired.KindHost {
		return inventory.Reach(fleet, h.SSH), h.Vars
	}
	return inventory.Reach(fleet, desired.SSH{}), nil
}
