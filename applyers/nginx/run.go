package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// outputMax bounds what is kept of what a program prints.
const outputMax = 16 << 10

// run runs a program to its end and gives the first part of what it printed.
func run(ctx context.Context, argv []string) ([]byte, error) {
	if len(argv) == 0 {
		return nil, errors.New("there is no command to run")
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	out := &bounded{}
	cmd.Stdout, cmd.Stderr = out, out
	// A grandchild may hold the pipe.
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	return out.Bytes(), err
}

// bounded keeps the first part of what is written to it.
type bounded struct{ bytes.Buffer }

// Write never fails, so that the program goes on.
func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, outputMax-b.Len()))])
	return len(p), nil
}

// command runs one of the edge's commands with a time limit. Its error holds
// what the program said.
func (a *Applyer) command(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := a.run(ctx, argv)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	said := strings.Join(strings.Fields(string(out)), " ")
	if said == "" {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, said)
}
