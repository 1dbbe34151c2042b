package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// patience is how long an SSH connection is waited for.
type patience struct {
	// dial is for the connection and all until the user is let in.
	dial time.Duration
	// beat is how often a quiet server is asked whether it is there, answer how
	// long it may take.
	beat, answer time.Duration
	// again is how long after an attempt that failed the next is made: until then
	// its error stands, so that each look at a machine that is off doesn't wait
	// anew.
	again time.Duration
	// port is for a port that is connected to or listened on.
	port time.Duration
}

// usual is the patience outside of tests: a dead link is found within 13 s.
var usual = patience{dial: 10 * time.Second, beat: 5 * time.Second, answer: 8 * time.Second, again: 15 * time.Second, port: 30 * time.Second} //nolint:gochecknoglobals // A constant, but for the language.

// sessions is how many programs run at once over one connection. OpenSSH allows 10
// (MaxSessions), and locks take some.
const sessions = 6

// remote is the connection to one machine.
type remote struct {
	o      *Options
	access Access
	wait   patience
	// turns has a place for each program that runs.
	turns chan struct{}
	// opening is full while somebody connects.
	opening chan struct{}
	// ended is closed with the turn.
	ended chan struct{}

	mu     sync.Mutex // guards what follows.
	conn   *conn      // nil while there is none.
	failed error      // why the last attempt failed, at failedAt.
	// failedAt is when that was.
	failedAt time.Time
	locks    int   // held over conn, or over one that was lost.
	lost     error // why a connection with locks was lost.
	closed   bool
}

// conn is a connection that was made.
type conn struct {
	client *ssh.Client
	raw    net.Conn
	dead   chan struct{} // closed when the connection is over
	why    error         // set before dead is closed.
}

func newRemote(o *Options, a Access, wait patience) *remote {
	return &remote{o: o, access: a, wait: wait, turns: make(chan struct{}, sessions), opening: make(chan struct{}, 1), ended: make(chan struct{})}
}

// unreachable is the error of a machine that can't be used.
func (r *remote) unreachable(reason, remedy string, err error) error {
	return &UnreachableError{At: r.access.String(), Reason: reason, Remedy: remedy, Err: err}
}

// connect gives the connection, and makes one where there is none.
func (r *remote) connect(ctx context.Context) (*conn, error) {
	select {
	case r.opening <- struct{}{}:
		defer func() { <-r.opening }()
	case <-ctx.Done():
		return nil, r.unreachable("the time was up before it was connected: "+ctx.Err().Error(), "", ctx.Err())
	}
	if c, err := r.standing(); c != nil || err != nil {
		return c, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := r.open(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && r.closed:
		return nil, r.isOver()
	case err != nil && ctx.Err() != nil: // That says nothing about the machine.
		return nil, err
	case err != nil:
		r.failed, r.failedAt = err, time.Now()
		return nil, err
	case r.closed:
		_ = c.raw.Close()
		return nil, r.isOver()
	}
	r.conn, r.failed = c, nil
	return c, nil
}

// isOver is the error of a machine whose turn is over.
func (r *remote) isOver() error { return r.unreachable("the turn is over", "", net.ErrClosed) }

// standing gives a connection that is there, or the error that stands for it.
func (r *remote) standing() (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, r.isOver()
	}
	if r.lost != nil {
		return nil, r.lost
	}
	if r.conn != nil {
		select {
		case <-r.conn.dead:
			r.conn = nil
			if r.locks > 0 {
				return nil, r.lost
			}
		default:
			return r.conn, nil
		}
	}
	if r.failed != nil && time.Since(r.failedAt) < r.wait.again {
		return nil, r.failed
	}
	return nil, nil //nolint:nilnil // Neither stands: a connection is to be made.
}

// keepalive is a request that a server answers, if only by not knowing it.
const keepalive = "keepalive@openssh.com"

// watch tells when the connection is over, and makes it so where the other side
// says nothing any more.
func (r *remote) watch(c *conn) {
	ended := make(chan error, 1)
	go func() { ended <- c.client.Wait() }()
	beat := time.NewTicker(r.wait.beat)
	defer beat.Stop()
	for {
		select {
		case err := <-ended:
			r.over(c, err)
			return
		case <-beat.C:
		}
		answered := make(chan struct{})
		go func() {
			if _, _, err := c.client.SendRequest(keepalive, true, nil); err == nil {
				close(answered)
			}
		}()
		late := time.NewTimer(r.wait.answer)
		select {
		case <-answered:
			late.Stop()
		case err := <-ended:
			late.Stop()
			r.over(c, err)
			return
		case <-late.C:
			// What is on its way must not arrive when the link comes back: by then
			// another may have the lock.
			if tcp, ok := c.raw.(interface{ SetLinger(sec int) error }); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.raw.Close()
			r.over(c, fmt.Errorf("no answer for %s", r.wait.answer))
			return
		}
	}
}

// over ends a connection for all who wait for something of it.
func (r *remote) over(c *conn, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.why = r.unreachable("the connection was lost: "+endOf(why), "", why)
	if r.closed {
		c.why = r.isOver()
	}
	if r.locks > 0 && r.lost == nil {
		r.lost = r.unreachable("the connection was lost under a lock, so nothing more is done there: "+endOf(why), "", why)
	}
	close(c.dead)
}

// endOf puts the end of a connection in words.
func endOf(err error) string {
	if err == nil {
		return "the server closed it"
	}
	return err.Error()
}

// close ends the connection for good.
func (r *remote) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.ended)
	}
	if r.conn == nil {
		return nil
	}
	err := r.conn.raw.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
