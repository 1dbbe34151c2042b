package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
)

// explain puts what went wrong on the way into the words of this package. The
// watched context is the one that also ends by silence.
func (s *sshSession) explain(ctx, watched context.Context, err error) error {
	if ended := ended(ctx); ended != nil {
		return ended
	}
	out := &FetchError{Source: s.source.id(), Kind: ErrUnreachable, Remedy: "check the URL, the network and the server"}
	if silent, ok := errors.AsType[silentError](context.Cause(watched)); ok {
		out.Detail = fmt.Sprintf("%v while waiting that %s %s", silent, s.address.hostPort(), s.doing)
		return out
	}
	if s.distrust != nil {
		out.Kind, out.Detail, out.Remedy = ErrHostKey, s.distrust.detail, s.distrust.remedy
		return out
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		s.refused(out, refused)
		return out
	}
	if none, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok {
		out.Detail = printable(fmt.Sprintf("no common algorithm for the %s; the server offers %s", none.What, strings.Join(none.RequestedAlgorithms, ", ")))
		out.Remedy = "bring the server's SSH up to date"
		if none.What == "host key" {
			out.Kind = ErrHostKey
			out.Remedy = "give the server an ed25519 host key (ssh-keygen -A on it)"
		}
		return out
	}
	switch text := err.Error(); {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		out.Kind = ErrEmpty
		out.Remedy = "push a first commit to the branch"
		return out
	case strings.Contains(text, "unable to authenticate"): // x/crypto has no type for it.
		out.Kind = ErrAuth
		out.Detail = fmt.Sprintf("it takes no key %s of %s for user %s", describeKey(s.key.PublicKey()), s.source.SSH.Key.Name, s.address.user)
		out.Remedy = "let the key read the repository (a deploy key is enough): " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.key.PublicKey())))
		return out
	case strings.Contains(text, "no common public key signature algorithm"):
		out.Kind = ErrAuth
		out.Detail = "it takes RSA keys with SHA-1 only, as none should sign any more"
		out.Remedy = "use an ed25519 key, or bring the server's SSH up to date"
		return out
	case strings.Contains(text, "overflow reading version string"):
		out.Detail = s.address.hostPort() + " does not speak SSH"
		out.Remedy = "check the URL's host and port"
		return out
	case s.conn != nil && s.client == nil && hungUp(err):
		out.Detail = s.address.hostPort() + " closed the connection in the SSH handshake"
		out.Remedy = "look into the log of its SSH server: it may have blocked this address, or have too many connections"
		return out
	case s.client != nil && strings.Contains(text, "git-upload-pack"): // The server takes the login and no command.
		out.Kind = ErrAuth
		out.Detail = fmt.Sprintf("it lets user %s run no Git", s.address.user)
		out.Remedy = "check the URL's user name, and what the server lets the key do"
		return out
	}
	out.Detail = printable(strings.TrimPrefix(err.Error(), "ssh: "))
	return out
}

// hungUp reports whether a peer has closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// refused tells why Git on the server did not do as asked, in its own words.
func (s *sshSession) refused(out *FetchError, refused *refusedError) {
	words := strings.ToLower(refused.words)
	says := func(any ...string) bool {
		for _, part := range any {
			if strings.Contains(words, part) {
				return true
			}
		}
		return false
	}
	out.Detail = printable(refused.words)
	switch {
	case refused.status == 127, says("command not found", "git-upload-pack: not found"):
		out.Remedy = "install Git on the server"
	case says("not found", "not appear to be a git repository", "not a git repository", "does not exist", "could not be found", "no such"):
		out.Kind = ErrNotFound
		out.Remedy = "check the URL's path (" + s.address.path + "), and whether the key may read the repository: servers answer the same when it may not"
	case says("denied", "not authorized", "unauthorized", "forbidden", "not allowed", "permission"):
		out.Kind = ErrAuth
		out.Remedy = "let the key of " + s.source.SSH.Key.Name + " read the repository, and check the URL's path"
	case out.Detail != "":
	case errors.Is(refused.err, pktline.ErrInvalidPktLen) && refused.said != "":
		out.Detail = printable("it says what Git does not: " + refused.said)
		out.Remedy = "check the URL's host and user name, and what the server lets the key do"
	case errors.Is(refused.err, packp.ErrEmptyInput):
		out.Detail = "Git on it ended without a word"
		if refused.exit != "" {
			out.Detail = printable(out.Detail + ": " + refused.exit)
		}
	case hungUp(refused.err):
		out.Detail = "the connection ended in the middle of the answer"
	default:
		out.Detail = printable(refused.err.Error())
	}
}
