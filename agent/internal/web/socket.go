package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// Listen opens the socket for the agent's own user, and for the members of a group if one
// is named. A socket that a dead agent left behind is taken over; one that answers is an
// error. Whoever closes the listener removes the socket.
func Listen(ctx context.Context, socket, group string) (net.Listener, error) {
	listener, err := listenSocket(ctx, socket, group)
	if err != nil {
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	return listener, nil
}

func listenSocket(ctx context.Context, socket, group string) (net.Listener, error) {
	gid, err := groupID(group)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(socket)
	if err := makeDir(dir, gid); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	if conn, err := dialer.DialContext(ctx, "unix", socket); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("an agent answers at %s already", socket)
	}
	if info, err := os.Lstat(socket); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("%s is something else: move it away", socket)
	}
	// It is made where nobody else comes, and moved once it lets in whom it shall: at no
	// time can another one connect to it. The name is short, since paths of sockets are.
	private, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	made := filepath.Join(private, "s")
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", made)
	if err != nil {
		return nil, err
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	mode := fs.FileMode(0o600)
	if gid >= 0 {
		mode = 0o660
		err = os.Lchown(made, -1, gid)
	}
	err = errors.Join(err, os.Chmod(made, mode))
	if err == nil {
		err = os.Rename(made, socket)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// makeDir makes the socket's directory; one that is there stays as it is.
func makeDir(dir string, gid int) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil || gid < 0 {
		return err
	}
	return os.Chown(dir, -1, gid)
}

// groupID is the number of a group, by its name or number; -1 for "".
func groupID(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	if id, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(id), nil
	}
	known, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("socketGroup: there is no group %q here: groupadd --system %s, or name another", group, group)
	}
	return strconv.Atoi(known.Gid)
}

// Serve answers on a listener until ctx is done.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withPeer,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API: %w", err)
	}
	return nil
}
