package ansible

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"berth/applyers/ansible/inventory"
	"berth/applyers/ansible/runner"
	"berth/applyers/machine"
	"berth/desired"
)

// scene is what a playbook is run on.
type scene struct {
	id    desired.ID
	play  *desired.Playbook
	fleet *desired.Fleet
	fact  desired.Lookup
}

// prepare says what is to be run. What stands in the way of single hosts becomes
// their error.
func (a *Applyer) prepare(ctx context.Context, on scene, hosts []*host) (runner.Spec, error) {
	play := on.play
	src := a.source(ctx, play)
	if src.err != nil {
		return runner.Spec{}, fmt.Errorf("read the playbook's files: %w", src.err)
	}
	if err := os.MkdirAll(a.State, 0o700); err != nil {
		return runner.Spec{}, fmt.Errorf("make the state directory: %w", err)
	}
	s := runner.Spec{
		Files: src.files, Dir: unpacked(play), File: play.File, Requirements: a.requirements(play, src.files),
		Tags: play.Tags, SkipTags: play.SkipTags, Become: play.Become, Timeout: time.Duration(play.Timeout),
	}
	if err := a.variables(ctx, play, &s); err != nil {
		return runner.Spec{}, err
	}
	keys := keyring{read: a.Secrets.Read, texts: make(map[string]desired.Secret)}
	inv, ways := a.inventory(ctx, on, hosts, keys)
	if play.Each != "" && play.Each != "none" {
		inv = inv.Only(names(hosts))
	}
	s.Keys = keys.texts
	s.Secrets = a.others(ctx, on)
	for _, name := range slices.Sorted(maps.Keys(inv.Hosts)) {
		_, secrets, err := runner.Plain(inv.Hosts[name])
		s.Secrets = append(s.Secrets, secrets...)
		if i := slices.IndexFunc(hosts, func(h *host) bool { return h.name == name }); err != nil && i >= 0 && hosts[i].err == nil {
			hosts[i].err = err
		}
	}
	s.Inventory = func(place runner.Place) ([]byte, error) { return a.written(inv, ways, place) }
	s.Limit = names(todo(hosts))
	if n, known := play.Serial.Of(len(s.Limit)); known {
		s.Serial = max(n, 1)
	}
	if n, known := play.MaxFail.Of(len(s.Limit)); known {
		s.MaxFail = &n
	}
	return s, nil
}

// others are the secrets of the other playbooks, so far as they can be read now: what one
// has left on a host may turn up in what another says of it.
func (a *Applyer) others(ctx context.Context, on scene) []desired.Secret {
	var all []desired.Secret
	read := make(map[desired.SecretRef]bool)
	for _, r := range on.fleet.Resources {
		other, ok := r.Spec.(*desired.Playbook)
		if !ok || r.ID == on.id {
			continue
		}
		for _, ref := range other.Secrets() {
			if read[ref] {
				continue
			}
			read[ref] = true
			if value, err := a.Secrets.Read(ctx, ref); err == nil {
				all = append(all, value)
			}
		}
	}
	return all
}

// unpacked is the directory that a playbook finds. Of another repository that is all,
// since any commit of it makes hosts due: roles/ and an ansible.cfg often lie above its
// playbooks. Of the manifests' own it is what makes hosts due, which is what lies beside.
func unpacked(play *desired.Playbook) string {
	if play.Git != nil {
		return "."
	}
	return play.Dir
}

// requirements are the files that Galaxy installs first.
func (a *Applyer) requirements(play *desired.Playbook, files fs.FS) []string {
	if play.Git != nil && len(play.RequirementFiles) == 0 && !play.NoRequirements {
		return desired.RequirementsBeside(files, play.Dir)
	}
	return play.RequirementFiles
}

// variables reads what a playbook gives to all its hosts.
func (a *Applyer) variables(ctx context.Context, play *desired.Playbook, s *runner.Spec) error {
	vars, err := a.open(ctx, play.Vars)
	if err != nil {
		return fmt.Errorf("vars: %w", err)
	}
	s.Vars, _ = vars.(map[string]any)
	if len(play.VarsFilePaths) > 0 {
		files, err := a.Files(ctx)
		if err != nil {
			return fmt.Errorf("read the files of variables: %w", err)
		}
		for _, name := range play.VarsFilePaths {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				return fmt.Errorf("read the file of variables %s: %w", name, err)
			}
			s.VarsFiles = append(s.VarsFiles, runner.VarsFile{Name: name, Text: text})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(play.Vaults)) {
		value, err := a.Secrets.Read(ctx, play.Vaults[id])
		if err != nil {
			return fmt.Errorf("vaults: %s: %w", id, err)
		}
		if s.Vaults == nil {
			s.Vaults = make(map[string]desired.Secret)
		}
		s.Vaults[id] = value
	}
	return nil
}

