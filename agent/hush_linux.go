package main

import "golang.org/x/sys/unix"

// hush lets a terminal no longer show what is typed. It does nothing to what is none.
func hush(fd int) {
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return
	}
	state.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, state)
}
