package web

import (
	"net"
	"syscall"
)

// peerOf is the user at the other end of a socket, by its number, as of when it connected.
func peerOf(conn net.Conn) (uid int, known bool) {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, false
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *syscall.Ucred
	if control := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); control != nil || err != nil {
		return 0, false
	}
	return int(cred.Uid), true
}
