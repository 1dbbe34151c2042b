package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dial connects from the machine, by a channel of the connection.
func (o *over) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.r.wait.port)
	defer cancel()
	c, err := o.r.connect(ctx)
	if err != nil {
		return nil, err
	}
	doing := "connect to " + address + " from there"
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := c.client.DialContext(ctx, network, address)
		done <- result{conn, err}
	}()
	select {
	case <-c.dead:
		return nil, c.why
	case got := <-done:
		if got.err == nil {
			return &dialled{Conn: got.conn}, nil
		}
		if refused, ok := errors.AsType[*ssh.OpenChannelError](got.err); ok {
			if refused.Reason == ssh.Prohibited {
				return nil, &ForwardingError{At: o.String(), Doing: doing, Needs: "local", Err: got.err}
			}
			return nil, fmt.Errorf("%s: %s: %s", o, doing, strings.TrimSpace(refused.Message))
		}
		return nil, fmt.Errorf("%s: %s: %w", o, doing, got.err)
	}
}

// Listen listens there, on loopback.
func (o *over) Listen(ctx context.Context) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, o.r.wait.port)
	defer cancel()
	c, err := o.r.connect(ctx)
	if err != nil {
		return nil, err
	}
	doing := "listen on its loopback"
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result, 1)
	go func() {
		l, err := c.client.ListenTCP(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		done <- result{l, err}
	}()
	select {
	case <-c.dead:
		return nil, c.why
	case <-ctx.Done():
		go func() {
			if late := <-done; late.err == nil {
				_ = late.l.Close()
			}
		}()
		return nil, fmt.Errorf("%s: %s: %w", o, doing, ctx.Err())
	case got := <-done:
		if got.err == nil {
			return listening{got.l}, nil
		}
		if strings.Contains(got.err.Error(), "denied by peer") {
			return nil, &ForwardingError{At: o.String(), Doing: doing, Needs: "remote", Err: got.err}
		}
		return nil, fmt.Errorf("%s: %s: %w", o, doing, got.err)
	}
}

// listening gives the connections that come in deadlines, as those that go out have.
type listening struct{ net.Listener }

func (l listening) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &dialled{Conn: conn}, nil
}

// dialled gives a channel's connection deadlines, which it has none of: it is
// closed when one passes.
type dialled struct {
	net.Conn

	mu    sync.Mutex // guards what follows.
	timer *time.Timer
	late  bool
}

// SetDeadline sets the one end for both ways.
func (d *dialled) SetDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if t.IsZero() {
		return nil
	}
	d.timer = time.AfterFunc(time.Until(t), func() {
		d.mu.Lock()
		d.late = true
		d.mu.Unlock()
		_ = d.Conn.Close()
	})
	return nil
}

// SetReadDeadline is SetDeadline: one way can't be closed alone.
func (d *dialled) SetReadDeadline(t time.Time) error { return d.SetDeadline(t) }

// SetWriteDeadline is SetDeadline: one way can't be closed alone.
func (d *dialled) SetWriteDeadline(t time.Time) error { return d.SetDeadline(t) }

func (d *dialled) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	return n, d.because(err)
}

func (d *dialled) Write(p []byte) (int, error) {
	n, err := d.Conn.Write(p)
	return n, d.because(err)
}

// Close ends the timer, too.
func (d *dialled) Close() error {
	_ = d.SetDeadline(time.Time{})
	return d.Conn.Close()
}

func (d *dialled) because(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && d.late {
		return os.ErrDeadlineExceeded
	}
	return err
}
