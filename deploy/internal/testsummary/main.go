// Command testsummary reads the stream of `go test -json` and prints what plain
// `go test` would: one line for each package and failures in full. The tests
// that were skipped, which plain `go test` keeps to itself, go to a file.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	os.Exit(run(os.Stdin, os.Stdout, os.Stderr, os.Args[1:]))
}

// run returns the exit code: 0 when everything passed, 1 when a test or a build
// failed or the stream could not be read, 64 for wrong usage.
func run(in io.Reader, out, complaints io.Writer, args []string) int {
	flags := flag.NewFlagSet("testsummary", flag.ContinueOnError)
	flags.SetOutput(complaints)
	skippedFile := flags.String("skipped", "", "write the skipped tests to this `file`, one \"package.Test: reason\" a line")
	if err := flags.Parse(args); err != nil {
		return 64
	}
	result, err := summarize(in, out)
	if err != nil {
		fmt.Fprintf(complaints, "testsummary: %v\n", err)
		return 1
	}
	if *skippedFile != "" {
		var text strings.Builder
		for _, s := range result.Skipped {
			text.WriteString(s + "\n")
		}
		if err := os.WriteFile(*skippedFile, []byte(text.String()), 0o600); err != nil {
			fmt.Fprintf(complaints, "testsummary: %v\n", err)
			return 1
		}
	}
	if result.Failed {
		return 1
	}
	return 0
}
