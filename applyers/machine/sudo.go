package machine

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"regexp"
	"strings"
)

// regexpNoSudo is what shells say where there is no sudo.
var regexpNoSudo = regexp.MustCompile(`\bsudo['’]?: (command )?(not found|No such file)`)

// sudoRefuses tells that it was sudo that ended a program; nil if it was not.
func sudoRefuses(at, user string, exit *ExitError, stderr []byte) error {
	said := string(stderr)
	refused := func(reason string) error {
		return &SudoError{At: at, Reason: reason, Remedy: fmt.Sprintf(
			"put this line into /etc/sudoers.d/berth there, by visudo: %s ALL=(root) NOPASSWD: ALL (files are written by sh as root, which is as much), or use ssh.user: root", user)}
	}
	switch {
	case (exit.Code == 127 || exit.Code == 126) && regexpNoSudo.MatchString(said):
		return &SudoError{At: at, Reason: "there is none", Remedy: "install the package sudo, or set nginx.sudo: false, or use ssh.user: root"}
	case exit.Code != 1:
		return nil
	case strings.Contains(said, "must have a tty"):
		return &SudoError{At: at, Reason: "it wants a terminal", Remedy: "put this line into /etc/sudoers.d/berth there, by visudo: Defaults:" + user + " !requiretty"}
	case strings.Contains(said, "a password is required"), strings.Contains(said, "a terminal is required"):
		return refused("it asks " + user + " for a password")
	case strings.Contains(said, "is not in the sudoers file"), strings.Contains(said, "may not run sudo"):
		return refused(user + " is not in the sudoers file")
	case strings.Contains(said, "is not allowed to execute"):
		return refused(user + " may not run everything")
	}
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "sudo: ") && !strings.Contains(line, "unable to resolve host") {
			return refused(clip(strings.TrimSpace(strings.TrimPrefix(line, "sudo: "))))
		}
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
	out, err := runHere(ctx, c, wrapped(c, true))
	if exit, ok := errors.AsType[*ExitError](err); ok {
		name := "USER"
		if me, err := user.Current(); err == nil {
			name = me.Username
		}
		if err := sudoRefuses("", name, exit, out.Stderr); err != nil {
			return out, err
		}
	}
	return out, err
}
