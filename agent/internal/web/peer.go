package web

import (
	"context"
	"net"
	"os/user"
	"strconv"
)

type peerKey struct{}

// withPeer notes who is at the other end of a connection.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if uid, known := peerOf(conn); known {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

// Peer is who asks by the socket, by name, or by number where that has none; "" where it is
// not known. It is for the log: who may ask, the socket's mode says.
func Peer(ctx context.Context) string {
	uid, known := ctx.Value(peerKey{}).(int)
	if !known {
		return ""
	}
	number := strconv.Itoa(uid)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
