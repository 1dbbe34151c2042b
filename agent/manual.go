package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManual makes the command that packages are made with; people read what it wrote.
func newManual(streams) *cobra.Command {
	return &cobra.Command{
		Use:   "manual DIRECTORY",
		Short: "Write a manual page of each command",
		Long: `Write a manual page of each command into a directory, made when it is missing:
agent.1 and one for each sub-command, as agent-run.1. They say what --help says.`,
		Example: "  agent manual ~/.local/share/man/man1 && man agent-sync",
		Hidden:  true,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs the directory to write to", cmd.CommandPath()), cmd.CommandPath()}
			}
			return writeManual(cmd.Root(), args[0])
		},
	}
}

// writeManual writes the pages of a command and of all that it has.
func writeManual(c *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Everybody reads manuals.
		return fmt.Errorf("write the manual: %w", err)
	}
	for _, sub := range manualOf(c) {
		if err := writeManual(sub, dir); err != nil {
			return err
		}
	}
	file := filepath.Join(dir, pageName(c)+".1")
	if err := os.WriteFile(file, manualPage(c), 0o644); err != nil { //nolint:gosec // Everybody reads manuals.
		return fmt.Errorf("write the manual: %w", err)
	}
	return nil
}

// manualOf lists the commands below one that people are told of, in --help's order.
func manualOf(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			all = append(all, sub)
		}
	}
	return all
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manualPage is a command's page, in the words of its --help. No date is in it: the
// same program writes the same pages.
func manualPage(c *cobra.Command) []byte {
	var b bytes.Buffer
	name := pageName(c)
	fmt.Fprintf(&b, ".TH %q 1 %q %q %q\n.nh\n.ad l\n", strings.ToUpper(name), "", "Berth "+version(), "Berth")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	if c.HasAvailableSubCommands() && c.Runnable() {
		fmt.Fprintf(&b, ".br\n.B %s\n", roff(c.CommandPath()+" COMMAND …"))
	}
	b.WriteString(".SH DESCRIPTION\n")
	prose(&b, c.Long)
	if subs := manualOf(c); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(pageName(sub)), roff(sub.Short))
		}
	}
	b.WriteString(".SH OPTIONS\n")
	options(&b, c.NonInheritedFlags())
	options(&b, c.InheritedFlags())
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		verbatim(&b, strings.Split(c.Example, "\n"))
	}
	b.WriteString(".SH SEE ALSO\n")
	if c.HasParent() {
		fmt.Fprintf(&b, ".BR %s (1),\n", roff(pageName(c.Parent())))
	}
	b.WriteString(".BR agent.yaml (5)\n")
	return b.Bytes()
}

// prose writes paragraphs. Those in which a line is indented are lists and examples,
// and stay as they are.
func prose(b *bytes.Buffer, text string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(paragraph, "\n")
		b.WriteString(".PP\n")
		for len(lines) > 0 && !strings.HasPrefix(lines[0], " ") {
			fmt.Fprintln(b, roff(lines[0]))
			lines = lines[1:]
		}
		verbatim(b, lines)
	}
}

// verbatim writes lines that are not to be filled.
func verbatim(b *bytes.Buffer, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString(".RS 2\n.nf\n")
	for _, line := range lines {
		fmt.Fprintln(b, roff(strings.TrimPrefix(line, "  ")))
	}
	b.WriteString(".fi\n.RE\n")
}

// options writes flags as --help shows them.
func options(b *bytes.Buffer, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		text := "--" + f.Name
		if f.Shorthand != "" {
			text = "-" + f.Shorthand + ", " + text
		}
		if value != "" {
			text += " " + value
		}
		switch f.DefValue {
		case "", "false", "[]", "0", "0s":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(text), roff(usage))
	})
}

// roff writes text so that it is shown as it stands: without its own letters for
// quotes and dashes, and as no request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
