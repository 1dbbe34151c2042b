package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// over is a machine over SSH.
type over struct {
	shell
	r    *remote
	sudo bool
}

var _ Machine = (*over)(nil)

func newOver(r *remote, sudo bool) *over {
	o := &over{r: r, sudo: sudo}
	o.shell = shell{run: o.Run, at: r.access.String()}
	return o
}

func (o *over) String() string { return o.r.access.String() }

// Run runs a program there. One that takes too long is told to end; sshd doesn't
// always hand that on, then what is wrapped around it ends it a little later.
func (o *over) Run(ctx context.Context, c Command) (Output, error) {
	if len(c.Argv) == 0 {
		return Output{}, errNoProgram
	}
	c = c.withBounds()
	within, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	select {
	case o.r.turns <- struct{}{}:
		defer func() { <-o.r.turns }()
	case <-within.Done():
		return Output{}, c.late(ctx, o.String(), within.Err(), Output{})
	}
	conn, err := o.r.connect(within)
	if err != nil {
		return Output{}, err
	}
	s := &session{c: c, line: commandLine(wrapped(c, o.sudo))}
	err = s.run(within, conn)
	out := Output{Stdout: s.stdout.bytes(), Stderr: s.stderr.bytes()}
	if o.sudo {
		out = out.withoutNoise()
	}
	if err == nil {
		return out, nil
	}
	if isOurs(err) {
		return out, err
	}
	if within.Err() != nil {
		return out, c.late(ctx, o.String(), within.Err(), out)
	}
	exit, ok := errors.AsType[*ssh.ExitError](err)
	if !ok {
		return out, o.r.unreachable(c.name()+": the server does not run it: "+err.Error(), "", err)
	}
	e := &ExitError{At: o.String(), Argv: c.words(), Code: exit.ExitStatus(), Signal: exit.Signal(), Said: c.said(out)}
	if o.sudo {
		return out, judgeSudo(o.r.access.SSH.User, e, c, out)
	}
	return out, e
}

// greet sees to it that programs run there, and that nothing else prints: what a
// shell says at login would stand before each file that is read.
func (r *remote) greet(ctx context.Context, c *conn) error {
	const greeting = "here"
	s := &session{c: Command{Limit: outputMax}, line: commandLine([]string{"echo", greeting})}
	err := s.run(ctx, c)
	said := Output{Stdout: s.stdout.bytes(), Stderr: s.stderr.bytes()}
	_, exited := errors.AsType[*ssh.ExitError](err)
	switch {
	case err == nil && string(said.Stdout) == greeting+"\n":
		return nil
	case ctx.Err() != nil:
		return r.unreachable(fmt.Sprintf("it let us in, but ran nothing within %s", r.wait.dial), "is it overloaded?", err)
	case isOurs(err):
		return err
	case err == nil:
		return r.unreachable(fmt.Sprintf("its login shell prints %q before each program's own output", clip(strings.TrimSuffix(string(said.Stdout), greeting+"\n"))),
			"let it print nothing for user "+r.access.SSH.User+" where no terminal is (~/.bashrc and its like)", nil)
	case exited:
		return r.unreachable("it runs no programs for user "+r.access.SSH.User+", but says: "+clip(Command{}.said(said)), "give the user a login shell, and no forced command", err)
	}
	return r.unreachable("it runs no programs: "+err.Error(), "", err)
}

// wrapped is the program with what has to be around it: a PATH with the programs
// of root, messages that can be understood, and an end for it that holds without
// us.
func wrapped(c Command, sudo bool) []string {
	argv := append([]string{"sh", "-c", wrapper, "sh", strconv.Itoa(int(c.Timeout/time.Second) + 5)}, c.Argv...)
	if sudo {
		argv = append([]string{"env", "LC_ALL=C", "sudo", "-n", "--"}, argv...)
	}
	return argv
}

const wrapper = `PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
t=$1
shift
if command -v timeout >/dev/null; then exec timeout -k 5 "$t" "$@"; fi
exec "$@"`

// commandLine quotes words for the login shell that sshd gives them to. The shell
// makes room for the program, so that a signal reaches it.
func commandLine(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return "exec " + strings.Join(words, " ")
}

// session is one program over a connection.
type session struct {
	c              Command
	line           string
	stdout, stderr shared

	mu    sync.Mutex   // guards what follows.
	s     *ssh.Session // nil until the program runs.
	ended bool         // nobody waits for it any more.
}

// shared is a bounded that may be read while it is written.
type shared struct {
	mu sync.Mutex
	b  bounded
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.b.buf.Bytes()...)
}

// run runs it to its end, or to that of ctx or the connection. Package ssh knows
// no contexts: what hangs in it is left behind, and ends with the connection at
// the latest.
func (s *session) run(ctx context.Context, c *conn) error {
	s.stdout.b.limit, s.stderr.b.limit = s.c.Limit, max(s.c.Limit, outputMax)
	done := make(chan error, 1)
	go func() { done <- s.start(ctx, c.client) }()
	select {
	case err := <-done:
		if _, exited := errors.AsType[*ssh.ExitError](err); err == nil || exited {
			return err
		}
		// The end of the connection is told by it a moment later.
		select {
		case <-c.dead:
			return c.why
		case <-time.After(100 * time.Millisecond):
			return err
		}
	case <-c.dead:
		return c.why
	case <-ctx.Done():
		told := make(chan struct{})
		go func() {
			s.abandon(c.client)
			close(told)
		}()
		// The connection may be closed right after, and what the server has not
		// read by then is lost.
		select {
		case <-told:
		case <-time.After(time.Second):
		}
		return ctx.Err()
	}
}

// start opens the session and runs the program.
func (s *session) start(ctx context.Context, client *ssh.Client) error {
	session, err := openSession(ctx, client)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	session.Stdout, session.Stderr = &s.stdout, &s.stderr
	if s.c.Stdin != nil {
		session.Stdin = strings.NewReader(string(s.c.Stdin))
	}
	if err := s.begin(session); err != nil {
		return err
	}
	err = session.Wait()
	if errors.Is(err, io.EOF) { // A good end without having read all of its input.
		return nil
	}
	return err
}

// openSession opens one. A server refuses it while it still counts those that have
// just ended (OpenSSH: MaxSessions), so that is waited for.
func openSession(ctx context.Context, client *ssh.Client) (*ssh.Session, error) {
	until := time.Now().Add(5 * time.Second)
	for {
		session, err := client.NewSession()
		refused, ok := errors.AsType[*ssh.OpenChannelError](err)
		switch {
		case err == nil:
			return session, nil
		case !ok:
			return nil, fmt.Errorf("open a session: %w", err)
		case time.Now().After(until):
			return nil, fmt.Errorf("it allows too few sessions over one connection (MaxSessions in its sshd_config): %w", refused)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// begin starts the program, unless nobody waits for it any more. Until the server
// has answered it can't be abandoned: a signal that comes first is lost.
func (s *session) begin(session *ssh.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return context.Canceled
	}
	s.s = session
	return session.Start(s.line)
}

// abandon ends the program as far as the server lets us, and the session, and waits
// until the server has heard of it.
func (s *session) abandon(client *ssh.Client) {
	s.mu.Lock()
	s.ended = true
	session := s.s
	s.mu.Unlock()
	if session != nil {
		_ = session.Signal(ssh.SIGTERM)
		_ = session.Close()
		_, _, _ = client.SendRequest(keepalive, true, nil)
	}
}
