//go:build !linux

package runner

import "syscall"

// session is how the program is started: in a session of its own. Where the
// agent is killed, the program runs on to its end.
func session() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
