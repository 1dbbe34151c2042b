package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// regexpNoSudo is what shells say where there is no sudo.
var regexpNoSudo = regexp.MustCompile(`\bsudo['’]?: (command )?(not found|No such file)`)

// judgeSudo is the error of a program that was to be run by sudo: sudo's, or its own
// without what sudo said besides.
func judgeSudo(user string, exit *ExitError, c Command, out Output) error {
	var own, rest []string
	for line := range strings.Lines(string(out.Stderr)) {
		if said, is := strings.CutPrefix(line, "sudo: "); is {
			own = append(own, strings.TrimSpace(said))
		} else {
			rest = append(rest, line)
		}
	}
	alone := len(out.Stdout) == 0 && strings.TrimSpace(strings.Join(rest, "")) == ""
	if err := sudoRefuses(exit, user, string(out.Stderr), own, alone); err != nil {
		return err
	}
	out.Stderr = []byte(strings.Join(rest, ""))
	exit.Said = c.said(out)
	return exit
}

// regexpSudoNoise is what sudo says though it does what it is told.
var regexpSudoNoise = regexp.MustCompile(`(?m)^sudo: (unable to resolve host|setrlimit\().*\n?`)

// withoutNoise takes that away, so that the rest can be understood.
func (o Output) withoutNoise() Output {
	o.Stderr = regexpSudoNoise.ReplaceAll(o.Stderr, nil)
	return o
}

// sudoRefuses tells that it was sudo that ended a program; nil if it was not. own is
// what it said itself; alone tells that nothing else was printed.
func sudoRefuses(exit *ExitError, user, said string, own []string, alone bool) error {
	at := exit.At
	there, root := " there", "use ssh.user: root"
	if at == "" {
		there, root = "", "run the agent as root"
	}
	refused := func(reason string) error {
		return &SudoError{At: at, Reason: reason, Remedy: fmt.Sprintf(
			"put this line into /etc/sudoers.d/berth%s, by visudo: %s ALL=(root) NOPASSWD: ALL (files are written by sh as root, which is as much), or %s", there, user, root)}
	}
	switch {
	case (exit.Code == 127 || exit.Code == 126) && regexpNoSudo.MatchString(said):
		return &SudoError{At: at, Reason: "there is none", Remedy: "install the package sudo, or set nginx.sudo: false, or " + root}
	case exit.Code != 1:
		return nil
	case strings.Contains(strings.Join(own, " "), "must have a tty"):
		return &SudoError{At: at, Reason: "it wants a terminal", Remedy: "put this line into /etc/sudoers.d/berth" + there + ", by visudo: Defaults:" + user + " !requiretty"}
	case strings.Contains(strings.Join(own, " "), "a password is required"), strings.Contains(strings.Join(own, " "), "a terminal is required"):
		return refused("it asks " + user + " for a password")
	case strings.Contains(said, "is not in the sudoers file"), strings.Contains(said, "may not run sudo"):
		return refused(user + " is not in the sudoers file")
	case strings.Contains(said, "is not allowed to execute"):
		return refused(user + " may not run everything")
	case len(own) > 0 && alone:
		return refused(clip(own[0]))
	}
	return nil
}

// sudoLocal is this machine with root's hands.
type sudoLocal struct {
	shell
	here
}

var _ Machine = sudoLocal{}

func newSudoLocal() sudoLocal {
	var s sudoLocal
	s.shell = shell{run: s.Run}
	return s
}

// Run runs a program as root.
func (sudoLocal) Run(ctx context.Context, c Command) (Output, error) {
	c = c.withBounds()
	out, err := runHere(ctx, c, wrapped(c, true), true)
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return out, judgeSudo(me(), exit, c, out)
	}
	return out, err
}

// me is the agent's user.
func me() string {
	if me, err := user.Current(); err == nil {
		return me.Username
	}
	return "USER"
}

// endBySudo asks a sudo to end, which is root's: only sudo may.
func endBySudo(ctx context.Context, p *os.Process) error {
	err := p.Signal(syscall.SIGTERM)
	if !errors.Is(err, syscall.EPERM) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	return exec.CommandContext(ctx, "sudo", "-n", "--", "kill", "-TERM", strconv.Itoa(p.Pid)).Run()
}

// Lock has root hold the lock of a directory that the user may not look into.
func (s sudoLocal) Lock(ctx context.Context, dir string) (unlock func(), err error) {
	if unlock, err = s.here.Lock(ctx, dir); !errors.Is(err, fs.ErrPermission) {
		return unlock, err
	}
	if err := s.valid("lock", dir); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "env", "LC_ALL=C", "sudo", "-n", "--", "sh", "-c", lockScript, "sh", dir)
	h := newHolder()
	cmd.Stdout, cmd.Stderr = h, &h.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	go h.beat(in)
	var end error // set before ended is closed.
	ended := make(chan struct{})
	go func() {
		end = cmd.Wait()
		close(ended)
	}()
	within, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	select {
	case <-h.got:
		return sync.OnceFunc(func() {
			h.input.end()
			select { // So that the next one finds it free.
			case <-ended:
			case <-time.After(2 * time.Second):
			}
		}), nil
	case <-ended:
		h.input.end()
		exit, ok := errors.AsType[*exec.ExitError](end)
		if !ok {
			return nil, fmt.Errorf("lock %s: its holder has ended: %w", dir, cmp.Or(end, io.EOF))
		}
		return nil, h.notLocked(s.shell, "", dir, me(), &ExitError{Code: exit.ExitCode()})
	case <-within.Done():
		h.input.end()
		return nil, fmt.Errorf("lock %s: %w", dir, within.Err())
	}
}
