package guestbed

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// GuestAgent speaks with the QEMU guest agent of a machine (its protocol is one JSON
// object a line), as Proxmox does.
type GuestAgent struct {
	socket string
	mu     sync.Mutex // One speaks at a time.
	syncs  atomic.Int64
}

// NoAnswerError is that no agent answers: the machine has not booted so far, or is
// going down.
type NoAnswerError struct{ Err error }

func (e *NoAnswerError) Error() string { return "the guest agent does not answer: " + e.Err.Error() }

// Unwrap gives what came in place of an answer.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// RefusedError is an agent's own error.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// answerTime is how long an emulated machine may take for an answer; Proxmox waits 3 s.
const answerTime = 10 * time.Second

// Ask gives the agent a command and returns what it answers.
func (a *GuestAgent) Ask(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", a.socket)
	if err != nil {
		return nil, &NoAnswerError{err}
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	answers := bufio.NewReader(conn)
	// Answers to those who have left may come first.
	id := a.syncs.Add(1)
	if err := say(conn, "guest-sync", map[string]any{"id": id}); err != nil {
		return nil, err
	}
	for {
		answer, err := hear(answers)
		if err != nil {
			return nil, err
		}
		if string(answer.Return) == strconv.FormatInt(id, 10) {
			break
		}
	}
	if err := say(conn, command, arguments); err != nil {
		return nil, err
	}
	answer, err := hear(answers)
	switch {
	case err != nil:
		return nil, err
	case answer.Error != nil:
		return nil, &RefusedError{answer.Error.Desc}
	}
	return answer.Return, nil
}

type agentAnswer struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
}

func say(to io.Writer, command string, arguments any) error {
	line := map[string]any{"execute": command}
	if arguments != nil {
		line["arguments"] = arguments
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write %s: %w", command, err)
	}
	if _, err := to.Write(append(text, '\n')); err != nil {
		return &NoAnswerError{err}
	}
	return nil
}

func hear(from *bufio.Reader) (agentAnswer, error) {
	var answer agentAnswer
	line, err := from.ReadBytes('\n')
	if err != nil {
		return answer, &NoAnswerError{err}
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return answer, fmt.Errorf("the guest agent answers %q: %w", line, err)
	}
	return answer, nil
}

// ReadFile reads a file of the machine, as file-read of Proxmox does.
func (a *GuestAgent) ReadFile(ctx context.Context, path string) (string, error) {
	handle, err := a.Ask(ctx, "guest-file-open", map[string]any{"path": path, "mode": "r"})
	if err != nil {
		return "", err
	}
	defer func() { _, _ = a.Ask(ctx, "guest-file-close", map[string]any{"handle": handle}) }()
	answer, err := a.Ask(ctx, "guest-file-read", map[string]any{"handle": handle, "count": 1 << 20})
	if err != nil {
		return "", err
	}
	var part struct {
		Content []byte `json:"buf-b64"`
	}
	if err := json.Unmarshal(answer, &part); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return string(part.Content), nil
}

// Run runs a command to its end.
func (a *GuestAgent) Run(ctx context.Context, args []string) (out, said string, code int, err error) {
	answer, err := a.Ask(ctx, "guest-exec", map[string]any{"path": args[0], "arg": args[1:], "capture-output": true})
	if err != nil {
		return "", "", 0, err
	}
	var started struct{ PID int }
	if err := json.Unmarshal(answer, &started); err != nil {
		return "", "", 0, fmt.Errorf("start %s: %w", args[0], err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := a.Ask(ctx, "guest-exec-status", map[string]any{"pid": started.PID})
		if err != nil {
			return "", "", 0, err
		}
		var status struct {
			Exited   bool
			ExitCode int
			Signal   int
			Out      string `json:"out-data"`
			Err      string `json:"err-data"`
			Cut      bool   `json:"out-truncated"`
		}
		if err := json.Unmarshal(answer, &status); err != nil {
			return "", "", 0, fmt.Errorf("see whether %s has ended: %w", args[0], err)
		}
		if status.Exited {
			if status.Cut || status.Signal != 0 {
				return "", "", 0, fmt.Errorf("%s ended by signal %d, its output cut: %t", strings.Join(args, " "), status.Signal, status.Cut)
			}
			stdout, _ := base64.StdEncoding.DecodeString(status.Out)
			stderr, _ := base64.StdEncoding.DecodeString(status.Err)
			return string(stdout), string(stderr), status.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return "", "", 0, ctx.Err()
		case <-tick.C:
		}
	}
}
