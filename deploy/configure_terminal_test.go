//go:build linux

package deploy_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pseudoTerminal opens the two ends of a terminal.
func pseudoTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	number, err := unix.IoctlGetUint32(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// terminal runs one of the agent's commands on a terminal of its own. Somebody sits
// there who types a line each time that the command asks for one: that what it has
// printed ends with ": ".
func (c *configured) terminal(t *testing.T, lines []string, args ...string) (output string, code int) {
	t.Helper()
	person, program := pseudoTerminal(t)
	cmd := c.agent.command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	// Nobody may look for it elsewhere: it is the session's own terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = program.Close()
	kill := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var said strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := person.Read(buffer)
		said.Write(buffer[:n])
		if n > 0 && strings.HasSuffix(said.String(), ": ") && len(lines) > 0 {
			if _, err := person.WriteString(lines[0] + "\n"); err != nil {
				t.Fatal(err)
			}
			lines = lines[1:]
		}
		if err != nil {
			break // The command has ended: a terminal without a program answers EIO.
		}
	}
	err := cmd.Wait()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	c.canaries.said("agent "+strings.Join(args, " ")+" on a terminal", said.String())
	return strings.ReplaceAll(said.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

var errNotYet = errors.New("not yet")
