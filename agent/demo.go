package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/drift"
	"berth/drift/report"
)

func newDemo(s streams) *cobra.Command {
	var once bool
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop on a simulated cluster: push, and watch",
		Long: `Start a simulated Proxmox cluster, a Git repository that can be pushed to over
HTTP, and an agent that keeps the one as the other says. No root is needed, and
no other program; nginx and Ansible are used if they are installed.

With --once, play a scripted round and end: a first apply, a pushed commit, a
change behind the agent's back, the drift report, and convergence.`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				temporary, err := os.MkdirTemp("", "berth-demo-")
				if err != nil {
					return fmt.Errorf("make a directory for the demo: %w", err)
				}
				defer os.RemoveAll(temporary)
				dir = temporary
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("make a directory for the demo: %w", err)
			}
			return demo(cmd.Context(), s, abs, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "play a scripted round and end")
	cmd.Flags().StringVar(&dir, "dir", "", "keep the demo's files here (a temporary directory unless given)")
	return cmd
}

func demo(ctx context.Context, s streams, dir string, once bool) (err error) {
	d, err := startDemo(ctx, s, dir, once)
	if d != nil {
		defer func() { err = errors.Join(err, d.close()) }()
	}
	if err != nil {
		return err
	}
	if once {
		return d.script(ctx)
	}
	fmt.Fprintf(s.Out, `
The loop is running. Try, in another terminal:

  %[1]s drift --config %[2]s

  git clone %[3]s fleet && cd fleet
  sed -i 's/2GiB/3GiB/' guests/lab-coder.yaml   # change a guest
  git rm guests/lab-certbot.yaml                # archive another
  git commit -am "Give coder more memory" && git push

  # and behind the agent's back; it is put right at the next poll, every 5 s
  curl --insecure -X PUT -d tags=by-hand -H 'Authorization: PVEAPIToken=%[4]s' \
    %[5]s/api2/json/nodes/proxmox-1/qemu/5001021/config

Ctrl-C ends it, and the cluster forgets everything.

`, program(), d.settings.File, d.gitURL, d.sim.token, d.sim.endpoint)
	w := d.wiring
	d.wiring = nil // It is closed by who serves.
	return newService(w).serve(ctx, d.pushes, nil)
}

// pushes has the loop make a turn for each push.
func (d *demoWorld) pushes(loop *trigger.Loop) (forget func()) {
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			case <-d.pushed:
				loop.StartWhole("push")
			}
		}
	}()
	return func() { close(over) }
}

// program is how this command was most likely called.
func program() string {
	path, err := os.Executable()
	switch {
	case err == nil && strings.Contains(path, "go-build"):
		return "go run ./agent"
	case installed("agent"):
		return "agent"
	}
	return os.Args[0]
}

// script plays one round of everything.
func (d *demoWorld) script(ctx context.Context) error {
	d.heading("First apply: an empty cluster, six guests and their data in Git")
	if err := d.apply(ctx); err != nil {
		return err
	}
	d.heading("A commit is pushed: lab-coder gets more memory, lab-wiki is new, lab-certbot is gone")
	if err := d.push(ctx, "Give coder more memory, add a wiki, retire certbot", demoEdit); err != nil {
		return err
	}
	d.say("pushed to %s", d.gitURL)
	d.heading("Meanwhile somebody changes lab-proxy by hand: its tags, and its start at boot")
	d.tamper()
	d.heading("agent drift")
	rep, err := d.turn(ctx, report.Drift)
	if err != nil {
		return err
	}
	if err := (&view{format: "text"}).show(d.streams, rep); err != nil {
		return err
	}
	if !rep.Differs() {
		return errors.New("the demo went wrong: a pushed commit and a change by hand must show as differences")
	}
	d.heading("The loop closes the difference")
	if err := d.apply(ctx); err != nil {
		return err
	}
	d.heading("agent drift")
	if rep, err = d.turn(ctx, report.Drift); err != nil {
		return err
	}
	if err := (&view{format: "text"}).show(d.streams, rep); err != nil {
		return err
	}
	if rep.Differs() {
		return errors.New("the demo went wrong: after an apply nothing may differ")
	}
	fmt.Fprintf(d.streams.Out, "\nno differences. Start `%s demo` to push to it yourself.\n", program())
	return nil
}

// apply makes turns until one leaves nothing more to do.
func (d *demoWorld) apply(ctx context.Context) error {
	for range 3 {
		rep, err := d.turn(ctx, report.Run)
		if err != nil {
			return err
		}
		if rep.Error != "" || rep.Summary.Failed > 0 {
			_ = (&view{format: "text"}).show(d.streams, rep)
			return errors.New("the demo went wrong: a step failed")
		}
		if d.wiring.turner.Retry().IsZero() {
			return nil
		}
	}
	return errors.New("the demo went wrong: it does not come to rest")
}

func (d *demoWorld) turn(ctx context.Context, mode report.Mode) (*report.Report, error) {
	return d.wiring.turner.Run(ctx, turn.Request{Mode: mode})
}

// watch shows steps as they begin and end.
func (d *demoWorld) watch(e applyers.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch o := e.Outcome; {
	case e.Started:
		d.began[e.Key] = time.Now()
	case o == nil || o.Status == drift.Held:
	case o.Status == drift.Done:
		fmt.Fprintf(d.streams.Out, "  %-8s %-32s %4.1f s\n", e.Step, e.ID, time.Since(d.began[e.Key]).Seconds())
	default:
		fmt.Fprintf(d.streams.Out, "  %-8s %-32s %s: %s\n", e.Step, e.ID, o.Status, o.Reason)
	}
}

func (d *demoWorld) heading(text string) { fmt.Fprintf(d.streams.Out, "\n── %s\n\n", text) }

func (d *demoWorld) say(format string, args ...any) {
	fmt.Fprintf(d.streams.Out, "  "+format+"\n", args...)
}
