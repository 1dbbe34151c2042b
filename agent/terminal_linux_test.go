package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// askingChild marks the process that asks, which is this test again.
const askingChild = "BERTH_TEST_ASKS"

// TestTerminalIsNotLeftMute ends a program that asks for a passphrase twice by what a
// person types, and by closing the window: the terminal shows again what is typed, and
// what was typed before is nowhere.
func TestTerminalIsNotLeftMute(t *testing.T) {
	if os.Getenv(askingChild) != "" {
		typist, err := openTerminal(streams{In: os.Stdin}, "agent unlock")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = typist.ask(t.Context(), "Passphrase: "); err == nil {
			<-time.After(100 * time.Millisecond) // Whoever types ahead does so now.
			_, err = typist.ask(t.Context(), "Once more: ")
		}
		typist.close()
		if err == nil {
			t.Log("both were typed")
		}
		return
	}
	for what, end := range map[string]func(person *os.File, child *os.Process) error{
		"quit": func(person *os.File, _ *os.Process) error {
			_, err := person.WriteString("hunter2\x1c") // Ctrl-\.
			return err
		},
		"typed ahead": func(person *os.File, _ *os.Process) error {
			_, err := person.WriteString("hunter2\n")
			<-time.After(50 * time.Millisecond)
			_, more := person.WriteString("hunter2\n")
			return errors.Join(err, more)
		},
		"hung up": func(_ *os.File, child *os.Process) error { return child.Signal(syscall.SIGHUP) },
	} {
		person, program := openPair(t)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTerminalIsNotLeftMute$")
		cmd.Env = append(os.Environ(), askingChild+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		var said strings.Builder
		buffer := make([]byte, 4096)
		for !strings.Contains(said.String(), "Passphrase: ") {
			n, err := person.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(buffer[:n])
		}
		if shows(t, program) {
			t.Errorf("%s: the terminal shows what is typed", what)
		}
		if err := end(person, cmd.Process); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		kill.Stop()
		if !shows(t, program) {
			t.Errorf("%s: the terminal is mute", what)
		}
		_ = program.Close()
		for {
			n, err := person.Read(buffer)
			said.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		if text := said.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "goroutine") {
			t.Errorf("%s: it says\n%s", what, text)
		}
	}
}

// openPair opens the two ends of a terminal.
func openPair(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)); err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// shows tells whether a terminal shows what is typed.
func shows(t *testing.T, terminal *os.File) bool {
	t.Helper()
	is, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return is.Lflag&unix.ECHO != 0
}
