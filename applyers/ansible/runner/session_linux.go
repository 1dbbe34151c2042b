package runner

import "syscall"

// session is how the program is started: in a session of its own, and killed
// with the agent. Linux ties the latter to the thread that starts it.
func session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
