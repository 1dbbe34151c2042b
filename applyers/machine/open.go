package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
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
		User: r.access.SSH.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(keys.signers...)},
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			return hosts.check(within, remote, key)
		},
		HostKeyAlgorithms: hosts.algorithms(),
		ClientVersion:     "SSH-2.0-berth",
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
	case strings.Contains(strings.ToLower(err.Error()), "too many authentication failures"):
		return r.unreachable(fmt.Sprintf("lets nobody try as many keys as are shown to it (user %s): %s", user, keys.shown()),
			"name the one that it knows (ssh.key)", err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		if keys.secret == "" {
			return r.unreachable(fmt.Sprintf("refuses all keys that are shown to it (user %s): %s", user, keys.shown()),
				"put the public part of one into "+authorized(user)+" there, or name another key (ssh.key)", err)
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
