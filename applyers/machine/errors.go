package machine

import (
	"fmt"
	"strings"
)

// UnreachableError tells that nothing can be said of a machine: it does not
// answer, is not the one that is known, or lets us not in.
type UnreachableError struct {
	// At is the machine, as in "vm/edge (root@10.1.1.4:22)".
	At string
	// Reason is what is wrong, Remedy what to do; the latter may be "".
	Reason, Remedy string
	// Err is what it comes from; nil if there is nothing more to it.
	Err error
}

func (e *UnreachableError) Error() string {
	if e.Remedy == "" {
		return e.At + ": " + e.Reason
	}
	return e.At + ": " + e.Reason + ": " + e.Remedy
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// ExitError tells that a program ended with another code than 0.
type ExitError struct {
	// At is the machine; "" for this one.
	At string
	// Argv is the program with its arguments, as it was asked for, or its Doing.
	Argv []string
	// Code is what it ended with, -1 if a signal ended it.
	Code int
	// Signal is that signal, as in "KILL"; "" for none.
	Signal string
	// Said is what it printed, on one line; stderr first. It is clipped where it is
	// long.
	Said string
}

func (e *ExitError) Error() string {
	end := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != "" {
		end = "signal " + e.Signal
	}
	text := strings.Join(e.Argv, " ") + ": " + end
	if e.At != "" {
		text = e.At + ": " + text
	}
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// SudoError tells that sudo does not let the user do what is needed.
type SudoError struct {
	// At is the machine; "" for this one.
	At string
	// Reason is what sudo says, Remedy what to do.
	Reason, Remedy string
}

func (e *SudoError) Error() string {
	text := "sudo: " + e.Reason + ": " + e.Remedy
	if e.At != "" {
		text = e.At + ": " + text
	}
	return text
}

// ForwardingError tells that an SSH server does not forward ports for us.
type ForwardingError struct {
	// At is the machine.
	At string
	// Doing is what was refused, as in "connect to 127.0.0.1:443 from there".
	Doing string
	// Needs is the value of AllowTcpForwarding that would do: local or remote.
	Needs string
	Err   error
}

func (e *ForwardingError) Error() string {
	return fmt.Sprintf("%s: %s: its SSH server forbids it: set AllowTcpForwarding yes (or %s) for this user in its sshd_config", e.At, e.Doing, e.Needs)
}

func (e *ForwardingError) Unwrap() error { return e.Err }

// said puts what a program printed on one line, as far as it goes into an error. Of a
// script of ours that is stderr alone: else a file's content would.
func (c Command) said(o Output) string {
	const most = 4 << 10
	text := append([]byte(nil), o.Stderr[:min(len(o.Stderr), most)]...)
	if c.Doing == "" {
		text = append(append(text, ' '), o.Stdout[:min(len(o.Stdout), most)]...)
	}
	said := strings.ToValidUTF8(strings.Join(strings.Fields(string(text)), " "), "\uFFFD")
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}

// timeoutError is the end of a program that took too long.
type timeoutError struct {
	at  string
	cmd string
	why string
	err error
}

func (e *timeoutError) Error() string {
	text := e.cmd + ": " + e.why
	if e.at != "" {
		text = e.at + ": " + text
	}
	return text
}

func (e *timeoutError) Unwrap() error { return e.err }
