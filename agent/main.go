// Command agent is Berth: it keeps a Proxmox fleet as a Git repository says.
package main

import (
	"context"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"berth/applyers/proxmox"
)

func main() { command(proxmox.AskNetwork) }

// garbage is how much may lie about before it is collected, in per cent of what is in
// use. The usual 100 would save a seventh of a turn's CPU time, and take 3 MiB more with
// a thousand guests, 20 with ten thousand. GOGC in the environment says otherwise.
const garbage = 50

// command is the program, which asks the network as it is told to.
func command(answers func(context.Context, []netip.Addr) map[netip.Addr]string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Color: terminal(os.Stdout), Width: width(os.Stdout), Answers: answers,
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
