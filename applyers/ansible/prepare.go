package ansible

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"berth/applyers"
	"berth/applyers/ansible/inventory"
	"berth/applyers/machine"
	"berth/desired"
)

// prepare fills the run's directory and says how to start the program. What
// stands in the way of single hosts becomes their error.
func (a *Applyer) prepare(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, dir *runDir, say func(string)) (*process, error) {
	fsys, err := a.Files(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the playbook's files: %w", err)
	}
	if err := unpack(ctx, fsys, path.Clean(play.Dir), dir.in("src"), say); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(a.State, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	hostsFile, err := a.inventory(ctx, job, play, hosts, dir).JSON()
	if err != nil {
		return nil, err
	}
	vars, err := json.Marshal(play.Vars)
	if err != nil {
		return nil, fmt.Errorf("write the variables of %s: %w", job.ID, err)
	}
	start, text, err := wrapper(play)
	if err != nil {
		return nil, err
	}
	var limit strings.Builder
	for _, h := range a.todo(job.ID, hosts) {
		limit.WriteString(h.name + "\n")
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{"callback/berth_events.py", callback},
		{"inventory.json", hostsFile},
		{"vars.json", vars},
		{"limit", []byte(limit.String())},
		{"ansible.cfg", []byte(settings)},
		{start, text},
	} {
		if err := dir.write(f.name, f.text); err != nil {
			return nil, err
		}
	}
	args := []string{"-i", dir.in("inventory.json"), "--limit", "@" + dir.in("limit")}
	if len(play.Vars) > 0 {
		args = append(args, "-e", "@"+dir.in("vars.json"))
	}
	if play.Become {
		args = append(args, "--become")
	}
	return &process{args: append(args, dir.in(start)), env: environment(os.Environ(), dir), dir: dir.in("src"), run: dir}, nil
}

// settings are those of a playbook that has no ansible.cfg beside it. Pipelining
// stays off: with it Ansible sometimes tells of a broken pipe where ssh had said
// what is wrong (ansible-core 2.14, measured).
const settings = "[defaults]\ninterpreter_python = auto_silent\n"

// wrapper is a playbook of ours that runs theirs, from the same directory so
// that all that lies beside it is found, and then tells that it came to its end:
// Ansible's own sums don't tell hosts on which all went well from hosts on which
// nothing more was done because others had failed. It is JSON, which is YAML.
func wrapper(play *desired.Playbook) (name string, text []byte, err error) {
	file := strings.TrimPrefix(strings.TrimPrefix(path.Clean(play.File), path.Clean(play.Dir)), "/")
	base := path.Base(file)
	if !plain.MatchString(base) {
		return "", nil, fmt.Errorf("run %s: Ansible can't import a file of this name: use letters, digits and ._+@=,- alone", play.File)
	}
	text, err = json.Marshal([]map[string]any{
		{"import_playbook": base},
		{"name": lastPlay, "hosts": "all", "gather_facts": false},
	})
	if err != nil {
		return "", nil, fmt.Errorf("run %s: %w", play.File, err)
	}
	return path.Join("src", path.Dir(file), "berth-run.yml"), text, nil
}

// inventory is the fleet's, with the ways to reach each host put in.
func (a *Applyer) inventory(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, dir *runDir) inventory.Inventory {
	inv := inventory.Make(job.Fleet, job.Fact)
	keys := keyring{dir: dir, key: a.Key, files: make(map[desired.SecretRef]string)}
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
		file, err := keys.file(ctx, ssh.Key)
		if _, known := vars["ansible_host"]; err == nil && !known {
			err = errors.New("its address is not known")
		}
		// A connection of the fleet's own choice, as "local", needs neither.
		if _, other := own["ansible_connection"]; h.err == nil && !other {
			h.err = err
		}
		set := map[string]any{"ansible_ssh_args": a.sshArgs(h.mode, h.alias, file != "", len(dir.path) <= 70)}
		if file != "" {
			set["ansible_ssh_private_key_file"] = file
		}
		if play.User != "" {
			set["ansible_user"] = play.User
		}
		for key, value := range set {
			if _, theirs := own[key]; !theirs {
				vars[key] = value
			}
		}
	}
	return inv
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

// passed are the variables of the agent's environment that a run gets. Others
// may hold secrets of the agent's own.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TZ", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV",
	"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
}

// environment is a run's. Ansible takes its settings from there before it looks
// into an ansible.cfg, so one beside the playbook holds for all else.
func environment(agents []string, dir *runDir) []string {
	var env []string
	for _, pair := range agents {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains(passed, name) || strings.HasPrefix(name, "ANSIBLE_") || strings.HasPrefix(name, "PYTHON") {
			env = append(env, pair)
		}
	}
	config := dir.in("ansible.cfg")
	if beside := filepath.Join(dir.in("src"), "ansible.cfg"); exists(beside) {
		config = beside
	}
	// The last of two wins.
	return append(env,
		"LC_ALL=C.UTF-8",
		"BERTH_EVENTS="+dir.in("events"),
		"ANSIBLE_CONFIG="+config,
		"ANSIBLE_CALLBACK_PLUGINS="+dir.in("callback")+":~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback",
		"ANSIBLE_LOCAL_TEMP="+dir.in("tmp"),
		"ANSIBLE_SSH_CONTROL_PATH_DIR="+dir.in("cp"),
		"ANSIBLE_HOST_KEY_CHECKING=True",
		"ANSIBLE_RETRY_FILES_ENABLED=False",
		"ANSIBLE_INVENTORY_ENABLED=yaml",
		"ANSIBLE_INVENTORY_UNPARSED_FAILED=True",
		"ANSIBLE_FORCE_COLOR=False",
		"ANSIBLE_NOCOLOR=True",
	)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
