package runner

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

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

// secretive are names of variables that hold secrets, rather than files of them.
var secretive = regexp.MustCompile(`(PASS|PASSWORD|TOKEN|SECRET|CREDENTIALS)$`)

// inherited is what a run gets of the agent's environment.
func inherited(agents []string) []string {
	var env []string
	for _, pair := range agents {
		name, _, _ := strings.Cut(pair, "=")
		ansible := strings.HasPrefix(name, "ANSIBLE_") && !secretive.MatchString(name)
		if slices.Contains(passed, name) || ansible || strings.HasPrefix(name, "PYTHON") {
			env = append(env, pair)
		}
	}
	return env
}

// environment is a run's. Ansible takes its settings from there before it looks
// into an ansible.cfg; so one beside the playbook holds for all else, as forks, the
// strategy, the form of the output, pipelining, timeouts and its own roles and
// plugins. Not its to say are: the inventory, where logs and what is told of the run
// go, that host keys are checked, and whether files stay on hosts.
func environment(agents []string, dir *runDir, config string, installed []string) []string {
	env := inherited(agents)
	paths := searched{env: env, config: config}
	if len(installed) > 0 {
		env = append(env,
			"ANSIBLE_ROLES_PATH="+paths.with(below(installed, "roles"), "roles_path", "/usr/share/ansible/roles:/etc/ansible/roles"),
			"ANSIBLE_COLLECTIONS_PATH="+paths.with(below(installed, "collections"), "collections_path", "/usr/share/ansible/collections", "collections_paths"),
		)
	}
	// The last of two wins.
	return append(env,
		"LC_ALL=C.UTF-8",
		"BERTH_EVENTS="+dir.in("events"),
		"ANSIBLE_CONFIG="+config,
		"ANSIBLE_CALLBACK_PLUGINS="+paths.with([]string{dir.in("callback")}, "callback_plugins", "/usr/share/ansible/plugins/callback"),
		"ANSIBLE_LOCAL_TEMP="+dir.in("tmp"),
		"ANSIBLE_SSH_CONTROL_PATH_DIR="+dir.in("cp"),
		"ANSIBLE_HOST_KEY_CHECKING=True",
		"ANSIBLE_RETRY_FILES_ENABLED=False",
		"ANSIBLE_KEEP_REMOTE_FILES=False",
		"ANSIBLE_LOG_PATH=/dev/null",
		// Modules would tell the system's log what they are given, secrets included: on
		// each host, and on the agent's where a task is delegated to it.
		"ANSIBLE_NO_TARGET_SYSLOG=True",
		"ANSIBLE_ENABLE_TASK_DEBUGGER=False",
		"ANSIBLE_INVENTORY_ENABLED=yaml",
		"ANSIBLE_INVENTORY_UNPARSED_FAILED=True",
		"ANSIBLE_FORCE_COLOR=False",
		"ANSIBLE_NOCOLOR=True",
	)
}

// configuration is the ansible.cfg beside the playbook, or in the nearest directory above
// it that was unpacked; without one, the run's own.
func (b *batches) configuration() string {
	for at := path.Dir(b.within()); ; at = path.Dir(at) {
		if file := b.dir.in(path.Join("src", at, "ansible.cfg")); exists(file) {
			return file
		}
		if at == "." {
			return b.dir.in("ansible.cfg")
		}
	}
}

func below(dirs []string, name string) []string {
	var all []string
	for _, dir := range dirs {
		all = append(all, filepath.Join(dir, name))
	}
	return all
}

// searched says where Ansible looks for things.
type searched struct {
	env    []string
	config string
}

// with is a list of directories that begins with ours and goes on with theirs: those
// of the environment, else those of the settings, else the user's and the system's.
func (s searched) with(ours []string, setting, system string, older ...string) string {
	base := ""
	names := append([]string{setting}, older...)
	for _, name := range names {
		env := "ANSIBLE_" + strings.ToUpper(name) + "="
		for _, pair := range s.env {
			if value, ok := strings.CutPrefix(pair, env); ok {
				base = value
			}
		}
	}
	if base == "" {
		base = s.setting(names)
	}
	if base == "" {
		kind, _, _ := strings.Cut(setting, "_")
		if kind == "callback" {
			kind = "plugins/callback"
		}
		base = "~/.ansible/" + kind + ":" + system
	}
	return strings.Join(append(slices.Clone(ours), base), ":")
}

// setting is a list of paths among the settings' [defaults], which are relative to
// their file.
func (s searched) setting(names []string) string {
	text, err := os.ReadFile(s.config)
	if err != nil {
		return ""
	}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		at := strings.IndexAny(line, "=:")
		if section != "defaults" || at < 0 || !slices.Contains(names, strings.TrimSpace(line[:at])) {
			continue
		}
		value, _, _ := strings.Cut(line[at+1:], " ;")
		var paths []string
		for path := range strings.SplitSeq(strings.TrimSpace(value), ":") {
			if path = strings.Trim(strings.TrimSpace(path), `"'`); path == "" {
				continue
			}
			if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "~") && !strings.HasPrefix(path, "$") {
				path = filepath.Join(filepath.Dir(s.config), path)
			}
			paths = append(paths, path)
		}
		return strings.Join(paths, ":")
	}
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
