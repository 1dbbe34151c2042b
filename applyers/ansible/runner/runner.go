// Package runner runs ansible-playbook for one set of hosts and tells what
// happened on each. It knows nothing of fleets and plans.
//
// Like every use of Ansible this lets the playbook's author run programs on the
// agent's host, as the agent's user.
//
// # Secrets
//
// Their values are in files of mode 0600, in a private directory of the run in
// memory, which is gone when the run is over, or else when the next agent starts.
// They are on no command line and in no environment. In all that leaves the package
// they are replaced by [desired.Hidden]: in each form in which programs write values
// (as they are, line by line, escaped, quoted, in base64 and hex), also where
// Ansible has broken a line in them. A value of less than four bytes, or such a line
// of one, is not: it occurs by chance in every text. Nor is what a task has made of a
// value, as its reverse or a hash.
//
// # Check mode
//
// It asks each task what it would do. Of some there is no answer: see
// [Host.Unchecked]. They are no difference from what is wanted, and no failure.
//
// # Settings
//
// An ansible.cfg beside the playbook counts, but for what the run itself needs: see
// environment.go. Forks and become of the run beat it, as arguments do.
//
// # Versions
//
// It is written for ansible-core 2.14 and later, and tested with 2.14.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"berth/desired"
)

// Options are what a runner is made with.
type Options struct {
	// Dir is where each run has a private directory, gone when the run is over:
	// secrets are in it, so memory-backed is best. /dev/shm if it is there, else
	// the system's directory for temporary files, unless set.
	Dir string
	// Cache is a directory that lasts, for what Ansible Galaxy installs: each set of
	// requirements once, by content, for as long as it is used. A role or collection
	// without a version, or at a branch, stays as it was when it was first fetched.
	Cache string
	// Fetch bounds the installation of one file of requirements; 5 minutes unless set.
	Fetch time.Duration
	// Bin is the program; ansible-playbook unless set. Galaxy is the one that installs
	// requirements; ansible-galaxy, from Bin's directory if that has one, unless set.
	Bin, Galaxy string
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
// Options.Dir and Options.Cache.
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
	if o.Galaxy == "" {
		o.Galaxy = "ansible-galaxy"
		if strings.Contains(o.Bin, "/") {
			o.Galaxy = filepath.Join(filepath.Dir(o.Bin), o.Galaxy)
		}
	}
	if o.Fetch == 0 {
		o.Fetch = 5 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, dir := range []string{o.Dir, o.Cache} {
		if dir != "" && !Quotable(dir) {
			return nil, fmt.Errorf("ssh can't be given the directory %q: use letters, digits and /._+@=,- alone", dir)
		}
	}
	sweep(o.Dir, o.Log)
	if o.Cache != "" {
		sweepCache(o.Cache, o.Log)
	}
	return &Runner{Options: o}, nil
}

// Run runs a playbook to its end. An error concerns all hosts, and nothing more is
// known then; how single hosts fared is in the result. When ctx is done the
// playbook is stopped within two seconds, and the error is ctx's; the result then
// tells of the batches that had ended, and is nil if there is none.
func (r *Runner) Run(ctx context.Context, s Spec) (*Result, error) {
	hide := newMask(append(s.secrets(), galaxySecrets(os.Environ())...))
	result, err := r.run(ctx, s, hide)
	if err != nil {
		// Whatever is wrapped in it may hold a secret if its text does.
		if text := hide.text(err.Error()); text != err.Error() {
			err = errors.New(text)
		}
	}
	return result, err
}

func (r *Runner) run(ctx context.Context, s Spec, hide *mask) (*Result, error) {
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
	run := &batches{runner: r, Spec: s, dir: dir, hide: hide, room: maxKept, say: limited(func(line string) { s.Say(hide.text(line)) })}
	run.words = words{mask: hide, names: run.names(), run: dir.path + "/"}
	if err := run.prepare(ctx, bin); err != nil {
		return nil, run.stopped(ctx, run.at, err)
	}
	return run.all(ctx)
}

var errTimeout = errors.New("out of time")

// stopped tells a run that was stopped from one that took too long, and where.
func (b *batches) stopped(ctx context.Context, where string, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case !errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("run %s: %w", b.File, ctx.Err())
	}
	if where != "" {
		where = " (" + where + ")"
	}
	return fmt.Errorf("run %s: it took longer than %s and was stopped%s: raise its timeout, or find what it waits for", b.File, desired.Duration(b.Timeout), where)
}

// failure says how the program ended.
func failure(name string, err error) string {
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return name + " ended without telling what it did"
	case !ended:
		return err.Error()
	case exit.ExitCode() < 0:
		return name + " was killed (" + exit.String() + ")"
	default:
		return fmt.Sprintf("%s ended with %d", name, exit.ExitCode())
	}
}
