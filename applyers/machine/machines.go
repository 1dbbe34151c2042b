package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync"

	"berth/desired"
)

// Options are what Machines are made with.
type Options struct {
	// Key gives the private key that a fleet, a guest or a Host names.
	Key func(ctx context.Context, ref desired.SecretRef) ([]byte, error)
	// State is the directory of the host keys learnt, which playbooks learn into,
	// too: see [KnownHosts].
	State string
	// AgentSocket is the ssh-agent that is asked where no key is named, before the
	// user's own, as SSH_AUTH_SOCK says it; "" is none.
	AgentSocket string
	// Home is where the agent's user has .ssh: its known_hosts, for knownHosts: file,
	// and its keys, for who names none; "" is that user's home.
	Home string
	// Dial reaches an SSH server; plain TCP unless set.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Log is told of host keys that are learnt; nothing is logged unless set.
	Log *slog.Logger
}

// Machines are the machines of one turn. Those over SSH have one connection each,
// which is made when it is first needed and ends with Close.
type Machines struct {
	o    Options
	wait patience

	mu     sync.Mutex // guards remote and closed.
	remote map[Access]*remote
	closed bool
}

// Access is how a machine is reached over SSH.
type Access struct {
	// ID is the guest or Host, Instance what tells it from one made anew under the
	// same name ([desired.FactInstance]); "" where that is not known.
	ID       desired.ID
	Instance string
	// Address is an address or a name, without a port.
	Address string
	// SSH is what the manifests say, merged with the fleet's.
	SSH desired.SSH
}

// New checks the options.
func New(o Options) (*Machines, error) {
	if o.Key == nil || o.State == "" {
		return nil, errors.New("reach machines over SSH: keys and a state directory are needed")
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Home == "" {
		o.Home = home()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Machines{o: o, wait: usual, remote: make(map[Access]*remote)}, nil
}

// home is what OpenSSH takes for ~, whatever HOME says: a service may have none.
func home() string {
	if me, err := user.Current(); err == nil && me.HomeDir != "" {
		return me.HomeDir
	}
	dir, _ := os.UserHomeDir()
	return dir
}

// SSH is a machine over SSH; nothing is connected yet. Machines of the same access
// share one connection, with sudo or without. With sudo all that is done there is
// done by root: the user must be allowed to run any program without a password,
// for files are written by sh, as in
//
//	berth ALL=(root) NOPASSWD: ALL
//
// in a file below /etc/sudoers.d.
func (m *Machines) SSH(a Access, sudo bool) Machine {
	if a.SSH.User == "" {
		a.SSH.User = "root"
	}
	if a.SSH.Port == 0 {
		a.SSH.Port = 22
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.remote[a]
	if !ok {
		r = newRemote(&m.o, a, m.wait)
		if m.closed {
			_ = r.close()
		}
		m.remote[a] = r
	}
	return newOver(r, sudo)
}

// Close ends all connections. What runs there is cut off.
func (m *Machines) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	var err error
	for _, r := range m.remote {
		err = errors.Join(err, r.close())
	}
	return err
}

// at is where the SSH server listens.
func (a Access) at() string { return net.JoinHostPort(a.Address, strconv.Itoa(a.SSH.Port)) }

// String names it, as in "vm/edge (root@10.1.1.4:22)".
func (a Access) String() string { return fmt.Sprintf("%s (%s@%s)", a.ID, a.SSH.User, a.at()) }