// open puts secrets in the place of references to them, in a copy.
func (a *Applyer) open(ctx context.Context, value any) (any, error) {
	switch value := value.(type) {
	case desired.SecretRef:
		return a.Secrets.Read(ctx, value)
	case map[string]any:
		all := make(map[string]any, len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			opened, err := a.open(ctx, value[name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all[name] = opened
		}
		return all, nil
	case []any:
		all := make([]any, len(value))
		for i := range value {
			opened, err := a.open(ctx, value[i])
			if err != nil {
				return nil, err
			}
			all[i] = opened
		}
		return all, nil
	}
	return value, nil
}

// way is how a host is reached.
type way struct {
	mode, alias, key string
	// own are the variables that the manifests give the host.
	own map[string]any
}

// inventory is the fleet's, and how each of its hosts is reached. A variable of a host
// that the run is not for is left out where its secret can't be read.
func (a *Applyer) inventory(ctx context.Context, on scene, hosts []*host, keys keyring) (inventory.Inventory, map[string]way) {
	inv, ways := inventory.Make(on.fleet, on.fact, on.play), make(map[string]way)
	mine := make(map[string]*host, len(hosts))
	for _, h := range hosts {
		mine[h.name] = h
	}
	for _, name := range slices.Sorted(maps.Keys(inv.Hosts)) {
		vars := inv.Hosts[name]
		id := desired.ID(fmt.Sprint(vars["berth_id"]))
		ssh, own := access(on.fleet, id)
		h := mine[name]
		if h == nil {
			h = &host{name: name, id: id}
		}
		instance, _ := on.fact(id, desired.FactInstance)
		h.mode, h.alias = ssh.KnownHosts, machine.Alias(id, instance)
		key, err := keys.add(ctx, ssh.Key)
		if _, known := vars["ansible_host"]; err == nil && !known {
			err = errors.New("its address is not known")
		}
		// A connection of the fleet's own choice, as "local", needs neither.
		if _, other := own["ansible_connection"]; h.err == nil && !other {
			h.err = err
		}
		for _, variable := range slices.Sorted(maps.Keys(vars)) {
			opened, err := a.open(ctx, vars[variable])
			if err != nil {
				delete(vars, variable)
				if h.err == nil {
					h.err = fmt.Errorf("its variable %s: %w", variable, err)
				}
				continue
			}
			vars[variable] = opened
		}
		if _, theirs := own["ansible_user"]; on.play.User != "" && !theirs {
			vars["ansible_user"] = on.play.User
		}
		if _, theirs := own["ansible_port"]; on.play.Port != 0 && !theirs {
			vars["ansible_port"] = on.play.Port
		}
		if mine[name] != nil && h.err == nil {
			h.err = a.pin(ctx, on, h)
		}
		ways[name] = way{mode: h.mode, alias: h.alias, key: key, own: own}
	}
	return inv, ways
}

// written is the inventory with the values of secrets, and with the run's own files.
func (a *Applyer) written(inv inventory.Inventory, ways map[string]way, place runner.Place) ([]byte, error) {
	full := inv
	full.Hosts = make(map[string]map[string]any, len(inv.Hosts))
	for name, vars := range inv.Hosts {
		plain, _, err := runner.Plain(vars)
		set, ok := plain.(map[string]any)
		if err != nil || !ok {
			// It is a host that nothing is run for, or its error by now.
			set = make(map[string]any)
		}
		for key, value := range a.connection(ways[name], place) {
			if _, theirs := ways[name].own[key]; !theirs {
				set[key] = value
			}
		}
		full.Hosts[name] = set
	}
	return full.JSON()
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

// refs are the secrets that a run on a host reads.
func refs(fleet *desired.Fleet, play *desired.Playbook, id desired.ID) []desired.SecretRef {
	all := play.Secrets()
	if play.Runner.Webhook != nil {
		return all
	}
	ssh, vars := access(fleet, id)
	all = append(all, desired.SecretRefs(vars)...)
	if ssh.Key != (desired.SecretRef{}) {
		all = append(all, ssh.Key)
	}
	return all
}

// cache is where collections and roles are kept.
func (o *Options) cache() string {
	if o.Cache != "" {
		return o.Cache
	}
	return filepath.Join(o.State, "galaxy")
}
