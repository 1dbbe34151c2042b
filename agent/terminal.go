package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"berth/agent/internal/lock"
)

// typist asks a person at a terminal for passphrases.
type typist struct {
	tty *os.File
	// before is how the terminal was: it shows nothing from the first question to close,
	// lest what is typed between two be seen.
	before *term.State
}

// openTerminal finds the person who typed the command. A passphrase that comes by a
// pipe or from a file has been written down somewhere, and is not taken.
func openTerminal(s streams, command string) (*typist, error) {
	in, ok := s.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, fmt.Errorf("a passphrase is typed on a terminal, and the standard input is none: what comes by a pipe or from a file stands in clear elsewhere; over SSH ask for a terminal: ssh -t HOST %s", command)
	}
	if err := lock.ForbidDumps(); err != nil {
		return nil, err // What is typed may not be found in a core dump.
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the terminal: %w", err)
	}
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the terminal: %w", err), tty.Close())
	}
	return &typist{tty: tty, before: before}, nil
}

// close lets the terminal show again what is typed. It may be called twice.
func (t *typist) close() {
	t.show()
	_ = t.tty.Close()
}

func (t *typist) show() { _ = term.Restore(int(t.tty.Fd()), t.before) }

// ask reads a passphrase without showing it. Where ctx ends first, as by Ctrl-C, or by
// what else ends programs, the terminal shows again what is typed.
func (t *typist) ask(ctx context.Context, prompt string) ([]byte, error) {
	// Either signal would end the program at once, and leave the terminal mute.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGQUIT, syscall.SIGHUP)
	defer stop()
	fd := int(t.tty.Fd())
	// ReadPassword does so, too, but later: who types fast would be shown.
	hush(fd)
	fmt.Fprint(t.tty, prompt)
	type typed struct {
		passphrase []byte
		err        error
	}
	answer := make(chan typed, 1)
	go func() {
		passphrase, err := term.ReadPassword(fd)
		answer <- typed{passphrase, err}
	}()
	select {
	case a := <-answer:
		fmt.Fprintln(t.tty)
		if a.err != nil {
			clear(a.passphrase)
			return nil, fmt.Errorf("ask for the passphrase: %w", ended(a.err))
		}
		return a.passphrase, nil
	case <-ctx.Done():
		t.show()
		fmt.Fprintln(t.tty)
		return nil, fmt.Errorf("ask for the passphrase: %w", ctx.Err())
	}
}

// ended says in words that nobody typed anything.
func ended(err error) error {
	if err == io.EOF { //nolint:errorlint // ReadPassword gives the bare error.
		return fmt.Errorf("none was typed: %w", err)
	}
	return err
}

// typedLater takes no arguments, and repeats none: it may be the passphrase.
func typedLater(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes no arguments: it asks for the passphrase itself, since one on a command line stays in the shell's history", cmd.CommandPath()), cmd.CommandPath()}
}
