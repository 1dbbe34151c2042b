package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/history"
	"berth/agent/internal/web"
	"berth/drift/report"
)

// showAsked is what the command line asks of a turn.
type showAsked struct {
	view
	log  bool
	file string
}

func newShow(s streams) *cobra.Command {
	var ask showAsked
	cmd := &cobra.Command{
		Use:   "show [TURN]",
		Short: "Show a turn as it was: its report, its log, what its playbooks put out",
		Long: `Show the report of a turn as it was, and where the rest of it is. TURN is an id, as
agent history lists them, or a beginning of one that no other has; last, which it is
unless something is said; or last-failed.

--log shows what was logged while it was made, --file what one of its steps has put out,
as it came: read that with less.

Where an agent is running, it is asked; else the state directory is read.`,
		Example: `  agent show
  agent show last-failed
  agent show 20261121T1402 --output markdown
  agent show last --log
  agent show last --file play.base.run.log | less`,
		Args:              atMost(1),
		ValidArgsFunction: completeTurns(s, "last", "last-failed"),
		RunE: func(cmd *cobra.Command, args []string) error {
			word := turnWord(args)
			if err := ask.check(); err != nil {
				return err
			}
			if ask.log && ask.file != "" {
				return usageError{errors.New("--log and --file each say what is shown: keep one of them"), cmd.CommandPath()}
			}
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			switch {
			case ask.log:
				return ask.showLog(cmd.Context(), s, settings, word)
			case ask.file != "":
				return ask.showFile(cmd.Context(), s, settings, word)
			}
			return ask.showTurn(cmd.Context(), s, settings, word)
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&ask.log, "log", false, "what was logged; with --output json, as it is kept")
	cmd.Flags().StringVar(&ask.file, "file", "", "what a step has put out: a file that the turn's report names")
	_ = cmd.RegisterFlagCompletionFunc("file", completeOutputs(s))
	return cmd
}

func (ask *showAsked) showTurn(ctx context.Context, s streams, settings *config.Settings, word string) error {
	shown, err := pastTurn(ctx, settings, word)
	if err != nil {
		return err
	}
	if ask.format == "json" {
		return printJSON(s, shown)
	}
	rep, err := report.Read(bytes.NewReader(shown.Report))
	if err != nil {
		return err
	}
	if ask.format == "text" {
		fmt.Fprintln(s.Out, turnHeading(shown.Turn))
		rep.Turn = "" // The heading has it.
	}
	if err := ask.show(s, rep); err != nil || ask.format != "text" {
		return err
	}
	shownRest(s, shown)
	return nil
}

// completeOutputs offers what the steps of the turn that is asked for have put out.
func completeOutputs(s streams) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		settings, err := loadSettings(cmd, s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		shown, err := pastTurn(cmd.Context(), settings, turnWord(args))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		for _, f := range shown.Outputs {
			words = append(words, f.Name)
		}
		return beginning(words, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// turnWord is which turn the command line asks for.
func turnWord(args []string) string {
	if len(args) == 0 {
		return "last"
	}
	return args[0]
}

// pastTurn is a turn as it was.
func pastTurn(ctx context.Context, settings *config.Settings, word string) (*history.Shown, error) {
	return past(
		func() (*history.Shown, error) { return web.NewClient(settings.Socket).Show(ctx, word) },
		func() (*history.Shown, error) { return archive(settings).Show(word) },
	)
}

// turnHeading is which turn it was, when, and why it was made where that is known.
func turnHeading(t history.Turn) string {
	text := "turn " + t.ID + " · " + t.Started.UTC().Format("2 Jan 2006 15:04:05 UTC")
	return report.Neutral(strings.TrimSuffix(text+" · "+t.Why, " · "))
}

// shownRest says what else is kept of a turn, and how it is shown.
func shownRest(s streams, shown *history.Shown) {
	if shown.Log || len(shown.Outputs) > 0 {
		fmt.Fprintln(s.Out, "\nthe same command shows, with")
	}
	if shown.Log {
		fmt.Fprintln(s.Out, "  --log: its log")
	}
	for _, f := range shown.Outputs {
		fmt.Fprintf(s.Out, "  --file %s: what a step put out (%d KiB)\n", report.Neutral(f.Name), (f.Size+1023)>>10)
	}
}

// whole reads all of a file that was opened.
func whole(f io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func (ask *showAsked) showFile(ctx context.Context, s streams, settings *config.Settings, word string) error {
	text, err := past(
		func() ([]byte, error) { return web.NewClient(settings.Socket).Output(ctx, word, ask.file) },
		func() ([]byte, error) { return whole(archive(settings).Output(word, ask.file)) },
	)
	if err != nil {
		return err
	}
	_, err = s.Out.Write(text)
	return err
}

func (ask *showAsked) showLog(ctx context.Context, s streams, settings *config.Settings, word string) error {
	text, err := past(
		func() ([]byte, error) { return web.NewClient(settings.Socket).TurnLog(ctx, word) },
		func() ([]byte, error) { return whole(archive(settings).Log(word)) },
	)
	if err != nil {
		return err
	}
	if ask.format == "json" {
		_, err = s.Out.Write(text)
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		fmt.Fprintln(s.Out, logLine(lines.Bytes()))
	}
	return lines.Err()
}

// logLine is a line of the log for people; one that was cut off is shown as it is.
func logLine(line []byte) string {
	var all map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if dec.Decode(&all) != nil {
		return report.Neutral(string(line))
	}
	at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(all["time"]))
	words := []string{fmt.Sprintf("%s %-5v %v", at.UTC().Format("15:04:05.000"), all["level"], all["msg"])}
	for _, known := range []string{"time", "level", "msg", "turn"} {
		delete(all, known)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := fmt.Sprint(all[key])
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && key == "duration" {
			value = time.Duration(n).Round(time.Millisecond).String()
		}
		if strings.ContainsAny(value, " \"=\n") || value == "" {
			value = fmt.Sprintf("%q", value)
		}
		words = append(words, key+"="+value)
	}
	return report.Neutral(strings.Join(words, " "))
}
