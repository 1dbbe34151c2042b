package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// The exit codes of every command.
const (
	exitSame    = 0  // nothing to do, or done
	exitError   = 1  // something went wrong
	exitDiffers = 2  // differences, or something is held
	exitUsage   = 64 // the command line is wrong
)

// streams are what a command reads, writes and knows of its surroundings.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) string
	// Color tells that Out is a terminal that shows colours, Width how wide it
	// is; 0 where that is unknown.
	Color bool
	Width int
	// Answers tells which addresses answer on the network (see [proxmox.Options]);
	// nil asks nobody.
	Answers func(ctx context.Context, addrs []netip.Addr) map[netip.Addr]string
	// Simulated is told of the demo's cluster; nil tells nobody. Tests look at the
	// requests that it gets.
	Simulated func(*pvesim.Cluster)
}

// terminal tells whether a file is one that shows colours.
func terminal(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width is how many columns a terminal has; 0 for what is none.
func width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// exit is an error that only carries a code: what there was to say is said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a mistake in the command line of a command; "" is the one that was called.
type usageError struct {
	err     error
	command string
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// run is the whole program but the exit.
func run(ctx context.Context, s streams, args []string) int {
	root := newRoot(s) //nolint:contextcheck // The commands get ctx by ExecuteContext.
	root.SetArgs(args)
	called, err := root.ExecuteContextC(ctx)
	var code exit
	var usage usageError
	switch {
	case err == nil:
		return exitSame
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(s.Err, "agent: %v\nTry: %s --help\n", err, cmp.Or(usage.command, called.CommandPath()))
		return exitUsage
	default:
		fmt.Fprintf(s.Err, "agent: %s\n", neutralLines(err.Error()))
		return exitError
	}
}

// neutralLines makes a text of several lines safe to show: errors quote what machines and
// people say that we do not know.
func neutralLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, "\t"))
		lines[i] = line[:indent] + report.Neutral(line[indent:])
	}
	return strings.Join(lines, "\n")
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "agent",
		Short: "GitOps for Proxmox: a Git repository is what runs",
		Long: `Berth keeps a Proxmox fleet as a Git repository says: guests, their
configuration by Ansible, and the names that an nginx edge routes to them.

Exit codes of every command:
  0   nothing to do, or done
  1   an error
  2   differences, or something is held
  64  the command line is wrong`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("there is no command %q", args[0])
			cmd.SuggestionsMinimumDistance = 2
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				text += "; did you mean " + strings.Join(near, " or ") + "?"
			}
			return usageError{err: errors.New(text)}
		},
	}
	root.AddCommand(newManual(s)) // Which --help does not list.
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd.CommandPath()} })
	root.PersistentFlags().StringP("config", "c", "", "the agent's settings (default "+defaultConfig+", or BERTH_CONFIG)")
	root.AddCommand(
		newRun(s), newBootstrap(s), newUnlock(s), newLock(s), newStatus(s), newHistory(s), newShow(s), newExplain(s), newDrift(s), newSync(s), newPause(s), newResume(s), newRoutes(s), newInventory(s), newValidate(s), newImport(s), newAdopt(s), newRelease(s), newSchema(s), newPermissions(s), newNotify(s), newSim(s), newDemo(s), newVersion(s),
	)
	return root
}

// atMost takes no more than n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) <= n:
			return nil
		case n == 0:
			return usageError{fmt.Errorf("%s takes no arguments, and was given %q", cmd.CommandPath(), args[0]), cmd.CommandPath()}
		}
		return usageError{fmt.Errorf("%s takes one argument, and was given %d", cmd.CommandPath(), len(args)), cmd.CommandPath()}
	}
}
