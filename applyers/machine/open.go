package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"berth/desired"
)

// open connects and logs in.
func (r *remote) open(ctx context.Context) (*conn, error) {
	if r.access.Address == "" {
		return nil, r.unreachable("its address is not known", "", nil)
	}
	hosts, err := r.hostKeys()
	if err != nil {
		return nil, r.unreachable(err.Error(), "", err)
	}
	within, cancel := context.WithTimeout(ctx, r.wait.dial)
	defer cancel()
	keys, err := r.keys(within)
	if err != nil {
		return nil, r.unreachable(err.Error(), "", err)
	}
	defer keys.close()
	raw, err := r.o.Dial(within, "tcp", r.access.at())
	if err != nil {
		return nil, r.silent(ctx, within, err)
	}
	// Package ssh knows no contexts.
	stop := context.AfterFunc(within, func() { _ = raw.Close() })
	defer stop()
	client, chans, reqs, err := ssh.NewClientConn(raw, r.access.at(), &ssh.ClientConfig{
		User: r.access.SSH.User, Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(keys.signers)},
		HostKeyCallback: hosts.check, HostKeyAlgorithms: hosts.algorithms(),
		ClientVersion: "SSH-2.0-berth",
	})
	if err == nil && !stop() {
		err = context.Cause(within)
	}
	if err != nil {
		_ = raw.Close()
		return nil, r.refused(ctx, within, hosts, keys, err)
	}
	c := &conn{client: ssh.NewClient(client, chans, reqs), raw: raw, dead: make(chan struct{})}
	go r.watch(c)
	if err := r.greet(within, c); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, r.unreachable("it was not connected: "+ctx.Err().Error(), "", ctx.Err())
		}
		return nil, err
	}
	return c, nil
}

// silent explains why there is no connection.
func (r *remote) silent(ctx, within context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return r.unreachable("it was not connected: "+ctx.Err().Error(), "", ctx.Err())
	case within.Err() != nil, timedOut(err):
		return r.unreachable(fmt.Sprintf("no answer within %s", r.wait.dial), "is it up, and is its address right?", err)
	case strings.Contains(err.Error(), "connection refused"):
		return r.unreachable("it refuses the connection", fmt.Sprintf("does sshd run there, and on port %d (ssh.port)?", r.access.SSH.Port), err)
	}
	return r.unreachable(err.Error(), "", err)
}

// timedOut tells that a connection took too long: its own clock may say so a moment
// before the context does.
func timedOut(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return ok && late.Timeout()
}

// refused explains why the SSH server does not let us in.
func (r *remote) refused(ctx, within context.Context, hosts *hostKeys, keys *keys, err error) error {
	user := r.access.SSH.User
	switch {
	case hosts.judged != nil:
		return r.unreachable(hosts.judged.reason, hosts.judged.remedy, err)
	case ctx.Err() != nil:
		return r.unreachable("it was not connected: "+ctx.Err().Error(), "", ctx.Err())
	case within.Err() != nil:
		return r.unreachable(fmt.Sprintf("it took the connection, but did not let us in within %s", r.wait.dial), "is it an SSH server, and not overloaded?", err)
	case keys.err != nil:
		return r.unreachable(keys.err.Error(), "", keys.err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		if keys.secret == "" {
			return r.unreachable(fmt.Sprintf("refuses the %d keys of the ssh-agent (user %s)", keys.offered, user),
				"put a public key of theirs into "+authorized(user)+" there, or name another key (ssh.key)", err)
		}
		return r.unreachable(fmt.Sprintf("refuses the key of secret %s (user %s)", keys.secret, user),
			"put its public key into "+authorized(user)+" there: "+keys.public, err)
	case strings.Contains(err.Error(), "no common algorithm"):
		return r.unreachable("its SSH is of another time: "+clip(err.Error()), "", err)
	}
	return r.unreachable("it breaks the login off: "+clip(err.Error()), "", err)
}

// authorized is where a user's public keys are.
func authorized(user string) string { return "~" + user + "/.ssh/authorized_keys" }

// keys are what is shown to a server.
type keys struct {
	secret, public string
	signer         ssh.Signer
	socket         net.Conn
	offered        int
	err            error
}

// keys opens the key that is named, or the ssh-agent.
func (r *remote) keys(ctx context.Context) (*keys, error) {
	ref := r.access.SSH.Key
	if ref == (desired.SecretRef{}) {
		if r.o.AgentSocket == "" {
			return nil, errors.New("no key is named (ssh.key), and no ssh-agent is there (SSH_AUTH_SOCK): name a key")
		}
		socket, err := new(net.Dialer).DialContext(ctx, "unix", r.o.AgentSocket)
		if err != nil {
			return nil, fmt.Errorf("no key is named (ssh.key), and the ssh-agent does not answer: name a key: %w", err)
		}
		if end, ok := ctx.Deadline(); ok {
			_ = socket.SetDeadline(end)
		}
		return &keys{socket: socket}, nil
	}
	text, err := r.o.Key(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read the SSH key, secret %s: %w", ref.Secret, err)
	}
	signer, err := ParseKey(ref, text)
	if err != nil {
		return nil, err
	}
	return &keys{
		secret: ref.Secret, signer: signer,
		public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))),
	}, nil
}

func (k *keys) close() {
	if k.socket != nil {
		_ = k.socket.Close()
	}
}

// signers are asked for by package ssh.
func (k *keys) signers() ([]ssh.Signer, error) {
	if k.signer != nil {
		return []ssh.Signer{k.signer}, nil
	}
	signers, err := agent.NewClient(k.socket).Signers()
	if err == nil && len(signers) == 0 {
		err = errors.New("it holds no key")
	}
	if err != nil {
		k.err = fmt.Errorf("no key is named (ssh.key), and the ssh-agent is of no use: name a key: %w", err)
		return nil, k.err
	}
	k.offered = len(signers)
	return signers, nil
}
