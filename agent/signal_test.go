package main

import (
	"context"
	"fmt"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"berth/agent/internal/web"
)

// signal sends the running agent a signal, as `systemctl reload` and others do.
func (w *testWorld) signal(ts *testscript.TestScript, args []string) error {
	sent, known := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "TERM": syscall.SIGTERM}[args[0]]
	if !known {
		return fmt.Errorf("no signal %s", args[0])
	}
	status, err := web.NewClient(ts.MkAbs("agent.sock")).Status(context.Background())
	if err != nil {
		return err
	}
	return syscall.Kill(status.Agent.Process, sent)
}
