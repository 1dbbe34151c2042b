// Package runner runs ansible-playbook for one set of hosts and tells what
// happened on each. It knows nothing of fleets and plans.
//
// Like every use of Ansible this lets the playbook's author run programs on the
// agent's host, as the agent's user.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"time"

	"berth/desired"
)

// Options are what a runner is made with.
type Options struct {
	// Dir is where each run has a private directory, gone when the run is over:
	// keys are in it, so memory-backed is best. /dev/shm if it is there, else
	// the system's directory for temporary files, unless set.
	Dir string
	// Bin is the program; ansible-playbook unless set.
	Bin string
	// Log is told of what concerns no host; nothing is logged unless set.
	Log *slog.Logger
}

// Runner runs playbooks. Many may run at once.
type Runner struct {
	Options
}

// quotable are names that need no quoting among ssh's options or Ansible's.
var quotable = regexp.MustCompile(`^[A-Za-z0-9/._+@=,-]+$`)

// Quotable tells whether a path can stand among ssh's options and in a playbook
// as it is.
func Quotable(path string) bool { return quotable.MatchString(path) }

// New checks the options, and removes what runs of killed agents left in
// Options.Dir.
func New(o Options) (*Runner, error) {
	if o.Dir == "" {
		o.Dir = os.TempDir()
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
			o.Dir = "/dev/shm"
		}
	}
	if o.Bin == "" {
		o.Bin = "ansible-playbook"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if !Quotable(o.Dir) {
		return nil, fmt.Errorf("ssh can't be given the directory %q: use letters, digits and /._+@=,- alone", o.Dir)
	}
	sweep(o.Dir, o.Log)
	return &Runner{Options: o}, nil
}

// Spec is one run of a playbook.
type Spec struct {
	// Files holds the playbook. Of it, Dir is unpacked, where File is: both are
	// paths from its root, and File is what messages call the playbook.
	Files     fs.FS
	Dir, File string
	// Inventory writes the inventory, as JSON or YAML, once it is known where
	// the run's files are.
	Inventory func(Place) ([]byte, error)
	// Limit names the hosts to run for.
	Limit []string
	// Vars are extra variables, which beat all others.
	Vars map[string]any
	// Keys are the SSH keys, under names of the caller's choice; Place says in
	// which files they are.
	Keys map[string]desired.Secret
	// Become adds --become.
	Become bool
	// Timeout ends the run; zero is none.
	Timeout time.Duration
	// Say is told what happens, in single lines for people. Not nil.
	Say func(line string)
}

// Place is what an inventory needs to know of its run.
type Place struct {
	// Keys are the paths of Spec.Keys.
	Keys map[string]string
	// Share are ssh's options that say whether connections are shared.
	Share []string
}

// Result is what a run has done.
type Result struct {
	// Hosts tells of each host that a play was for, by name.
	Hosts map[string]*Host
	// Whole tells that the playbook came to its end. If not, hosts without a
	// failure may lack tasks, since others had failed.
	Whole bool
}

// Run runs a playbook to its end. An error concerns all hosts, and nothing more is
// known then; how single hosts fared is in the result. When ctx is done the
// playbook is stopped within two seconds, and the error is ctx's.
func (r *Runner) Run(ctx context.Context, s Spec) (*Result, error) {
	bin, err := exec.LookPath(r.Bin)
	if err != nil {
		return nil, fmt.Errorf("%s is not on the agent's host: install Ansible there (Debian: apt-get install ansible-core)", r.Bin)
	}
	dir, err := newRunDir(r.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.remove()
	if s.Timeout > 0 {
		// Without a cause of its own, the end of time looks like a stop.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, errTimeout)
		defer cancel()
	}
	proc, err := prepare(ctx, s, dir)
	if err != nil {
		return nil, stopped(ctx, s, err)
	}
	proc.bin = bin
	tidy := func(text string) string { return clean(strings.ReplaceAll(text, dir.in("src"), s.Dir), 600) }
	seen := newWatch(s.Say, tidy)
	output := &ring{}
	proc.event, proc.output = seen.line, output.line
	err = proc.wait(ctx)
	if seen.junk > 0 {
		r.Log.WarnContext(ctx, "ansible's events have lines that are none", slog.String("playbook", s.File), slog.Int("lines", seen.junk))
	}
	switch {
	case !seen.stats && ctx.Err() != nil:
		return nil, stopped(ctx, s, err)
	case !seen.stats, err != nil && ctx.Err() == nil && len(seen.failed()) == 0:
		return nil, fmt.Errorf("run %s: %s", s.File, tidy(failure(err)+": "+output.reason()))
	}
	return seen.result(), nil
}

var errTimeout = errors.New("out of time")

// stopped tells a run that was stopped from one that took too long.
func stopped(ctx context.Context, s Spec, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("run %s: it took longer than %s and was stopped: raise its timeout, or find what it waits for", s.File, desired.Duration(s.Timeout))
	default:
		return fmt.Errorf("run %s: %w", s.File, ctx.Err())
	}
}

// failure says how the program ended.
func failure(err error) string {
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return "ansible-playbook ended without telling what it did"
	case !ended:
		return err.Error()
	case exit.ExitCode() < 0:
		return "ansible-playbook was killed (" + exit.String() + ")"
	default:
		return fmt.Sprintf("ansible-playbook ended with %d", exit.ExitCode())
	}
}

// wrapper is a playbook of ours that runs theirs, from the same directory so
// that all that lies beside it is found, and then tells that it came to its end:
// Ansible's own sums don't tell hosts on which all went well from hosts on which
// nothing more was done because others had failed. It is JSON, which is YAML.
func wrapper(s Spec) (name string, text []byte, err error) {
	file := strings.TrimPrefix(strings.TrimPrefix(path.Clean(s.File), path.Clean(s.Dir)), "/")
	base := path.Base(file)
	if !Quotable(base) {
		return "", nil, fmt.Errorf("run %s: Ansible can't import a file of this name: use letters, digits and ._+@=,- alone", s.File)
	}
	text, err = json.Marshal([]map[string]any{
		{"import_playbook": base},
		{"name": lastPlay, "hosts": "all", "gather_facts": false},
	})
	if err != nil {
		return "", nil, fmt.Errorf("run %s: %w", s.File, err)
	}
	return path.Join("src", path.Dir(file), "berth-run.yml"), text, nil
}
