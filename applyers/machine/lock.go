package machine

import (
	"bytes"
	"context"
	_ "embed" // The script.
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

//go:embed scripts/lock.sh
var lockScript string

// The codes by which lock.sh ends.
const (
	lockCantOpen = 74
	lockIsHeld   = 75
	lockNoFlock  = 76
)

// Lock has a process there hold the lock for as long as it hears of us.
func (o *over) Lock(ctx context.Context, dir string) (unlock func(), err error) {
	if err := o.valid("lock", dir); err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	c, err := o.r.connect(within)
	if err != nil {
		return nil, err
	}
	h := newHolder()
	argv := []string{"sh", "-c", lockScript, "sh", dir}
	if o.sudo {
		argv = append([]string{"env", "LC_ALL=C", "sudo", "-n", "--"}, argv...)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.hold(within, c, commandLine(argv)) }()
	select {
	case <-h.got:
	case err := <-ended:
		return nil, o.notLocked(dir, err, h)
	case <-c.dead:
		h.input.end()
		return nil, c.why
	case <-within.Done():
		h.input.end()
		return nil, fmt.Errorf("%s: lock %s: %w", o, dir, within.Err())
	}
	if err := o.r.hold(c); err != nil {
		h.input.end()
		return nil, err
	}
	unlocked, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		err := <-ended
		if _, cut := errors.AsType[*ssh.ExitMissingError](err); cut {
			// The connection is over, as a rule, and tells it a moment later.
			select {
			case <-c.dead:
			case <-unlocked:
			case <-time.After(100 * time.Millisecond):
			}
		}
		select {
		case <-unlocked:
		default: // If the connection is not over, somebody has ended it there.
			o.r.lose(o.r.unreachable("the lock of "+dir+" was lost, so nothing more is done there: "+endOf(err), "", err))
		}
	}()
	return sync.OnceFunc(func() {
		close(unlocked)
		h.input.end()
		// So that the next one finds it free.
		select {
		case <-over:
		case <-c.dead:
		case <-time.After(2 * time.Second):
		}
		o.r.release()
	}), nil
}

// lose notes that a lock is gone; the first reason stands.
func (r *remote) lose(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.locks > 0 && r.lost == nil {
		r.lost = why
	}
}

// notLocked explains why the holder has ended.
func (o *over) notLocked(dir string, err error, h *holder) error {
	ended, ok := errors.AsType[*ssh.ExitError](err)
	if !ok {
		return o.r.unreachable("lock "+dir+": "+endOf(err), "", err)
	}
	sudoer := ""
	if o.sudo {
		sudoer = o.r.access.SSH.User
	}
	return h.notLocked(o.shell, o.String(), dir, sudoer, &ExitError{At: o.String(), Code: ended.ExitStatus(), Signal: ended.Signal()})
}

// notLocked explains why the holder's program has ended; sudoer is who asked sudo for
// it, "" for nobody.
func (h *holder) notLocked(s shell, at, dir, sudoer string, exit *ExitError) error {
	c, out := Command{Doing: "lock " + dir}, Output{Stderr: h.stderr.bytes()}
	if sudoer != "" {
		out = out.withoutNoise()
	}
	exit.Argv, exit.Said = []string{"flock", "-n", dir}, c.said(out)
	if sudoer != "" {
		if err := judgeSudo(sudoer, exit, c, out); !errors.Is(err, exit) {
			return err
		}
	}
	if at != "" {
		at += ": "
	}
	switch exit.Code {
	case lockIsHeld:
		return fmt.Errorf("%slock %s: %w", at, dir, ErrLocked)
	case lockNoFlock:
		return fmt.Errorf("%slock %s: flock or timeout is not there: install the packages util-linux and coreutils", at, dir)
	case lockCantOpen:
		return s.failed("lock", dir, exit)
	}
	return exit
}

// hold counts a lock; it fails if the connection is over already.
func (r *remote) hold(c *conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-c.dead:
		return c.why
	default:
		r.locks++
		return nil
	}
}

// release lets go of a lock, and with the last one of a connection that was lost.
func (r *remote) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.locks--; r.locks == 0 {
		r.lost = nil
	}
}

// holder is the session whose program holds a lock.
type holder struct {
	got    chan struct{}
	once   sync.Once
	input  *pulse
	stderr shared
}

func newHolder() *holder {
	h := &holder{got: make(chan struct{}), input: newPulse()}
	h.stderr.b.limit = outputMax
	return h
}

// beat keeps a program that holds a lock alive.
func (h *holder) beat(in io.WriteCloser) {
	_, _ = io.Copy(in, h.input)
	_ = in.Close()
}

// Write hears that the lock is there.
func (h *holder) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("l")) {
		h.once.Do(func() { close(h.got) })
	}
	return len(p), nil
}

func (h *holder) hold(ctx context.Context, c *conn, line string) error {
	session, err := openSession(ctx, c.client)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	session.Stdout, session.Stderr = h, &h.stderr
	// Package ssh waits for the end of an input that it copies itself.
	in, err := session.StdinPipe()
	if err != nil {
		return err
	}
	if err := session.Start(line); err != nil {
		return err
	}
	go h.beat(in)
	defer h.input.end()
	return session.Wait()
}

// pulse is an endless input of one line every few seconds, until its end.
type pulse struct {
	over chan struct{}
	once sync.Once
	next time.Time
}

// pulseEvery is far below the time after which lock.sh gives up.
const pulseEvery = 5 * time.Second

func newPulse() *pulse { return &pulse{over: make(chan struct{})} }

func (p *pulse) end() { p.once.Do(func() { close(p.over) }) }

// Read waits for the next line's time.
func (p *pulse) Read(buf []byte) (int, error) {
	wait := time.NewTimer(time.Until(p.next))
	defer wait.Stop()
	select {
	case <-p.over:
		return 0, io.EOF
	case <-wait.C:
	}
	p.next = time.Now().Add(pulseEvery)
	return copy(buf, "here\n"), nil
}
