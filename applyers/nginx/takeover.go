package nginx

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"time"

	"berth/applyers/machine"
	"berth/applyers/nginx/conf"
	"berth/applyers/nginx/probe"
	"berth/desired"
)

// witness tells whether nginx's workers run the files that send its name here.
//
// A listener of nginx's own that tells a generation would do, but not without harm: a
// Unix socket that a killed nginx leaves behind keeps it from starting again, and a
// port may be another's. So a random name is routed to a port of the agent for as long
// as this takes; then it leads nowhere, and nobody knows it. nil is none.
type witness struct {
	listener net.Listener
	name, to string
}

// watch makes a witness; nil where there is nothing that it could be asked by, or
// where the machine's SSH server does not forward ports.
func (c *changing) watch(ctx context.Context) *witness {
	byName := c.touch[streamSide] && c.TLS.Default.Text != "" || c.touch[httpSide] && c.HTTP.Default.Text != ""
	// What listens on a container's loopback is not heard on its machine's.
	if !byName || c.apart {
		return nil
	}
	var random [16]byte
	_, err := rand.Read(random[:])
	var listener net.Listener
	if err == nil {
		listener, err = c.on.Listen(ctx)
	}
	if err != nil {
		c.say.Say("whether nginx takes the routes over is told by its processes alone: " + err.Error())
		return nil
	}
	return &witness{listener: listener, name: hex.EncodeToString(random[:]) + "." + conf.Domain, to: listener.Addr().String()}
}

func (w *witness) close() {
	if w != nil {
		_ = w.listener.Close()
	}
}

// named is what the files that change say of the witness.
func (w *witness) named(touch [2]bool) conf.Witness {
	if w == nil {
		return conf.Witness{}
	}
	out := conf.Witness{Name: w.name}
	if touch[streamSide] {
		out.Stream = w.to
	}
	if touch[httpSide] {
		out.HTTP = w.to
	}
	return out
}

// taken waits until nginx's new workers have taken over.
func (c *changing) taken(ctx context.Context, seen *witness, before processes) error {
	ctx, cancel := context.WithTimeout(ctx, c.takeover)
	defer cancel()
	if seen != nil {
		questions, err := c.doors(c.Edge)
		if err != nil {
			return err
		}
		err = seen.wait(ctx, c.on.Dial, questions)
		if forbids := (*machine.ForwardingError)(nil); !errors.As(err, &forbids) {
			if err != nil {
				return err
			}
			return c.retired(ctx, before, false)
		}
	}
	if len(before.workers) == 0 {
		c.say.Say("whether nginx has taken the files over can't be seen")
		return nil
	}
	return c.retired(ctx, before, true)
}

// doors are questions without a name to all that an edge listens on, on the sides that
// change.
func (c *changing) doors(e *desired.Edge) ([]probe.Question, error) {
	var all []probe.Question
	for side := range c.files {
		if !c.touch[side] {
			continue
		}
		found, err := c.sideDoors(e, side)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// sideDoors are questions without a name to what one side of an edge listens on.
func (st *state) sideDoors(e *desired.Edge, side int) ([]probe.Question, error) {
	listen, def, trust := e.TLS.Listen, e.TLS.Default, e.TLS.ProxyProtocol
	if side == httpSide {
		listen, def, trust = e.HTTP.Listen, e.HTTP.Default, e.HTTP.ProxyProtocol
	}
	if def.Text == "" {
		return nil, nil
	}
	words, err := conf.Listens(listen, st.ipv6)
	if err != nil {
		return nil, err
	}
	var all []probe.Question
	for _, address := range conf.Reachable(words) {
		all = append(all, probe.Question{Address: address, HTTP: side == httpSide, Proxy: len(trust.From) > 0})
	}
	return all, nil
}

// wait asks by all doors until each has led here, or ctx ends.
func (w *witness) wait(ctx context.Context, dial probe.Dial, doors []probe.Question) error {
	arrived := make(chan struct{})
	done := make(chan struct{})
	defer close(done)
	go w.listen(arrived, done)
	for _, q := range doors {
		q.Name = w.name
		for {
			var refused error
			probe.Ask(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				refused = err
				return conn, err
			}, q, time.Second)
			if forbids := (*machine.ForwardingError)(nil); errors.As(refused, &forbids) {
				return refused
			}
			select {
			case <-arrived:
			case <-ctx.Done():
				return late(ctx, q.Address+" does not answer by the new routes")
			case <-time.After(40 * time.Millisecond):
				continue
			}
			break
		}
	}
	return nil
}

// listen tells of each connection for the random name.
func (w *witness) listen(arrived chan<- struct{}, done <-chan struct{}) {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		ours := w.hears(conn)
		_ = conn.Close()
		if !ours {
			continue
		}
		select {
		case arrived <- struct{}{}:
		case <-done:
			return
		}
	}
}

// heardMax bounds what is read of who connects.
const heardMax = 16 << 10

// hears tells whether what arrives is for the random name, which stands there in
// clear: anything on this machine may connect to a port.
func (w *witness) hears(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	var all []byte
	for part := make([]byte, 4096); len(all) < heardMax; {
		n, err := conn.Read(part)
		all = append(all, part[:n]...)
		if bytes.Contains(all, []byte(w.name)) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}
