package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
)

// sshRemote reaches a repository over SSH, by a connection for each fetch. go-git's
// own transport reads ~/.ssh/config and cannot be stopped while a server is silent.
type sshRemote struct {
	source Source
	log    *slog.Logger
}

// open starts one fetch: it reads the key and the known hosts afresh.
func (r *sshRemote) open() (session, error) {
	address, err := r.source.sshAddress()
	if err != nil {
		return nil, err
	}
	key, err := r.source.SSH.readKey()
	if err != nil {
		return nil, err
	}
	hosts, err := r.source.SSH.readHostKeys(r.log)
	if err != nil {
		return nil, err
	}
	return &sshSession{source: r.source, address: address, key: key, hosts: hosts}, nil
}

func (r *sshRemote) close() {}

// sshSession is one fetch.
type sshSession struct {
	source  Source
	address sshAddress
	key     ssh.Signer
	hosts   *hostKeys

	conn     net.Conn
	client   *ssh.Client
	distrust *hostKeyError  // Why the server's host key was refused, if it was.
	git      *uploadPack    // Git on the server; it answers one request.
	told     *packp.AdvRefs // What it told last.
	doing    string         // For people: what the server is waited for.
}

// tip asks for the branch's newest commit.
func (s *sshSession) tip(ctx context.Context) (plumbing.Hash, error) {
	watched, w := watch(ctx, s.source.Timeout)
	defer w.end()
	if err := s.connect(watched, w); err != nil {
		return plumbing.ZeroHash, s.explain(ctx, watched, err)
	}
	defer closes(watched, s.conn)()
	if err := s.ask(w); err != nil {
		return plumbing.ZeroHash, s.explain(ctx, watched, err)
	}
	return branchTip(s.source, s.git.refs)
}

// tags lists the tags on some commits.
func (s *sshSession) tags(_ context.Context, on map[plumbing.Hash]bool) ([]tagRef, error) {
	return toldTags(s.told, on), nil
}

// pull stores commits or tags with all that they need and that the haves do not bring.
func (s *sshSession) pull(ctx context.Context, wants, haves []plumbing.Hash, into storer.Storer) error {
	watched, w := watch(ctx, s.source.Timeout)
	defer w.end()
	defer closes(watched, s.conn)()
	if s.git == nil { // It has answered a request already.
		if err := s.ask(w); err != nil {
			return s.explain(ctx, watched, err)
		}
	}
	git := s.git
	s.git = nil
	defer git.leave()
	s.doing = "sends the commit"
	git.out.heard = w.heard
	err := git.fetch(wants, haves, into)
	switch {
	case err == nil, isContent(err):
		return err
	case ctx.Err() == nil && isLocal(err):
		return fmt.Errorf("store fetched objects: %w", err)
	}
	w.rest()
	return s.explain(ctx, watched, git.refusal(err))
}

// close ends the connection.
func (s *sshSession) close() {
	if s.git != nil {
		s.git.leave()
	}
	switch {
	case s.client != nil:
		_ = s.client.Close() // The server may have closed it already.
	case s.conn != nil:
		_ = s.conn.Close()
	}
}

// connect logs in.
func (s *sshSession) connect(ctx context.Context, w *watcher) error {
	s.doing = "takes a connection"
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address.hostPort())
	if err != nil {
		return err
	}
	s.conn = conn
	defer closes(ctx, conn)()
	w.heard()
	s.doing = "goes on with the SSH handshake"
	c, channels, requests, err := ssh.NewClientConn(conn, s.address.hostPort(), &ssh.ClientConfig{
		User:              s.address.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(s.key)},
		HostKeyAlgorithms: s.hosts.algorithms(s.address.hostPort()),
		HostKeyCallback: func(hostPort string, remote net.Addr, key ssh.PublicKey) error {
			err := s.hosts.check(hostPort, remote, key)
			s.distrust, _ = errors.AsType[*hostKeyError](err)
			return err
		},
		ClientVersion: "SSH-2.0-Berth",
	})
	if err != nil {
		return err
	}
	s.client = ssh.NewClient(c, channels, requests)
	w.heard()
	return nil
}

// ask starts Git on the server, which tells its references at once.
func (s *sshSession) ask(w *watcher) error {
	s.doing = "tells its branches"
	git, err := startUploadPack(s.client, s.address.path, w.heard)
	if err != nil {
		return err
	}
	refs := packp.NewAdvRefs()
	err = refs.Decode(git.out)
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && refs.IsEmpty():
		git.leave()
		return transport.ErrEmptyRemoteRepository
	case err != nil:
		w.rest()
		return git.refusal(err)
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	git.refs = refs
	s.git, s.told = git, refs
	return nil
}

// watcher ends a context when a peer has been silent for too long.
type watcher struct {
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	silence time.Duration
}

// watch returns the context that ends with the caller's, or by a silentError.
func watch(ctx context.Context, silence time.Duration) (context.Context, *watcher) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watcher{
		cancel: cancel, silence: silence,
		timer: time.AfterFunc(silence, func() { cancel(silentError(silence)) }),
	}
}

// heard is called when the peer has got on with its work. Mere signs of life, such
// as SSH's own keepalives, are none: they go on while Git behind it hangs.
func (w *watcher) heard() { w.timer.Reset(w.silence) }

// rest stops the watch over silence: the peer has failed in another way.
func (w *watcher) rest() { w.timer.Stop() }

// end must be called in the end, by the goroutine that calls heard.
func (w *watcher) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// closes ends a connection with the context, until the returned function is called.
func closes(ctx context.Context, c io.Closer) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.Close() })
}
