// Command agent is Berth: it keeps a Proxmox fleet as a Git repository says.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Color: terminal(os.Stdout), Width: width(os.Stdout)}, os.Args[1:])
	stop()
	os.Exit(code)
}
