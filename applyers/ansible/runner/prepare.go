package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// prepare fills the run's directory and says how to start the program.
func prepare(ctx context.Context, s Spec, dir *runDir) (*process, error) {
	if err := unpack(ctx, s.Files, path.Clean(s.Dir), dir.in("src"), s.Say); err != nil {
		return nil, err
	}
	place := Place{Keys: make(map[string]string), Share: share(dir)}
	for i, name := range slices.Sorted(maps.Keys(s.Keys)) {
		// OpenSSH wants the last line to end.
		text := append(bytes.TrimRight(s.Keys[name].Reveal(), "\r\n"), '\n')
		file := "keys/" + strconv.Itoa(i)
		if err := dir.write(file, text); err != nil {
			return nil, err
		}
		place.Keys[name] = dir.in(file)
	}
	inventory, err := s.Inventory(place)
	if err != nil {
		return nil, err
	}
	vars, err := json.Marshal(s.Vars)
	if err != nil {
		return nil, fmt.Errorf("write the variables of %s: %w", s.File, err)
	}
	start, text, err := wrapper(s)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{"callback/berth_events.py", callback},
		{"inventory.json", inventory},
		{"vars.json", vars},
		{"limit", []byte(strings.Join(s.Limit, "\n") + "\n")},
		{"ansible.cfg", []byte(settings)},
		{start, text},
	} {
		if err := dir.write(f.name, f.text); err != nil {
			return nil, err
		}
	}
	args := []string{"-i", dir.in("inventory.json"), "--limit", "@" + dir.in("limit")}
	if len(s.Vars) > 0 {
		args = append(args, "-e", "@"+dir.in("vars.json"))
	}
	if s.Become {
		args = append(args, "--become")
	}
	return &process{args: append(args, dir.in(start)), env: environment(os.Environ(), dir), dir: dir.in("src"), run: dir}, nil
}

// share are the options by which ssh uses one connection for many tasks, where
// its socket's path is not too long for that.
func share(dir *runDir) []string {
	if len(dir.path) <= 70 {
		return []string{"ControlMaster=auto", "ControlPersist=15s"}
	}
	return []string{"ControlMaster=no", "ControlPath=none"}
}

// settings are those of a playbook that has no ansible.cfg beside it. Pipelining
// stays off: with it Ansible sometimes tells of a broken pipe where ssh had said
// what is wrong (ansible-core 2.14, measured).
const settings = "[defaults]\ninterpreter_python = auto_silent\n"

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
