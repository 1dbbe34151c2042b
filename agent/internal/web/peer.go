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

// withBearer notes which token somebody from another machine shows, and from where.
func withBearer(ctx context.Context, token, address string) context.Context {
	return context.WithValue(ctx, peerKey{}, token+" from "+address)
}

// Peer is who asks: by the socket, by name, or by number where that has none; from another
// machine, by the token's place in the settings and the address; "" where it is not known.
// It is for the log: who may ask, the socket's mode and the tokens say.
func Peer(ctx context.Context) string {
	if bearer, remote := ctx.Value(peerKey{}).(string); remote {
		return bearer
	}
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
